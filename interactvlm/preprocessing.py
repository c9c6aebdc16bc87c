"""Pixels of a photo or render made ready for the CLIP tower or the SAM encoder, with Pillow alone.

Knows framing (crop to a person, pad to a square), resizing and normalisation. Knows no model and
no torchvision. Boxes are (x0, y0, x1, y1) in pixels of the given image.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from interactvlm.errors import InputError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
SAM_MEAN = (123.675, 116.28, 103.53)
SAM_STD = (58.395, 57.12, 57.375)
MIN_SIDE_PX = 8
"""A smaller photo holds no person."""

Box = tuple[float, float, float, float]


class Window(NamedTuple):
    """A square of a photo, in the photo's pixels; it may reach beyond the photo."""

    left: int
    top: int
    side: int


def window_of_box(
    image: Image.Image, box_xyxy_px: Sequence[int | float], *, margin: float = 0.15
) -> Window:
    """The square that `crop_to_box` cuts out."""
    x0, y0, x1, y1 = _checked_box(image, box_xyxy_px)
    side = max(round(max(x1 - x0, y1 - y0) * (1 + 2 * margin)), MIN_SIDE_PX)
    return Window(round((x0 + x1) / 2 - side / 2), round((y0 + y1) / 2 - side / 2), side)


def window_of_photo(image: Image.Image) -> Window:
    """The square that `pad_to_square` fills."""
    side = max(image.size)
    return Window(-((side - image.width) // 2), -((side - image.height) // 2), side)


def crop_to_box(
    image: Image.Image,
    box_xyxy_px: Sequence[int | float],
    *,
    margin: float = 0.15,
    fill: Literal["mean", "edge"] = "mean",
) -> Image.Image:
    """Square crop around a box, `margin` of the longer side added on each side.

    The square may leave the photo; what is missing is filled, nothing is shifted, so the box
    stays in the middle.
    """
    return _cut(image, window_of_box(image, box_xyxy_px, margin=margin), fill)


def pad_to_square(image: Image.Image, *, fill: Literal["mean", "edge"] = "mean") -> Image.Image:
    """The whole photo in the middle of a square."""
    return _cut(image, window_of_photo(image), fill)


def require_photo(image: Image.Image) -> Image.Image:
    """The photo as RGB. Raises InputError when it is too small to hold a person."""
    if min(image.size) < MIN_SIDE_PX:
        raise InputError(
            f"photo is {image.size[0]}x{image.size[1]} px; "
            f"the smallest usable side is {MIN_SIDE_PX} px"
        )
    return image.convert("RGB")


def clip_pixels(image: Image.Image, size_px: int) -> Float[Tensor, "3 size size"]:
    """As CLIPImageProcessor: shortest side to `size_px` (bicubic), centre crop, mean and std."""
    width, height = image.size
    scale = size_px / min(width, height)
    # int(), not round(): the published processor truncates the longer side.
    if width <= height:
        resized_wh = (size_px, int(size_px * height / width))
    else:
        resized_wh = (int(size_px * width / height), size_px)
    if scale != 1.0:
        image = image.resize(resized_wh, Image.Resampling.BICUBIC)
    left, top = (resized_wh[0] - size_px) // 2, (resized_wh[1] - size_px) // 2
    array = np.asarray(image.convert("RGB"), dtype=np.float32)
    array = array[top : top + size_px, left : left + size_px] / np.float32(255.0)
    return _normalise(array, CLIP_MEAN, CLIP_STD)


def sam_resized_hw(height_px: int, width_px: int, size_px: int) -> tuple[int, int]:
    """Size after the longest side became `size_px`. Source: segment-anything, rounding half up."""
    scale = size_px / max(height_px, width_px)
    return int(height_px * scale + 0.5), int(width_px * scale + 0.5)


def sam_pixels(image: Image.Image, size_px: int) -> Float[Tensor, "3 size size"]:
    """Longest side to `size_px` (bilinear), SAM mean and std, zeros to the right and bottom."""
    height, width = sam_resized_hw(image.height, image.width, size_px)
    image = image.convert("RGB")
    if (image.height, image.width) != (height, width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = _normalise(np.asarray(image, dtype=np.float32), SAM_MEAN, SAM_STD)
    padded = torch.zeros(3, size_px, size_px)
    padded[:, :height, :width] = pixels
    return padded


def _normalise(
    array: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "3 height width"]:
    scaled = (array - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def _checked_box(image: Image.Image, box_xyxy_px: Sequence[int | float]) -> Box:
    values = tuple(float(v) for v in box_xyxy_px)
    if len(values) != 4 or not all(np.isfinite(values)):
        raise InputError(f"box must be four finite numbers x0, y0, x1, y1, got {values!r}")
    x0, y0, x1, y1 = values
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"box must have x0 < x1 and y0 < y1, got {values!r}")
    if x1 <= 0 or y1 <= 0 or x0 >= image.width or y0 >= image.height:
        raise InputError(
            f"box {values!r} lies outside the photo of {image.width}x{image.height} px"
        )
    # A box far larger than the photo would ask for an equally large crop.
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(image.width)), min(y1, float(image.height))


def _cut(image: Image.Image, window: Window, fill: Literal["mean", "edge"]) -> Image.Image:
    """What a window shows, with the part beyond the image filled."""
    left, top, side = window
    image = image.convert("RGB")
    right, bottom = left + side, top + side
    inside = image.crop((max(left, 0), max(top, 0), min(right, image.width),
                         min(bottom, image.height)))  # fmt: skip
    at = (max(-left, 0), max(-top, 0))
    if fill == "edge":
        array = np.asarray(inside)
        rows = (at[1], side - at[1] - inside.height)
        columns = (at[0], side - at[0] - inside.width)
        return Image.fromarray(np.pad(array, (rows, columns, (0, 0)), mode="edge"))
    mean = np.asarray(inside, dtype=np.float64).reshape(-1, 3).mean(axis=0)
    canvas = Image.new("RGB", (side, side), tuple(round(v) for v in mean))  # pyright: ignore[reportArgumentType]
    canvas.paste(inside, at)
    return canvas
