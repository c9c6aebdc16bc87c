"""Keys and shapes of published checkpoints, written from their description and not from our
rules, and tiny checkpoints of the same keys.

Source of the tables: the module trees of segment-anything, LISA, InteractVLM and CLIP.
"""

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file


@dataclass(frozen=True)
class Sizes:
    """Widths and depths; the defaults are those of every InteractVLM release."""

    vocab: int = 32003
    hidden: int = 5120
    layers: int = 40
    heads: int = 40
    mlp: int = 13824
    clip_width: int = 1024
    sam_width: int = 1280
    sam_depth: int = 32
    sam_heads: int = 16
    window: int = 14
    global_blocks: tuple[int, ...] = (7, 15, 23, 31)
    grid: int = 64
    patch: int = 16
    dim: int = 256
    decoder_mlp: int = 2048
    camera: str = "vi_v1"
    splitter: bool = False
    separate: bool = False


LISA_7B = Sizes(vocab=32004, hidden=4096, layers=32, heads=32, mlp=11008, camera="none")
TINY = Sizes(
    vocab=0, hidden=32, layers=2, heads=4, mlp=48, clip_width=16, sam_width=16, sam_depth=2,
    sam_heads=2, window=3, global_blocks=(1,), grid=4, dim=32, decoder_mlp=64,
)  # fmt: skip
"""The vocabulary is set by the tokenizer at hand."""
SAM_SIZES = {
    "ViT-B": Sizes(sam_width=768, sam_depth=12, sam_heads=12, global_blocks=(2, 5, 8, 11)),
    "ViT-L": Sizes(sam_width=1024, sam_depth=24, global_blocks=(5, 11, 17, 23)),
    "ViT-H": Sizes(),
}


def linear(name, outside, *inside):
    """A weight and its bias."""
    return {f"{name}.weight": (outside, *inside), f"{name}.bias": (outside,)}


