"""Crops of generated scenes to learn from: things as people hold, wear and sit on them.

Pictures of bare shapes lack what hides and tilts objects in use. Knows shards; knows no network.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from tqdm import tqdm

from interactvlm.errors import InputError
from interactvlm.synthetic.shards import SceneShards
from object_retrieval.backend import ObjectPicture
from object_retrieval.crops import square_crop

LEAST_PX = 64
"""Pixels of an object that must be visible for a crop to teach anything."""


def scene_crops(
    split: Path, categories: Sequence[str], objects: int, pictures: int, side_px: int
) -> tuple[UInt8[np.ndarray, "objects pictures side side 4"], Int[np.ndarray, "objects"]]:
    """As many crops of each object, with surroundings and mask (0 or 255), and its category.

    Objects are taken in the order of the scenes; those seen in too few pictures are left out.

    Raises:
        AssetError: the split cannot be read.
        InputError: it shows no object of these categories often enough.
    """
    crops: list[np.ndarray] = []
    labels: list[int] = []
    bar = tqdm(total=objects, desc="scene crops", unit="object")
    for label, pictured in _objects(SceneShards(split), categories, pictures, side_px):
        crops.append(pictured)
        labels.append(categories.index(label))
        bar.update()
        if len(crops) == objects:
            break
    bar.close()
    if not crops:
        raise InputError(
            f"the scenes show no object of the library in {pictures} pictures: {str(split)!r}"
        )
    return np.stack(crops), np.array(labels)


def _objects(
    shards: SceneShards, categories: Sequence[str], pictures: int, side_px: int
) -> Iterator[tuple[str, UInt8[np.ndarray, "pictures side side 4"]]]:
    for scene in shards.scenes:
        shown = [shards.picture(scene, view) for view in range(len(scene.pictures))]
        for number, thing in enumerate(scene.objects):
            if thing.label not in categories:
                continue
            seen = [(p, mask) for p in shown if (mask := p.object_mask(number)).sum() >= LEAST_PX]
            if len(seen) < pictures:
                continue
            chosen = [square_crop(ObjectPicture(p.rgb, m), side_px, blank=False) for p, m in seen]
            yield thing.label, np.stack([packed(crop) for crop in chosen[:pictures]])


def packed(crop: ObjectPicture) -> UInt8[np.ndarray, "side side 4"]:
    """Colours and mask (0 or 255) in one array."""
    assert crop.mask is not None
    return np.concatenate([crop.rgb, 255 * crop.mask[..., None].astype(np.uint8)], axis=-1)
