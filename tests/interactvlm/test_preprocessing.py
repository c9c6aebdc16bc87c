"""Framing and pixel preparation."""

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.preprocessing import (
    clip_pixels,
    crop_to_box,
    pad_to_square,
    require_photo,
    sam_pixels,
)


def _photo(width=60, height=40, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


def test_crop_keeps_the_box_in_the_middle_with_its_margin():
    photo = Image.new("RGB", (100, 100))
    photo.paste((255, 0, 0), (40, 30, 60, 70))
    crop = crop_to_box(photo, (40, 30, 60, 70))
    assert crop.size == (52, 52)
    rows, columns = np.nonzero(np.asarray(crop)[..., 0] == 255)
    assert (rows.min(), rows.max() + 1) == (6, 46)
    assert (columns.min(), columns.max() + 1) == (16, 36)


@pytest.mark.parametrize("fill", ["mean", "edge"])
def test_crop_beyond_the_photo_is_padded_not_shifted(fill):
    photo = _photo()
    crop = np.asarray(crop_to_box(photo, (0, 0, 20, 40), fill=fill))
    assert crop.shape == (52, 52, 3)
    left, top = 10 - 26, 20 - 26
    np.testing.assert_array_equal(crop[-top : 40 - top, -left:], np.asarray(photo)[:, : 52 + left])


def test_pad_to_square_keeps_every_pixel():
    photo = _photo()
    square = np.asarray(pad_to_square(photo))
    assert square.shape == (60, 60, 3)
    np.testing.assert_array_equal(square[10:50], np.asarray(photo))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((1, 2, 3), "four finite"),
        ((0, 0, float("nan"), 4), "four finite"),
        ((5, 5, 5, 9), "x0 < x1"),
        ((70, 5, 90, 9), "outside the photo of 60x40"),
    ],
)
def test_impossible_boxes_are_named(box, message):
    with pytest.raises(InputError, match=message):
        crop_to_box(_photo(), box)


def test_a_huge_box_asks_for_no_huge_crop():
    assert crop_to_box(_photo(), (-1e7, -1e7, 1e7, 1e7)).size == (78, 78)


def test_tiny_photos_are_refused_and_others_become_rgb():
    with pytest.raises(InputError, match="1x1"):
        require_photo(Image.new("RGB", (1, 1)))
    assert require_photo(Image.new("LA", (20, 20))).mode == "RGB"


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (33, 97), (32, 32), (300, 200)])
def test_clip_pixels_equal_transformers(size):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    photo = _photo(*size)
    wanted = torch.as_tensor(np.asarray(processor(photo)["pixel_values"][0]))
    torch.testing.assert_close(clip_pixels(photo, 32), wanted, atol=1e-6, rtol=0)


def test_sam_padding_is_zero_after_normalising():
    pixels = sam_pixels(_photo(), 48)
    assert pixels.shape == (3, 48, 48)
    assert (pixels[:, 32:] == 0).all()
    assert (pixels[:, :32] != 0).any()
