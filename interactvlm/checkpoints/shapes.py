"""Sizes of a model read off the shapes of its published weights.

What shapes cannot tell (numbers of heads of a language model, ids) comes from config.json, see
`released_config.py`. Sizes only: no tensor is read.
"""

import math
import re
from collections.abc import Iterable, Mapping

from interactvlm.config import LocalizerConfig
from interactvlm.errors import AssetError

Shapes = Mapping[str, tuple[int, ...]]

SAM_DEPTHS = {768: 12, 1024: 24, 1280: 32}
"""Blocks of the published image encoders by width. Source: segment-anything, `build_sam.py`."""
SAM_NAMES = {768: "ViT-B", 1024: "ViT-L", 1280: "ViT-H"}


def shape_of(shapes: Shapes, key: str, axes: int) -> tuple[int, ...]:
    """The shape of a key that must be there. Raises AssetError when it is not, or is odd."""
    if key not in shapes:
        raise AssetError(f"key {key!r} is missing in the checkpoint")
    if len(shapes[key]) != axes or 0 in shapes[key]:
        raise AssetError(f"key {key!r} has shape {shapes[key]}; {axes} axes are expected")
    return shapes[key]


def count_numbered(keys: Iterable[str], pattern: str) -> int:
    """One more than the largest number that the pattern's group finds; 0 when it finds none."""
    found = [re.match(pattern, key) for key in keys]
    return max((int(match[1]) + 1 for match in found if match), default=0)


def localizer_sizes(shapes: Shapes, prefix: str = "") -> LocalizerConfig:
    """The SAM parts below a prefix. Raises AssetError naming a key that is missing or odd."""
    encoder, decoder = f"{prefix}image_encoder.", f"{prefix}mask_decoder."
    width, _, patch, _ = shape_of(shapes, f"{encoder}patch_embed.proj.weight", 4)
    _, grid, _, _ = shape_of(shapes, f"{encoder}pos_embed", 4)
    depth = SAM_DEPTHS.get(width) or count_numbered(shapes, re.escape(encoder) + r"blocks\.(\d+)\.")
    spans = [
        shape_of(shapes, f"{encoder}blocks.{block}.attn.rel_pos_h", 2) for block in range(depth)
    ]
    if not spans:
        raise AssetError(f"key '{encoder}blocks.0.attn.rel_pos_h' is missing in the checkpoint")
    # A table of relative positions has 2 n - 1 rows, n the side of what a block attends to.
    sides = [(rows + 1) // 2 for rows, _ in spans]
    windows = set(sides) - {grid}
    if len(windows) > 1:
        raise AssetError(f"the blocks of {encoder!r} have windows of several sizes {windows}")
    window = max(windows, default=0)
    inner, dim = shape_of(
        shapes, f"{decoder}transformer.final_attn_token_to_image.q_proj.weight", 2
    )
    return LocalizerConfig(
        image_size_px=grid * patch,
        patch_px=patch,
        width=width,
        depth=depth,
        heads=max(1, width // spans[0][1]),
        mlp_ratio=shape_of(shapes, f"{encoder}blocks.0.mlp.lin1.weight", 2)[0] / width,
        window=window,
        global_blocks=tuple(b for b, side in enumerate(sides) if side == grid) if window else (),
        dim=dim,
        decoder_mlp_width=shape_of(shapes, f"{decoder}transformer.layers.0.mlp.lin1.weight", 2)[0],
        attention_downsample=max(1, dim // inner),
        feat_lift="none",
    )


def clip_sizes(shapes: Shapes) -> dict[str, int]:
    """Sizes of a CLIP vision tower but for its heads. Raises AssetError naming a missing key."""
    before = "vision_model."
    width, _, patch, _ = shape_of(shapes, f"{before}embeddings.patch_embedding.weight", 4)
    places, _ = shape_of(shapes, f"{before}embeddings.position_embedding.weight", 2)
    mlp_width, _ = shape_of(shapes, f"{before}encoder.layers.0.mlp.fc1.weight", 2)
    return {
        "width": width,
        "patch_px": patch,
        "image_size_px": math.isqrt(places - 1) * patch,
        "depth": count_numbered(shapes, r"vision_model\.encoder\.layers\.(\d+)\."),
        "mlp_width": mlp_width,
    }
