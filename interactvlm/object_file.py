"""An object that a user brings: read, judged, and made ready for the canonical views.

How files are written and what makes a shape unusable are other modules'. Views scale the object,
so its unit does not matter; which way is up does.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor
from trimesh.remesh import subdivide_to_size

from interactvlm.assets_dir import file_sha256
from interactvlm.results import ContactMap
from object_retrieval.object_formats import RawShape, read_shape
from object_retrieval.shape_checks import checked_extent, require_area
from renders.mesh import Mesh, PointCloud

UpAxis = Literal["y", "z"]
"""Which axis of an object's own frame points up: y with the front towards +z, as in published data
and glTF; or z with the front towards -y, as in Blender and CAD."""
MOST_DRAWN = 8192
"""Points of a cloud that are drawn: four times as many as the published clouds have. With their
discs of fixed size more would only hide each other."""
_CLOUD_SUFFIXES = (".npy", ".npz", ".ply", ".txt", ".xyz")
"""Formats in which points without triangles are nothing unusual."""
_ROUNDING = 1e-4
"""Share of the extent by which stored coordinates may be rounded before it is told."""
_FEW_FACES = 4
"""Fewer triangles enclose nothing."""


@dataclass(frozen=True, eq=False)
class ObjectShape:
    """One object: its points and triangles in its own frame, and what is drawn of it."""

    path: str
    """The file, as it was named."""
    sha256: str
    """Of the file."""
    points: Float[Tensor, "points 3"]
    """In the file's own frame, unit and order."""
    faces: Int[Tensor, "faces 3"]
    """Triangles; none for a point cloud."""
    surface: Mesh | PointCloud
    """The same points around their middle with y up, for the canonical views; of a large cloud
    only some."""
    drawn: Int[Tensor, "points"] | None = None
    """Where not every point is drawn: the nearest one that is, as an index into `surface`."""
    notes: tuple[str, ...] = ()
    """What was repaired or is unusual, one sentence each."""

    def on_all_points(self, contact: ContactMap) -> ContactMap:
        """A map on what is drawn, carried to every point."""
        if self.drawn is None:
            return contact
        return replace(
            contact,
            vertex_probability=contact.vertex_probability[self.drawn],
            seen=contact.seen[self.drawn],
        )

    def on_drawn_points(self, values: Float[Tensor, "points"]) -> Float[Tensor, "drawn"]:
        """What is drawn of values that `on_all_points` gave."""
        if self.drawn is None:
            return values
        assert isinstance(self.surface, PointCloud)
        return values.new_zeros(self.surface.num_points).scatter(0, self.drawn, values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for report.json."""
        counts = {"points": len(self.points), "faces": len(self.faces)}
        return {"path": self.path, "sha256": self.sha256, **counts}

    def __repr__(self) -> str:
        return f"ObjectShape({Path(self.path).name!r}, {self.surface!r})"


def load_object(path: Path, up: UpAxis = "y") -> ObjectShape:
    """Reads any mesh or point cloud.

    Raises InputError in one sentence for a file that is missing, damaged, empty, without extent,
    far too large or small, with NaN, or whose faces name points that are not there.
    """
    path = Path(path)
    raw = read_shape(path)
    extent = checked_extent(raw, path)
    require_area(raw, extent, path)
    middle = (raw.points.max(0) + raw.points.min(0)) / 2
    upright = y_up(torch.from_numpy((raw.points - middle) / extent).float(), up)
    faces, drawn = torch.from_numpy(raw.faces), None
    surface: Mesh | PointCloud = PointCloud(upright)
    if len(faces):
        surface = Mesh(upright, faces)
    elif len(upright) > MOST_DRAWN:
        surface, drawn = _thinned(upright)
    return ObjectShape(
        path=str(path),
        sha256=file_sha256(path),
        points=torch.from_numpy(raw.points).float(),
        faces=faces,
        surface=surface,
        drawn=drawn,
        notes=(*raw.notes, *_shape_notes(raw, path), *_rounding_notes(raw.points, extent)),
    )


def _thinned(
    points: Float[Tensor, "points 3"],
) -> tuple[PointCloud, Int[Tensor, "points"]]:
    """Some of the points, always the same ones, and the nearest of them to every point."""
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    kept = points[order[:MOST_DRAWN].sort().values]
    _, nearest = KDTree(kept.numpy()).query(points.numpy())
    return PointCloud(kept), torch.from_numpy(nearest)


def _shape_notes(raw: RawShape, path: Path) -> list[str]:
    count = len(raw.points)
    notes = []
    if not len(raw.faces):
        if path.suffix.lower() not in _CLOUD_SUFFIXES:
            notes.append(f"the object has no triangles; its {count:,} points are drawn as discs")
        if count > MOST_DRAWN:
            notes.append(
                f"{MOST_DRAWN:,} of the object's {count:,} points are drawn; the others take the "
                "value of the nearest of these"
            )
        return notes
    if len(raw.faces) < _FEW_FACES:
        few = "1 triangle" if len(raw.faces) == 1 else f"{len(raw.faces)} triangles"
        notes.append(f"the object has only {few}; little of it can be seen in the views")
    loose = count - len(np.unique(raw.faces))
    if loose:
        notes.append(
            f"{loose:,} of the object's {count:,} points belong to no triangle; they "
            "take the value of the nearest point that is seen"
        )
    return notes


def _rounding_notes(points: Float[np.ndarray, "points 3"], extent: float) -> list[str]:
    """Single precision next to large coordinates loses the shape; what is drawn never does."""
    step = float(np.spacing(np.float32(np.abs(points).max())))
    if step <= _ROUNDING * extent:
        return []
    return [
        f"coordinates reach {np.abs(points).max():.3g} on an object of {extent:.3g}: those in the "
        f"written files are rounded to {step:.2g}; the views are drawn around the object's middle"
    ]


def fine_mesh(
    mesh: Mesh, *, longest_edge: float = math.inf, edge_share: float = 0.05,
    most_faces: int = 50_000,
) -> Mesh:  # fmt: skip
    """The mesh with edges short enough to carry contact on large flat sides, without colours.

    No edge is longer than `longest_edge` or this share of the largest extent; a mesh of many
    triangles stays as it is.
    """
    if mesh.num_faces >= most_faces or not mesh.num_faces:
        return Mesh(mesh.vertices, mesh.faces)
    extent = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())
    vertices, faces, *_ = subdivide_to_size(
        mesh.vertices.numpy(), mesh.faces.numpy(), min(longest_edge, edge_share * extent),
        max_iter=20,
    )  # fmt: skip
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces).long())


def y_up(points: Float[Tensor, "points 3"], up: UpAxis) -> Float[Tensor, "points 3"]:
    """The object's own frame turned into that of the views: x right, y up, z to the front."""
    if up == "y":
        return points
    x, y, z = points.unbind(1)
    return torch.stack([x, z, -y], dim=1)
