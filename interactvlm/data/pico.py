"""PICO-db: photos with an object's mesh, and which vertices of the body touch it where.

Layout: one folder `{category}__{photo}` per sample with `object.obj`,
`corresponding_contacts.json` and, added by the user, a photo of the folder's name. The publisher
has no splits: `test` and `train` need InteractVLM's `{split}_imglist.pkl` in the root or in
`{split}/`. As the publisher's own reader does, patches of the body without a partner on the
object are left out. An object's contact is every vertex of a face that holds a contact point.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from torch import Tensor

from interactvlm.data.folder import DataFolder, vertex_mask
from interactvlm.data.sample import BodyContact, Dataset, Entry, ObjectHeat, Sample
from interactvlm.data.sources import SOURCES
from renders.mesh import Mesh

_CONTACTS, _MESH = "corresponding_contacts.json", "object.obj"
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_BODY, _OBJECT = "humanShape", "objShape"


def open_pico(root: Path, split: str) -> Dataset:
    """One split. Raises AssetError naming the file that is missing or malformed."""
    source = SOURCES["pico"]
    folder = DataFolder(source, root)
    names = _sample_names(folder, source.checked_split(split))
    entries = [Entry(name, name.partition("__")[0], _photo(root / name)) for name in names]

    def read(index: int) -> Sample:
        entry = entries[index]
        path = root / entry.key / _CONTACTS
        body, faces = _contacts(folder, path)
        mesh = _mesh(folder, root / entry.key / _MESH)
        heat = _touched(folder, path, mesh, faces)
        return Sample(entry, BodyContact("smpl", vertex_mask(body)), ObjectHeat(mesh, heat))

    return Dataset(source, split, entries, read)


def _sample_names(folder: DataFolder, split: str) -> list[str]:
    held = sorted(path.parent.name for path in folder.root.glob(f"*__*/{_CONTACTS}"))
    if not held:
        raise folder.fault(folder.root, f"holds no folder CATEGORY__PHOTO with {_CONTACTS!r}")
    if split == "all":
        return held
    listing = folder.root / f"{split}_imglist.pkl"
    if not listing.is_file():
        listing = folder.root / split / f"{split}_imglist.pkl"
    if not listing.is_file():
        raise folder.fault(
            folder.root, f"has no list of the split {split!r}",
            f"use --split all, or put InteractVLM's {split}_imglist.pkl there",
        )  # fmt: skip
    listed = folder.text_list(folder.pickle(listing), listing)
    wanted = [PurePosixPath(name.replace("\\", "/")).stem for name in listed]
    absent = sorted(set(wanted) - set(held))
    if absent:
        raise folder.fault(
            listing, f"lists {len(absent)} samples that are not here, the first {absent[0]!r}"
        )
    return wanted


def _photo(sample: Path) -> Path:
    """The photo of a sample's folder; its likeliest name where there is none."""
    candidates = [sample / f"{sample.name}{suffix}" for suffix in _PHOTO_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _contacts(folder: DataFolder, path: Path) -> tuple[list[int], list[int]]:
    """Vertices of SMPL and faces of the object in contact, in the order of the file."""
    patches: dict[str, list[str]] = {}
    content = folder.table(folder.json(path), path)
    for patch in content.get("data", ()):
        patch = folder.table(patch, path)
        if not {"name", "contactPoints"} <= patch.keys():
            raise folder.fault(path, "has a patch without 'name' or 'contactPoints'")
        patches[str(patch["name"])] = folder.text_list(patch["contactPoints"], path)
    body: list[int] = []
    faces: list[int] = []
    for name, points in patches.items():
        partner = patches.get(name.replace(_BODY, _OBJECT))
        if not name.startswith(_BODY) or partner is None:
            continue
        if len(points) != len(partner):
            raise folder.fault(
                path, f"pairs {len(points)} body with {len(partner)} object points in {name!r}"
            )
        body += [_number(folder, path, point, "v", 2) for point in points]
        faces += [_number(folder, path, point, "f", 5) for point in partner]
    if not body:
        raise folder.fault(path, "pairs no patch of the body with one of the object")
    folder.vertex_ids(body, path, "the body")
    return body, faces


def _number(folder: DataFolder, path: Path, point: str, kind: str, fields: int) -> int:
    """Vertex of "v ID" or face of "f ID b0 b1 b2"."""
    words = point.split()
    if len(words) != fields or words[0] != kind or not words[1].isdecimal():
        raise folder.fault(path, f"has the contact point {point!r}, expected {kind!r} and a number")
    return int(words[1])


def _mesh(folder: DataFolder, path: Path) -> Mesh:
    """The object with faces in the order of the file, which contact points count in."""
    if not path.is_file():
        raise folder.fault(path, "mesh is not here")
    try:
        loaded: Any = trimesh.load_mesh(path, process=False, maintain_order=True)
        vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.faces)
    except Exception as error:  # a damaged mesh may fail in any way
        raise folder.fault(path, f"mesh cannot be read ({error})") from None
    if faces.ndim != 2 or len(faces) == 0 or not np.isfinite(vertices).all():
        raise folder.fault(path, "mesh has no faces or vertices that are not finite")
    return Mesh(
        torch.from_numpy(vertices.astype(np.float32)), torch.from_numpy(faces.astype(np.int64))
    )


def _touched(
    folder: DataFolder, path: Path, mesh: Mesh, faces: list[int]
) -> Float[Tensor, "points"]:
    if max(faces) >= mesh.num_faces:
        raise folder.fault(path, f"names face {max(faces)}, the mesh has {mesh.num_faces} faces")
    heat = torch.zeros(mesh.num_vertices)
    heat[mesh.faces[torch.tensor(faces)].flatten()] = 1.0
    return heat
