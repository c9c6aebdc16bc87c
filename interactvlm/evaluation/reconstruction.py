"""How well objects are placed: fits on generated scenes, given more or less of the truth.

Ladder 1: true body, shape, mask and contact on both sides. Ladder 2: contact as the model says it,
the rest true. Ladder 3: nothing but the photo, the label and the object's box. Beside every fit
stand the same without contact, and one like PHOSA's, whose contact is whole body parts.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor

from hoi_fit.similarity import solve_similarity
from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm.assets_dir import default_weights
from interactvlm.errors import InputError
from interactvlm.evaluation.config import EvaluateConfig, ReconstructionConfig
from interactvlm.evaluation.pose_errors import chamfer_m, symmetry_of
from interactvlm.evaluation.seen_objects import SeenObject, SeenScene, seen_scenes
from interactvlm.evaluation.synthetic import load_split
from interactvlm.model import InteractVLM
from interactvlm.photo import Photo
from interactvlm.photo_job import Watch
from interactvlm.reconstruction.job import scene_of_photo
from interactvlm.reconstruction.placing import (
    Reconstruction,
    place_object,
    placed,
    shared_cm3,
)
from interactvlm.reconstruction.request import ReconstructRequest
from interactvlm.reconstruction.scene import Scene
from interactvlm.results import ContactMap
from interactvlm.synthetic.contact import CONTACT_DISTANCE_M
from renders.cache import atomic_write
from renders.mesh import Mesh, vertex_normals

_TRUE_CONTACT = 0.99
"""Heat of object vertices that touch the body or are inside it."""

Ask = Callable[[SeenScene, SeenObject], Scene]
"""What is known where one object is asked about."""


@dataclass(frozen=True)
class PlacementErrors:
    """One fitted object against its truth."""

    photo: int
    label: str
    translation_cm: float
    """Between the middles of both boxes."""
    rotation_deg: float
    """Up to the true shape's own symmetry."""
    scale_percent: float
    """Of the largest extent."""
    chamfer_cm: float
    """In the camera's frame."""
    chamfer_procrustes_cm: float
    """After the found body was brought onto the true one by turn, shift and scale."""
    human_chamfer_cm: float
    """Of the body itself after that."""
    penetration_cm3: float
    true_penetration_cm3: float
    """Of the truth: people sink into cushions."""
    contact_f1: float
    """Of the body's vertices near the fitted object against the true ones."""
    contact_used: bool
    seconds: float
    contact_free_chamfer_cm: float | None = None
    """After Procrustes, of the same fit without any contact; None where there was no contact."""
    phosa_chamfer_cm: float | None = None
    """After Procrustes, of the fit with whole body parts as contact; None where none is named."""


def evaluate_reconstruction(config: ReconstructionConfig) -> dict[str, Any]:
    """All numbers of one ladder; written to `config.json` where that is named."""
    from tqdm import tqdm

    shards = load_split(
        EvaluateConfig(
            split=config.split, data=config.data, count=max(2, config.count), seed=config.seed
        )
    )
    ask = _asker(config)
    scenes = seen_scenes(shards, config.count, config.least_px)
    bar = tqdm(scenes, total=config.count, desc=f"ladder {config.ladder}", unit="photo")
    measured, refused = [], 0
    for scene in bar:
        for seen in scene.objects:
            try:
                measured.append(_measured(scene, seen, ask(scene, seen)))
            except InputError as error:
                refused += 1
                bar.write(f"photo {scene.index}, {seen.label}: {error}")
    numbers = {"split": config.split, "photos": config.count, "ladder": config.ladder}
    numbers |= {"refused": refused} | summary(measured)
    if config.json is not None:
        told = numbers | {"objects": [asdict(errors) for errors in measured]}
        with atomic_write(config.json) as temporary:
            temporary.write_text(json.dumps(told, indent=2) + "\n")
    return numbers


