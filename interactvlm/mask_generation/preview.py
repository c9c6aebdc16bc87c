"""A contact sheet of masks: one row per sample, one column per view, red where it touches."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from renders.cache import atomic_write

ROWS = 12
"""Samples on a sheet."""
TILE_PX = 224
_TITLE_PX = 18
_RED = (214, 40, 40)


def tinted_row(
    title: str,
    images: UInt8[Tensor, "views height width 3"],
    masks: Float[Tensor, "views height width"],
) -> Image.Image:
    """Renders of one sample, reddened by its masks, under its title."""
    share = 0.75 * masks[..., None]
    mixed = images.float() * (1 - share) + torch.tensor(_RED) * share
    row = Image.new("RGB", (TILE_PX * len(images), TILE_PX + _TITLE_PX), "white")
    ImageDraw.Draw(row).text((4, 2), title.encode("ascii", "replace").decode(), fill="black")
    for at, pixels in enumerate(mixed.round().to(torch.uint8).numpy()):
        tile = Image.fromarray(pixels).resize((TILE_PX, TILE_PX), Image.Resampling.BOX)
        row.paste(tile, (at * TILE_PX, _TITLE_PX))
    return row


def save_sheet(rows: list[Image.Image], path: Path) -> None:
    """The rows below each other."""
    sheet = np.concatenate([np.asarray(row) for row in rows])
    with atomic_write(path) as temporary:
        Image.fromarray(sheet).save(temporary)
