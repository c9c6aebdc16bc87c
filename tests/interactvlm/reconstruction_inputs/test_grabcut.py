"""GrabCut from a box: finds a disc, the same every time, and says when it finds nothing."""

import numpy as np
import pytest
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.reconstruction_inputs.grabcut import WORKING_SIDE_PX, grabcut
from tests.interactvlm.reconstruction_inputs.photos import iou


def disc(width=200, height=150, centre=(120, 70), radius=40):
    """A red disc on a green noise, and its mask."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width] + 0.5
    mask = (columns - centre[0]) ** 2 + (rows - centre[1]) ** 2 < radius**2
    pixels = rng.integers(0, 60, (height, width, 3))
    pixels[..., 1] += np.where(mask, 0, 120)
    pixels[..., 0] += np.where(mask, 150, 0)
    return Image.fromarray(pixels.astype(np.uint8)), mask


def test_a_disc_is_cut_out_of_its_box_and_always_the_same():
    image, mask = disc()
    found = grabcut(image, (75, 25, 165, 115))
    assert iou(found, mask) > 0.97
    np.testing.assert_array_equal(grabcut(image, (75, 25, 165, 115)), found)


def test_a_box_over_the_border_is_clipped():
    image, mask = disc(centre=(10, 70))
    assert iou(grabcut(image, (-50, 20, 60, 120)), mask) > 0.95


def test_a_huge_photo_is_cut_at_a_smaller_size():
    side = 3 * WORKING_SIDE_PX
    image, mask = disc(side, side // 2, (side // 3, side // 4), side // 10)
    reach = side // 10 + 30
    box = (side // 3 - reach, side // 4 - reach, side // 3 + reach, side // 4 + reach)
    found = grabcut(image, box)
    assert found.shape == (side // 2, side) and iou(found, mask) > 0.97


def test_a_seed_chooses_among_things_of_one_box():
    image, mask = disc(centre=(60, 75), radius=25)
    pixels = np.array(image)
    pixels[60:100, 120:160] = (40, 40, 220)
    square = np.zeros(mask.shape, bool)
    square[60:100, 120:160] = True
    seed = np.zeros(mask.shape, bool)
    seed[68:92, 128:152] = True
    found = grabcut(Image.fromarray(pixels), (25, 40, 175, 110), seed_mask=seed)
    assert iou(found, square) > 0.9


def test_nothing_to_tell_apart_is_said_and_the_box_is_used():
    notes = []
    found = grabcut(Image.new("RGB", (90, 60), (50, 60, 70)), (20, 10, 50, 40), notes=notes)
    assert len(notes) == 1 and "the whole box is used" in notes[0]
    assert found.sum() == 900 and found[10:40, 20:50].all()
    seed = np.zeros((60, 90), bool)
    seed[15:30, 25:40] = True
    grey = Image.new("RGB", (90, 60), (50, 60, 70))
    found = grabcut(grey, (20, 10, 50, 40), seed_mask=seed, notes=notes)
    assert found.any() and (found[10:40, 20:50].sum() == found.sum())


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((0, 0, 200, 150), "covers the whole photo"),
        ((-5, -5, 900, 900), "covers the whole photo"),
        ((10, 10, 12, 100), "too small"),
        ((10, 10, 10, 100), "x0 < x1"),
        ((500, 10, 600, 100), "outside"),
        ((0, 0, float("nan"), 4), "finite"),
    ],
)
def test_boxes_grabcut_cannot_use(box, said):
    with pytest.raises(InputError, match=said):
        grabcut(disc()[0], box)


def test_seeds_grabcut_cannot_use():
    image, mask = disc()
    with pytest.raises(InputError, match="they must agree"):
        grabcut(image, (75, 25, 165, 115), seed_mask=mask[:50])
    with pytest.raises(InputError, match="hardly anything inside"):
        grabcut(image, (0, 0, 40, 20), seed_mask=mask)
