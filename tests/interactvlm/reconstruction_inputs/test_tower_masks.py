"""Masks from the photo tower: a tower that sees colours tells where its maps land in the photo."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from human_recovery.output import KEYPOINT_NAMES
from human_recovery.parts import PART_NAMES
from interactvlm.config import VisionConfig
from interactvlm.errors import InputError
from interactvlm.language import frame_photo
from interactvlm.perception import (
    FINE_STRIDE,
    NUM_KEYPOINTS,
    NUM_PARTS,
    Perception,
    PerceptionTower,
)
from interactvlm.preprocessing import window_of_box, window_of_photo
from interactvlm.reconstruction_inputs.masks import masks_by_tower
from interactvlm.reconstruction_inputs.tower_view import TowerView
from tests.interactvlm.reconstruction_inputs.photos import iou, photo_of

VISION = VisionConfig(
    kind="perception", image_size_px=64, patch_px=16, width=32, depth=1, heads=4, mlp_width=32,
    options={"objects": 3, "fine": 8, "middle": 16},
)  # fmt: skip
LABELS = ("chair", "cup", "tennis racket")
TORSO = PART_NAMES.index("torso")
PERSON_BOX = (100.0, 60.0, 240.0, 400.0)
CUP_BOX = (300.0, 200.0, 460.0, 330.0)
NOSE = (170.0, 100.0)


class ColourTower(PerceptionTower):
    """Red is a torso, green a cup, blue the nose; every body pixel shows one place."""

    shown_place = torch.zeros(3)

    def perceive(self, pixel_values):
        shown = functional.avg_pool2d(pixel_values, FINE_STRIDE) * 0.25 + 0.45  # 0 to 1
        red, green, blue = shown[:, 0], shown[:, 1], shown[:, 2]
        batch, rows, columns = red.shape
        classes = torch.full((batch, self.num_classes, rows, columns), -9.0)
        classes[:, 0] = 5 * (1 - red - green)
        classes[:, 1 + TORSO] = 5 * red
        classes[:, 1 + NUM_PARTS + LABELS.index("cup")] = 5 * green
        heat = torch.zeros(batch, NUM_KEYPOINTS, rows, columns)
        heat[:, 0] = 60 * blue
        surface = self.shown_place[None, :, None, None].expand(batch, 3, rows, columns)
        fine, middle, coarse = (torch.zeros(batch, 1, rows // n, columns // n) for n in (1, 2, 4))
        touch = torch.zeros(batch, NUM_PARTS, rows, columns)
        return Perception(fine, middle, coarse, heat, classes, surface, torch.zeros(batch), touch)


@pytest.fixture
def model(tiny_config, ball_body):
    config = replace(tiny_config, vision=VISION, labels=LABELS, topology="smplh")
    tower = ColourTower(VISION).eval()
    tower.shown_place = ball_body.canonical_vertices[17] + 0.001  # on the head
    return SimpleNamespace(
        config=config, language=SimpleNamespace(vision=tower), device=torch.device("cpu")
    )


def scene(scale=1.0):
    """640 x 480: a red person, a green cup, a blue nose on black, and the true masks."""
    pixels = np.zeros((480, 640, 3), dtype=np.uint8)
    masks = []
    for channel, (x0, y0, x1, y1) in enumerate((PERSON_BOX, CUP_BOX)):
        where = np.zeros((480, 640), dtype=bool)
        where[int(y0) : int(y1), int(x0) : int(x1)] = True
        pixels[where, channel] = 255
        masks.append(where)
    x, y = (int(value) for value in NOSE)
    pixels[y - 25 : y + 25, x - 25 : x + 25, 2] = 255
    photo = photo_of(round(640 * scale), round(480 * scale), image=Image.fromarray(pixels))
    return photo, *masks


def test_masks_of_the_whole_photo_lie_where_the_colours_are(model):
    photo, person, cup = scene()
    seen = masks_by_tower(model, photo, "cup")
    assert seen is not None and seen.person is not None and seen.object is not None
    assert iou(seen.person, person) > 0.95 and iou(seen.object, cup) > 0.88
    assert set(seen.boxes_px) == {"person", "torso", "cup"}
    for name, box in (("person", PERSON_BOX), ("torso", PERSON_BOX), ("cup", CUP_BOX)):
        np.testing.assert_allclose(seen.boxes_px[name], box, atol=11)  # a pixel of it is 10 of ours


def test_a_person_box_sharpens_and_still_lands_in_the_photo(model):
    photo, person, cup = scene()
    seen = masks_by_tower(model, photo, "cup", box_xyxy_px=PERSON_BOX)
    assert seen is not None and seen.person is not None and seen.object is not None
    assert iou(seen.person, person) > 0.95
    # The window ends at 391 px: what is outside was never looked at.
    inside = np.zeros_like(cup)
    inside[:, :391] = True
    assert iou(seen.object, cup & inside) > 0.85 and not (seen.object & ~inside).any()


def test_keypoints_and_body_points_are_in_pixels_of_the_original(model):
    for scale in (1.0, 3.0):
        photo, person, _ = scene(scale)
        seen = masks_by_tower(model, photo, "cup")
        assert seen is not None and seen.person is not None
        assert seen.person.shape == (480, 640)
        assert seen.keypoints_px.shape == (len(KEYPOINT_NAMES), 3)
        assert seen.hand_centres_px.shape == (2, 3)
        np.testing.assert_allclose(seen.keypoints_px[0, :2] / scale, NOSE, atol=11)  # a cell is 40
        assert 0.5 < seen.keypoints_px[0, 2] <= 1
        np.testing.assert_allclose(np.array(seen.boxes_px["cup"]) / scale, CUP_BOX, atol=11)
        columns, rows = (seen.dense_px / scale).astype(int).T
        assert person[rows, columns].mean() > 0.9 and len(rows) > 20
        assert (seen.dense_confidence > 0.3).all()


def test_a_body_point_is_of_the_part_it_was_seen_as(model, ball_body):
    seen = masks_by_tower(model, scene()[0], "cup")
    assert seen is not None and seen.topology == "smplh"
    torso = ball_body.part_mask("torso").nonzero().flatten()
    places = ball_body.canonical_vertices
    nearest = torso[(places[torso] - places[17]).norm(dim=1).argmin()]
    assert set(seen.dense_vertex.tolist()) == {int(nearest)}


def test_a_speck_elsewhere_does_not_stretch_mask_and_box(model):
    photo, _, cup = scene()
    pixels = np.array(photo.image)
    pixels[440:475, 560:595, 1] = 255
    speckled = photo_of(640, 480, image=Image.fromarray(pixels))
    seen = masks_by_tower(model, speckled, "cup")
    assert seen is not None and seen.object is not None
    assert not seen.object[420:].any() and iou(seen.object, cup) > 0.88
    np.testing.assert_allclose(seen.boxes_px["cup"], CUP_BOX, atol=11)


@pytest.mark.parametrize("label", ["cup", " CUP ", "Cup"])
def test_labels_are_read_as_everywhere(model, label):
    seen = masks_by_tower(model, scene()[0], label)
    assert seen is not None and seen.object is not None


@pytest.mark.parametrize("label", ["chair", "tennis racket", "violin", "", "x" * 500])
def test_what_is_unknown_or_not_there_has_no_mask(model, label):
    seen = masks_by_tower(model, scene()[0], label)
    assert seen is not None and seen.person is not None and seen.object is None


def test_an_empty_photo_shows_nothing(model):
    seen = masks_by_tower(model, photo_of(300, 200), "cup")
    assert seen is not None
    assert seen.person is None and seen.object is None and seen.boxes_px == {}
    assert seen.dense_px.shape == (0, 2) and seen.dense_vertex.shape == (0,)
    assert np.isfinite(seen.keypoints_px).all()
    assert (seen.keypoints_px[:, 2] < 0.2).all()  # an even map is sure of nothing


def test_what_pads_the_square_is_no_part_of_the_photo(model):
    """A tall photo of red alone: the padding takes the mean colour and is red as well."""
    photo = photo_of(100, 400, image=Image.new("RGB", (100, 400), (255, 0, 0)))
    seen = masks_by_tower(model, photo, "cup")
    assert seen is not None and seen.person is not None and seen.person.all()
    assert seen.boxes_px["person"] == (0, 0, 100, 400)
    assert ((seen.dense_px >= 0) & (seen.dense_px < (100, 400))).all()
    outside = seen.keypoints_px[:, 0] < 0
    assert (seen.keypoints_px[outside, 2] == 0).all()


def test_a_model_without_such_a_tower_sees_nothing(model):
    model.language.vision = nn.Identity()
    assert masks_by_tower(model, scene()[0], "cup") is None


def test_a_real_tower_of_random_weights_runs(model):
    torch.manual_seed(0)
    model.language.vision = PerceptionTower(VISION).eval()
    seen = masks_by_tower(model, scene()[0], "cup", box_xyxy_px=(-50, 20, 900, 300))
    assert seen is not None and np.isfinite(seen.keypoints_px).all()
    with pytest.raises(InputError, match="outside"):
        masks_by_tower(model, scene()[0], "cup", box_xyxy_px=(700, 20, 900, 300))


def test_the_window_is_what_the_model_is_shown():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (47, 80, 3), dtype=np.uint8))
    padded = np.pad(np.asarray(image), ((200, 200), (200, 200), (0, 0)), constant_values=0)
    for box in (None, (3.0, 5.0, 30.0, 46.0), (60.0, 0.0, 80.0, 47.0)):
        window = window_of_photo(image) if box is None else window_of_box(image, box)
        framed = np.asarray(frame_photo(image, VISION, box))
        cut = padded[window.top + 200 :, window.left + 200 :][: window.side, : window.side]
        assert framed.shape == (window.side, window.side, 3)
        known = cut.any(axis=2)
        np.testing.assert_array_equal(framed[known], cut[known])
        assert known.sum() > 0.3 * window.side**2


def test_a_map_of_one_cell_becomes_a_square_of_its_size():
    photo = photo_of(80, 60)
    view = TowerView(photo, window_of_photo(photo.image), 16)
    margin = np.full((16, 16), -1.0)
    margin[8, 3] = 1.0
    mask = view.mask(margin)
    rows, columns = mask.nonzero()
    # Its centre (3.5, 8.5) of 16 is (17.5, 32.5) of the photo, which begins 10 px down the square.
    assert abs(rows.mean() + 0.5 - 32.5) < 0.6 and abs(columns.mean() + 0.5 - 17.5) < 0.6
    # Between cells the map is a hyperbolic paraboloid: 0.61 of the cell of 25 px lies above 0.
    assert 11 <= mask.sum() <= 19
