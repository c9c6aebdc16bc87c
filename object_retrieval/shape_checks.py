"""What makes a shape from a file unusable, each in one sentence that names the file.

Knows points and triangles; nothing of formats, views or libraries.
"""

from pathlib import Path

import numpy as np

from object_retrieval.object_formats import RawShape
from renders.errors import InputError

_SIZES = (1e-9, 1e9)
"""Extent, in the file's unit, beyond which single precision or common sense ends."""


def checked_extent(raw: RawShape, path: Path) -> float:
    """Largest extent along an axis, in the file's unit, of a shape that can be drawn.

    Raises:
        InputError: no points, NaN, faces that name points that are not there, no extent, or far
            too large or small.
    """
    where = f": {str(path)!r}"
    _require_points(raw, where)
    _require_fitting_faces(raw, where)
    extent = float((raw.points.max(0) - raw.points.min(0)).max())
    if not extent > 0:
        raise InputError(f"object has no extent, all its {len(raw.points)} points are equal{where}")
    if not _SIZES[0] <= extent <= _SIZES[1]:
        raise InputError(
            f"object is {extent:.3g} units large, allowed are {_SIZES[0]:g} to {_SIZES[1]:g}; "
            f"scale it{where}"
        )
    return extent


def require_area(raw: RawShape, extent: float, path: Path) -> None:
    """Raises InputError for triangles none of which has an area."""
    if len(raw.faces) and not (triangle_areas(raw, extent) > 0).any():
        raise InputError(
            f"none of the object's {len(raw.faces)} triangles has an area: {str(path)!r}"
        )


def triangle_areas(raw: RawShape, extent: float) -> np.ndarray:
    """Area of every triangle as a share of the extent's square, (faces,)."""
    # In single precision, like all that is drawn: what vanishes there cannot be seen.
    first, second, third = np.moveaxis(_drawn_points(raw, extent)[raw.faces], 1, 0)
    return np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2


def _drawn_points(raw: RawShape, extent: float) -> np.ndarray:
    middle = (raw.points.max(0) + raw.points.min(0)) / 2
    return ((raw.points - middle) / extent).astype(np.float32)


def _require_points(raw: RawShape, where: str) -> None:
    if not len(raw.points):
        raise InputError(f"object file holds no points; export the object again{where}")
    bad = np.flatnonzero(~np.isfinite(raw.points).all(axis=1))
    if len(bad):
        raise InputError(
            f"{len(bad)} of the object's {len(raw.points)} points are NaN or infinite, the first "
            f"at index {bad[0]}; repair or export it again{where}"
        )


def _require_fitting_faces(raw: RawShape, where: str) -> None:
    if len(raw.faces) and not 0 <= raw.faces.min() <= raw.faces.max() < len(raw.points):
        raise InputError(
            f"the object's faces name points {raw.faces.min()} to {raw.faces.max()} (from 0), it "
            f"has {len(raw.points)}; the file is damaged{where}"
        )
