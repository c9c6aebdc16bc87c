"""All that a fit of one object needs, and the folder it is kept in between stages.

Every part is a file of its own, so that any stage's work can be replaced by hand: `photo.png`,
`camera.json`, `body.npz`, `object_mask.png`, `person_mask.png`, `contact.npz`, `depth.npy`, and per
candidate shape `object_N.ply` with `affordance_N.npz`; `candidates.json` names them. Frame: the
camera's, x right, y down, z forward, metres; objects have y up in their own.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from human_recovery.body_state import BodyInCamera, load_body, save_body
from human_recovery.topology import get_topology
from interactvlm.errors import InputError
from interactvlm.object_file import load_object
from interactvlm.results import ContactMap, load_contact_npz, save_contact_npz
from object_retrieval.procedural.objects import GRIP_FRAME
from renders.cache import atomic_write
from renders.camera import Camera
from renders.mesh import Mesh, mesh_hash

CANDIDATES_FILE = "candidates.json"
STANDS_FROM_M = 0.7
"""Smaller things are carried about and may lie any way."""
_PHOTOS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_MESHES = (".obj", ".ply", ".glb", ".gltf", ".stl", ".off")


@dataclass(frozen=True, eq=False)
class ShapeCandidate:
    """One shape that the object may have."""

    name: str
    """Of the library's shape, or of the file."""
    source: str
    """"file" or "library"."""
    mesh: Mesh
    """Own frame, y up, front towards +z, metres; edges short enough to carry contact."""
    size_spread: float
    """Standard deviation of the logarithm of its scale."""
    score: float = 1.0
    """Probability among the candidates, before any fit."""
    heat: Float[Tensor, "verts"] | None = None
    """Contact or affordance at its vertices; None where nothing was said."""
    affordance: str = ""
    """The use that the heat is of, where one was named."""
    upright: bool = False
    """Whether it stands as it is drawn; things in hands lie any way."""

    @property
    def sha256(self) -> str:
        """Of the shape itself."""
        return mesh_hash(Mesh(self.mesh.vertices, self.mesh.faces))


@dataclass(frozen=True, eq=False)
class Scene:
    """One photo, one person and one object, before the fit."""

    photo: Image.Image
    camera: Camera
    """At the photo's size; its pose is the identity."""
    body: BodyInCamera
    label: str
    object_mask: Bool[Tensor, "height width"]
    candidates: tuple[ShapeCandidate, ...]
    person_mask: Bool[Tensor, "height width"] | None = None
    contact: ContactMap | None = None
    """On the body's topology; None where nothing was said."""
    depth_m: Float[Tensor, "height width"] | None = None
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""

    @property
    def body_mesh(self) -> Mesh:
        """The body in the camera's frame."""
        return Mesh(self.body.vertices_m.float(), get_topology(self.body.topology).faces)


def save_scene(folder: Path, scene: Scene) -> None:
    """Writes every part of the scene into the folder."""
    from interactvlm.reconstruction_inputs.camera_file import write_camera_file

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "photo.png") as temporary:
        scene.photo.save(temporary, format="PNG")
    write_camera_file(folder / "camera.json", scene.camera)
    save_body(folder / "body.npz", scene.body)
    _save_mask(folder / "object_mask.png", scene.object_mask)
    if scene.person_mask is not None:
        _save_mask(folder / "person_mask.png", scene.person_mask)
    if scene.contact is not None:
        save_contact_npz(folder / "contact.npz", [scene.contact])
    if scene.depth_m is not None:
        with atomic_write(folder / "depth.npy") as temporary, temporary.open("wb") as stream:
            np.save(stream, scene.depth_m.float().numpy(), allow_pickle=False)
    for number, candidate in enumerate(scene.candidates, start=1):
        _save_candidate(folder, number, candidate)
    listed = {
        "label": scene.label,
        "notes": list(scene.notes),
        "candidates": [
            {
                "name": c.name, "source": c.source, "score": c.score, "sha256": c.sha256,
                "size_spread": c.size_spread, "affordance": c.affordance, "upright": c.upright,
                "mesh": f"object_{n}.ply",
                "heat": None if c.heat is None else f"affordance_{n}.npz",
            }
            for n, c in enumerate(scene.candidates, start=1)
        ],
    }  # fmt: skip
    with atomic_write(folder / CANDIDATES_FILE) as temporary:
        temporary.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def load_scene(folder: Path) -> Scene:
    """What `save_scene` wrote, perhaps with some files replaced.

    Raises:
        InputError: a file is missing or damaged, or does not fit the others.
    """
    from interactvlm.photo import read_photo
    from interactvlm.reconstruction_inputs.camera_file import read_camera_file
    from interactvlm.reconstruction_inputs.masks import read_mask

    if not folder.is_dir():
        raise InputError(f"folder of a scene not found; expected it at {str(folder)!r}")
    photo = read_photo(_photo_file(folder))
    if (folder / CANDIDATES_FILE).is_file():
        listed = _read_json(folder / CANDIDATES_FILE)
        candidates = tuple(_load_candidate(folder, entry) for entry in listed["candidates"])
    else:
        listed = {"label": "", "notes": []}
        candidates = (_lone_candidate(folder),)
    contact = person = depth = None
    if (folder / "contact.npz").is_file():
        contact = contact_of(folder / "contact.npz", str(listed["label"]))
    if (folder / "person_mask.png").is_file():
        person = torch.from_numpy(read_mask(folder / "person_mask.png", photo))
    if (folder / "depth.npy").is_file():
        depth = torch.from_numpy(np.load(folder / "depth.npy", allow_pickle=False)).float()
    return Scene(
        photo=photo.image,
        camera=read_camera_file(folder / "camera.json", photo),
        body=load_body(folder / "body.npz"),
        label=str(listed["label"]),
        object_mask=torch.from_numpy(read_mask(folder / "object_mask.png", photo)),
        candidates=candidates,
        person_mask=person,
        contact=contact,
        depth_m=depth,
        notes=tuple(listed["notes"]),
    )