def summary(measured: Sequence[PlacementErrors]) -> dict[str, Any]:
    """Medians over objects, and how often contact helped where both fits were made."""

    def median(name: str) -> float | None:
        values = [v for errors in measured if (v := getattr(errors, name)) is not None]
        return float(np.median(values)) if values else None

    better = [
        e.chamfer_procrustes_cm < e.contact_free_chamfer_cm
        for e in measured
        if e.contact_free_chamfer_cm is not None
    ]
    return {
        "count": len(measured),
        "translation_cm_median": median("translation_cm"),
        "rotation_deg_median": median("rotation_deg"),
        "scale_percent_median": median("scale_percent"),
        "object_chamfer_cm_median": median("chamfer_cm"),
        "object_chamfer_procrustes_cm_median": median("chamfer_procrustes_cm"),
        "human_chamfer_cm_median": median("human_chamfer_cm"),
        "penetration_cm3_median": median("penetration_cm3"),
        "true_penetration_cm3_median": median("true_penetration_cm3"),
        "contact_f1_mean": float(np.mean([e.contact_f1 for e in measured])) if measured else None,
        "contact_used": sum(e.contact_used for e in measured),
        "better_than_contact_free": float(np.mean(better)) if better else None,
        "contact_free": {"object_chamfer_cm_median": median("contact_free_chamfer_cm")},
        "phosa_like": {"object_chamfer_cm_median": median("phosa_chamfer_cm")},
        "seconds_per_fit_median": median("seconds"),
    }


def _measured(scene: SeenScene, seen: SeenObject, asked: Scene) -> PlacementErrors:
    began = time.perf_counter()
    found = place_object(asked)
    errors = placement_errors(scene, seen, found, time.perf_counter() - began)
    if found.fit.contact_used:
        free = place_object(without_contact(asked))
        errors = replace(
            errors, contact_free_chamfer_cm=100 * _procrustes_chamfer_m(scene, seen, free)[0]
        )
    coarse = with_parts_as_contact(asked)
    if coarse is not None:
        like = place_object(coarse)
        errors = replace(errors, phosa_chamfer_cm=100 * _procrustes_chamfer_m(scene, seen, like)[0])
    return errors


def without_contact(asked: Scene) -> Scene:
    """The same question with nothing said of contact."""
    shapes = tuple(replace(shape, heat=None) for shape in asked.candidates)
    return replace(asked, contact=None, candidates=shapes)


def with_parts_as_contact(asked: Scene) -> Scene | None:
    """The same with whole body parts drawn to the whole object; None where no part is named.

    Source: Zhang et al., "Perceiving 3D human-object spatial arrangements from a single image in
    the wild" (PHOSA), 2020: silhouettes, sizes, and contact known by parts only.
    """
    if asked.contact is None or not asked.contact.in_contact:
        return None
    part_of_vertex = get_topology(asked.contact.topology).part_of_vertex
    named = [PART_NAMES.index(part) for part in asked.contact.parts()]
    touched = torch.isin(part_of_vertex.long(), torch.tensor(named)).float()
    shapes = tuple(
        replace(shape, heat=torch.ones(shape.mesh.num_vertices)) for shape in asked.candidates
    )
    contact = replace(asked.contact, vertex_probability=touched, threshold=0.5)
    return replace(asked, contact=contact, candidates=shapes)


def _asker(config: ReconstructionConfig) -> Ask:
    if config.ladder == 1:
        return lambda scene, seen: scene.asked(seen, *true_contacts(scene, seen))
    model = InteractVLM.from_pretrained(config.weights or default_weights())
    model.config.require_trained_for("object")
    if config.ladder == 3:
        return lambda scene, seen: _from_photo(scene, seen, model, config.seed)

    def ask(scene: SeenScene, seen: SeenObject) -> Scene:
        torch.manual_seed(config.seed)
        (body,) = model.predict_contact(scene.photo, [seen.label], known_only=False)
        thing = model.predict_affordance(
            scene.photo, seen.label, seen.mesh, ask="object", known_only=False
        )
        return scene.asked(seen, body, thing.vertex_probability)

    return ask


def true_contacts(scene: SeenScene, seen: SeenObject) -> tuple[ContactMap, Float[Tensor, "verts"]]:
    """What truly touches, on the body and on the object."""
    touching = scene.contact[seen.label]
    contact = ContactMap(touching.float(), "anny", seen.label, 0.5, torch.ones_like(touching))
    return contact, (seen.heat >= _TRUE_CONTACT).float()


