"""The shapes that an object may have, as files of a scene's folder.

Per shape `object_N.ply` (metres, y up) and, where contact was said, `affordance_N.npz`;
`candidates.json` names them. A folder that was put together by hand has one `object.*` instead and
perhaps `affordance.npz`. Knows nothing of photo and body.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from torch import Tensor

from interactvlm.errors import InputError
from interactvlm.object_file import fine_mesh, load_object
from interactvlm.reconstruction.scene import CONTACT_EDGE_M, ShapeCandidate, require_usable
from interactvlm.reconstruction_inputs.map_files import existing_file, read_json
from renders.cache import atomic_write
from renders.mesh import Mesh

CANDIDATES_FILE = "candidates.json"
_MESHES = (".obj", ".ply", ".glb", ".gltf", ".stl", ".off")


@dataclass(frozen=True, eq=False)
class ListedShapes:
    """What a folder says of the object."""

    label: str
    """As it is called; empty where nobody said it."""
    candidates: tuple[ShapeCandidate, ...]
    notes: tuple[str, ...]
    """Of the whole scene, and of the files."""


def shape_files(candidates: Sequence[ShapeCandidate]) -> list[tuple[str, str | None]]:
    """Names of each shape's mesh and heat; None where it has no heat."""
    return [
        (f"object_{n}.ply", None if candidate.heat is None else f"affordance_{n}.npz")
        for n, candidate in enumerate(candidates, start=1)
    ]


def save_candidates(
    folder: Path, label: str, candidates: Sequence[ShapeCandidate], notes: Sequence[str]
) -> None:
    """Writes every shape, and the list of them last."""
    entries = []
    for c, (mesh, heat) in zip(candidates, shape_files(candidates), strict=True):
        _save_shape(folder / mesh, c)
        if heat is not None:
            _save_heat(folder / heat, c)
        entries.append({
            "name": c.name, "source": c.source, "score": c.score, "sha256": c.sha256,
            "size_spread": c.size_spread, "affordance": c.affordance, "upright": c.upright,
            "mesh": mesh, "heat": heat,
        })  # fmt: skip
    listed = {"label": label, "notes": list(notes), "candidates": entries}
    with atomic_write(folder / CANDIDATES_FILE) as temporary:
        temporary.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def load_candidates(folder: Path) -> ListedShapes:
    """The shapes of a folder, by its list or as put together by hand.

    Raises InputError when there are none, or a file is missing, damaged or unfit.
    """
    path = folder / CANDIDATES_FILE
    if not path.is_file():
        return _lone_shape(folder)
    content = _read_list(path)
    notes, candidates = list(content["notes"]), []
    for number, entry in enumerate(content["candidates"], start=1):
        _require_fields(entry, number, path)
        candidates.append(_listed_shape(folder, entry, notes))
    return ListedShapes(content["label"], tuple(candidates), tuple(notes))


def heat_of(path: Path, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points"]:
    """An `affordance.npz`, carried to the points of a mesh by the nearest of its own points.

    Its unit may be another: a mesh that is not in metres is brought to its size before the fit.

    Raises InputError when the file is missing or damaged, or is of another object.
    """
    from scipy.spatial import KDTree

    own, value = _read_heat(path)
    there = points.double().numpy()
    extent = float(np.ptp(there, axis=0).max())
    own = own * (extent / max(float(np.ptp(own, axis=0).max()), 1e-12))
    if own.shape == there.shape and np.allclose(own, there, atol=1e-5 * extent):
        return torch.from_numpy(value)  # parts may have points in one place
    away, nearest = KDTree(own).query(there)
    if float(np.median(away)) > 0.05 * extent:
        raise InputError(
            f"affordance file is of another object, or in another frame: {str(path)!r}"
        )
    return torch.from_numpy(value[nearest])


def _save_shape(path: Path, candidate: ShapeCandidate) -> None:
    mesh = candidate.mesh
    shape = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
    with atomic_write(path) as temporary:
        shape.export(str(temporary), file_type="ply")


def _save_heat(path: Path, candidate: ShapeCandidate) -> None:
    assert candidate.heat is not None
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            point_probability=candidate.heat.float().numpy(),
            points=candidate.mesh.vertices.float().numpy(),
            faces=candidate.mesh.faces.long().numpy(),
            affordance=np.array(candidate.affordance),
        )


