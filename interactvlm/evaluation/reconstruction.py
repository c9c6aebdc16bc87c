"""How well objects are placed: fits on generated scenes, given more or less of the truth.

Ladder 1: true body, shape, mask and contact on both sides. Ladder 2: contact as the model says it,
the rest true.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor

from interactvlm.assets_dir import default_weights
from interactvlm.evaluation.config import EvaluateConfig, ReconstructionConfig
from interactvlm.evaluation.pose_errors import chamfer_m, symmetry_of
from interactvlm.evaluation.seen_objects import SeenObject, SeenScene, seen_scenes
from interactvlm.evaluation.synthetic import load_split
from interactvlm.model import InteractVLM
from interactvlm.reconstruction.placing import Reconstruction, place_object
from interactvlm.results import ContactMap
from interactvlm.synthetic.contact import CONTACT_DISTANCE_M
from renders.cache import atomic_write
from renders.mesh import Mesh, vertex_normals

_TRUE_CONTACT = 0.99
"""Heat of object vertices that touch the body or are inside it."""


Said = tuple[ContactMap | None, Float[Tensor, "verts"] | None]
"""Contact on the body and heat on the object, None where nothing is said."""


@dataclass(frozen=True)
class PlacementErrors:
    """One fitted object against its truth."""

    translation_cm: float
    """Between the middles of both boxes."""
    rotation_deg: float
    """Up to the shape's own symmetry."""
    scale_percent: float
    chamfer_cm: float
    """In the camera's frame."""
    penetration_cm3: float
    contact_f1: float
    """Of the body's vertices near the fitted object against the true ones."""
    contact_used: bool
    seconds: float
    contact_free_chamfer_cm: float | None = None
    """Of the same fit without any contact; None where there was no contact to leave out."""


def evaluate_reconstruction(config: ReconstructionConfig) -> dict[str, Any]:
    """All numbers of one ladder; written to `config.json` where that is named."""
    from tqdm import tqdm

    shards = load_split(
        EvaluateConfig(
            split=config.split, data=config.data, count=max(2, config.count), seed=config.seed
        )
    )
    say = true_contacts if config.ladder == 1 else _model_contacts(config)
    scenes = seen_scenes(shards, config.count, config.least_px)
    bar = tqdm(scenes, total=config.count, desc=f"ladder {config.ladder}", unit="photo")
    measured = [errors for scene in bar for errors in _measured(scene, say)]
    numbers = {
        "split": config.split, "ladder": config.ladder, "photos": config.count,
    } | summary(measured)  # fmt: skip
    if config.json is not None:
        with atomic_write(config.json) as temporary:
            temporary.write_text(json.dumps(numbers, indent=2) + "\n")
    return numbers


def summary(measured: Sequence[PlacementErrors]) -> dict[str, Any]:
    """Medians over objects, and how often contact helped where both fits were made."""

    def median(name: str, of: Sequence[PlacementErrors] = measured) -> float | None:
        values = [getattr(errors, name) for errors in of]
        return float(np.median(values)) if values else None

    both = [e for e in measured if e.contact_free_chamfer_cm is not None]
    better = [e.chamfer_cm < (e.contact_free_chamfer_cm or 0.0) for e in both]
    return {
        "count": len(measured),
        "translation_cm_median": median("translation_cm"),
        "rotation_deg_median": median("rotation_deg"),
        "scale_percent_median": median("scale_percent"),
        "object_chamfer_cm_median": median("chamfer_cm"),
        "penetration_cm3_median": median("penetration_cm3"),
        "contact_f1_mean": float(np.mean([e.contact_f1 for e in measured])) if measured else None,
        "contact_used": sum(e.contact_used for e in measured),
        "better_than_contact_free": float(np.mean(better)) if better else None,
        "contact_free_chamfer_cm_median": median("contact_free_chamfer_cm", both),
        "seconds_per_fit_median": median("seconds"),
    }


def _measured(
    scene: SeenScene, say: Callable[[SeenScene, SeenObject], Said]
) -> Iterator[PlacementErrors]:
    for seen in scene.objects:
        asked = scene.asked(seen, *say(scene, seen))
        began = time.perf_counter()
        found = place_object(asked)
        errors = placement_errors(scene, seen, found, time.perf_counter() - began)
        if found.fit.contact_used:
            without = place_object(scene.asked(seen, None, None))
            chamfer = chamfer_m(without.object_mesh, seen.placed())
            errors = replace(errors, contact_free_chamfer_cm=100 * chamfer)
        yield errors


def true_contacts(scene: SeenScene, seen: SeenObject) -> Said:
    """What truly touches."""
    touching = scene.contact[seen.label]
    contact = ContactMap(touching.float(), "anny", seen.label, 0.5, torch.ones_like(touching))
    return contact, (seen.heat >= _TRUE_CONTACT).float()


def _model_contacts(config: ReconstructionConfig) -> Callable[[SeenScene, SeenObject], Said]:
    """What a model says of body and object; asked as a user would ask it."""
    model = InteractVLM.from_pretrained(config.weights or default_weights())
    model.config.require_trained_for("object")

    def say(scene: SeenScene, seen: SeenObject) -> Said:
        torch.manual_seed(config.seed)
        (body,) = model.predict_contact(scene.photo, [seen.label], known_only=False)
        thing = model.predict_affordance(
            scene.photo, seen.label, seen.mesh, ask="object", known_only=False
        )
        return body, thing.vertex_probability

    return say


def placement_errors(
    scene: SeenScene, seen: SeenObject, result: Reconstruction, seconds: float
) -> PlacementErrors:
    """Everything that can be measured of one fit."""
    found, truth, thing = result.camera_from_object, seen.camera_from_object, result.object_mesh
    low, high = seen.mesh.vertices.amin(0), seen.mesh.vertices.amax(0)
    middle = ((low + high) / 2).double().numpy()[None]
    near = near_object(scene.body, thing)
    true = scene.contact[seen.label]
    hits = int((near & true).sum())
    return PlacementErrors(
        translation_cm=100 * float(np.linalg.norm(found.points(middle) - truth.points(middle))),
        rotation_deg=symmetry_of(seen.mesh).turn_error_deg(found.rotation, truth.rotation),
        scale_percent=100 * abs(found.scale / truth.scale - 1),
        chamfer_cm=100 * chamfer_m(thing, seen.placed()),
        penetration_cm3=result.penetration_cm3,
        contact_f1=2 * hits / max(1, int(near.sum()) + int(true.sum())),
        contact_used=result.fit.contact_used,
        seconds=seconds,
    )  # fmt: skip


def near_object(body: Mesh, thing: Mesh) -> Bool[Tensor, "verts"]:
    """Body vertices within the distance that counts as contact, or behind the object's surface."""
    normals = vertex_normals(thing.vertices, thing.faces)
    tree = KDTree(thing.vertices.numpy())
    away, nearest = tree.query(body.vertices.numpy())
    offset: Float[Tensor, "verts 3"] = body.vertices - thing.vertices[nearest]
    height = (offset * normals[nearest]).sum(1)
    return (height <= CONTACT_DISTANCE_M) & (torch.from_numpy(away) <= 2 * CONTACT_DISTANCE_M)


def format_numbers(numbers: dict[str, Any]) -> str:
    """A table to read."""
    rows = [f"{'':34}{'':>10}"]
    for name, value in numbers.items():
        shown = "-" if value is None else f"{value:.3g}" if isinstance(value, float) else value
        rows.append(f"{name:34}{shown!s:>10}")
    return "\n".join(rows[1:])
