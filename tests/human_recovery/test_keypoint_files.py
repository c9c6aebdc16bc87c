"""Keypoint files of every layout that is read, and those that are not."""

import json
import os
from pathlib import Path

import pytest
import torch

from human_recovery.keypoint_files import (
    COCO_17,
    HALPE_26,
    OPENPOSE_18,
    OPENPOSE_25,
    Keypoints2D,
    read_keypoints,
)
from human_recovery.output import KEYPOINT_NAMES
from renders.errors import InputError

_WHOLE_FEET = (
    *("left_big_toe", "left_small_toe", "left_heel"),
    *("right_big_toe", "right_small_toe", "right_heel"),
)
PLACE = {
    name: (10.0 + 7 * index, 300.0 - 5 * index) for index, name in enumerate(KEYPOINT_NAMES)
} | {"neck": (1.0, 2.0), "pelvis": (3.0, 4.0), "head_top": (5.0, 6.0)}  # fmt: skip
LAYOUTS = {
    "coco": (COCO_17, 17), "wholebody": ((*COCO_17, *_WHOLE_FEET), 133),
    "halpe26": (HALPE_26, 26), "halpe136": (HALPE_26, 136),
}  # fmt: skip


def rows(names, count=0, score=0.75):
    """x, y, score of named points, then points that nothing should read."""
    flat = [v for name in names for v in (*PLACE[name], score)]
    return flat + [999.0, 999.0, 1.0] * (count - len(names))


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def check(found: Keypoints2D, names, confidence=0.75):
    for index, name in enumerate(KEYPOINT_NAMES):
        if name in names:
            assert found.points_px[index].tolist() == pytest.approx(list(PLACE[name])), name
            assert float(found.confidence[index]) == pytest.approx(confidence)
        else:
            assert float(found.confidence[index]) == 0.0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lists_of_people_are_told_by_their_number_of_points(tmp_path, layout):
    names, count = LAYOUTS[layout]
    person = {"image_id": "a.jpg", "category_id": 1, "keypoints": rows(names, count), "score": 2.1}
    check(read_keypoints(write(tmp_path / "k.json", [person])), names)


@pytest.mark.parametrize(("names", "count"), [(OPENPOSE_25, 25), (OPENPOSE_18, 18)])
def test_openpose(tmp_path, names, count):
    assert len(names) == count
    person = {"person_id": [-1], "pose_keypoints_2d": rows(names)}
    content = {"version": 1.3, "people": [person]}
    check(read_keypoints(write(tmp_path / "k.json", content)), names)


def test_mmpose_points_and_scores_apart(tmp_path):
    person = {
        "keypoints": [list(PLACE[name]) for name in HALPE_26],
        "keypoint_scores": [0.75] * 26,
        "bbox": [[0, 0, 1, 1]],
    }
    check(read_keypoints(write(tmp_path / "list.json", [person])), HALPE_26)
    video = {"meta_info": {}, "instance_info": [{"frame_id": 1, "instances": [person]}]}
    check(read_keypoints(write(tmp_path / "video.json", video)), HALPE_26)


def test_marks_of_annotations_become_confidence_and_feet_are_added(tmp_path):
    keypoints = rows(COCO_17, score=2)
    keypoints[2::3] = [1 if index % 2 else 2 for index in range(17)]
    keypoints[0:3] = [0, 0, 0]
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": [
            {"image_id": 8, "keypoints": rows(COCO_17, score=1)},
            {"image_id": 7, "keypoints": [0] * 51},
            {"image_id": 7, "keypoints": keypoints, "foot_kpts": rows(_WHOLE_FEET, score=2)},
        ],
    }
    path = write(tmp_path / "k.json", content)
    for image in (7, "7", "a.jpg"):
        found = read_keypoints(path, image=image)
        assert found.confidence[:5].tolist() == [0.0, 0.5, 1.0, 0.5, 1.0]
        assert found.confidence[17:].tolist() == [1.0] * 6
        heel = KEYPOINT_NAMES.index("right_heel")
        assert found.points_px[heel].tolist() == pytest.approx(list(PLACE["right_heel"]))
    with pytest.raises(InputError, match="about 2 photos"):
        read_keypoints(path)
    # The photo's own name says which of several is meant.
    torch.testing.assert_close(read_keypoints(path, photo="some/a.jpg").points_px, found.points_px)
    other = read_keypoints(path, photo="b.jpg")
    assert not torch.equal(other.points_px, found.points_px)


def test_a_box_says_which_person(tmp_path):
    people = [{"keypoints": rows(COCO_17, score=0.9)} for _ in range(2)]
    people[1]["keypoints"][0::3] = [x + 500 for x in people[1]["keypoints"][0::3]]
    path = write(tmp_path / "k.json", people)
    found = read_keypoints(path, None, box_xyxy_px=(500.0, 0.0, 1000.0, 1000.0))
    assert torch.equal(found.points_px, read_keypoints(path, 1).points_px)
    assert not torch.equal(found.points_px, read_keypoints(path, 0).points_px)


