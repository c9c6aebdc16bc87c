"""Outlines in labelme's JSON files: rectangles and polygons with a label each.

Knows that format only, as versions 3 to 5 of the program write it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from interactvlm.errors import InputError

Point = tuple[float, float]

_FAR_PX = 1e6
"""Outlines beyond this are no outlines in a photo."""


@dataclass(frozen=True)
class Outline:
    """One shape, in pixels of the picture it was drawn on."""

    label: str
    points_px: tuple[Point, ...]
    """Corners of a polygon, at least three; of a rectangle two opposite ones."""
    is_rectangle: bool

    @property
    def box_xyxy_px(self) -> tuple[float, float, float, float]:
        """The smallest box around it."""
        x, y = zip(*self.points_px, strict=True)
        return min(x), min(y), max(x), max(y)


def is_labelme(content: Any) -> bool:
    """Whether a JSON file's content is labelme's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read_outlines(content: dict[str, Any], label: str, name: str) -> list[Outline]:
    """The outlines under a label; without one, all of them if they share one.

    Raises InputError for a file without usable outlines, an unknown label or several to choose of.
    """
    outlines = [_outline(shape, name) for shape in content["shapes"]]
    labels = list(dict.fromkeys(outline.label for outline in outlines))
    if not outlines:
        raise InputError(f"labelme file holds no shape: {name!r}")
    if not label and len(labels) > 1:
        raise InputError(
            f"labelme file holds shapes of {labels}; name one behind a colon, as in "
            f"FILE:{labels[0]}: {name!r}"
        )
    if label and label not in labels:
        raise InputError(f"labelme file holds no shape {label!r}, it holds {labels}: {name!r}")
    return [outline for outline in outlines if label in ("", outline.label)]


def fill_outlines(
    outlines: Sequence[Outline], width: int, height: int
) -> Bool[np.ndarray, "height width"]:
    """Everything inside any of the outlines."""
    rectangles = np.zeros((height, width), dtype=bool)
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    for outline in outlines:
        if outline.is_rectangle:
            # Pixels whose centre lies inside.
            x0, y0, x1, y1 = (min(max(math.ceil(v - 0.5), 0), 10**6) for v in outline.box_xyxy_px)
            rectangles[y0:y1, x0:x1] = True
        else:
            # Pillow puts the centre of the first pixel at 0, not at 0.5.
            draw.polygon([(x - 0.5, y - 0.5) for x, y in outline.points_px], fill=1)
    return rectangles | np.asarray(canvas, dtype=bool)


def polygon(points: Any, name: str, label: str = "") -> Outline:
    """A polygon from rows of x and y. Raises InputError for fewer than three or odd numbers."""
    corners = _points(points, name)
    if len(corners) < 3:
        raise InputError(f"polygon must have at least 3 corners, found {len(corners)}: {name!r}")
    return Outline(label, corners, False)


def _outline(shape: Any, name: str) -> Outline:
    if not isinstance(shape, dict):
        raise InputError(f"labelme file holds a shape that is none ({shape!r:.40}): {name!r}")
    kind, label = shape.get("shape_type", "polygon"), str(shape.get("label", ""))
    if kind == "polygon":
        return polygon(shape.get("points"), name, label)
    if kind != "rectangle":
        raise InputError(
            f"labelme file holds a {kind!r:.40}; polygons and rectangles are read: {name!r}"
        )
    corners = _points(shape.get("points"), name)
    # Two opposite corners, or all four in later versions.
    if len(corners) not in (2, 4):
        raise InputError(f"rectangle must have 2 or 4 corners, found {len(corners)}: {name!r}")
    return Outline(label, corners, True)


def _points(points: Any, name: str) -> tuple[Point, ...]:
    try:
        corners = tuple((float(x), float(y)) for x, y in points)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"corners must be pairs of numbers, found {points!r:.60}: {name!r}"
        ) from None
    if not all(abs(value) <= _FAR_PX for corner in corners for value in corner):
        raise InputError(f"corners must lie in the photo, found {corners!r:.60}: {name!r}")
    return corners
