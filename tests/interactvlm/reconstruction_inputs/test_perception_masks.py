"""Which of many masks is the person's and which the object's."""

import numpy as np
import pytest
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.open_models.boxes import Detection
from interactvlm.open_models.photo_perception import PERSON, PhotoPerception
from interactvlm.reconstruction_inputs.masks import masks_of_perception
from tests.interactvlm.reconstruction_inputs.photos import photo_of

FOUND = (
    Detection(PERSON, 0.9, (0.0, 0.0, 20.0, 40.0)),
    Detection(PERSON, 0.8, (30.0, 0.0, 50.0, 40.0)),
    Detection("cup", 0.9, (52.0, 5.0, 58.0, 15.0)),
    Detection("cup", 0.5, (45.0, 20.0, 55.0, 30.0)),
    Detection("chair", 0.7, (5.0, 20.0, 25.0, 40.0)),
)


def boxed_masks(scale: int = 1) -> np.ndarray:
    masks = np.zeros((len(FOUND), 40 * scale, 60 * scale), dtype=bool)
    for mask, detection in zip(masks, FOUND, strict=True):
        x0, y0, x1, y1 = (int(value) * scale for value in detection.box_xyxy_px)
        mask[y0:y1, x0:x1] = True
    return masks


SEEN = PhotoPerception(FOUND, 60, 40, boxed_masks())
PHOTO = photo_of(60, 40)


def test_the_person_at_the_object_and_the_thing_in_their_hand():
    found = masks_of_perception(SEEN, PHOTO, "cup")
    assert found.person is not None and found.object is not None
    np.testing.assert_array_equal(found.person, boxed_masks()[1])
    np.testing.assert_array_equal(found.object, boxed_masks()[3])  # overlaps, though less sure
    assert found.object_box_px == FOUND[3].box_xyxy_px
    assert found.found.number == 2 and "2 people were found" in found.notes[0]


def test_a_numbered_person_has_their_own_nearest_thing():
    found = masks_of_perception(SEEN, PHOTO, "Chair", person=1)
    assert found.person is not None and found.object is not None
    np.testing.assert_array_equal(found.person, boxed_masks()[0])
    np.testing.assert_array_equal(found.object, boxed_masks()[4])
    assert found.notes == ()


def test_a_missing_thing_is_said_and_has_no_mask():
    found = masks_of_perception(SEEN, PHOTO, "violin", person=1)
    assert found.object is None and found.object_box_px is None
    assert found.notes == ("the detector found no 'violin' in the photo",)
    assert masks_of_perception(SEEN, PHOTO, "", person=1).notes == ()


def test_left_out_and_empty_masks_are_none():
    without = PhotoPerception(FOUND, 60, 40)
    found = masks_of_perception(without, PHOTO, "cup")
    assert found.person is None and found.object is None
    assert found.object_box_px == FOUND[3].box_xyxy_px
    empty = PhotoPerception(FOUND, 60, 40, np.zeros_like(boxed_masks()))
    found = masks_of_perception(empty, PHOTO, "cup", person=2)
    assert found.person is None
    assert found.notes == ("the mask of the person is empty", "the mask of the cup is empty")


def test_masks_come_at_the_size_the_photo_was_kept_at():
    huge = photo_of(180, 120, image=Image.new("RGB", (60, 40)))
    for seen in (SEEN, PhotoPerception(FOUND, 60, 40, boxed_masks(3))):
        found = masks_of_perception(seen, huge, "cup", person=2)
        assert found.person is not None
        np.testing.assert_array_equal(found.person, boxed_masks()[1])
        assert found.object_box_px == (135.0, 60.0, 165.0, 90.0)
        assert found.notes == ()
    with pytest.raises(InputError, match="another aspect"):
        masks_of_perception(SEEN, photo_of(50, 50), "cup", person=2)


def test_nobody_is_an_error():
    with pytest.raises(InputError, match="no person"):
        masks_of_perception(PhotoPerception(FOUND[2:], 60, 40), PHOTO, "cup")
