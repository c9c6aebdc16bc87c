"""What open models saw, as files that a later run or another program takes up.

`detections.json` (boxes in pixels of the upright original, which other files belong to it),
`masks.npz` (`masks`, bool (detections, height, width)), `keypoints.json` (COCO results),
`depth.npy` (float32) and `perception.png` to look at. Knows files; knows no model.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from interactvlm.errors import AssetError, InputError
from interactvlm.open_models.boxes import Detection
from interactvlm.open_models.depth import DepthMap
from interactvlm.open_models.keypoints import COCO_KEYPOINTS
from interactvlm.open_models.perception_picture import draw_perception
from interactvlm.open_models.photo_perception import PERSON, PhotoPerception
from interactvlm.photo import Photo
from renders.cache import atomic_write

DETECTIONS_FILE = "detections.json"
MASKS_FILE = "masks.npz"
KEYPOINTS_FILE = "keypoints.json"
DEPTH_FILE = "depth.npy"
PICTURE_FILE = "perception.png"

_METRES = "metres"


def save_perception(folder: Path, photo: Photo, seen: PhotoPerception) -> list[Path]:
    """Writes what was seen, boxes in pixels of the original; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = seen.in_pixels_of(photo.width, photo.height)
    written = []
    if seen.masks is not None:
        written.append(folder / MASKS_FILE)
        with atomic_write(written[-1]) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, masks=seen.masks)
    if seen.keypoints is not None:
        written.append(_write_json(folder / KEYPOINTS_FILE, _coco_results(seen)))
    if seen.depth is not None:
        written.append(folder / DEPTH_FILE)
        with atomic_write(written[-1]) as temporary, temporary.open("wb") as stream:
            np.save(stream, seen.depth.values, allow_pickle=False)
    written.append(folder / PICTURE_FILE)
    with atomic_write(written[-1]) as temporary:
        draw_perception(photo.image, seen).save(temporary, format="PNG")
    # Last, and it names the others: a file of an earlier run in the folder is not taken for ours.
    described = _described(photo, seen) | {"files": [path.name for path in written]}
    return [*written, _write_json(folder / DETECTIONS_FILE, described)]


def load_perception(folder: Path, photo: Photo) -> PhotoPerception:
    """What was seen in this photo before, boxes in pixels of the original.

    Only `detections.json` with `width`, `height` and `detections` (`label`, `box_xyxy_px`,
    perhaps `score`) is needed, so that a folder may be written by hand or by another program.

    Raises:
        AssetError: a file is missing, damaged or does not fit the others.
        InputError: it was made from another photo.
    """
    folder = folder.expanduser()
    path = folder / DETECTIONS_FILE
    if not path.is_file():
        raise AssetError(
            f"no {DETECTIONS_FILE} of `interactvlm perceive` is here; expected a file at "
            f"{str(path)!r}"
        )
    content = _read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("detections"), list):
        raise AssetError(f"{DETECTIONS_FILE} must hold an object with 'detections': {str(path)!r}")
    _require_this_photo(content, photo, path)
    listed = [_detection(entry, path) for entry in content["detections"]]
    # People first, as everywhere; masks follow their boxes.
    order = sorted(range(len(listed)), key=lambda i: listed[i].label != PERSON)
    found = [listed[i] for i in order]
    here = content.get("files")
    if not isinstance(here, list):
        here = [f for f in (MASKS_FILE, KEYPOINTS_FILE, DEPTH_FILE) if (folder / f).is_file()]
    models = content.get("models")
    return PhotoPerception(
        detections=tuple(found),
        width=photo.width,
        height=photo.height,
        masks=_masks(folder / MASKS_FILE, order) if MASKS_FILE in here else None,
        keypoints=_keypoints(folder / KEYPOINTS_FILE, found) if KEYPOINTS_FILE in here else None,
        depth=_depth(folder / DEPTH_FILE, content) if DEPTH_FILE in here else None,
        provenance={str(k): str(v) for k, v in models.items()} if isinstance(models, dict) else {},
    )


