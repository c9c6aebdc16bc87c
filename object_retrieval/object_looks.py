"""Colours and part names of an object's file, for the points and triangles that were read of it.

Pictures are sampled at the points; a Wavefront material gives its plain colour. Looks are never
worth losing a shape for: where they cannot be read there are none, with a note.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from object_retrieval.object_formats import (
    FilesOfFolder,
    RawShape,
    load_with_trimesh,
    placed_parts,
    word_lines,
)
from renders.errors import InputError

ONE_PART = "object"
"""Name of the only part where a file names none, or so many that none means anything."""
MOST_PARTS = 64
_PLACEHOLDER = 100
"""Every channel of the picture that trimesh makes up, of 255."""
_UNKNOWN = 0.5
"""Grey of points without a colour beside others that have one."""
_BY_TRIMESH = (".glb", ".gltf", ".ply", ".off")


@dataclass(frozen=True, eq=False)
class Looks:
    """Colours and named parts of a shape."""

    colors: Float[np.ndarray, "points 3"] | None
    """RGB in 0..1; None where the file has none."""
    parts: tuple[str, ...]
    """Distinct names, in order of first use."""
    part_of_face: Int[np.ndarray, " faces"]
    """Index into `parts`."""
    notes: tuple[str, ...] = ()
    """Why colours are missing although the file has some."""


def read_looks(path: Path, shape: RawShape) -> Looks:
    """Looks of a file whose points and triangles are `shape`; never raises for bad looks."""
    suffix = path.suffix.lower()
    notes: tuple[str, ...] = ()
    try:
        if suffix == ".obj":
            return _wavefront_looks(path, shape)
        if suffix in _BY_TRIMESH:
            return _trimesh_looks(path, shape)
    except MemoryError:
        raise
    except Exception as error:  # pictures and materials are broken in as many ways as meshes
        notes = (f"its colours and part names cannot be read ({error})",)
    return Looks(None, (ONE_PART,), np.zeros(len(shape.faces), np.int64), notes)


def _trimesh_looks(path: Path, shape: RawShape) -> Looks:
    parts = [(name, part) for name, part, _ in placed_parts(load_with_trimesh(path, looks=True))]
    names: list[str] = []
    for name, part in parts:
        faces = getattr(part, "faces", None)
        names += [name or ONE_PART] * (0 if faces is None else len(faces))
    if len(names) != len(shape.faces):
        raise ValueError("parts and triangles do not belong together")
    colors = [_point_colors(part) for _, part in parts]
    if all(found is None for found in colors):
        return _named(None, names)
    filled = [
        np.full((len(part.vertices), 3), _UNKNOWN) if found is None else found
        for found, (_, part) in zip(colors, parts, strict=True)
    ]
    return _named(np.concatenate(filled), names)


def _point_colors(part: Any) -> np.ndarray | None:
    """RGB of the part's points, sampled from its picture where it has one."""
    visual = getattr(part, "visual", None)
    if visual is None or not visual.defined:
        return None
    if visual.kind != "texture":
        return np.asarray(visual.vertex_colors)[:, :3] / 255.0
    found = visual.material.to_color(visual.uv)
    # Where a file gives places in a picture but no picture, trimesh puts a plain grey one.
    if found is None or (np.asarray(found)[..., :3] == _PLACEHOLDER).all():
        return None
    return np.broadcast_to(found, (len(part.vertices), 4))[:, :3] / 255.0


def _wavefront_looks(path: Path, shape: RawShape) -> Looks:
    """Names of `o` and `g`; colours behind the coordinates, else the plain ones of materials."""
    behind: list[list[float]] = []
    names: list[str] = []
    materials: dict[str, tuple[float, ...]] = {}
    used: list[tuple[float, ...] | None] = []
    name, color = ONE_PART, None
    notes: tuple[str, ...] = ()
    for _, words in word_lines(path):
        if words[0] == "v":
            behind.append([float(word) for word in words[4:7]])
        elif words[0] in ("o", "g") and len(words) > 1:
            name = " ".join(words[1:])
        elif words[0] == "mtllib":
            try:
                materials |= _material_colors(path, " ".join(words[1:]))
            except InputError as error:
                notes = (*notes, f"its materials are unknown: {error}")
        elif words[0] == "usemtl":
            color = materials.get(" ".join(words[1:]))
        elif words[0] == "f":
            triangles = max(0, len(words) - 3)
            names += [name] * triangles
            used += [color] * triangles
    if behind and all(len(row) == 3 for row in behind):
        colors = np.array(behind)
        return _named(colors / 255 if np.nanmax(colors) > 1 else colors, names)
    if not any(found is not None for found in used):
        return _named(None, names, notes)
    colors = np.full((len(shape.points), 3), _UNKNOWN)
    for triangle, found in zip(shape.faces, used, strict=True):
        if found is not None:
            colors[triangle] = found
    return _named(colors, names, notes)


def _material_colors(path: Path, file_name: str) -> dict[str, tuple[float, ...]]:
    """The diffuse colour of every material of a library file beside the mesh."""
    text = FilesOfFolder(path).get(file_name).decode("utf-8", errors="replace")
    colors, name = {}, ""
    for words in map(str.split, text.splitlines()):
        if words[:1] == ["newmtl"]:
            name = " ".join(words[1:])
        elif words[:1] == ["Kd"] and len(words) >= 4:
            colors[name] = tuple(min(1.0, max(0.0, float(word))) for word in words[1:4])
    return colors


def _named(colors: np.ndarray | None, names: list[str], notes: tuple[str, ...] = ()) -> Looks:
    parts = tuple(dict.fromkeys(names)) or (ONE_PART,)
    if len(parts) > MOST_PARTS:
        parts, names = (ONE_PART,), [ONE_PART] * len(names)
    index = {name: at for at, name in enumerate(parts)}
    if colors is not None:
        colors = np.clip(np.nan_to_num(colors, nan=_UNKNOWN), 0, 1)
    part_of_face = np.array([index[name] for name in names], dtype=np.int64)
    return Looks(colors, parts, part_of_face, notes)
