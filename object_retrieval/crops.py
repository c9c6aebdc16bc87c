"""Square pictures of one object: cut around it, the rest greyed out where a mask tells.

Knows pixels; knows no model.
"""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from object_retrieval.backend import ObjectPicture

GREY = 128
"""Of pixels that are not the object, or outside the picture."""
MARGIN = 0.08
"""Room around the object, as a share of its longer side."""


def square_crop(picture: ObjectPicture, side_px: int, *, blank: bool = True) -> ObjectPicture:
    """The object in a square of `side_px`, with a mask. Proportions stay.

    With a mask: the square around it, all else grey unless `blank` is off. Without: the whole
    picture counts as the object, and grey fills it up to a square.
    """
    height, width = picture.rgb.shape[:2]
    mask = picture.mask if picture.mask is not None else np.ones((height, width), dtype=bool)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    longer = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    room = 0 if picture.mask is None else 2 * max(1, round(longer * MARGIN))
    side = int(longer) + room
    top = int(rows[0] + rows[-1] + 1 - side) // 2
    left = int(columns[0] + columns[-1] + 1 - side) // 2
    canvas = np.full((side, side, 4), GREY, dtype=np.uint8)
    canvas[..., 3] = 0
    # The part of the square that lies in the picture.
    y0, y1, x0, x1 = max(top, 0), min(top + side, height), max(left, 0), min(left + side, width)
    inside = canvas[y0 - top : y1 - top, x0 - left : x1 - left]
    cut = mask[y0:y1, x0:x1]
    shown = cut if blank else np.ones_like(cut)
    inside[..., :3] = np.where(shown[..., None], picture.rgb[y0:y1, x0:x1], GREY)
    inside[..., 3] = 255 * cut
    scaled = _scaled(canvas, side_px)
    inner = scaled[..., 3] >= 128
    # Scaling down may lose an object as thin as a thread: then everything counts.
    return ObjectPicture(scaled[..., :3], inner if inner.any() else np.ones_like(inner))


def _scaled(
    canvas: UInt8[np.ndarray, "side side 4"], side_px: int
) -> UInt8[np.ndarray, "size size 4"]:
    """Band by band: Pillow would weigh the colours by a band that it takes for transparency."""
    bands = [Image.fromarray(np.ascontiguousarray(canvas[..., band])) for band in range(4)]
    size, how = (side_px, side_px), Image.Resampling.BILINEAR
    return np.stack([np.asarray(band.resize(size, how)) for band in bands], axis=-1)
