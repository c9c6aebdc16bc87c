"""How sure a fitted body is: the curvature around the best one, and how far others stray.

Around the best body the energies are nearly squares, so the inverse of their curvature is the
covariance of its numbers (Laplace). Bodies of other starts that are about as likely add their
differences: a picture cannot tell a knee bent towards the camera from one bent away.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.body_energies import FitSpace, Starts, robust_weight
from human_recovery.output import KEYPOINT_NAMES

_STEP = 0.02
_FREE_PRECISION = 1e-4
"""Of turn and place, which have no prior: barely more than nothing."""
_HIPS = (KEYPOINT_NAMES.index("left_hip"), KEYPOINT_NAMES.index("right_hip"))


@dataclass(frozen=True, eq=False)
class Spread:
    """Standard deviations, and how much each body counts."""

    joint_m: Float[Tensor, "23"]
    """Root mean square distance of each keypoint from its mean, seen from the pelvis."""
    depth_m: float
    """Of the pelvis along the view."""
    between_m: Float[Tensor, "23"]
    """The part of `joint_m` that comes from bodies of other starts."""
    share: Float[Tensor, "bodies"]


@torch.no_grad()
def spread_of(
    space: FitSpace,
    numbers: Float[Tensor, "bodies numbers"],
    starts: Starts,
    energy: Float[Tensor, "bodies"],
    robust: float,
    margin: float,
) -> Spread:
    """The spread of bodies sorted by energy; those above the least by `margin` do not count."""
    above = energy - energy[0]
    likely = torch.where(above <= margin, (-above).exp(), torch.zeros_like(above))
    share = likely / likely.sum()
    points = space.posed(numbers, starts).keypoints_m
    pelvis = points[:, _HIPS].mean(1, keepdim=True)
    around = points - pelvis
    between = _weighted_variance(around, share).sum(-1)
    between_depth = float(_weighted_variance(pelvis[:, 0, 2:], share))
    within, within_depth = _around_the_best(space, numbers[:1], starts, robust)
    return Spread(
        (between + within).sqrt(), float((within_depth + between_depth) ** 0.5),
        between.sqrt(), share,
    )  # fmt: skip


def _weighted_variance(
    values: Float[Tensor, "bodies *rest"], share: Float[Tensor, "bodies"]
) -> Float[Tensor, "*rest"]:
    mean = torch.einsum("b,b...->...", share, values)
    return torch.einsum("b,b...->...", share, (values - mean).square())


def _around_the_best(
    space: FitSpace, numbers: Float[Tensor, "1 numbers"], starts: Starts, robust: float
) -> tuple[Float[Tensor, "23"], float]:
    """Variances of the keypoints around the pelvis and of its depth, from finite differences."""
    count = numbers.shape[1]
    one = starts.taken(torch.zeros(2 * count, dtype=torch.long, device=numbers.device))
    moves = _STEP * torch.eye(count, device=numbers.device)
    bodies = space.posed(torch.cat([numbers + moves, numbers - moves]), one)
    best = space.posed(numbers, starts.taken(torch.zeros(1, dtype=torch.long)))

    def slope(values: Tensor) -> Tensor:
        return (values[:count] - values[count:]) / (2 * _STEP)

    seen = space.evidence
    precision = torch.full((count,), _FREE_PRECISION, device=numbers.device)
    precision[: space.num_prior] = 1.0
    curvature = torch.diag(precision)
    weights = (seen.weight, seen.pair_weight)
    moved, here = space.residuals(bodies), space.residuals(best)
    for off, at, weight in zip(moved, here, weights, strict=True):
        jacobian = slope(off)
        pull = robust_weight(at, robust)[0] * weight
        curvature = curvature + torch.einsum("ikc,k,jkc->ij", jacobian, pull, jacobian)
    tilt = slope(space.tilt(bodies))
    curvature = curvature + torch.outer(tilt, tilt)
    covariance = torch.linalg.inv(curvature.double()).to(numbers)
    points = slope(bodies.keypoints_m)
    pelvis = points[:, _HIPS].mean(1, keepdim=True)
    around = points - pelvis
    joints = torch.einsum("ikc,ij,jkc->k", around, covariance, around)
    depth = pelvis[:, 0, 2]
    return joints.clamp(min=0), float((depth @ covariance @ depth).clamp(min=0))
