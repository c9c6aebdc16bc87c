"""Which person is meant, and what was seen as files that come back as they were."""

import json

import numpy as np
import pytest
from PIL import Image

from interactvlm.errors import AssetError, InputError, NoPersonError
from interactvlm.open_models import photo_perception
from interactvlm.open_models.boxes import Detection
from interactvlm.open_models.depth import DepthMap
from interactvlm.open_models.loading import Source
from interactvlm.open_models.people import PersonSearch, choose_person, find_person
from interactvlm.open_models.perception_files import load_perception, save_perception
from interactvlm.open_models.perception_picture import draw_perception
from interactvlm.open_models.photo_perception import (
    PERSON,
    PerceptionModels,
    PhotoPerception,
    perceive,
)
from interactvlm.photo import Photo

LEFT = Detection(PERSON, 0.9, (0.0, 0.0, 40.0, 100.0))
RIGHT = Detection(PERSON, 0.6, (150.0, 0.0, 200.0, 100.0))
CUP = Detection("cup", 0.5, (160.0, 40.0, 180.0, 60.0))
BALL = Detection("ball", 0.5, (50.0, 80.0, 70.0, 100.0))


def seen(*detections, **maps):
    return PhotoPerception(tuple(detections), 200, 100, **maps)


@pytest.fixture
def photo():
    return Photo(Image.new("RGB", (100, 50), "teal"), "photo.png", "a" * 64, 200, 100)


@pytest.mark.parametrize(
    ("labels", "number", "why"),
    [
        (("Cup",), 2, "nearest"),
        (("ball",), 1, "nearest"),
        (("kite",), 1, "surest"),
        ((), 1, "surest"),
        (("cup", "ball"), 2, "nearest"),  # held counts more than near
    ],
)
def test_the_person_with_the_object_is_meant(labels, number, why):
    found = choose_person(seen(LEFT, RIGHT, CUP, BALL), labels)
    assert found.number == number and f"person {number}, " in found.notes[0]
    assert why in found.notes[0]
    assert found.box_xyxy_px == (LEFT, RIGHT)[number - 1].box_xyxy_px


def test_one_person_needs_no_note_and_a_missing_object_has_one():
    assert choose_person(seen(LEFT, CUP), ["cup"]).notes == ()
    assert choose_person(seen(LEFT, CUP), ["kite"]).notes == (
        "the detector found no 'kite' in the photo",
    )


def test_a_chosen_person_is_taken():
    found = choose_person(seen(LEFT, RIGHT, CUP), ["cup"], 1)
    assert found.number == 1 and found.notes == ()
    assert found.to_dict()["objects"] == {"cup": 1} and found.to_dict()["people"] == 2


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_person_who_is_not_there_is_one_sentence(number):
    with pytest.raises(InputError, match="between 1 and 2"):
        choose_person(seen(LEFT, RIGHT), [], number)


def test_nobody_is_an_answer_and_not_a_body_somewhere():
    with pytest.raises(NoPersonError, match="no person was found"):
        choose_person(seen(CUP), ["cup"])


@pytest.mark.parametrize(("kept", "loads"), [(True, 1), (False, 2)])
def test_models_stay_in_memory_when_more_photos_follow(monkeypatch, photo, kept, loads):
    loaded = []

    class Detector:
        def __init__(self, source, *, threshold):
            loaded.append(source)

        def find(self, image, labels):
            return [LEFT]

    monkeypatch.setattr(photo_perception, "BoxDetector", Detector)
    models = PerceptionModels(Source("a/b", offline=True), kept=kept)
    for _ in range(2):
        assert perceive(photo.image, ["cup"], models).people == (LEFT,)
    assert len(loaded) == loads


