"""Lays the canonical body of one topology onto that of another: same pose, other build and mesh.

Each named part is first carried onto its namesake as a whole; then the surface is drawn onto the
other one in steps, ever less stiff. NumPy, float64, metres. Knows surfaces with named parts, no
particular body model.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float
from scipy.sparse.linalg import splu

from human_recovery.correspondence import PartSurface, Places, closest_places, neighbouring_parts

_STIFFNESS = (100.0, 30.0, 10.0, 3.0, 1.0)
"""Weight of a smooth displacement against closeness, from stiff to soft."""
_ROUNDS = 2
"""Steps at each stiffness."""
_BLEND_ROUNDS = 8
"""Rounds of averaging over neighbours that soften the borders between parts."""
_REACH_M = 0.08
"""Pairs farther apart draw nothing."""
_FACING = 0.5
"""Pairs whose normals differ by more than 60 degrees draw nothing."""
_ANCHOR = 1e-3
"""Keeps pieces that nothing draws, such as eyeballs, where their part put them."""

STEPS = len(_STIFFNESS) * _ROUNDS
"""Number of steps that `registered` makes."""


def registered(moving: PartSurface, fixed: PartSurface) -> Iterator[PartSurface]:
    """`moving` laid onto `fixed`, better with each of `STEPS` steps; the last one is the result.

    A step solves for the positions that are near the places found on the other body and whose
    displacement bends little. Source: non-rigid iterative closest points with falling stiffness,
    Amberg et al., CVPR 2007, here with displacements in place of affine maps.
    """
    together = neighbouring_parts(moving, fixed)
    smoothing = _difference_to_neighbours(moving)
    bending = (smoothing.T @ smoothing).tocsc()
    start = _carried_by_parts(moving, fixed)
    current = moving.at(start)
    for stiffness in np.repeat(_STIFFNESS, _ROUNDS):
        system, wanted = _pull(current, fixed, together)
        system = system + stiffness * bending + _ANCHOR * sparse.identity(len(start))
        wanted = wanted + stiffness * (bending @ start) + _ANCHOR * start
        current = moving.at(splu(system.tocsc()).solve(wanted))
        yield current


def _pull(
    moving: PartSurface, fixed: PartSurface, together: Bool[np.ndarray, "parts parts"]
) -> tuple[sparse.spmatrix, Float[np.ndarray, "verts 3"]]:
    """Least squares of the vertices of either body being on the other's surface, for `moving`.

    Looking from both sides draws fingers and toes out to their full length.
    """
    on_fixed = closest_places(moving, fixed, together)
    drawn = _draws(moving, on_fixed, fixed)
    system = sparse.diags(drawn.astype(np.float64))
    wanted = on_fixed.interpolated(fixed.vertices) * drawn[:, None]
    on_moving = closest_places(fixed, moving, together)
    drawn = _draws(fixed, on_moving, moving)
    interpolate = sparse.diags(drawn.astype(np.float64)) @ on_moving.matrix(len(moving.vertices))
    balance = len(moving.vertices) / len(fixed.vertices)
    system = system + balance * (interpolate.T @ interpolate)
    return system, wanted + balance * (interpolate.T @ fixed.vertices)


def _draws(given: PartSurface, places: Places, target: PartSurface) -> Bool[np.ndarray, "given"]:
    """Vertices whose place on the other body is near and faces the same way."""
    gap = np.linalg.norm(places.interpolated(target.vertices) - given.vertices, axis=1)
    facing = (places.interpolated(target.normals) * given.normals).sum(axis=1)
    return (gap < _REACH_M) & (facing > _FACING)


def _carried_by_parts(moving: PartSurface, fixed: PartSurface) -> Float[np.ndarray, "verts 3"]:
    """Each part stretched and shifted as a whole onto its namesake, blended at the borders.

    A part that `fixed` lacks moves with the whole body.
    """
    parts = np.unique(moving.part_of_vertex)
    membership = (moving.part_of_vertex[:, None] == parts).astype(np.float64)
    to_neighbours = _difference_to_neighbours(moving)
    for _ in range(_BLEND_ROUNDS):
        membership = membership - 0.5 * (to_neighbours @ membership)
    result = np.zeros_like(moving.vertices)
    for column, part in enumerate(parts):
        own, other = moving.part_of_vertex == part, fixed.part_of_vertex == part
        if not other.any():
            own, other = np.ones_like(own), np.ones_like(other)
        mean, covariance = _spread(moving, own)
        other_mean, other_covariance = _spread(fixed, other)
        stretch = _stretch(covariance, other_covariance)
        result += membership[:, [column]] * ((moving.vertices - mean) @ stretch + other_mean)
    return result


def _spread(
    surface: PartSurface, members: Bool[np.ndarray, "verts"]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]:
    """Mean and covariance of a part's surface, by area; never quite flat."""
    weight = np.maximum(surface.vertex_areas()[members], 1e-12)
    mean = np.average(surface.vertices[members], axis=0, weights=weight)
    offset = surface.vertices[members] - mean
    covariance = (offset * weight[:, None]).T @ offset / weight.sum()
    return mean, covariance + 1e-8 * np.eye(3)


def _stretch(
    given: Float[np.ndarray, "3 3"], wanted: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "3 3"]:
    """The symmetric matrix that turns one covariance into another: a stretch without a turn.

    Source: the optimal transport between two normal distributions, Peyré and Cuturi,
    Computational Optimal Transport, remark 2.31.
    """
    root = _root(given)
    inverse = np.linalg.inv(root)
    return inverse @ _root(root @ wanted @ root) @ inverse


def _root(matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Symmetric square root of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _difference_to_neighbours(surface: PartSurface) -> sparse.csr_matrix:
    """Each vertex minus the mean of its neighbours; nothing for a vertex without any."""
    count = len(surface.vertices)
    start, end = surface.faces.ravel(), np.roll(surface.faces, -1, axis=1).ravel()
    ones = np.ones(2 * len(start))
    pairs = (np.concatenate([start, end]), np.concatenate([end, start]))
    links = sparse.csr_matrix((ones, pairs), shape=(count, count))
    links.data[:] = 1.0  # an edge counts once, however many faces share it
    degree = np.asarray(links.sum(axis=1)).ravel()
    own = sparse.diags((degree > 0).astype(np.float64))
    return sparse.csr_matrix(own - sparse.diags(1 / np.maximum(degree, 1.0)) @ links)
