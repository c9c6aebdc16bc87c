"""2D keypoints of one person from the files that detectors and data sets write.

COCO results and annotations (17 points, 133 of COCO-WholeBody), OpenPose's BODY_25 and COCO_18,
Halpe's 26 and 136 as AlphaPose writes them, lists of points with scores as MMPose writes them, and
the project's own `keypoints.json`. A layout is told by the file's structure and its number of
points; where these could mean two things the file is refused. Knows no body model.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from human_recovery.output import KEYPOINT_NAMES
from renders.errors import InputError

COCO_17 = KEYPOINT_NAMES[:17]
_FEET = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
         "right_heel")  # fmt: skip
HALPE_26 = (
    *COCO_17, "head_top", "neck", "pelvis", "left_big_toe", "right_big_toe", "left_small_toe",
    "right_small_toe", "left_heel", "right_heel",
)  # fmt: skip
OPENPOSE_25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
    "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", *_FEET,
)  # fmt: skip
OPENPOSE_18 = (
    *OPENPOSE_25[:8], "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
    "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip

_LISTS = {
    17: ("COCO-17", COCO_17), 26: ("Halpe-26", HALPE_26),
    133: ("COCO-WholeBody", (*COCO_17, *_FEET)), 136: ("Halpe-136", HALPE_26),
}  # fmt: skip
"""Layouts in lists of people, by their number of points; of the rest only what is named."""
_OPENPOSE = {25: ("OpenPose BODY_25", OPENPOSE_25), 18: ("OpenPose COCO", OPENPOSE_18)}
_LABELLED_CONFIDENCE = {0: 0.0, 1: 0.5, 2: 1.0}
"""Of COCO's marks: not labelled, labelled where it is hidden, visible."""


@dataclass(frozen=True, eq=False)
class Keypoints2D:
    """One person's keypoints in pixels of the upright photo.

    Raises:
        InputError: a point with confidence or a confidence is not finite or negative.
    """

    points_px: Float[Tensor, "23 2"]
    """x, y in the order of `KEYPOINT_NAMES`."""
    confidence: Float[Tensor, "23"]
    """0 to 1; 0 where a point is missing, whose place says nothing."""
    layout: str = ""
    """What they were read from."""

    def __post_init__(self) -> None:
        if not bool(torch.isfinite(self.confidence).all()) or bool((self.confidence < 0).any()):
            raise InputError("confidences of keypoints must be finite and not negative")
        if not bool(torch.isfinite(self.points_px[self.confidence > 0]).all()):
            raise InputError("keypoints with a confidence must be finite numbers")

    def confident(self, least: float) -> Bool[Tensor, "23"]:
        """Points of at least this confidence; never those of confidence 0."""
        return (self.confidence >= least) & (self.confidence > 0)

    def __repr__(self) -> str:
        known = int((self.confidence > 0).sum())
        return f"Keypoints2D({known} of {len(KEYPOINT_NAMES)} points, {self.layout or 'by hand'})"


def read_keypoints(
    path: Path,
    person: int | None = 0,
    *,
    image: str | int | None = None,
    photo: str = "",
    box_xyxy_px: tuple[float, float, float, float] | None = None,
) -> Keypoints2D:
    """One person's keypoints; `person` counts in the file's order.

    None takes the one with most points in the box, or without a box the one whose points span the
    largest. `image` is the id or file name of one photo where the file is about several; without
    it the one whose name is that of the file `photo` is taken.

    Raises:
        InputError: the file is missing, damaged, of no known layout, or has no such person.
    """
    path = Path(path)
    try:
        people = _people(_json(path), image, Path(photo).name)
        if not people:
            raise InputError("the file holds no person with keypoints")
        if person is None and box_xyxy_px is not None:
            return max(people, key=lambda found: _inside(found, box_xyxy_px))
        if person is None:
            return max(people, key=_extent_px)
        if not 0 <= person < len(people):
            have = "1 person" if len(people) == 1 else f"{len(people)} people"
            raise InputError(f"person {person} was asked for, the file holds {have}")
        return people[person]
    except InputError as error:
        raise InputError(f"{error}: {str(path)!r}") from None