def test_what_was_seen_comes_back_from_its_files(photo, tmp_path):
    before = seen(
        LEFT, RIGHT, CUP,
        masks=np.random.default_rng(0).random((3, 50, 100)) > 0.5,
        keypoints=np.arange(102, dtype=np.float32).reshape(2, 17, 3),
        depth=DepthMap(np.ones((50, 100), np.float32), metric=True),
        provenance={"boxes": "a/b@1"},
    )  # fmt: skip
    save_perception(tmp_path, photo, before)
    after = load_perception(tmp_path, photo)
    assert after.detections == before.detections and after.provenance == before.provenance
    assert (after.masks == before.masks).all() and (after.keypoints == before.keypoints).all()
    assert after.depth.metric and (after.depth.values == 1).all()
    assert find_person(PersonSearch(folder=tmp_path), photo, ["cup"]).number == 2


def test_files_of_an_earlier_run_in_the_folder_are_not_taken(photo, tmp_path):
    save_perception(tmp_path, photo, seen(LEFT, masks=np.ones((1, 50, 100), bool)))
    save_perception(tmp_path, photo, seen(LEFT, RIGHT))
    assert (tmp_path / "masks.npz").is_file()
    assert load_perception(tmp_path, photo).masks is None


def write(folder, **changes):
    box = {"label": "person", "box_xyxy_px": [1, 2, 30, 40]}
    content = {"width": 200, "height": 100, "detections": [box]} | changes
    (folder / "detections.json").write_text(json.dumps(content))


def test_boxes_written_by_hand_are_enough(photo, tmp_path):
    box = {"label": "cup", "box_xyxy_px": [1, 2, 3, 4]}
    write(tmp_path, detections=[box, {**box, "label": "person"}])
    loaded = load_perception(tmp_path, photo)
    assert [d.label for d in loaded.detections] == ["person", "cup"]
    assert loaded.detections[0].score == 1.0 and loaded.masks is None
    np.savez(tmp_path / "masks.npz", masks=np.stack([np.zeros((5, 9)), np.ones((5, 9))]))
    assert load_perception(tmp_path, photo).masks[0].all(), "the person's mask follows the box"


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"width": 100}, InputError, "100x100 px, this one has 200x100"),
        ({"photo_sha256": "b" * 64}, InputError, "another photo"),
        ({"detections": 3}, AssetError, "an object with 'detections'"),
        ({"detections": [{"label": "cup"}]}, AssetError, "four numbers"),
        ({"detections": [{"label": "c", "box_xyxy_px": [3, 2, 1, 4]}]}, AssetError, "x0 < x1"),
        ({"detections": ["cup"]}, AssetError, "four numbers"),
        ({"files": ["masks.npz"]}, AssetError, "cannot be read"),
    ],
)
def test_a_folder_that_does_not_fit_is_one_sentence(photo, tmp_path, changes, kind, said):
    write(tmp_path, **changes)
    with pytest.raises(kind, match=said):
        load_perception(tmp_path, photo)


def test_maps_that_do_not_fit_the_boxes_are_refused(photo, tmp_path):
    with pytest.raises(AssetError, match=r"no detections\.json"):
        load_perception(tmp_path, photo)
    write(tmp_path)
    (tmp_path / "keypoints.json").write_text('[{"keypoints": [1, 2]}]')
    with pytest.raises(AssetError, match="51 numbers"):
        load_perception(tmp_path, photo)
    (tmp_path / "keypoints.json").write_text("[]")
    with pytest.raises(AssetError, match="0 people do not fit 1"):
        load_perception(tmp_path, photo)
    np.savez(tmp_path / "masks.npz", masks=np.ones((2, 5, 5), bool))
    with pytest.raises(AssetError, match="1 detections"):
        load_perception(tmp_path, photo)


def test_a_search_needs_one_place_to_look():
    with pytest.raises(InputError, match="add --perceive"):
        PersonSearch(number=1)


def test_masks_of_another_size_are_drawn_over_the_photo(photo):
    half = np.zeros((1, 10, 20), bool)
    half[:, :, :10] = True
    drawn = np.asarray(draw_perception(photo.image, seen(CUP, masks=half))).astype(int)
    assert (drawn[40, 5] != drawn[40, 95]).any()
