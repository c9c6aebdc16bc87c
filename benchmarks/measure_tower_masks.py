"""What the shipped model's photo tower sees by itself, against the truth of generated scenes.

Overlap of person and object masks, distance of keypoints, distance on the body of dense points.

python benchmarks/measure_tower_masks.py --data data/synthetic --split val
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from human_recovery.topology import BodyTopology, get_topology
from interactvlm.assets_dir import default_weights
from interactvlm.model import InteractVLM
from interactvlm.photo import Photo
from interactvlm.reconstruction_inputs.masks import TowerMasks, masks_by_tower
from interactvlm.synthetic.shards import NO_VERTEX, Picture, SceneRecord, SceneShards

LEAST_PIXELS = 16
"""An object shown in fewer pixels is not asked for."""
SURE = 0.5
"""Confidence from which a keypoint counts as found."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/synthetic"))
    parser.add_argument("--split", default="val")
    parser.add_argument("--weights", type=Path, default=default_weights())
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = InteractVLM.from_pretrained(options.weights)
    topology = get_topology(model.config.topology)
    shards = SceneShards(options.data / options.split)
    scenes = shards.scenes[: options.count]
    results: dict[str, list[float]] = {}
    for scene in tqdm(scenes, unit="scene"):
        for name, values in measured(model, topology, shards, scene).items():
            results.setdefault(name, []).extend(values)
    print(f"{len(scenes)} scenes of {options.data / options.split}, {shards.size_px} px")
    for name, values in results.items():
        row = np.array(values, dtype=np.float64)
        row = row[np.isfinite(row)]
        print(f"{name:42s} mean {row.mean():7.3f}   median {np.median(row):7.3f}   n {len(row)}")
    print(json.dumps({n: float(np.nanmean(v)) for n, v in results.items()}))


def measured(
    model: InteractVLM, topology: BodyTopology, shards: SceneShards, scene: SceneRecord
) -> dict[str, list[float]]:
    """All numbers of one scene's first picture."""
    picture = shards.picture(scene)
    height, width = picture.instance.shape
    photo = Photo(Image.fromarray(picture.rgb), "scene", "0" * 64, width, height)
    shown = [
        o.label for i, o in enumerate(scene.objects)
        if (picture.instance == 2 + i).sum() >= LEAST_PIXELS and o.label in model.config.labels
    ]  # fmt: skip
    there = {o.label for o in scene.objects}
    absent = [label for label in model.config.labels if label not in there]
    asked = absent[scene.seed % len(absent)]
    seen = masks_by_tower(model, photo, asked)
    assert seen is not None, "these weights have no photo tower"
    numbers = {
        "person IoU": [overlap(seen.person, picture.instance == 1)],
        "absent object found (share)": [float(seen.object is not None)],
        **keypoint_errors(seen, picture),
        **dense_errors(seen, picture, topology),
    }
    overlaps, found = [], []
    for label in dict.fromkeys(shown):
        named = [2 + i for i, o in enumerate(scene.objects) if o.label == label]
        mask = masks_by_tower(model, photo, label)
        assert mask is not None
        overlaps.append(overlap(mask.object, np.isin(picture.instance, named)))
        found.append(float(mask.object is not None))
    numbers["object IoU, 0 where not found"] = overlaps
    numbers["object found (share)"] = found
    return numbers


def overlap(mask: np.ndarray | None, truth: np.ndarray) -> float:
    """Intersection over union; 0 without a mask, NaN where there is nothing to find."""
    if not truth.any():
        return float("nan")
    return 0.0 if mask is None else float((mask & truth).sum() / (mask | truth).sum())


def keypoint_errors(seen: TowerMasks, picture: Picture) -> dict[str, list[float]]:
    """Distances in pixels of the picture, of points inside it."""
    found = np.concatenate([seen.keypoints_px, seen.hand_centres_px])
    truth = picture.keypoints_px
    side = picture.instance.shape[0]
    inside = ((truth[:, :2] >= 0) & (truth[:, :2] < side)).all(axis=1)
    away = np.linalg.norm(found[:, :2] - truth[:, :2], axis=1)
    visible, sure = truth[:, 2] > 0, found[:, 2] >= SURE
    return {
        "keypoint error, visible (px)": away[inside & visible].tolist(),
        "keypoint error, hidden (px)": away[inside & ~visible].tolist(),
        f"keypoint error, confidence >= {SURE} (px)": away[inside & sure].tolist(),
        f"visible keypoints, confidence >= {SURE} (share)": sure[inside & visible].tolist(),
        f"hidden keypoints, confidence >= {SURE} (share)": sure[inside & ~visible].tolist(),
    }


def dense_errors(
    seen: TowerMasks, picture: Picture, topology: BodyTopology
) -> dict[str, list[float]]:
    """Distance of the named vertex to the true one on the canonical body."""
    columns, rows = seen.dense_px.astype(np.int64).T
    truth = picture.vertex[rows, columns].astype(np.int64)
    on_body = truth != NO_VERTEX
    places = topology.canonical_vertices.numpy()
    away = np.linalg.norm(places[seen.dense_vertex[on_body]] - places[truth[on_body]], axis=1)
    return {
        "dense points on the person (share)": on_body.astype(float).tolist(),
        "dense point error on the body (m)": away.tolist(),
        "dense points within 10 cm (share)": (away < 0.10).astype(float).tolist(),
        "dense points per picture": [float(len(columns))],
    }


if __name__ == "__main__":
    main()
