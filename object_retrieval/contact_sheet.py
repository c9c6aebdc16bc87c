"""One picture of a question and its candidates, each drawn from the same side.

Knows candidates and pixels; knows no search.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageOps

from object_retrieval.retrieval import Candidate
from object_retrieval.shape_library import ShapeLibrary
from object_retrieval.views import picture_of
from renders.cache import atomic_write

TILE_PX = 192
COLUMNS = 5
_TEXT_PX = 58
_INK, _FAINT = (20, 20, 20), (110, 110, 110)


def draw_sheet(
    library: ShapeLibrary,
    candidates: Sequence[Candidate],
    *,
    question: UInt8[np.ndarray, "height width 3"] | None = None,
    title: str = "",
) -> Image.Image:
    """A tile per candidate with its rank, score, category and size; the question before them."""
    tiles = []
    if question is not None:
        shown = ImageOps.pad(Image.fromarray(question), (TILE_PX, TILE_PX), color="white")
        tiles.append(_tile(shown, "asked", title, ""))
    for rank, candidate in enumerate(candidates, start=1):
        picture = Image.fromarray(picture_of(library.mesh(candidate.item.name), TILE_PX))
        first = f"{rank}. {candidate.item.category}  {candidate.score:.3f}"
        tiles.append(_tile(picture, first, candidate.item.name, size_words(candidate)))
    columns = max(1, min(COLUMNS + (question is not None), len(tiles)))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * TILE_PX, max(1, rows) * (TILE_PX + _TEXT_PX)), "white")
    for at, tile in enumerate(tiles):
        sheet.paste(tile, (at % columns * TILE_PX, at // columns * (TILE_PX + _TEXT_PX)))
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Writes a PNG, complete or not at all."""
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG")


def size_words(candidate: Candidate) -> str:
    """The category's size as a person reads it."""
    if candidate.size_m is None or candidate.size_spread_m is None:
        return "size unknown"
    return f"{candidate.size_m:.2f} ± {candidate.size_spread_m:.2f} m"


def _tile(picture: Image.Image, first: str, second: str, third: str) -> Image.Image:
    tile = Image.new("RGB", (TILE_PX, TILE_PX + _TEXT_PX), "white")
    tile.paste(picture, (0, 0))
    draw = ImageDraw.Draw(tile)
    for line, (text, color) in enumerate(((first, _INK), (second, _FAINT), (third, _FAINT))):
        draw.text((6, TILE_PX + 2 + 17 * line), text[:30], fill=color)
    return tile