def _lone_shape(folder: Path) -> ListedShapes:
    """The shape of a folder that was put together by hand: `object.*`, metres, y up."""
    found = [p for p in sorted(folder.glob("object.*")) if p.suffix.lower() in _MESHES]
    if not found:
        raise InputError(
            f"the folder holds neither {CANDIDATES_FILE} nor an object mesh (object.obj, .ply, "
            f".glb, .stl, .off): {str(folder)!r}"
        )
    shape = load_object(found[0])
    mesh = Mesh(shape.points, shape.faces)
    require_usable(mesh, shape.path)
    mesh, heat = fine_mesh(mesh, longest_edge=CONTACT_EDGE_M), folder / "affordance.npz"
    candidate = ShapeCandidate(
        name=found[0].name,
        source="file",
        mesh=mesh,
        size_spread=0.15,
        heat=heat_of(heat, mesh.vertices) if heat.is_file() else None,
    )
    return ListedShapes("", (candidate,), shape.notes)


def _listed_shape(folder: Path, entry: dict[str, Any], notes: list[str]) -> ShapeCandidate:
    shape = load_object(folder / entry["mesh"])
    mesh = Mesh(shape.points, shape.faces)
    require_usable(mesh, shape.path)
    notes.extend(shape.notes)
    heat = entry["heat"]
    return ShapeCandidate(
        name=entry["name"],
        source=entry["source"],
        mesh=mesh,
        size_spread=float(entry["size_spread"]),
        score=float(entry["score"]),
        heat=None if heat is None else heat_of(folder / heat, mesh.vertices),
        affordance=entry["affordance"],
        upright=entry["upright"],
    )


def _read_list(path: Path) -> dict[str, Any]:
    content = read_json(existing_file(path))
    if not isinstance(content, dict):
        content = {}
    label, notes, entries = (content.get(key) for key in ("label", "notes", "candidates"))
    if not isinstance(label, str) or not _is_list_of(notes, str) or not _is_list_of(entries, dict):
        raise InputError(
            "the list of shapes must have a text as 'label', a list of texts as 'notes' and a list "
            f"of objects as 'candidates': {str(path)!r}"
        )
    if not entries:
        raise InputError(f"the list of shapes is empty, so there is nothing to fit: {str(path)!r}")
    return content


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def _is_inside(value: Any) -> bool:
    """Whether it names a file that cannot lie outside the folder."""
    return _is_text(value) and not Path(value).anchor and ".." not in Path(value).parts


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_text, "a text"),
    "source": (_is_text, "a text"),
    "affordance": (_is_text, "a text"),
    "score": (_is_number, "a number from 0 to 100"),
    "size_spread": (_is_number, "a number from 0 to 100"),
    "upright": (lambda value: isinstance(value, bool), "true or false"),
    "mesh": (_is_inside, "a file inside the folder"),
    "heat": (lambda value: value is None or _is_inside(value), "a file inside the folder or null"),
}
"""What is read of each shape: whether a value is one, and what it must be."""


def _require_fields(entry: dict[str, Any], number: int, path: Path) -> None:
    for key, (is_fit, wanted) in _FIELDS.items():
        if key not in entry or not is_fit(entry[key]):
            found = f"{entry[key]!r:.40}" if key in entry else "nothing"
            raise InputError(
                f"shape {number} of the list must have {wanted} as {key!r}, found {found}: "
                f"{str(path)!r}"
            )


def _read_heat(path: Path) -> tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, "points"]]:
    """Points and their values."""
    if not path.is_file():
        raise InputError(f"affordance file not found; expected a file at {str(path)!r}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            own = stored["points"].astype(np.float64)
            value = stored["point_probability"].astype(np.float32).reshape(-1)
    except Exception as error:  # zip, header and pickle errors share no base class
        raise InputError(f"affordance file cannot be read ({error}): {str(path)!r}") from None
    fits = own.shape == (len(value), 3) and len(own) > 0
    if not fits or not np.isfinite(own).all() or not np.isfinite(value).all():
        raise InputError(
            f"affordance file has points {own.shape} and {len(value)} values; wanted are finite "
            f"(points, 3) and a finite value of each: {str(path)!r}"
        )
    return own, value
