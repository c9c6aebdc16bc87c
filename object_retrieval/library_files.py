"""A library on disk: `library.json` and one GLB file per shape, written whole or not at all.

GLB files are plain glTF (metres, y up, front +z, one mesh per named part, vertex colours), so that
any viewer shows them; here they are turned into the library's frame.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from torch import Tensor

from object_retrieval.library_item import LibraryItem, LibraryShape
from object_retrieval.object_formats import read_shape
from object_retrieval.object_looks import read_looks
from renders.cache import atomic_write, content_key
from renders.errors import InputError
from renders.mesh import Mesh

LIBRARY_FILE = "library.json"
MESH_FOLDER = "meshes"
_VERSION = 1
_FRAME = {"unit": "m", "up": "z", "front": "-y", "files": "glTF: m, y up, front z"}
_UNSAFE = frozenset('<>:"|?*\\\0')
"""Characters that some file system refuses."""


@dataclass(frozen=True)
class StoredItem:
    """An item and where its surface is."""

    item: LibraryItem
    """What is told of it."""
    file: str
    """Path of its GLB file relative to the library's folder, with forward slashes."""
    notes: tuple[str, ...] = ()
    """What was repaired when it was read from the user's file."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self.item), "file": self.file, "notes": list(self.notes)}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "StoredItem":
        """The inverse of `to_dict`. Raises KeyError, TypeError or ValueError for other values."""
        named = {field.name: values[field.name] for field in fields(LibraryItem)}
        x, y, z = map(float, named["extent_m"])
        named |= {"extent_m": (x, y, z), "parts": tuple(map(str, named["parts"]))}
        file, name = values["file"], named["name"]
        if not isinstance(file, str) or not isinstance(name, str):
            raise TypeError("file and name must be text")
        return StoredItem(LibraryItem(**named), file, tuple(map(str, values.get("notes", ()))))


def read_items(folder: Path) -> tuple[StoredItem, ...]:
    """What `library.json` of a folder lists.

    Raises:
        InputError: there is none, or it is damaged, of another version, or names one item twice.
    """
    path = Path(folder) / LIBRARY_FILE
    if not path.is_file():
        raise InputError(
            f"no finished library here; make or finish one with `interactvlm library build` or "
            f"`interactvlm library export`: {str(path)!r}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["version"]
        items = tuple(map(StoredItem.from_dict, content["items"])) if version == _VERSION else ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the library's list is damaged ({type(error).__name__}: {error}); build the library "
            f"again: {str(path)!r}"
        ) from None
    if version != _VERSION:
        raise InputError(f"library has version {version!r}, read is {_VERSION}: {str(path)!r}")
    names = [stored.item.name for stored in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"library names item {twice!r} twice; build it again: {str(path)!r}")
    return items


def write_items(folder: Path, items: Sequence[StoredItem]) -> None:
    """Writes `library.json`, ordered by name."""
    ordered = sorted(items, key=lambda stored: stored.item.name)
    content = {
        "version": _VERSION,
        "frame": _FRAME,
        "items": [stored.to_dict() for stored in ordered],
    }
    with atomic_write(Path(folder) / LIBRARY_FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def mesh_file(name: str) -> str:
    """Path below the library's folder for an item of this name; no two names have the same."""
    safe = "/".join(
        "".join("_" if c in _UNSAFE or ord(c) < 32 else c for c in piece).strip(". ") or "_"
        for piece in name.split("/")
    )
    unlike = "" if safe == name else f"-{content_key(name)[:8]}"
    return f"{MESH_FOLDER}/{safe}{unlike}.glb"


def write_shape(folder: Path, file: str, shape: LibraryShape) -> None:
    """Writes one surface, whole or not at all."""
    path = Path(folder) / file
    scene = trimesh.Scene()
    points = gltf_from_library(shape.mesh.vertices).numpy()
    colors = shape.mesh.vertex_colors
    rgb = None if colors is None else (colors.clamp(0, 1) * 255).round().byte().numpy()
    for index, name in enumerate(shape.parts):
        faces = shape.mesh.faces[shape.part_of_face == index].numpy()
        if not len(faces):
            continue
        used, renumbered = np.unique(faces, return_inverse=True)
        part = trimesh.Trimesh(
            points[used],
            renumbered.reshape(-1, 3),
            vertex_colors=None if rgb is None else rgb[used],
            process=False,
        )
        # Nodes have names of their own: a part may be called "world", as the scene's root is.
        scene.add_geometry(part, node_name=f"part {index}", geom_name=name)
    with atomic_write(path) as temporary:
        content: Any = scene.export(file_type="glb")
        temporary.write_bytes(content)


def read_library_shape(folder: Path, stored: StoredItem) -> LibraryShape:
    """The surface of a stored item.

    Raises:
        InputError: its file is missing, damaged, outside the library, or another shape's.
    """
    root = Path(folder).resolve()
    path = (root / stored.file).resolve()
    if not path.is_relative_to(root):
        raise InputError(
            f"library item {stored.item.name!r} lies outside the library: {str(path)!r}"
        )
    raw = read_shape(path)
    if len(raw.faces) != stored.item.triangles:
        raise InputError(
            f"library item {stored.item.name!r} has {len(raw.faces)} triangles, expected "
            f"{stored.item.triangles}; build the library again: {str(path)!r}"
        )
    looks = read_looks(path, raw)
    if set(looks.parts) != set(stored.item.parts):
        raise InputError(
            f"library item {stored.item.name!r} has parts {looks.parts}, expected "
            f"{stored.item.parts}; build the library again: {str(path)!r}"
        )
    # A file lists its parts in an order of its own.
    order = torch.tensor([stored.item.parts.index(name) for name in looks.parts])
    colors = None if looks.colors is None else torch.from_numpy(looks.colors).float()
    points = library_from_gltf(torch.from_numpy(raw.points).float())
    return LibraryShape(
        Mesh(points, torch.from_numpy(raw.faces), colors),
        stored.item.parts,
        order[torch.from_numpy(looks.part_of_face)],
    )


def library_from_gltf(points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """glTF's frame (y up, front +z) turned into the library's (z up, front -y)."""
    x, y, z = points.unbind(1)
    return torch.stack([x, -z, y], dim=1)


def gltf_from_library(points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """The inverse of `library_from_gltf`."""
    x, y, z = points.unbind(1)
    return torch.stack([x, z, -y], dim=1)