def test_scores_above_one_count_as_one_and_small_ones_stay(tmp_path):
    keypoints = rows(COCO_17)
    keypoints[2], keypoints[5] = 1.3, 0.01
    found = read_keypoints(write(tmp_path / "k.json", [{"keypoints": keypoints}]))
    assert found.confidence[:2].tolist() == pytest.approx([1.0, 0.01])
    assert int(found.confident(0.2).sum()) == 16
    assert int(found.confident(0.0).sum()) == 17  # never those that are missing


def test_a_person_is_chosen_by_number_or_by_size(tmp_path):
    small = {"keypoints": [5.0 + index for index in range(51)]}
    path = write(tmp_path / "k.json", [small, {"keypoints": rows(COCO_17)}])
    check(read_keypoints(path, 1), COCO_17)
    check(read_keypoints(path, None), COCO_17)
    assert read_keypoints(path).points_px[0].tolist() == [5.0, 6.0]
    for person in (2, -1):
        with pytest.raises(InputError, match="the file holds 2 people"):
            read_keypoints(path, person)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "no person"),
        ({"people": []}, "no person"),
        ({"annotations": []}, "no person"),
        ({"boxes": []}, "no layout of keypoints"),
        (3, "no layout of keypoints"),
        ([1, 2], "no layout of keypoints"),
        ([{"keypoints": [1.0] * 75}], "25 keypoints each is no known layout"),
        ([{"keypoints": [1.0] * 50}], "50 numbers"),
        ([{"keypoints": "none"}], "must be numbers"),
        ([{"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [1.0]}], "34 numbers"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 45}]}, "25 .BODY_25. or 18"),
        ({"people": [{"face": []}]}, "pose_keypoints_2d"),
        ([{"keypoints": [float("nan"), 1.0, 0.5] * 17}], "not a finite number"),
        ([{"keypoints": [1.0, 1.0, float("inf")] * 17}], "not a finite number"),
        ({"annotations": [{"keypoints": [1.0] * 42}]}, "17 keypoints per person, found 14"),
        (
            {
                "categories": [{"name": "animal", "keypoints": ["left_eye", "right_eye"]}],
                "annotations": [{"keypoints": [1.0] * 51}],
            },
            "'animal' has other keypoints",
        ),
        ({"instance_info": [{"instances": []}, {"instances": []}]}, "2 frames"),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_sentence(tmp_path, content, says):
    with pytest.raises(InputError, match=says) as error:
        read_keypoints(write(tmp_path / "schlüssel.json", content))
    assert "schlüssel.json" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "\x00\x01", "[" * 100_000])
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "k.json"
    path.write_text(content)
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_keypoints(path)
    with pytest.raises(InputError, match="not found"):
        read_keypoints(tmp_path / "none.json")


def test_points_must_be_numbers_where_they_count():
    points, confidence = torch.zeros(23, 2), torch.zeros(23)
    points[3] = torch.nan
    assert int(Keypoints2D(points, confidence).confident(0.0).sum()) == 0
    confidence[3] = 0.5
    with pytest.raises(InputError, match="finite"):
        Keypoints2D(points, confidence)
    with pytest.raises(InputError, match="not negative"):
        Keypoints2D(torch.zeros(23, 2), torch.full((23,), -1.0))


@pytest.fixture(scope="module")
def samples() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "samples"
    folder = Path(os.environ.get("INTERACTVLM_SAMPLES") or beside)
    if not folder.is_dir():
        pytest.skip(f"real samples not found at {folder}; set INTERACTVLM_SAMPLES")
    return folder


def test_real_coco_annotations(samples):
    path = samples / "mmpose" / "test_coco.json"
    found = read_keypoints(path, image="000000000785.jpg")
    assert found.points_px[0].tolist() == [367.0, 81.0]
    assert int((found.confidence > 0).sum()) == 17
    both = [read_keypoints(path, person, image=40083) for person in (0, 1)]
    assert not torch.equal(both[0].points_px, both[1].points_px)
    box = (38.0, 111.0, 213.0, 286.0)
    by_box = read_keypoints(path, None, photo="000000040083.jpg", box_xyxy_px=box)
    assert torch.equal(by_box.points_px, both[0].points_px)


def test_real_coco_results(samples):
    path = samples / "cocoapi" / "person_keypoints_val2014_fakekeypoints100_results.json"
    found = read_keypoints(path, image=136)
    assert found.points_px[0].tolist() == [36.0, 181.0]
    assert int((found.confidence == 1).sum()) == 4  # marks, not scores
    with pytest.raises(InputError, match="photos, say which"):
        read_keypoints(path)
