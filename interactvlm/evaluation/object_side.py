"""Heat on the objects of generated scenes: the model's generated answers, and the label's mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from scipy.spatial import KDTree
from torch import Tensor

from interactvlm.evaluation.config import EvaluateConfig
from interactvlm.evaluation.object_priors import ObjectPriors
from interactvlm.metrics import affordance_scores
from interactvlm.model import InteractVLM
from interactvlm.object_file import y_up
from interactvlm.surface_views import draw_object_views
from interactvlm.synthetic.dataset import full_body
from interactvlm.synthetic.posing import pose_scene
from interactvlm.synthetic.shards import SceneRecord, SceneShards
from interactvlm.synthetic.stored_scene import stored_state
from renders.mesh import PointCloud

HOT = 0.5
"""Heat from which a point counts as contact where its place is compared with the body's."""


@dataclass(frozen=True)
class ObjectQuestion:
    """One touched object of one scene, its truth, and what each method says (heat)."""

    label: str
    truth: Float[Tensor, "points"]
    said: dict[str, Float[Tensor, "points"]]
    apart_m: float | None
    """How far the contact said of the body lies from that said of the object, both placed with
    the true pose; None where either says nothing."""


def ask_objects(
    model: InteractVLM,
    folder: Path,
    shards: SceneShards,
    config: EvaluateConfig,
    body_contact: Mapping[tuple[int, str], Bool[Tensor, "verts"]] | None = None,
) -> Iterator[ObjectQuestion]:
    """Every touched object of every scene; `body_contact` holds what was said by (scene, label);
    without it nothing is told of how far the two sides lie apart.

    A category that the model was never taught is asked about as "the object": its name would be
    refused to a user, too.
    """
    from tqdm import tqdm

    priors = ObjectPriors.load(folder / "object_priors.npz")
    scenes = shards.scenes[: config.count]
    for index, scene in enumerate(tqdm(scenes, desc=f"objects {config.split}", unit="photo")):
        shown = scenes[(index + len(scenes) // 2) % len(scenes)] if config.shuffle_images else scene
        photo = Image.fromarray(shards.picture(shown).rgb)
        body = None
        shapes = zip(
            scene.objects, shards.object_points(scene), shards.object_heat(scene), strict=True
        )
        for place, (record, points, heat) in enumerate(shapes):
            if not record.touched:
                continue
            upright = y_up(torch.from_numpy(points), "z")
            views = draw_object_views(
                model.localizer, model.config, PointCloud(upright), model.device
            )
            asked = record.label if record.label in model.config.labels else ""
            found = model.predict_affordance(photo, asked, views, known_only=False)
            said = {
                "model": found.vertex_probability,
                "label_mean": priors.heat(record.label, upright),
            }
            apart = None
            if body_contact is not None:
                body = _posed_body(shards, scene) if body is None else body
                placed = _placed(shards, scene, place, points)
                touching = body[body_contact[index, record.label].numpy()]
                apart = _apart(touching, placed[said["model"].numpy() >= HOT])
            yield ObjectQuestion(record.label, torch.from_numpy(heat), said, apart)


def object_scores(questions: Sequence[ObjectQuestion], name: str) -> dict[str, Any]:
    """Means over questions; AUC and aIOU over those whose truth has both classes."""
    each = [affordance_scores(q.said[name], q.truth) for q in questions]
    return {
        "sim": float(np.mean([s.similarity for s in each])),
        "auc": _mean([s.auc for s in each]),
        "aiou": _mean([s.aiou for s in each]),
        "mae": float(np.mean([s.absolute_error for s in each])),
        "count": len(each),
    }


def agreement(questions: Sequence[ObjectQuestion]) -> dict[str, Any]:
    """How far apart the two sides' contacts lie, over questions where both say something."""
    apart = [q.apart_m for q in questions if q.apart_m is not None]
    return {"distance_cm": 100 * _mean(apart) if apart else None, "count": len(apart)}


def _mean(values: Sequence[float | None]) -> float:
    kept = [value for value in values if value is not None]
    return float(np.mean(kept)) if kept else float("nan")


def _posed_body(shards: SceneShards, scene: SceneRecord) -> Float[np.ndarray, "verts 3"]:
    posed = pose_scene(stored_state(shards.details(scene)), full_body())
    return posed.vertices_world[: posed.num_body_vertices]


def _placed(
    shards: SceneShards, scene: SceneRecord, place: int, points: Float[np.ndarray, "points 3"]
) -> Float[np.ndarray, "points 3"]:
    pose = np.array(shards.details(scene)["objects"][place]["world_from_object"], np.float32)
    return points @ pose[:3, :3].T + pose[:3, 3]


def _apart(
    body_world: Float[np.ndarray, "touching 3"], object_world: Float[np.ndarray, "hot 3"]
) -> float | None:
    """Mean of the mean distances to the nearest point of the other set, metres."""
    if not len(body_world) or not len(object_world):
        return None
    there = KDTree(object_world).query(body_world)[0].mean()
    back = KDTree(body_world).query(object_world)[0].mean()
    return float(there + back) / 2