def _from_photo(scene: SeenScene, seen: SeenObject, model: InteractVLM, seed: int) -> Scene:
    """What a user's photo gives: every stage does its own work."""
    rows, columns = seen.mask.any(1).nonzero().flatten(), seen.mask.any(0).nonzero().flatten()
    corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    request = ReconstructRequest(
        photo=Path("photo.png"), out=Path("unused"), label=seen.label, seed=seed,
        box=",".join(str(int(corner)) for corner in corners),
    )  # fmt: skip
    photo = Photo(scene.photo, "photo.png", "", scene.photo.width, scene.photo.height)
    return scene_of_photo(request, photo, model, Watch())


def placement_errors(
    scene: SeenScene, seen: SeenObject, result: Reconstruction, seconds: float
) -> PlacementErrors:
    """Everything that can be measured of one fit."""
    found, truth, thing = result.camera_from_object, seen.camera_from_object, result.object_mesh
    near = near_object(result.body_mesh, thing)
    true = scene.contact[seen.label]
    hits = int((near & true).sum())
    apart = found.points(_middle(result.candidate.mesh)) - truth.points(_middle(seen.mesh))
    size = found.scale * _extent(result.candidate.mesh) / _extent(seen.mesh)
    aligned, human = _procrustes_chamfer_m(scene, seen, result)
    return PlacementErrors(
        photo=scene.index,
        label=seen.label,
        translation_cm=100 * float(np.linalg.norm(apart)),
        rotation_deg=symmetry_of(seen.mesh).turn_error_deg(found.rotation, truth.rotation),
        scale_percent=100 * abs(size - 1),
        chamfer_cm=100 * chamfer_m(thing, seen.placed()),
        chamfer_procrustes_cm=100 * aligned,
        human_chamfer_cm=100 * human,
        penetration_cm3=result.penetration_cm3,
        true_penetration_cm3=shared_cm3(scene.body, seen.placed()),
        contact_f1=2 * hits / max(1, int(near.sum()) + int(true.sum())),
        contact_used=result.fit.contact_used,
        seconds=seconds,
    )  # fmt: skip


def _procrustes_chamfer_m(
    scene: SeenScene, seen: SeenObject, result: Reconstruction
) -> tuple[float, float]:
    """Chamfer distance of object and body once the found body lies on the true one."""
    body = result.body_mesh
    onto = solve_similarity(
        body.vertices.double().numpy(), scene.body.vertices.double().numpy(),
        scale_bounds=(0.1, 10.0),
    )  # fmt: skip
    moved = placed(result.object_mesh, onto)
    return chamfer_m(moved, seen.placed()), chamfer_m(placed(body, onto), scene.body)


def near_object(body: Mesh, thing: Mesh) -> Bool[Tensor, "verts"]:
    """Body vertices within the distance that counts as contact, or behind the object's surface."""
    normals = vertex_normals(thing.vertices, thing.faces)
    tree = KDTree(thing.vertices.numpy())
    away, nearest = tree.query(body.vertices.numpy())
    offset: Float[Tensor, "verts 3"] = body.vertices - thing.vertices[nearest]
    height = (offset * normals[nearest]).sum(1)
    return (height <= CONTACT_DISTANCE_M) & (torch.from_numpy(away) <= 2 * CONTACT_DISTANCE_M)


def _middle(mesh: Mesh) -> Float[np.ndarray, "1 3"]:
    return ((mesh.vertices.amax(0) + mesh.vertices.amin(0)) / 2).double().numpy()[None]


def _extent(mesh: Mesh) -> float:
    return float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())


def format_numbers(numbers: dict[str, Any]) -> str:
    """A table to read."""
    rows = []
    for name, value in numbers.items():
        if isinstance(value, dict):
            rows += format_numbers({f"{name}.{k}": v for k, v in value.items()}).split("\n")
            continue
        shown = "-" if value is None else f"{value:.3g}" if isinstance(value, float) else value
        rows.append(f"{name:42}{shown!s:>10}")
    return "\n".join(rows)