def _json(path: Path) -> Any:
    if not path.is_file():
        raise InputError("keypoint file not found; expected a file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"keypoint file cannot be read as JSON ({error})") from None


def _people(content: Any, image: str | int | None, photo: str) -> list[Keypoints2D]:
    if isinstance(content, dict):
        if isinstance(content.get("people"), list):
            return [_from_openpose(entry) for entry in content["people"]]
        if isinstance(content.get("annotations"), list):
            return _from_annotations(content, image, photo)
        if isinstance(content.get("instance_info"), list):
            content = _only_frame(content["instance_info"])
    if isinstance(content, list):
        entries = [entry for entry in content if isinstance(entry, dict) and "keypoints" in entry]
        if len(entries) == len(content):
            return [_from_list(entry) for entry in _of_image(entries, image, photo)]
    found = sorted(content)[:8] if isinstance(content, dict) else type(content).__name__
    raise InputError(
        f"the file is no layout of keypoints that is read here: found {found!r}; expected 'people' "
        "(OpenPose), 'annotations' (COCO), or a list of people with 'keypoints' (COCO results, "
        "AlphaPose, MMPose)"
    )


def _only_frame(frames: list[Any]) -> Any:
    """MMPose's video files have a list per frame."""
    if frames and all(isinstance(f, dict) and isinstance(f.get("instances"), list) for f in frames):
        if len(frames) > 1:
            raise InputError(f"the file is about {len(frames)} frames; give one of a single photo")
        return frames[0]["instances"]
    return frames


def _of_image(
    entries: list[dict[str, Any]], image: str | int | None, photo: str
) -> list[dict[str, Any]]:
    """The people of one photo. Raises InputError when it is not clear which."""
    ids = list(dict.fromkeys(str(entry.get("image_id", "")) for entry in entries))
    if image is None and len(ids) > 1:
        # COCO names its files by their ids, AlphaPose its ids by the files.
        names = {photo, Path(photo).stem, Path(photo).stem.lstrip("0")} - {""}
        image = next((at for at in ids if Path(at).name in names), None)
    if image is not None:
        chosen = [entry for entry in entries if str(entry.get("image_id", "")) == str(image)]
        if not chosen:
            raise InputError(f"the file has no person in image {image!r}; it has {ids[:5]}")
        return chosen
    if len(ids) > 1:
        raise InputError(
            f"the file is about {len(ids)} photos, say which by its image id: {ids[:5]} ..."
        )
    return entries


def _from_annotations(
    content: Mapping[str, Any], image: str | int | None, photo: str
) -> list[Keypoints2D]:
    """People of COCO's annotations, with the feet of COCO-WholeBody where they are told."""
    for category in content.get("categories", []):
        names = category.get("keypoints") if isinstance(category, dict) else None
        if names is not None and tuple(names) != COCO_17:
            raise InputError(
                f"the file's {category.get('name', 'category')!r} has other keypoints than COCO's "
                f"person: {', '.join(map(str, names[:4]))} ..."
            )
    files = {
        str(entry.get("file_name")): entry.get("id")
        for entry in content.get("images", [])
        if isinstance(entry, dict)
    }
    entries = [
        entry
        for entry in content["annotations"]
        if isinstance(entry, dict) and any(_numbers(entry.get("keypoints", [])))
    ]
    photo = str(files.get(photo, photo))
    chosen = _of_image(entries, files.get(str(image), image), photo) if entries else []
    return [_from_annotation(entry) for entry in chosen]


def _from_annotation(entry: Mapping[str, Any]) -> Keypoints2D:
    rows = _triples(entry["keypoints"])
    if len(rows) != len(COCO_17):
        raise InputError(f"COCO annotations have 17 keypoints per person, found {len(rows)}")
    feet = _triples(entry.get("foot_kpts", []))
    if len(feet) not in (0, len(_FEET)):
        raise InputError(f"'foot_kpts' of COCO-WholeBody are 6 points, found {len(feet)}")
    names = COCO_17 + (_FEET if len(feet) else ())
    rows = _marks_as_confidence(np.concatenate([rows, feet.reshape(-1, 3)]))
    return _named("COCO annotation", names, rows)


def _from_list(entry: Mapping[str, Any]) -> Keypoints2D:
    """A person of COCO results, AlphaPose or MMPose."""
    points, scores = entry["keypoints"], entry.get("keypoint_scores")
    if scores is not None:
        places, scores = _numbers(points).reshape(-1), _numbers(scores).reshape(-1)
        if places.size != 2 * scores.size:
            raise InputError(
                f"'keypoints' has {places.size} numbers, {scores.size} 'keypoint_scores' need "
                f"{2 * scores.size}"
            )
        rows = np.column_stack([places.reshape(-1, 2), scores])
    else:
        rows = _triples(points)
    if len(rows) not in _LISTS:
        known = ", ".join(f"{count} ({name})" for count, (name, _) in _LISTS.items())
        raise InputError(
            f"a list of people with {len(rows)} keypoints each is no known layout; known are "
            f"{known}, and OpenPose's own files with 'people'"
        )
    layout, names = _LISTS[len(rows)]
    # Data sets write marks 0, 1, 2 in the place where detectors write scores.
    marks = bool(np.isin(rows[:, 2], (0, 1, 2)).all() and (rows[:, 2] == 2).any())
    return _named(layout, names, _marks_as_confidence(rows) if marks else rows)


def _from_openpose(entry: Any) -> Keypoints2D:
    if not isinstance(entry, dict) or "pose_keypoints_2d" not in entry:
        raise InputError("a person of OpenPose needs 'pose_keypoints_2d'")
    rows = _triples(entry["pose_keypoints_2d"])
    if len(rows) not in _OPENPOSE:
        raise InputError(
            f"OpenPose's people have 25 (BODY_25) or 18 (COCO) keypoints here, found {len(rows)}"
        )
    layout, names = _OPENPOSE[len(rows)]
    return _named(layout, names, rows)


def _numbers(values: Any) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("keypoints must be numbers") from None


def _triples(values: Any) -> np.ndarray:
    """Rows of x, y and a third number, flat or nested."""
    flat = _numbers(values).reshape(-1)
    if flat.size % 3:
        raise InputError(f"keypoints must be x, y and confidence each, found {flat.size} numbers")
    return flat.reshape(-1, 3)


def _marks_as_confidence(rows: np.ndarray) -> np.ndarray:
    known = rows.copy()
    known[:, 2] = [_LABELLED_CONFIDENCE.get(mark, 0.0) for mark in rows[:, 2].tolist()]
    return known


def _named(layout: str, names: Sequence[str], rows: np.ndarray) -> Keypoints2D:
    """Our order from another; scores above 1, as some heatmaps give, count as 1."""
    ours = np.zeros((len(KEYPOINT_NAMES), 3), np.float32)
    for name, row in zip(names, rows, strict=False):  # hands and face follow the names
        if name not in KEYPOINT_NAMES:
            continue
        if not math.isfinite(row[2]) or (row[2] > 0 and not np.isfinite(row[:2]).all()):
            raise InputError(f"the keypoint {name!r} is not a finite number")
        if row[2] > 0:
            ours[KEYPOINT_NAMES.index(name)] = (*row[:2], min(row[2], 1.0))
    return Keypoints2D(
        torch.from_numpy(ours[:, :2].copy()), torch.from_numpy(ours[:, 2].copy()), layout
    )


def _inside(person: Keypoints2D, box_xyxy_px: tuple[float, float, float, float]) -> float:
    """Known points in the box, each as sure as it is, less those outside."""
    x0, y0, x1, y1 = box_xyxy_px
    x, y = person.points_px.unbind(1)
    within = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return float(torch.where(within, person.confidence, -person.confidence).sum())


def _extent_px(person: Keypoints2D) -> float:
    """Area of the box of the known points."""
    known = person.points_px[person.confidence > 0]
    if not len(known):
        return -1.0
    return float((known.amax(0) - known.amin(0)).prod())
