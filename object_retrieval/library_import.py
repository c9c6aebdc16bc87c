"""A user's mesh file as a shape of a library: judged, repaired where safe, turned and scaled.

Knows one file at a time; nothing of folders or lists.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from object_retrieval.import_settings import ImportSettings
from object_retrieval.library_item import LibraryItem, LibraryShape
from object_retrieval.object_formats import RawShape, read_shape
from object_retrieval.object_looks import read_looks
from object_retrieval.shape_checks import checked_extent, triangle_areas
from renders.errors import InputError
from renders.mesh import Mesh

FEWEST_TRIANGLES = 4
"""Fewer enclose nothing."""
MOST_TRIANGLES = 2_000_000
"""More are a scan, not a shape to compare photos with; drawing one would take minutes."""
_SIZES_M = (1e-3, 1e3)
"""Largest extent of anything a person touches, generously."""


def shape_of_file(path: Path, settings: ImportSettings) -> tuple[LibraryShape, tuple[str, ...]]:
    """The surface in the library's frame, centred and standing on z = 0, and what was repaired.

    Of unknown unit the largest extent becomes 1.

    Raises:
        InputError: one sentence that says why the file is no usable shape.
    """
    raw = read_shape(path)
    checked_extent(raw, path)
    where = f": {str(path)!r}"
    used, faces_seen, extent = _surface(raw)
    kept = int(faces_seen.sum())
    if kept < FEWEST_TRIANGLES:
        few = f"only {kept} triangle{'s' * (kept != 1)} with an area"
        found = few if len(raw.faces) else "no triangles"
        raise InputError(
            f"object has {found}; a library needs surfaces of {FEWEST_TRIANGLES} or more{where}"
        )
    if kept > MOST_TRIANGLES:
        raise InputError(
            f"object has {kept:,} triangles, a library takes {MOST_TRIANGLES:,}; simplify it{where}"
        )
    metres = settings.metres_per_unit
    if metres is not None and not _SIZES_M[0] <= extent * metres <= _SIZES_M[1]:
        raise InputError(
            f"object is {extent * metres:.3g} m large if its unit is {metres:g} m; allowed are "
            f"{_SIZES_M[0]:g} to {_SIZES_M[1]:g} m, so give another --unit{where}"
        )
    looks = read_looks(path, raw)
    scale = metres if metres is not None else 1 / extent
    faces = np.searchsorted(used, raw.faces[faces_seen])
    points = _standing(scale * raw.points[used] @ library_from_file(settings).T)
    part_of_face = looks.part_of_face[faces_seen]
    named, part_of_face = np.unique(part_of_face, return_inverse=True)
    colors = None if looks.colors is None else torch.from_numpy(looks.colors[used]).float()
    shape = LibraryShape(
        Mesh(torch.from_numpy(points).float(), torch.from_numpy(faces), colors),
        tuple(looks.parts[index] for index in named),
        torch.from_numpy(part_of_face),
    )
    return shape, (*raw.notes, *looks.notes, *_repairs(raw, kept))


def item_of_shape(
    shape: LibraryShape, name: str, category: str, source: str, settings: ImportSettings
) -> LibraryItem:
    """What the library tells of it."""
    return LibraryItem(
        name=name,
        category=category,
        extent_m=shape.extent_m,
        parts=shape.parts,
        triangles=shape.mesh.num_faces,
        source=source,
        licence=settings.licence,
        scale_known=settings.metres_per_unit is not None,
        content_hash=shape.content_hash(),
    )


def library_from_file(settings: ImportSettings) -> Float[np.ndarray, "3 3"]:
    """Rotation of the files' axes into the library's: z up, front -y, left +x."""
    up, front = _direction(settings.up), _direction(settings.front_axis)
    return np.stack([np.cross(up, front), -front, up])


def _surface(raw: RawShape) -> tuple[np.ndarray, np.ndarray, float]:
    """Points of triangles that have an area, those triangles, and the extent of these points."""
    # A point of no triangle may lie anywhere, and must not make everything else look small.
    used, faces = np.unique(raw.faces, return_inverse=True)
    if not len(used):
        return used, np.zeros(0, bool), 0.0
    joined = RawShape(raw.points[used], faces.reshape(-1, 3))
    spread = float((joined.points.max(0) - joined.points.min(0)).max())
    seen = triangle_areas(joined, spread) > 0 if spread > 0 else np.zeros(len(raw.faces), bool)
    used = np.unique(raw.faces[seen])
    points = raw.points[used]
    return used, seen, float((points.max(0) - points.min(0)).max()) if len(used) else 0.0


def _direction(axis: str) -> np.ndarray:
    return (-1.0 if axis[0] == "-" else 1.0) * np.eye(3)["xyz".index(axis[-1])]


def _standing(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Centred over the origin: coordinates far away would lose their digits."""
    low, high = points.min(0), points.max(0)
    return points - [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]


def _repairs(raw: RawShape, kept: int) -> tuple[str, ...]:
    lost = len(raw.faces) - kept
    return (f"{lost:,} triangles without an area were left out",) if lost else ()
