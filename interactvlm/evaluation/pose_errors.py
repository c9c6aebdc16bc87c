"""How far a fitted object is from its truth: turns up to symmetry, places, scales, surfaces.

Knows shapes and poses; knows no photos, models or data sets.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import trimesh
from jaxtyping import Float
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from renders.mesh import Mesh

_SAMPLES = 2000
_TOLERANCE = 0.015
"""A turned shape is the same when its surface moved by less than this share of its extent."""


@dataclass(frozen=True, eq=False)
class Symmetry:
    """The turns about its middle that leave a shape as it is."""

    turns: tuple[Float[np.ndarray, "3 3"], ...]
    """Single ones, the identity among them."""
    axis: Float[np.ndarray, "3"] | None = None
    """About which any turn does."""
    round: bool = False
    """Whether any turn at all does, as of a ball."""

    def turn_error_deg(
        self, found: Float[np.ndarray, "3 3"], truth: Float[np.ndarray, "3 3"]
    ) -> float:
        """The least angle between the found turn and one that looks like the true one."""
        if self.round:
            return 0.0
        if self.axis is not None:
            cosines = [found @ self.axis @ (truth @ turn @ self.axis) for turn in self.turns]
            return float(np.degrees(np.arccos(np.clip(max(cosines), -1, 1))))
        away = [Rotation.from_matrix(found.T @ truth @ turn).magnitude() for turn in self.turns]
        return float(np.degrees(min(away)))


def symmetry_of(mesh: Mesh) -> Symmetry:
    """Found by turning samples of the surface about the axes of the shape's own frame."""
    shape = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
    middle = shape.bounds.mean(0)
    first, second = (
        np.asarray(trimesh.sample.sample_surface(shape, _SAMPLES, seed=seed)[0]) - middle
        for seed in (0, 1)
    )
    tree = KDTree(second)
    limit = tree.query(first)[0].mean() + _TOLERANCE * float(np.ptp(second, axis=0).max())

    def same(turn: Float[np.ndarray, "3 3"]) -> bool:
        # Nothing may stick out: a handle is a small part of a cup, and yet no symmetry.
        away = np.maximum(tree.query(first @ turn.T)[0], KDTree(first @ turn.T).query(second)[0])
        return bool(away.mean() < limit and np.quantile(away, 0.99) < 4 * limit)

    full = [
        axis
        for axis in np.eye(3)
        if all(same(_turn(axis, angle)) for angle in (37.0, 90.0, 143.0, 180.0, 251.0))
    ]
    if len(full) >= 2:
        return Symmetry((np.eye(3),), round=True)
    flips = [_turn(axis, 180.0) for axis in np.eye(3)]
    if full:
        return Symmetry(tuple(t for t in (np.eye(3), *flips) if same(t)), axis=full[0])
    quarters = [_turn(a, d) for a, d in product(np.eye(3), (90.0, 120.0, 180.0, 240.0, 270.0))]
    return Symmetry((np.eye(3), *(turn for turn in quarters if same(turn))))


def chamfer_m(first: Mesh, second: Mesh) -> float:
    """Mean distance of surface samples to the other surface's, mean of both ways, metres."""
    points = [
        np.asarray(
            trimesh.sample.sample_surface(
                trimesh.Trimesh(m.vertices.numpy(), m.faces.numpy(), process=False),
                5 * _SAMPLES,
                seed=0,
            )[0]
        )
        for m in (first, second)
    ]
    there = KDTree(points[1]).query(points[0])[0].mean()
    return float(there + KDTree(points[0]).query(points[1])[0].mean()) / 2


def _turn(axis: Float[np.ndarray, "3"], angle_deg: float) -> Float[np.ndarray, "3 3"]:
    return Rotation.from_rotvec(np.radians(angle_deg) * axis).as_matrix()
