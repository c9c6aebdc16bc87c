"""Photos made in a line, for the tests of this folder."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from interactvlm.photo import Photo


def photo_of(
    width: int,
    height: int,
    *,
    image: Image.Image | None = None,
    exif: Mapping[int, float] | None = None,
) -> Photo:
    """A photo of a size; `image` is what was kept of it, a black one of that size otherwise."""
    shown = Image.new("RGB", (width, height)) if image is None else image
    return Photo(shown, "photo.jpg", "0" * 64, width, height, (), exif or {})


def l_mask(width: int = 60, height: int = 40) -> np.ndarray:
    """An L, which no turn and no mirror leaves as it is."""
    mask = np.zeros((height, width), dtype=bool)
    mask[height // 4 : 3 * height // 4, width // 4 : width // 2] = True
    mask[height // 2 : 3 * height // 4, width // 4 : 5 * width // 6] = True
    return mask


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())