def _described(photo: Photo, seen: PhotoPerception) -> dict[str, Any]:
    return {
        "width": seen.width, "height": seen.height, "photo_sha256": photo.sha256,
        "detections": [asdict(d) for d in seen.detections],
        "depth": None if seen.depth is None else (_METRES if seen.depth.metric else "relative"),
        "models": seen.provenance,
    }  # fmt: skip


def _coco_results(seen: PhotoPerception) -> list[dict[str, Any]]:
    assert seen.keypoints is not None
    return [
        {
            "image_id": 0, "category_id": 1, "score": person.score,
            "keypoints": [round(float(v), 3) for v in points.reshape(-1)],
        }
        for person, points in zip(seen.people, seen.keypoints, strict=True)
    ]  # fmt: skip


def _require_this_photo(content: dict[str, Any], photo: Photo, path: Path) -> None:
    size = content.get("width"), content.get("height")
    if size != (photo.width, photo.height):
        raise InputError(
            f"perception was made from a photo of {size[0]}x{size[1]} px, this one has "
            f"{photo.width}x{photo.height}; run `interactvlm perceive` on it: {str(path)!r}"
        )
    if content.get("photo_sha256", photo.sha256) != photo.sha256:
        raise InputError(
            f"perception was made from another photo than {photo.path!r}; run `interactvlm "
            f"perceive` on this one: {str(path)!r}"
        )


def _detection(entry: Any, path: Path) -> Detection:
    try:
        x0, y0, x1, y1 = (float(value) for value in entry["box_xyxy_px"])
        detection = Detection(str(entry["label"]), float(entry.get("score", 1.0)), (x0, y0, x1, y1))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise AssetError(
            f"a detection needs 'label' and 'box_xyxy_px' of four numbers, found {entry!r:.80}: "
            f"{str(path)!r}"
        ) from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x0 >= x1 or y0 >= y1:
        raise AssetError(
            f"box of {detection.label!r} must have x0 < x1 and y0 < y1, found "
            f"{detection.box_xyxy_px!r}: {str(path)!r}"
        )
    return detection


def _masks(path: Path, order: list[int]) -> Bool[np.ndarray, "detections height width"]:
    masks = _read_array(path, "masks")
    if masks.ndim != 3 or len(masks) != len(order):
        raise AssetError(
            f"masks must be (detections, height, width) with {len(order)} detections, found "
            f"{masks.shape}: {str(path)!r}"
        )
    return masks[order].astype(bool)


def _keypoints(path: Path, found: list[Detection]) -> Float32[np.ndarray, "people 17 3"]:
    people = sum(d.label == PERSON for d in found)
    try:
        rows = [person["keypoints"] for person in _read_json(path)]
        points = np.asarray(rows, dtype=np.float32).reshape(len(rows), len(COCO_KEYPOINTS), 3)
    except (KeyError, TypeError, ValueError):
        raise AssetError(
            f"keypoints must be COCO results, {3 * len(COCO_KEYPOINTS)} numbers per person: "
            f"{str(path)!r}"
        ) from None
    if len(points) != people:
        raise AssetError(
            f"keypoints of {len(points)} people do not fit {people} person boxes: {str(path)!r}"
        )
    return points


def _depth(path: Path, content: dict[str, Any]) -> DepthMap:
    values = _read_array(path)
    if values.ndim != 2 or values.dtype.kind != "f":
        raise AssetError(
            f"depth must be (height, width) of floats, found {values.shape} of {values.dtype}: "
            f"{str(path)!r}"
        )
    return DepthMap(values.astype(np.float32), content.get("depth") == _METRES)


def _read_array(path: Path, key: str = "") -> np.ndarray:
    try:
        stored = np.load(path, allow_pickle=False)
        if not key:
            return stored
        with stored:
            return stored[key]
    except Exception as error:  # zip, header and pickle errors share no base class
        raise AssetError(f"file cannot be read ({error}): {str(path)!r}") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AssetError(f"file cannot be read as JSON ({error}): {str(path)!r}") from None


def _write_json(path: Path, values: Any) -> Path:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return path
