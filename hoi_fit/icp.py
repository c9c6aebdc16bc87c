"""Brings the touched points of an object to the touching points of a body, from many starts.

Nearest neighbours both ways, in place and in opposed normals; robust weights; a similarity with
bounded scale. Knows points and normals only: no meshes, masks or cameras.

Source: InteractVLM, initialisation of the object fit (there: one step, all pairs accepted).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from hoi_fit.report import StopReason
from hoi_fit.similarity import Similarity, solve_similarity
from renders.errors import InputError

NORMAL_LENGTH_M = 0.1
"""A unit of difference between normals counts as so many metres of distance."""


@dataclass(frozen=True, eq=False)
class OrientedPoints:
    """Points of a surface with unit normals and how much each counts."""

    points: Float[np.ndarray, "points 3"]
    normals: Float[np.ndarray, "points 3"]
    """Outward."""
    weight: Float[np.ndarray, "points"]
    """Contact probability, at least 0."""


@dataclass(frozen=True)
class IcpSettings:
    """How the alignment is searched."""

    scale_bounds: tuple[float, float] = (1.0, 1.0)
    """Least and largest scale; equal bounds fix it."""
    iterations: int = 60
    outlier_m: float = 0.05
    """Pairs at this distance count a quarter (Geman-McClure)."""
    tolerance_m: float = 1e-5
    """Stops when points move less on average."""


@dataclass(frozen=True, eq=False)
class IcpResult:
    """Where one start led."""

    target_from_object: Similarity
    distance_m: float
    """Weighted mean distance between partners, both ways."""
    iterations: int
    stopped: StopReason


def contact_icp(
    touched: OrientedPoints,
    touching: OrientedPoints,
    starts: Sequence[Similarity],
    settings: IcpSettings | None = None,
) -> list[IcpResult]:
    """One result per start, nearest first: the object's touched points against the body's.

    Raises:
        InputError: either side has no point of any weight, or numbers are not finite.
    """
    settings = settings or IcpSettings()
    for name, side in (("object", touched), ("body", touching)):
        if not (side.weight > 0).any() or not np.isfinite(side.points).all():
            raise InputError(
                f"the {name} has no contact to align: {len(side.points)} points of total weight "
                f"{float(side.weight.sum()):.3g}; fit without contact, or give another contact file"
            )
    tree = KDTree(_in_six(touching.points, -touching.normals))
    results = [_descend(touched, touching, tree, start, settings) for start in starts]
    return sorted(results, key=lambda result: result.distance_m)


def _descend(
    touched: OrientedPoints,
    touching: OrientedPoints,
    tree: KDTree,
    start: Similarity,
    settings: IcpSettings,
) -> IcpResult:
    pose, steps = start, 0
    stopped: StopReason = "iterations"
    placed = pose.points(touched.points)
    while stopped != "converged" and steps < settings.iterations:
        steps += 1
        partner, back = _partners(touched, touching, tree, pose)
        source = np.concatenate([touched.points, touched.points[back]])
        target = np.concatenate([touching.points[partner], touching.points])
        weight = _pair_weights(touched, touching, partner, back)
        away = np.linalg.norm(pose.points(source) - target, axis=1)
        robust = (1 + (away / settings.outlier_m) ** 2) ** -2
        pose = solve_similarity(source, target, weight * robust, scale_bounds=settings.scale_bounds)
        moved, placed = placed, pose.points(touched.points)
        if np.linalg.norm(placed - moved, axis=1).mean() < settings.tolerance_m:
            stopped = "converged"
    return IcpResult(pose, _distance(touched, touching, tree, pose), steps, stopped)


def _partners(
    touched: OrientedPoints, touching: OrientedPoints, tree: KDTree, pose: Similarity
) -> tuple[np.ndarray, np.ndarray]:
    """Body point of each object point, and object point of each body point."""
    placed = _in_six(pose.points(touched.points), pose.directions(touched.normals))
    wanted = _in_six(touching.points, -touching.normals)
    there, back = tree.query(placed)[1], KDTree(placed).query(wanted)[1]
    return np.asarray(there), np.asarray(back)


def _pair_weights(
    touched: OrientedPoints, touching: OrientedPoints, partner: np.ndarray, back: np.ndarray
) -> Float[np.ndarray, "pairs"]:
    """Product of both ends' weights; each direction counts one in all."""
    there = touched.weight * touching.weight[partner]
    here = touching.weight * touched.weight[back]
    return np.concatenate([there / max(there.sum(), 1e-12), here / max(here.sum(), 1e-12)])


def _distance(
    touched: OrientedPoints, touching: OrientedPoints, tree: KDTree, pose: Similarity
) -> float:
    partner, back = _partners(touched, touching, tree, pose)
    placed = pose.points(touched.points)
    away = np.concatenate(
        [
            np.linalg.norm(placed - touching.points[partner], axis=1),
            np.linalg.norm(placed[back] - touching.points, axis=1),
        ]
    )
    weight = _pair_weights(touched, touching, partner, back)
    return float((weight * away).sum() / weight.sum())


def _in_six(
    points: Float[np.ndarray, "points 3"], normals: Float[np.ndarray, "points 3"]
) -> Float[np.ndarray, "points 6"]:
    return np.concatenate([points, NORMAL_LENGTH_M * normals], axis=1)
