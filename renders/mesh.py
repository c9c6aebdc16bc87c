"""Triangle meshes and point clouds: the plain geometry everything here is drawn from.

Knows vertices, faces and colours; knows nothing of cameras, bodies, units of a file or datasets.
"""

import hashlib
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from renders.errors import InputError


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh; any frame, any unit (metres inside this project)."""

    vertices: Float[Tensor, "verts 3"]
    """Vertex positions."""
    faces: Int[Tensor, "faces 3"]
    """Vertex indices; counter-clockwise seen from outside."""
    vertex_colors: Float[Tensor, "verts 3"] | None = None
    """RGB in [0, 1], or None."""

    @property
    def num_vertices(self) -> int:
        """Number of vertices."""
        return self.vertices.shape[0]

    @property
    def num_faces(self) -> int:
        """Number of triangles."""
        return self.faces.shape[0]

    def with_colors(self, vertex_colors: Float[Tensor, "verts 3"]) -> "Mesh":
        """The same surface with other vertex colours."""
        return replace(self, vertex_colors=vertex_colors)

    def to(self, device: torch.device | str) -> "Mesh":
        """The same mesh on another device."""
        colors = None if self.vertex_colors is None else self.vertex_colors.to(device)
        return Mesh(self.vertices.to(device), self.faces.to(device), colors)

    def __repr__(self) -> str:
        return f"Mesh({self.num_vertices} vertices, {self.num_faces} faces)"


@dataclass(frozen=True)
class PointCloud:
    """Points with optional colours; any frame, any unit."""

    points: Float[Tensor, "points 3"]
    """Point positions."""
    colors: Float[Tensor, "points 3"] | None = None
    """RGB in [0, 1], or None."""

    @property
    def num_points(self) -> int:
        """Number of points."""
        return self.points.shape[0]

    def __repr__(self) -> str:
        return f"PointCloud({self.num_points} points)"


def require_usable_mesh(mesh: Mesh) -> None:
    """Rejects a mesh that cannot be drawn at all.

    Zero faces, degenerate triangles and unused vertices are fine (they draw nothing).

    Raises:
        InputError: a coordinate is NaN or infinite, or a face names a vertex that is not there.
    """
    _require_finite(mesh.vertices, "vertex")
    if mesh.num_faces:
        low, high = torch.aminmax(mesh.faces)
        if int(low) < 0 or int(high) >= mesh.num_vertices:
            raise InputError(
                f"mesh faces name vertices {int(low)} to {int(high)}, but the mesh has "
                f"{mesh.num_vertices} vertices (0 to {mesh.num_vertices - 1}); "
                "faces and vertices do not belong together"
            )


def require_usable_points(cloud: PointCloud) -> None:
    """Rejects a cloud with NaN or infinite coordinates.

    Raises:
        InputError: a coordinate is NaN or infinite.
    """
    _require_finite(cloud.points, "point")


def _require_finite(positions: Float[Tensor, "count 3"], name: str) -> None:
    finite = torch.isfinite(positions)
    if not bool(finite.all()):
        bad = (~finite.all(dim=1)).nonzero().flatten()
        raise InputError(
            f"{bad.numel()} of {positions.shape[0]} {name} positions are NaN or infinite, the "
            f"first at index {int(bad[0])}: {positions[bad[0]].tolist()!r}; repair or re-export "
            "the file"
        )


def face_normals(
    vertices: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "faces 3"]:
    """Unit outward normal of each triangle; zero where the triangle has no area."""
    return _unit(_area_normals(vertices, faces))


def vertex_normals(
    vertices: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "verts 3"]:
    """Unit normal of each vertex, weighted by area; zero for a vertex without faces.

    Source: PyTorch3D `Meshes.verts_normals_packed`: the normalised sum of the un-normalised face
    normals (cross products), as the published canonical renders use.
    """
    per_face = _area_normals(vertices, faces)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(0, faces[:, corner].long(), per_face)
    return _unit(total)


def _area_normals(
    vertices: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "faces 3"]:
    """Cross product of two edges: normal times twice the area."""
    first, second, third = vertices[faces.long()].unbind(1)
    return torch.linalg.cross(second - first, third - first)


def _unit(vectors: Float[Tensor, "count 3"]) -> Float[Tensor, "count 3"]:
    # 1e-12: small enough for the area normals of millimetre triangles (about 1e-6), so that only
    # true zeros stay zero; also keeps the gradient finite there.
    return torch.nn.functional.normalize(vectors, dim=-1, eps=1e-12)


def mesh_hash(mesh: Mesh) -> str:
    """Hexadecimal SHA-256 of a mesh's content: positions, faces and colours, on any device."""
    digest = hashlib.sha256(f"mesh {mesh.num_vertices} {mesh.num_faces}".encode())
    _update(digest, mesh.vertices.to(torch.float32))
    _update(digest, mesh.faces.to(torch.int64))
    if mesh.vertex_colors is not None:
        digest.update(b"colors")
        _update(digest, mesh.vertex_colors.to(torch.float32))
    return digest.hexdigest()


def points_hash(cloud: PointCloud) -> str:
    """Hexadecimal SHA-256 of a point cloud's content: positions and colours, on any device."""
    digest = hashlib.sha256(f"points {cloud.num_points}".encode())
    _update(digest, cloud.points.to(torch.float32))
    if cloud.colors is not None:
        digest.update(b"colors")
        _update(digest, cloud.colors.to(torch.float32))
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", tensor: Tensor) -> None:
    digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
