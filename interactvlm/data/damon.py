"""DAMON: everyday photos with body contact per object, on SMPL's vertices.

Layouts: the publisher's `hot_dca_{split}.npz`, or one folder per split with `imgname.npy` and
`contact_label_objectwise.pkl` (or `.npy`), as InteractVLM splits that file. Photos are found by
name in `{split}/images`, `images` or where they are listed. A label of a photo without a vertex is
no sample. "supporting" is what carries the person: ground, floor, seat.

`test-scene` and `train-scene` are InteractVLM's other labelling of the same photos,
`contact_label_objectwise_wFootGround.pkl`: feet on the ground are "scene", as in RICH, and
"supporting" is left out.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from interactvlm.data.folder import DataFolder, unique_keys, vertex_mask
from interactvlm.data.sample import BodyContact, Dataset, Entry, Sample
from interactvlm.data.sources import SOURCES

SCENE = "scene"
"""Label of contact with the ground in the splits that have it."""
_SUPPORTING, _FOOT_GROUND = "supporting", "foot_ground"

_LABELS = {
    "transport": "motorcycle bicycle boat car truck bus train airplane",
    "accessory": "backpack tie handbag baseball_glove",
    "furniture": "bench chair couch bed toilet dining_table",
    "everyday objects": "book umbrella cell_phone laptop kite suitcase bottle remote toothbrush "
    "teddy_bear scissors keyboard hair_drier traffic_light fire_hydrant stop_sign tv vase "
    "parking_meter clock potted_plant mouse",
    "sports": "frisbee sports_ball tennis_racket baseball_bat skateboard snowboard skis surfboard",
    "food": "banana cake apple carrot pizza donut hot_dog sandwich broccoli orange",
    "kitchen": "knife spoon cup wine_glass oven fork bowl refrigerator toaster sink microwave",
}
CATEGORIES: dict[str, tuple[str, ...]] = {c: tuple(text.split()) for c, text in _LABELS.items()}
"""Source: the categories of InteractVLM's evaluation. Names it writes with blanks match nothing
there, here they do; "supporting" and labels not named are in no category."""


def category_of(label: str) -> str | None:
    """The category of a label, or None."""
    name = label.lower().replace(" ", "_")
    return next((c for c, names in CATEGORIES.items() if name in names), None)


def open_damon(root: Path, split: str) -> Dataset:
    """One split. Raises AssetError naming the file that is missing or malformed."""
    source = SOURCES["damon"]
    folder = DataFolder(source, root)
    part, _, scene = source.checked_split(split).partition("-")
    path, listed, objectwise = _annotations(folder, part, with_scene=bool(scene))
    if len(listed) != len(objectwise):
        raise folder.fault(path, f"labels {len(objectwise)} photos, {len(listed)} are listed")
    rows: list[tuple[str, str, Path]] = []
    vertices: list[Any] = []
    for name, labels in zip(listed, objectwise, strict=True):
        image = _photo(folder, part, name)
        for label, ids in folder.table(labels, path).items():
            ids = folder.vertex_ids(ids, path, f"{label!r} of {name!r}")
            if scene and _SUPPORTING in label:
                continue
            label = SCENE if scene and label == _FOOT_GROUND else label
            if ids:
                rows.append((f"{PurePosixPath(name).stem}/{label}", label, image))
                vertices.append(np.array(ids, dtype=np.int16))
    keys = unique_keys([key for key, _, _ in rows])
    entries = [Entry(k, label, image) for k, (_, label, image) in zip(keys, rows, strict=True)]

    def read(index: int) -> Sample:
        contact = vertex_mask(vertices[index].tolist())
        return Sample(entries[index], body=BodyContact("smpl", contact))

    return Dataset(source, split, entries, read)


def _annotations(
    folder: DataFolder, split: str, *, with_scene: bool
) -> tuple[Path, list[str], list[Any]]:
    """File of the labels, listed photos, and one dictionary label -> vertices per photo."""
    archive, base = f"hot_dca_{split}.npz", f"{split}/contact_label_objectwise"
    if with_scene:
        path = folder.file(f"{base}_wFootGround.pkl", f"{base}_wFootGround.npy")
    else:
        path = folder.file(archive, f"{base}.pkl", f"{base}.npy")
    if path.suffix == ".npz":
        arrays = folder.npz(path, "imgname", "contact_label_objectwise")
        names, objectwise = arrays["imgname"], arrays["contact_label_objectwise"]
    else:
        names = folder.npy(folder.file(f"{split}/imgname.npy"))
        objectwise = folder.npy(path) if path.suffix == ".npy" else folder.pickle(path)
    labels = objectwise.tolist() if isinstance(objectwise, np.ndarray) else objectwise
    if not isinstance(labels, (list, tuple)):
        raise folder.fault(path, f"must hold one entry per photo, found {type(labels).__name__}")
    return path, folder.text_list(names, path), list(labels)


def _photo(folder: DataFolder, split: str, listed: str) -> Path:
    """Only the name of a listed path means anything; its folders are the publisher's."""
    name = PurePosixPath(listed.replace("\\", "/")).name
    for candidate in (folder.root / split / "images" / name, folder.root / "images" / name):
        if candidate.is_file():
            return candidate
    return folder.locate(listed)
