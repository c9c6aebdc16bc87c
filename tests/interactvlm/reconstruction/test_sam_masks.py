"""Masks by SAM: one encoding of the photo for person and object, and only for what is asked."""

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.photo import Photo
from interactvlm.reconstruction.request import ReconstructRequest
from interactvlm.reconstruction.stages import Sight, object_mask, person_mask
from renders.camera import Camera

WIDTH, HEIGHT = 40, 20
BOXES = {"box": "0,0,20,40", "person_box": "40,0,80,40"}
"""In a photo that is shown at half its size."""


@pytest.fixture
def calls(monkeypatch):
    """Every photo that SAM encoded, with its boxes; a stand-in marks the box itself."""
    made = []

    class Boxes:
        def __init__(self, source):
            made.append([])

        def segment(self, image, prompts):
            made[-1].append([prompt.box_xyxy_px for prompt in prompts])
            masks = np.zeros((len(prompts), image.height, image.width), bool)
            for mask, prompt in zip(masks, prompts, strict=True):
                x0, y0, x1, y1 = (int(v) for v in prompt.box_xyxy_px)
                mask[y0:y1, x0:x1] = x1 - x0 > 4
            return masks, np.ones(len(prompts), np.float32)

    monkeypatch.setattr("interactvlm.open_models.masks.Segmenter", Boxes)
    return made


def _sight(tmp_path, **given) -> Sight:
    request = ReconstructRequest(
        photo=tmp_path / "p.png", out=tmp_path, label="chair", sam="sam", **given
    )
    image = Image.new("RGB", (WIDTH, HEIGHT))
    photo = Photo(image, "p.png", "", 2 * WIDTH, 2 * HEIGHT)
    intrinsics = torch.tensor([[50.0, 0, WIDTH / 2], [0, 50.0, HEIGHT / 2], [0, 0, 1]])
    return Sight(request, photo, Camera(intrinsics, torch.eye(4), HEIGHT, WIDTH))


def test_both_boxes_are_asked_in_one_call(tmp_path, calls):
    sight = _sight(tmp_path, **BOXES)
    person, thing = person_mask(sight), object_mask(sight)
    assert calls == [[[(20, 0, 40, 20), (0, 0, 10, 20)]]]
    assert person[:, 20:].all() and not person[:, :20].any()
    assert thing[:, :10].all() and not thing[:, 10:].any()


@pytest.mark.parametrize("given", ["object", "person"])
def test_what_a_file_says_sam_is_not_asked(tmp_path, calls, given):
    half = np.zeros((HEIGHT, WIDTH), bool)
    half[:, :5] = True
    np.save(tmp_path / "mask.npy", half)
    sight = _sight(tmp_path, **BOXES, **{f"{given}_mask": str(tmp_path / "mask.npy")})
    masks = {"person": person_mask(sight), "object": object_mask(sight)}
    assert torch.equal(masks[given], torch.from_numpy(half))
    assert len(calls) == 1 and len(calls[0][0]) == 1


def test_a_box_that_holds_nothing_is_told_by_name(tmp_path, calls):
    with pytest.raises(InputError, match="no person in the box .*--person-mask"):
        person_mask(_sight(tmp_path, box="0,0,20,40", person_box="40,0,44,40"))
    with pytest.raises(InputError, match="give --box"):
        object_mask(_sight(tmp_path))
