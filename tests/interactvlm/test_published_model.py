"""The published pipeline, photo to vertices, and one of its training steps, by golden numbers.

Everything is loaded through the key tables, as a released checkpoint would be.
"""

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm import losses
from interactvlm.checkpoints.llama_tokenizer import load_llama_tokenizer
from interactvlm.checkpoints.released import CLIP_RULES, RELEASED_RULES
from interactvlm.checkpoints.renaming import rename_keys
from interactvlm.config import (
    InteractVLMConfig,
    LanguageConfig,
    LocalizerConfig,
    TokenConfig,
    VisionConfig,
)
from interactvlm.localizer import upscale_masks
from interactvlm.model import InteractVLM
from renders.lifting import PixelSurfaceMap, lift_human_logits, lift_object_logits


def _config(keys, tokens, splitter_width):
    clip, llm, sam = keys["config"]["clip"], keys["config"]["llm"], keys["sam"]
    return InteractVLMConfig(
        vision=VisionConfig(
            image_size_px=224, patch_px=14, width=clip["hidden_size"], depth=4, heads=4,
            mlp_width=clip["intermediate_size"], framing="centre_crop",
        ),
        language=LanguageConfig(
            vocab_size=keys["vocab_size"], hidden=llm["hidden_size"], layers=3, heads=4,
            key_value_heads=4, mlp_width=llm["intermediate_size"], rms_eps=llm["rms_norm_eps"],
        ),
        localizer=LocalizerConfig(
            image_size_px=sam["img_size"], patch_px=sam["patch_size"], width=sam["embed_dim"],
            depth=sam["depth"], heads=sam["num_heads"], window=sam["window_size"],
            global_blocks=tuple(sam["global_attn_indexes"]), splitter_width=splitter_width,
        ),
        tokens=tokens,
    )  # fmt: skip


@pytest.fixture(scope="module")
def build(golden):
    """Builds the golden model: `joint` (splitter, two tokens) or single-task."""
    pytest.importorskip("sentencepiece")
    keys, arrays = golden.keys("06_language"), golden.arrays("06_language")

    def build(joint):
        special = ("[SEG]", "[HSEG]", "[OSEG]", "<im_start>", "<im_end>")
        tokens = TokenConfig(
            human="[HSEG]" if joint else "[SEG]", object="[OSEG]" if joint else "[SEG]",
            pad="<unk>", image_start="<im_start>", image_end="<im_end>", strip_around=special,
            more=special[:3],
        )  # fmt: skip
        tokenizer = load_llama_tokenizer(golden.folder / "06_tokenizer", tokens)
        model = InteractVLM(_config(keys, tokens, 128 if joint else 0), tokenizer).eval()
        table = keys["keys"]
        if not joint:
            table = {k: v for k, v in table.items() if not k.startswith("attention_splitter")}
        state = golden.weights(table, keys["set_seed"])
        state["lm_head.weight"] = torch.from_numpy(arrays["lm_head_weight"])
        renamed = rename_keys(state, RELEASED_RULES, family="InteractVLM")
        clip = golden.weights(keys["clip_keys"], keys["set_seed"])
        renamed |= rename_keys(clip, CLIP_RULES, family="CLIP")
        model.load_state_dict(renamed, strict=True)
        return model, keys, arrays

    return build


def _surface(golden, kind):
    arrays = golden.arrays("03_lifting")
    return PixelSurfaceMap.from_dense(
        torch.from_numpy(arrays[f"{kind}_pixel_to_vertices"]).long(),
        torch.from_numpy(arrays[f"{kind}_barycentric"]),
        162,
    )


def _masks(model, hidden, cameras, embeddings, target):
    prompts = model.prompt_vectors(hidden, cameras, target)
    logits = model.localizer.decode(prompts, embeddings, target)
    return upscale_masks(logits, image_size_px=128, resized_hw=(128, 128), target_hw=(64, 64))


