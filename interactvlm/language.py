"""A LLaVA-style model: photo tower, projector, Llama decoder; states of the words come out.

transformers' own Llava class has a fixed two-layer projector and does not fit the released
weights, so the parts are composed here. Knows token ids and tensors; knows no text, no contact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from interactvlm.config import InteractVLMConfig, LanguageConfig, VisionConfig
from interactvlm.errors import InputError
from interactvlm.preprocessing import clip_pixels, crop_to_box, pad_to_square
from interactvlm.tokens import IMAGE_ID


class VisionTower(Protocol):
    """What the language model needs of a photo tower; implementations are `nn.Module`s."""

    num_tokens: int
    width: int

    def preprocess(self, images: list[Image.Image]) -> Tensor:
        """Photos to one batch of pixel values."""
        ...

    def __call__(self, pixel_values: Tensor) -> Float[Tensor, "batch tokens width"]:
        """One vector per image token."""
        ...


class ClipTower(nn.Module):
    """A CLIP ViT read at one hidden layer, class token left out, as LLaVA does."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.num_tokens = (config.image_size_px // config.patch_px) ** 2
        self.width = config.width
        self.clip = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=config.width,
                intermediate_size=config.mlp_width,
                num_hidden_layers=config.depth,
                num_attention_heads=config.heads,
                image_size=config.image_size_px,
                patch_size=config.patch_px,
            )
        )

    def preprocess(self, images: list[Image.Image]) -> Float[Tensor, "batch 3 size size"]:
        """Shortest side to the tower's size, centre crop, CLIP mean and std."""
        return torch.stack([clip_pixels(i, self.config.image_size_px) for i in images])

    def forward(
        self, pixel_values: Float[Tensor, "batch 3 size size"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Patch vectors of the configured hidden layer."""
        states = self.clip(pixel_values, output_hidden_states=True).hidden_states
        return states[self.config.feature_layer][:, 1:]


@dataclass(frozen=True)
class LanguageOutput:
    """States after the final norm and the logits of the next token, image positions included."""

    hidden: Float[Tensor, "batch expanded hidden"]
    logits: Float[Tensor, "batch expanded vocab"]


class LanguageModel(nn.Module):
    """Photo tower, projector and decoder."""

    def __init__(self, config: InteractVLMConfig) -> None:
        super().__init__()
        self.config = config.language
        self.vision: Any = build_tower(config.vision)
        self.projector = _projector(config.language, self.vision.width)
        self.llama: Any = LlamaForCausalLM(_llama_config(config.language))
        self.num_image_tokens: int = self.vision.num_tokens

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the decoder."""
        return self.llama.model.embed_tokens.weight.dtype

    def encode_image(self, pixel_values: Tensor) -> Float[Tensor, "batch patches hidden"]:
        """Photos to vectors in the decoder's space: the slow step, once per photo."""
        # The tower may be more precise than the decoder.
        tower_dtype = next(self.vision.parameters()).dtype
        return self.projector(self.vision(pixel_values.to(tower_dtype)).to(self.dtype))

    def embed(
        self,
        input_ids: Int[Tensor, "batch tokens"],
        image_tokens: Float[Tensor, "batch patches hidden"] | None = None,
    ) -> Float[Tensor, "batch expanded hidden"]:
        """Word vectors with the one image place of each row replaced by its image tokens."""
        places = input_ids == IMAGE_ID
        words = self.llama.model.embed_tokens(input_ids.masked_fill(places, 0))
        if image_tokens is None:
            if places.any():
                raise InputError("input_ids hold an image place but no image tokens were given")
            return words
        if not (places.sum(1) == 1).all():
            raise InputError(
                f"every row needs exactly one image place, found {places.sum(1).tolist()}"
            )
        rows = []
        starts = places.int().argmax(1).tolist()
        for row, at, image in zip(words, starts, image_tokens, strict=True):
            rows.append(torch.cat([row[:at], image, row[at + 1 :]]))
        return torch.stack(rows)

    def expand(
        self,
        values: Int[Tensor, "batch tokens"] | Bool[Tensor, "batch tokens"],
        input_ids: Int[Tensor, "batch tokens"],
        fill: int | bool,
    ) -> Tensor:
        """Per-token values (labels, masks) at the length `embed` gives, `fill` at images."""
        rows = []
        for row, at in zip(values, (input_ids == IMAGE_ID).int().argmax(1).tolist(), strict=True):
            image = row.new_full((self.num_image_tokens,), fill)
            rows.append(torch.cat([row[:at], image, row[at + 1 :]]))
        return torch.stack(rows)

    def forward(
        self,
        input_ids: Int[Tensor, "batch tokens"],
        image_tokens: Float[Tensor, "batch patches hidden"] | None = None,
        attention: Bool[Tensor, "batch tokens"] | None = None,
    ) -> LanguageOutput:
        """All positions at once, for training; rows are padded on the right."""
        hidden = self.states(input_ids, image_tokens, attention)
        return LanguageOutput(hidden=hidden, logits=self.llama.lm_head(hidden))

    def states(
        self,
        input_ids: Int[Tensor, "batch tokens"],
        image_tokens: Float[Tensor, "batch patches hidden"] | None = None,
        attention: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch expanded hidden"]:
        """`forward` without the vocabulary: a loss on few positions needs few rows of logits."""
        embeddings = self.embed(input_ids, image_tokens)
        if attention is not None and image_tokens is not None:
            attention = self.expand(attention, input_ids, True)
        mask = None if attention is None else attention.long()
        return self.llama.model(
            inputs_embeds=embeddings, attention_mask=mask, use_cache=False
        ).last_hidden_state

    def emitting(
        self, input_ids: Int[Tensor, "batch tokens"], token_id: int
    ) -> tuple[Int[Tensor, "queries"], Int[Tensor, "queries"]]:
        """(row, expanded position) of the state that predicts each occurrence of a token.

        That is the position before the token: the same state a generation step has in hand when
        it emits the token. Source: LISA, `seg_token_mask` shifted by one.
        """
        row, at = (input_ids == token_id).nonzero(as_tuple=True)
        has_image = (input_ids[row] == IMAGE_ID).any(1)
        return row, at - 1 + has_image * (self.num_image_tokens - 1)

    def add_lora(self) -> None:
        """Puts fresh low-rank adapters on the configured layers; everything else is untouched."""
        from peft import LoraConfig as PeftConfig
        from peft import inject_adapter_in_model

        lora = self.config.lora
        if lora.rank <= 0:
            raise InputError(f"the config has no adapters (lora.rank = {lora.rank})")
        inject_adapter_in_model(
            PeftConfig(
                r=lora.rank,
                lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]
                lora_dropout=lora.dropout,
                target_modules=list(lora.targets),
            ),
            self.llama,
        )

    def merge_lora(self) -> None:
        """Folds the adapters into their layers, computed in float32 whatever the stored type."""
        for parent in list(self.llama.modules()):
            for name, child in list(parent.named_children()):
                if hasattr(child, "lora_A"):
                    child.base_layer.weight.data = merged_weight(child)
                    setattr(parent, name, child.base_layer)


def merged_weight(layer: Any) -> Float[Tensor, "out in"]:
    """Weight of an adapted layer with its adapter folded in, in the layer's own number type."""
    base = layer.base_layer.weight
    low, high = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    delta = layer.scaling["default"] * (high.float() @ low.float())
    return (base.float() + delta).to(base.dtype).detach()


def merged_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """State dict under the names of a model without adapters; the module itself is unchanged."""
    layers = {name: m for name, m in module.named_modules() if hasattr(m, "lora_A")}
    state: dict[str, Tensor] = {}
    for key, value in module.state_dict().items():
        owner = next((n for n in layers if key.startswith(n + ".")), None)
        if owner is None:
            state[key] = value
        elif key == f"{owner}.base_layer.weight":
            state[f"{owner}.weight"] = merged_weight(layers[owner])
        elif key.startswith(f"{owner}.base_layer."):
            state[owner + key.removeprefix(f"{owner}.base_layer")] = value
    return state


def build_tower(config: VisionConfig) -> nn.Module:
    """The photo tower the config names."""
    if config.kind == "clip":
        return ClipTower(config)
    from interactvlm.perception import PerceptionTower

    return PerceptionTower(config)


def frame_photo(
    image: Image.Image, config: VisionConfig, box_xyxy_px: Sequence[int | float] | None = None
) -> Image.Image:
    """What of a photo the tower sees: the square around the box, or all of it.

    A tower with `centre_crop` framing gets the whole photo as it is and crops it itself.
    """
    if box_xyxy_px is not None:
        return crop_to_box(image, box_xyxy_px)
    return image if config.framing == "centre_crop" else pad_to_square(image)


def _projector(config: LanguageConfig, width: int) -> nn.Module:
    if config.projector == "linear":
        return nn.Linear(width, config.hidden)
    return nn.Sequential(
        nn.Linear(width, config.hidden), nn.GELU(), nn.Linear(config.hidden, config.hidden)
    )


def _llama_config(config: LanguageConfig) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden,
        intermediate_size=config.mlp_width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.key_value_heads,
        max_position_embeddings=config.max_positions,
        rms_norm_eps=config.rms_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        use_cache=False,
    )
