"""Where a point of one body lies on the surface of another: of several places near by, the one.

A place fits when its part is the same or a neighbour of it (never the other side's) and its normal
looks the same way: fingers, thighs and arms lie close to surfaces they do not belong to. Both
bodies stand in the same frame and pose; knows nothing of how they got there.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from human_recovery.parts import PART_NAMES, mirror_part
from human_recovery.transfer import closest_barycentric
from renders.errors import InputError
from renders.mesh import vertex_normals

_NORMAL_WEIGHT_M = 0.05
"""What a normal turned by 60 degrees costs, as a distance. More than a finger is thick, so that a
finger does not take its neighbour's skin; less than a limb is thick, so that bodies that do not lie
together yet still find each other."""
_NEAREST = 3
"""Vertices whose faces are looked at for each point."""


@dataclass(frozen=True, eq=False)
class PartSurface:
    """A body's surface with named parts. NumPy, float64, metres."""

    vertices: Float[np.ndarray, "verts 3"]
    faces: Int[np.ndarray, "faces 3"]
    part_of_vertex: Int[np.ndarray, "verts"]
    """Index into `PART_NAMES`."""

    @cached_property
    def normals(self) -> Float[np.ndarray, "verts 3"]:
        """Unit outward normal of each vertex; zero for a vertex without faces."""
        found = vertex_normals(torch.from_numpy(self.vertices), torch.from_numpy(self.faces))
        return found.numpy()

    def vertex_areas(self) -> Float[np.ndarray, "verts"]:
        """A third of the area of the faces around each vertex, square metres."""
        a, b, c = self.vertices[self.faces].transpose(1, 0, 2)
        thirds = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
        return np.bincount(self.faces.ravel(), np.repeat(thirds, 3), len(self.vertices))

    def at(self, vertices: Float[np.ndarray, "verts 3"]) -> "PartSurface":
        """The same mesh elsewhere."""
        return PartSurface(vertices, self.faces, self.part_of_vertex)


@dataclass(frozen=True, eq=False)
class Places:
    """Places on a surface: corners of a face with weights that sum to one."""

    vertex_index: Int[np.ndarray, "places 3"]
    weight: Float[np.ndarray, "places 3"]

    def interpolated(
        self, values: Float[np.ndarray, "verts channels"]
    ) -> Float[np.ndarray, "places channels"]:
        """Values of the surface's vertices at the places."""
        return (self.weight[..., None] * values[self.vertex_index]).sum(axis=1)

    def matrix(self, num_vertices: int) -> sparse.csr_matrix:
        """The same as a matrix (places, vertices)."""
        rows = np.repeat(np.arange(len(self.weight)), 3)
        shape = (len(self.weight), num_vertices)
        return sparse.csr_matrix((self.weight.ravel(), (rows, self.vertex_index.ravel())), shape)


def closest_places(
    given: PartSurface, target: PartSurface, together: Bool[np.ndarray, "parts parts"]
) -> Places:
    """For each vertex of `given` the fitting place on `target`.

    `together[a, b]`: a vertex of part a may lie on part b, see `neighbouring_parts`. The nearest
    fitting vertices are found first, then the best fitting place on the faces around them. A vertex
    whose allowed parts `target` lacks is looked for on the whole of it.

    Raises:
        InputError: `target` has no faces.
    """
    if len(target.faces) == 0:
        raise InputError("places on a surface need one with faces, got 0 faces")
    given_key, target_key = _place_and_direction(given), _place_and_direction(target)
    vertex_faces = _FacesOfVertex(target)
    has_faces = vertex_faces.count > 0
    face_index = np.zeros(len(given.vertices), dtype=np.int64)
    weights = np.zeros((len(given.vertices), 3))
    for part in np.unique(given.part_of_vertex):
        rows = np.flatnonzero(given.part_of_vertex == part)
        allowed = np.flatnonzero(has_faces & together[part][target.part_of_vertex])
        if len(allowed) == 0:
            allowed = np.flatnonzero(has_faces)
        nearest = min(_NEAREST, len(allowed))
        _, found = KDTree(target_key[allowed]).query(given_key[rows], k=nearest)
        near_vertices = allowed[np.asarray(found).reshape(len(rows), nearest)]
        face_index[rows], weights[rows] = _best_place(
            given_key[rows], near_vertices, target, target_key, vertex_faces
        )
    return Places(target.faces[face_index], weights)


def neighbouring_parts(*surfaces: PartSurface) -> Bool[np.ndarray, "parts parts"]:
    """Parts that may lie on each other: the same one, and those that share an edge on any surface.

    The two sides of a limb never may, though left and right thigh can share an edge.
    """
    count = len(PART_NAMES)
    together = np.eye(count, dtype=bool)
    for surface in surfaces:
        part = surface.part_of_vertex[surface.faces]
        for first, second in ((0, 1), (1, 2), (2, 0)):
            together[part[:, first], part[:, second]] = True
            together[part[:, second], part[:, first]] = True
    for name in PART_NAMES:
        if mirror_part(name) != name:
            together[PART_NAMES.index(name), PART_NAMES.index(mirror_part(name))] = False
    return together


def _place_and_direction(surface: PartSurface) -> Float[np.ndarray, "verts 6"]:
    """Position and direction as one point, so that a nearest-neighbour search weighs both."""
    return np.concatenate([surface.vertices, _NORMAL_WEIGHT_M * surface.normals], axis=1)


class _FacesOfVertex:
    """Faces around each vertex, as one flat list with offsets."""

    def __init__(self, surface: PartSurface) -> None:
        corners = surface.faces.ravel()
        self.order = np.argsort(corners, kind="stable") // 3
        self.count = np.bincount(corners, minlength=len(surface.vertices))
        self.start = np.concatenate([[0], np.cumsum(self.count)])[:-1]


def _best_place(
    given_key: Float[np.ndarray, "points 6"],
    near_vertices: Int[np.ndarray, "points nearest"],
    target: PartSurface,
    target_key: Float[np.ndarray, "verts 6"],
    vertex_faces: _FacesOfVertex,
) -> tuple[Int[np.ndarray, "points"], Float[np.ndarray, "points 3"]]:
    """The best fitting place on the faces around the given vertices; ties go to the lower face."""
    flat = near_vertices.ravel()
    count = vertex_faces.count[flat]
    owner = np.repeat(np.repeat(np.arange(len(given_key)), near_vertices.shape[1]), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    face = vertex_faces.order[np.repeat(vertex_faces.start[flat], count) + within]
    corners = target.faces[face]
    weights = closest_barycentric(given_key[owner, :3], target.vertices[corners])
    there = (weights[..., None] * target_key[corners]).sum(axis=1)
    misfit = np.linalg.norm(there - given_key[owner], axis=1)
    order = np.lexsort((face, misfit, owner))
    first = order[np.unique(owner[order], return_index=True)[1]]
    return face[first], weights[first]