def _close(got, wanted, atol):
    difference = np.abs(got.detach().numpy() - wanted).max()
    assert difference <= atol, f"largest difference {difference:.2e}"


@torch.no_grad()
@pytest.mark.parametrize("query", ["gen", "human", "object"])
def test_photo_to_vertices_equals_golden(build, golden, query):
    model, keys, arrays = build(query != "gen")
    language = model.language
    pixels = language.vision.preprocess([Image.fromarray(arrays["photo_uint8"])])
    ids = torch.from_numpy(arrays[f"{query}_full_ids"])[None]
    out = language(ids, language.encode_image(pixels))
    target = "object" if query == "object" else "human"
    row, at = language.emitting(ids, model._token_id(target))
    embeddings = model.localizer.encode_views(torch.from_numpy(arrays["sam_images_uint8"]))
    _close(embeddings, arrays["sam_image_embeddings"], 5e-5)
    cameras = torch.tensor(keys["cam_params"][query])
    masks = _masks(model, out.hidden[row, at], cameras, embeddings, target)
    _close(masks[0], arrays[f"{query}_masks"], 5e-5)
    lift = lift_object_logits if target == "object" else lift_human_logits
    _close(lift(_surface(golden, target), masks), arrays[f"{query}_contact"], 1e-5)


def _batch(arrays):
    pixels = [arrays["clip_pixel_values"][0], arrays["clip_pixel_values2"]]
    pixel_values = torch.from_numpy(np.stack(pixels))
    ids = torch.from_numpy(arrays["train_input_ids"])
    return pixel_values, ids, torch.from_numpy(arrays["train_attention_masks"])


def _training_losses(model, keys, arrays, surface):
    pixel_values, ids, attention = _batch(arrays)
    language = model.language
    out = language(ids, language.encode_image(pixel_values), attention)
    row, at = language.emitting(ids, model.tokenizer.human_id)
    embeddings = torch.from_numpy(arrays["sam_image_embeddings"])
    cameras = torch.tensor(keys["cam_params"]["gen"])
    masks = _masks(model, out.hidden[row, at], cameras, embeddings, "human")
    labels = language.expand(torch.from_numpy(arrays["train_labels"]), ids, -100)
    target = torch.from_numpy(arrays["train_target_masks"]).float()
    vertices = torch.from_numpy(arrays["train_target_vertices"]).float().expand(2, -1)
    parts = {
        "ce": losses.token_cross_entropy(out.logits, labels),
        "mask_bce": 2 * losses.focal_mask_loss(masks, target, target >= 0),
        "mask_dice": losses.dice_mask_loss(masks, target, target >= 0),
        "hC": 3 * losses.human_vertex_loss(lift_human_logits(surface, masks), vertices),
    }
    return parts, masks


def test_one_training_step_equals_golden(build, golden):
    model, keys, arrays = build(False)
    model.localizer.image_encoder.requires_grad_(False)
    parts, masks = _training_losses(model, keys, arrays, _surface(golden, "human"))
    _close(masks, arrays["train_pred_masks"], 5e-5)
    for name, value in parts.items():
        assert value.item() == pytest.approx(float(arrays[f"train_{name}_loss"][0]), rel=1e-5), name
    total = sum(parts.values())
    assert total.item() == pytest.approx(float(arrays["train_loss"][0]), rel=1e-5)
    total.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    for entry in (k for k in arrays if k.startswith("train_grad")):
        kind, key = entry.split(":")
        (name,) = rename_keys({key: 0}, RELEASED_RULES, family="InteractVLM")
        wanted = torch.from_numpy(arrays[entry])
        if kind == "train_grad_norm":
            assert gradients[name].norm().item() == pytest.approx(wanted.item(), rel=1e-3), key
        else:
            limit = 1e-3 * wanted.abs().max()
            assert float((gradients[name] - wanted).abs().max()) <= limit, key
