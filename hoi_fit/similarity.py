"""Similarity transforms between frames: rotation, scale and translation, and how to solve for one.

`p_camera = scale * rotation @ p_object + translation_m`; points are rows here.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from renders.errors import InputError


@dataclass(frozen=True, eq=False)
class Similarity:
    """A similarity that brings the source frame into the target frame."""

    rotation: Float[np.ndarray, "3 3"]
    translation_m: Float[np.ndarray, "3"]
    scale: float = 1.0

    @staticmethod
    def identity() -> "Similarity":
        """Changes nothing."""
        return Similarity(np.eye(3), np.zeros(3))

    def points(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """Source points in the target frame."""
        return self.scale * points @ self.rotation.T + self.translation_m

    def directions(self, vectors: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """Source directions in the target frame; lengths stay."""
        return vectors @ self.rotation.T

    def inverse(self) -> "Similarity":
        """From the target frame back to the source frame."""
        back = self.rotation.T
        return Similarity(back, -back @ self.translation_m / self.scale, 1.0 / self.scale)

    def __repr__(self) -> str:
        angle = np.degrees(np.arccos(np.clip((np.trace(self.rotation) - 1) / 2, -1, 1)))
        return f"Similarity({angle:.1f} deg, {self.translation_m.round(3)} m, x{self.scale:.3f})"


def solve_similarity(
    source: Float[np.ndarray, "points 3"],
    target: Float[np.ndarray, "points 3"],
    weight: Float[np.ndarray, "points"] | None = None,
    *,
    scale_bounds: tuple[float, float] = (1.0, 1.0),
) -> Similarity:
    """The similarity of least weighted squared distance between paired points.

    The scale is kept within its bounds; equal bounds fix it. Never a reflection. Points on a line
    or in one place leave rotations free; any of them is given then.
    Source: Umeyama, "Least-squares estimation of transformation parameters", 1991.

    Raises:
        InputError: no pair has any weight, numbers are not finite, or the bounds are not positive.
    """
    weight = np.ones(len(source)) if weight is None else weight
    low, high = scale_bounds
    if not 0 < low <= high:
        raise InputError(f"scale bounds must be positive and in order, got {scale_bounds!r}")
    total = weight.sum()
    if not total > 0 or not np.isfinite(source).all() or not np.isfinite(target).all():
        raise InputError(f"{len(source)} pairs of points are not enough finite ones to align")
    share = weight[:, None] / total
    source_mean, target_mean = (share * source).sum(0), (share * target).sum(0)
    from_mean, to_mean = source - source_mean, target - target_mean
    left, stretch, right = np.linalg.svd((share * to_mean).T @ from_mean)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right)) or 1.0])
    rotation = (left * sign) @ right
    spread = float((share * from_mean**2).sum())
    scale = float((stretch * sign).sum()) / spread if spread > 0 else 1.0
    scale = float(np.clip(scale, low, high))
    return Similarity(rotation, target_mean - scale * rotation @ source_mean, scale)