def stands_upright(label: str, mesh: Mesh) -> bool:
    """Whether a thing can be taken to stand: a large one that is not held by a grip."""
    extent = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())
    return label not in GRIP_FRAME and extent >= STANDS_FROM_M


def contact_of(path: Path, label: str) -> ContactMap:
    """The map of a label in a contact file; of the only one, whatever its label.

    Raises InputError when there are several and none is the label's.
    """
    maps = load_contact_npz(path)
    if len(maps) == 1:
        return maps[0]
    for found in maps:
        if found.label == label:
            return found
    labels = ", ".join(repr(found.label) for found in maps)
    raise InputError(f"contact file has no map of {label!r}, it has {labels}: {str(path)!r}")


def fine_mesh(mesh: Mesh, *, edge_share: float = 0.05, most_faces: int = 50_000) -> Mesh:
    """The mesh with edges short enough for contact on large flat sides; a fine one as it is."""
    from trimesh.remesh import subdivide_to_size

    if mesh.num_faces >= most_faces or not mesh.num_faces:
        return Mesh(mesh.vertices, mesh.faces)
    extent = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())
    vertices, faces, *_ = subdivide_to_size(
        mesh.vertices.numpy(), mesh.faces.numpy(), edge_share * extent, max_iter=20
    )
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces).long())


def _save_mask(path: Path, mask: Bool[Tensor, "height width"]) -> None:
    with atomic_write(path) as temporary:
        Image.fromarray((255 * mask.numpy()).astype(np.uint8)).save(temporary, format="PNG")


def _save_candidate(folder: Path, number: int, candidate: ShapeCandidate) -> None:
    shape = trimesh.Trimesh(
        candidate.mesh.vertices.numpy(), candidate.mesh.faces.numpy(), process=False
    )
    with atomic_write(folder / f"object_{number}.ply") as temporary:
        shape.export(str(temporary), file_type="ply")
    if candidate.heat is not None:
        path = folder / f"affordance_{number}.npz"
        with atomic_write(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                point_probability=candidate.heat.float().numpy(),
                points=candidate.mesh.vertices.float().numpy(),
                faces=candidate.mesh.faces.long().numpy(),
                affordance=np.array(candidate.affordance),
            )


def _photo_file(folder: Path) -> Path:
    """The folder's photo."""
    found = [p for p in sorted(folder.glob("photo.*")) if p.suffix.lower() in _PHOTOS]
    if not found:
        raise InputError(f"the folder holds no photo (photo.png or photo.jpg): {str(folder)!r}")
    return found[0]


def _lone_candidate(folder: Path) -> ShapeCandidate:
    """The shape of a folder that was put together by hand: `object.*`, metres, y up."""
    found = [p for p in sorted(folder.glob("object.*")) if p.suffix.lower() in _MESHES]
    if not found:
        raise InputError(
            f"the folder holds neither {CANDIDATES_FILE} nor an object mesh (object.obj, .ply, "
            f".glb, .stl, .off): {str(folder)!r}"
        )
    shape = load_object(found[0])
    if not len(shape.faces):
        raise InputError(f"the fit needs an object with triangles: {str(found[0])!r}")
    mesh = fine_mesh(Mesh(shape.points, shape.faces))
    heat = folder / "affordance.npz"
    return ShapeCandidate(
        name=found[0].name,
        source="file",
        mesh=mesh,
        size_spread=0.15,
        heat=heat_of(heat, mesh.vertices) if heat.is_file() else None,
    )


def _load_candidate(folder: Path, entry: dict[str, Any]) -> ShapeCandidate:
    path = folder / entry["mesh"]
    shape = load_object(path)
    candidate = ShapeCandidate(
        name=entry["name"],
        source=entry["source"],
        mesh=Mesh(shape.points, shape.faces),
        size_spread=float(entry["size_spread"]),
        score=float(entry["score"]),
        affordance=entry["affordance"],
        upright=bool(entry["upright"]),
    )
    if entry["heat"] is None:
        return candidate
    return replace(candidate, heat=heat_of(folder / entry["heat"], shape.points))


def heat_of(path: Path, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points"]:
    """An `affordance.npz`, carried to the points of a mesh by the nearest of its own points.

    Raises InputError when the file is damaged or is of another object.
    """
    from scipy.spatial import KDTree

    try:
        with np.load(path, allow_pickle=False) as stored:
            own = stored["points"].astype(np.float64)
            value = stored["point_probability"].astype(np.float32).reshape(-1)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"affordance file cannot be read ({error}): {str(path)!r}") from None
    if len(own) != len(value) or not len(own) or not np.isfinite(value).all():
        raise InputError(
            f"affordance file has {len(own)} points and {len(value)} finite values wanted for "
            f"them: {str(path)!r}"
        )
    there = points.double().numpy()
    extent = float(np.ptp(there, axis=0).max())
    if own.shape == there.shape and np.allclose(own, there, atol=1e-5 * extent):
        return torch.from_numpy(value)  # parts may have points in one place
    away, nearest = KDTree(own).query(there)
    if float(np.median(away)) > 0.05 * extent:
        raise InputError(
            f"affordance file is of another object, or in another frame or unit: {str(path)!r}"
        )
    return torch.from_numpy(value[nearest])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not {"label", "candidates", "notes"} <= set(content):
            raise ValueError("label, candidates or notes are missing")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"file cannot be read ({error}): {str(path)!r}") from None
    return content