def norm(name, width):
    """Weight and bias of a norm."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def language_shapes(s):
    """Llama with LISA's additions; 10 keys a layer."""
    shapes = {
        "model.embed_tokens.weight": (s.vocab, s.hidden),
        "lm_head.weight": (s.vocab, s.hidden),
    }
    for i in range(s.layers):
        at = f"model.layers.{i}"
        for name in "qkvo":
            shapes[f"{at}.self_attn.{name}_proj.weight"] = (s.hidden, s.hidden)
        shapes[f"{at}.self_attn.rotary_emb.inv_freq"] = (s.hidden // s.heads // 2,)
        shapes[f"{at}.mlp.gate_proj.weight"] = (s.mlp, s.hidden)
        shapes[f"{at}.mlp.up_proj.weight"] = (s.mlp, s.hidden)
        shapes[f"{at}.mlp.down_proj.weight"] = (s.hidden, s.mlp)
        shapes[f"{at}.input_layernorm.weight"] = (s.hidden,)
        shapes[f"{at}.post_attention_layernorm.weight"] = (s.hidden,)
    shapes["model.norm.weight"] = (s.hidden,)
    shapes |= linear("model.mm_projector", s.hidden, s.clip_width)
    shapes |= linear("model.text_hidden_fcs.0.0", s.hidden, s.hidden)
    return shapes | linear("model.text_hidden_fcs.0.2", s.dim, s.hidden)


def image_encoder_shapes(s):
    width, head = s.sam_width, s.sam_width // s.sam_heads
    shapes = {"pos_embed": (1, s.grid, s.grid, width)}
    shapes |= linear("patch_embed.proj", width, 3, s.patch, s.patch)
    for i in range(s.sam_depth):
        side = s.grid if i in s.global_blocks else s.window
        shapes |= norm(f"blocks.{i}.norm1", width) | norm(f"blocks.{i}.norm2", width)
        for axis in "hw":
            shapes[f"blocks.{i}.attn.rel_pos_{axis}"] = (2 * side - 1, head)
        shapes |= linear(f"blocks.{i}.attn.qkv", 3 * width, width)
        shapes |= linear(f"blocks.{i}.attn.proj", width, width)
        shapes |= linear(f"blocks.{i}.mlp.lin1", 4 * width, width)
        shapes |= linear(f"blocks.{i}.mlp.lin2", width, 4 * width)
    shapes |= {"neck.0.weight": (s.dim, width, 1, 1), "neck.2.weight": (s.dim, s.dim, 3, 3)}
    return shapes | norm("neck.1", s.dim) | norm("neck.3", s.dim)


def prompt_encoder_shapes(s):
    shapes = {"pe_layer.positional_encoding_gaussian_matrix": (2, s.dim // 2)}
    names = [*(f"point_embeddings.{i}" for i in range(4)), "not_a_point_embed", "no_mask_embed"]
    shapes |= {f"{name}.weight": (1, s.dim) for name in names}
    down = "mask_downscaling"
    shapes |= linear(f"{down}.0", 4, 1, 2, 2) | norm(f"{down}.1", 4)
    shapes |= linear(f"{down}.3", 16, 4, 2, 2) | norm(f"{down}.4", 16)
    return shapes | linear(f"{down}.6", s.dim, 16, 1, 1)


def _attention(name, dim, inner):
    shapes = {}
    for one in "qkv":
        shapes |= linear(f"{name}.{one}_proj", inner, dim)
    return shapes | linear(f"{name}.out_proj", dim, inner)


def mask_decoder_shapes(s):
    dim, shapes = s.dim, {}
    for i in range(2):
        at = f"transformer.layers.{i}"
        shapes |= _attention(f"{at}.self_attn", dim, dim)
        shapes |= _attention(f"{at}.cross_attn_token_to_image", dim, dim // 2)
        shapes |= _attention(f"{at}.cross_attn_image_to_token", dim, dim // 2)
        shapes |= linear(f"{at}.mlp.lin1", s.decoder_mlp, dim)
        shapes |= linear(f"{at}.mlp.lin2", dim, s.decoder_mlp)
        for n in range(1, 5):
            shapes |= norm(f"{at}.norm{n}", dim)
    shapes |= _attention("transformer.final_attn_token_to_image", dim, dim // 2)
    shapes |= norm("transformer.norm_final_attn", dim)
    shapes |= {"iou_token.weight": (1, dim), "mask_tokens.weight": (4, dim)}
    for name, inside, outside in (("0", dim, dim // 4), ("3", dim // 4, dim // 8)):
        shapes[f"output_upscaling.{name}.weight"] = (inside, outside, 2, 2)
        shapes[f"output_upscaling.{name}.bias"] = (outside,)
    shapes |= norm("output_upscaling.1", dim // 4)
    heads = [(f"output_hypernetworks_mlps.{i}", dim // 8) for i in range(4)]
    for name, outside in (*heads, ("iou_prediction_head", 4)):
        shapes |= linear(f"{name}.layers.0", dim, dim) | linear(f"{name}.layers.1", dim, dim)
        shapes |= linear(f"{name}.layers.2", outside, dim)
    return shapes


def sam_shapes(s):
    """A segment-anything file."""
    parts = {
        "image_encoder": image_encoder_shapes(s),
        "prompt_encoder": prompt_encoder_shapes(s),
        "mask_decoder": mask_decoder_shapes(s),
    }
    return {f"{part}.{key}": shape for part, table in parts.items() for key, shape in table.items()}


def conditioning_shapes(s):
    """Camera encoder and attention splitter."""
    shapes, at = {}, "cam_pose_encoder"
    if s.camera == "simple":
        shapes |= linear(f"{at}.linear1", s.dim, 5)
    elif s.camera != "none":
        width = s.dim if s.camera == "view_index" else 128
        shapes |= linear(f"{at}.spatial_encoder.0", width, 5)
        shapes |= linear(f"{at}.spatial_encoder.2", width, width)
        for view in range(4):
            shapes |= linear(f"{at}.view_transforms.{view}", s.dim, width)
    if s.splitter:
        at = "attention_splitter"
        shapes |= linear(f"{at}.input_proj", 128, s.dim)
        for name in ("query_human", "query_object", "key", "value"):
            shapes |= linear(f"{at}.{name}", 128, 128)
        shapes |= linear(f"{at}.output_proj", s.dim, 128)
    return shapes


def released_shapes(s):
    """A merged InteractVLM checkpoint; without camera encoder a LISA one."""
    shapes = language_shapes(s)
    shapes |= {f"model.visual_model.{key}": shape for key, shape in sam_shapes(s).items()}
    for name in ("human_mask_decoder", "object_mask_decoder") if s.separate else ():
        table = mask_decoder_shapes(s)
        shapes |= {f"model.visual_model.{name}.{key}": shape for key, shape in table.items()}
    return shapes | conditioning_shapes(s)


def clip_shapes(width=1024, depth=24, mlp=4096, side=16, patch=14):
    """CLIP's vision tower."""
    at = "vision_model"
    shapes = {
        f"{at}.embeddings.class_embedding": (width,),
        f"{at}.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        f"{at}.embeddings.position_embedding.weight": (side * side + 1, width),
    }
    shapes |= norm(f"{at}.pre_layrnorm", width) | norm(f"{at}.post_layernorm", width)
    for i in range(depth):
        layer = f"{at}.encoder.layers.{i}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes |= linear(f"{layer}.self_attn.{name}", width, width)
        shapes |= norm(f"{layer}.layer_norm1", width) | norm(f"{layer}.layer_norm2", width)
        shapes |= linear(f"{layer}.mlp.fc1", mlp, width) | linear(f"{layer}.mlp.fc2", width, mlp)
    return shapes


def random_state(shapes):
    """Small random values, the same for the same key whatever else there is."""
    state = {}
    for key, shape in shapes.items():
        generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
        state[key] = torch.randn(shape, generator=generator) * 0.05
    return state


def settings(s, added, **changes):
    """config.json of a release."""
    values = {
        "architectures": ["InteractVLMForCausalLM"], "model_type": "llava", "hidden_act": "silu",
        "hidden_size": s.hidden, "intermediate_size": s.mlp, "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
        "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": True, "out_dim": s.dim, "vocab_size": s.vocab,
        "token_type": ("Gen-Hu-Obj" if s.splitter else "Gen") + "-DifDe" * s.separate,
        "cam_encoder_type": "vi_v1" if s.camera == "none" else s.camera,
        "multiview_cam_cond": s.camera != "none", "multiview_channels": 4,
        "seg_token_idx": added["[SEG]"], "hseg_token_idx": added.get("[HSEG]"),
        "oseg_token_idx": added.get("[OSEG]"),
    }  # fmt: skip
    return values | changes


def mixed(state):
    """Numbers as in LISA's files: what was trained or is SAM's in float32, the rest in bf16."""
    wide = ("model.visual_model.", "model.text_hidden_fcs.")
    return {k: v if k.startswith(wide) else v.to(torch.bfloat16) for k, v in state.items()}


def save_state(state, folder: Path, layout: str):
    """Weights in one of the published layouts: bin, safetensors, each single or sharded."""
    suffix, sharded = layout.removeprefix("sharded-"), layout.startswith("sharded-")
    name = {"bin": "pytorch_model.bin", "safetensors": "model.safetensors"}[suffix]
    if not sharded:
        _save(state, folder / name)
        return
    keys = list(state)
    third = len(keys) // 3 + 1
    weight_map = {}
    for i in range(3):
        shard = f"{name.split('.')[0]}-{i + 1:05}-of-00003.{suffix}"
        part = keys[i * third : (i + 1) * third]
        _save({key: state[key] for key in part}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / f"{name}.index.json").write_text(json.dumps(index))


def _save(state, path):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)


def unmerged(state, s, rank=8):
    """The same model before its adapters were merged: peft's names, an adapter on q and v."""
    out = {}
    for key, value in state.items():
        out[f"base_model.model.{key}"] = value
        if re.fullmatch(r"model\.layers\.\d+\.self_attn\.[qv]_proj\.weight", key):
            at = f"base_model.model.{key.removesuffix('.weight')}"
            halves = random_state(
                {f"{at}.lora_A": (rank, s.hidden), f"{at}.lora_B": (s.hidden, rank)}
            )
            out |= {f"{name}.default.weight": half for name, half in halves.items()}
    return out
