"""Named models: the miniature trained and shipped here, and the released bases."""

from dataclasses import replace
from typing import Literal

from interactvlm.config import (
    InteractVLMConfig,
    LanguageConfig,
    LocalizerConfig,
    LoraConfig,
    TokenConfig,
    VisionConfig,
)
from interactvlm.errors import InputError


def preset(name: Literal["mini", "lisa-7b", "lisa-13b"] | str) -> InteractVLMConfig:
    """A named model: `mini` is trained and shipped here, the others are the released bases."""
    builders = {"mini": _mini, "lisa-7b": _lisa_7b, "lisa-13b": _lisa_13b}
    if name not in builders:
        raise InputError(f"unknown preset {name!r}; known are {sorted(builders)}")
    return builders[name]()


def _mini() -> InteractVLMConfig:
    return InteractVLMConfig(
        vision=VisionConfig(
            kind="perception", image_size_px=128, patch_px=16, width=160, depth=2, heads=4,
            mlp_width=320, options={"objects": 18, "fine": 48, "middle": 96},
        ),
        language=LanguageConfig(
            vocab_size=1024, hidden=160, layers=3, heads=4, key_value_heads=4, mlp_width=448,
            max_positions=512, projector="mlp",
        ),
        localizer=LocalizerConfig(
            image_size_px=512, patch_px=16, width=96, depth=2, heads=4, window=0, global_blocks=(),
            dim=128, decoder_heads=4, decoder_mlp_width=256, attention_downsample=2,
            decoders="separate", prompt_mode="own_view", patches="covered",
        ),
        tokens=TokenConfig(strip_around=("<HCON>", "<OCON>")),
        view_resolution_px=512,
        lift_resolution_px=512,
        template_style="short",
    )  # fmt: skip


def _lisa(language: LanguageConfig) -> InteractVLMConfig:
    return InteractVLMConfig(
        vision=VisionConfig(framing="centre_crop"),
        language=language,
        tokens=TokenConfig(
            human="[SEG]", object="[SEG]", pad="<unk>", image_start="<im_start>",
            image_end="<im_end>",
            strip_around=("[SEG]", "[HSEG]", "[OSEG]", "<im_start>", "<im_end>"),
        ),
        topology="smplh",
        max_new_tokens=512,
    )  # fmt: skip


def _lisa_7b() -> InteractVLMConfig:
    # Built on the first Llama: another epsilon, half the positions, one more token.
    base = _lisa(
        LanguageConfig(
            vocab_size=32004, hidden=4096, layers=32, heads=32, key_value_heads=32,
            mlp_width=11008, rms_eps=1e-6, max_positions=2048, lora=LoraConfig(rank=8),
        )
    )  # fmt: skip
    return replace(base, tokens=replace(base.tokens, more=("<im_patch>",)))


def _lisa_13b() -> InteractVLMConfig:
    return _lisa(LanguageConfig(lora=LoraConfig(rank=8)))
