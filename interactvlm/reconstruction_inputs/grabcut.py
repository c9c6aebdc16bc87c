"""A mask from nothing but a box: OpenCV's GrabCut, which needs no weights.

It tells colours inside the box from colours around it, so it is good for things that differ in
colour from what surrounds them and poor for others. Source: Rother, Kolmogorov and Blake,
"GrabCut", SIGGRAPH 2004.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.photo import Box, checked_box
from interactvlm.reconstruction_inputs.map_files import tell
from interactvlm.reconstruction_inputs.mask_pieces import without_specks

WORKING_SIDE_PX = 640
"""Longer photos are cut at this size: the time grows faster than the pixels, the edge hardly."""
LEAST_SIDE_PX = 4
_ITERATIONS = 5
_LEAST_SAMPLES = 5
"""Colours of either side are five Gaussians each, and each needs a pixel."""


def grabcut(
    image: Image.Image,
    box_xyxy_px: Sequence[int | float],
    *,
    seed_mask: Bool[np.ndarray, "height width"] | None = None,
    notes: list[str] | None = None,
) -> Bool[np.ndarray, "height width"]:
    """The thing in a box, the box in pixels of `image`; the same answer every time.

    `seed_mask` says where in the box the thing probably is; else all of the box is. Where nothing
    is told apart, the seed or the whole box is given back, and `notes` says so.

    Raises InputError for a box that is none, is too small, or leaves nothing around it, and for a
    seed outside the box.
    """
    box = checked_box(box_xyxy_px, image.width, image.height)
    scale = min(1.0, WORKING_SIDE_PX / max(image.size))
    size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    inside = _box_pixels(box, image.size, size)
    pixels = image.convert("RGB").resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    _require_usable(inside, box, image)
    likely = inside
    if seed_mask is not None:
        if seed_mask.shape != (image.height, image.width):
            raise InputError(
                f"seed mask is {seed_mask.shape[1]}x{seed_mask.shape[0]} px and the photo "
                f"{image.width}x{image.height} px; they must agree"
            )
        likely = inside & _resized(seed_mask, size)
        if likely.sum() < _LEAST_SAMPLES:
            raise InputError(f"seed mask marks hardly anything inside the box {box!r}")
    found = without_specks(_cut(np.asarray(pixels), inside, likely))
    if not found.any():
        instead = "the whole box" if seed_mask is None else "the seed mask"
        tell(
            notes,
            f"GrabCut told nothing in the box apart from what surrounds it; {instead} is used",
        )
        found = likely
    full = _resized(found, image.size) & _box_pixels(box, image.size, image.size)
    return np.ascontiguousarray(full)


def _require_usable(inside: Bool[np.ndarray, "rows columns"], box: Box, image: Image.Image) -> None:
    rows, columns = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    if min(rows, columns) < LEAST_SIDE_PX:
        raise InputError(
            f"box {box!r} is too small for GrabCut in a photo of {image.width}x{image.height} px; "
            "draw it larger or give a mask file"
        )
    if (~inside).sum() < _LEAST_SAMPLES:
        raise InputError(
            "box covers the whole photo, so GrabCut has nothing to compare with; draw it tighter "
            "or give a mask file"
        )


def _box_pixels(
    box: Box, image_wh: tuple[int, int], size_wh: tuple[int, int]
) -> Bool[np.ndarray, "rows columns"]:
    """Every pixel the box reaches, at another size of the picture."""
    across, down = size_wh[0] / image_wh[0], size_wh[1] / image_wh[1]
    inside = np.zeros((size_wh[1], size_wh[0]), dtype=bool)
    rows = slice(math.floor(box[1] * down), math.ceil(box[3] * down))
    inside[rows, math.floor(box[0] * across) : math.ceil(box[2] * across)] = True
    return inside


def _cut(
    pixels: UInt8[np.ndarray, "rows columns 3"],
    inside: Bool[np.ndarray, "rows columns"],
    likely: Bool[np.ndarray, "rows columns"],
) -> Bool[np.ndarray, "rows columns"]:
    import cv2

    labels = np.full(inside.shape, cv2.GC_BGD, dtype=np.uint8)
    labels[inside] = cv2.GC_PR_BGD
    labels[likely] = cv2.GC_PR_FGD
    # Its first clusters are drawn at random.
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    box = (0, 0, 1, 1)  # not read where labels are given
    labels, *_ = cv2.grabCut(
        np.ascontiguousarray(pixels), labels, box, *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK
    )
    return labels == cv2.GC_PR_FGD


def _resized(
    mask: Bool[np.ndarray, "rows columns"], size_wh: tuple[int, int]
) -> Bool[np.ndarray, "new_rows new_columns"]:
    if mask.shape == (size_wh[1], size_wh[0]):
        return mask
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(grey.resize(size_wh, Image.Resampling.BILINEAR)) > 127
