"""Many bodies at once as numbers that an optimiser moves, and what each costs, term by term.

All terms are negative logarithms of probabilities, up to constants: squares of residuals in units
of their noise, squares of standardised angles and shape numbers. So they add up without weights,
and energies tell how much likelier one body is than another. Knows no search.

Source: robust reprojection by Geman and McClure, as SMPLify and ProsePose use it.
"""

import math
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from human_recovery.body_evidence import Evidence
from human_recovery.body_model import BodyModel
from human_recovery.body_priors import BodyPrior
from human_recovery.output import BodyOutput
from renders.silhouette import soft_silhouette

_TURN_RAD, _SHIFT, _LOG_DEPTH = 0.4, 0.3, 0.2
"""What one unit of a free number means, so that one rate suits all; a shift in person's sizes."""
_TILT_RAD, _TILT_ROBUST = math.radians(20.0), 3.0
"""Deviation of the pelvis from the picture's plane, and where it stops to count."""
_NEAR_M = 0.1
_BEHIND = 50.0
_MASK_COST = 40.0
_SPILL_SHARE = 0.5
_MASK_SIGMA = 3e-4


@dataclass(frozen=True, eq=False)
class Starts:
    """Where the numbers of each body count from."""

    rotation: Float[Tensor, "bodies 3 3"]
    """Of the root."""
    ray: Float[Tensor, "bodies 2"]
    """x/z and y/z of the root."""
    depth_m: Float[Tensor, "bodies"]
    angles: Float[Tensor, "bodies angles"]
    """Standardised."""

    def __len__(self) -> int:
        return len(self.depth_m)

    def taken(self, index: Tensor) -> "Starts":
        """These bodies only, in this order."""
        return Starts(
            self.rotation[index], self.ray[index], self.depth_m[index], self.angles[index]
        )


@dataclass(frozen=True, eq=False)
class Posed:
    """Bodies made from numbers."""

    shape: Float[Tensor, "bodies shape"]
    angles_rad: Float[Tensor, "bodies angles"]
    rotations: Float[Tensor, "bodies bones 3 3"]
    translation_m: Float[Tensor, "bodies 3"]
    output: BodyOutput
    keypoints_m: Float[Tensor, "bodies 23 3"]


class FitSpace:
    """The numbers of a body: angles and shape, standardised by their prior, then turn and place.

    `shape` fixes the shape numbers, which then take no part.
    """

    def __init__(
        self,
        model: BodyModel,
        prior: BodyPrior,
        evidence: Evidence,
        shape: Float[Tensor, "shape"] | None,
    ) -> None:
        self.model, self.prior, self.evidence, self.fixed_shape = model, prior, evidence, shape
        self.num_angles = len(prior.names)
        self.num_shape = 0 if shape is not None else len(prior.shape_mean)
        focal = evidence.camera.intrinsics.diagonal()[:2].float()
        self.ray_unit = _SHIFT * evidence.side_px / focal
        up = [0.0, 1.0, 0.0] if model.up_axis == "y" else [0.0, 0.0, 1.0]
        self.up = torch.tensor(up, device=model.faces.device)

    @property
    def num_prior(self) -> int:
        """How many of the numbers have a prior; they come first."""
        return self.num_angles + self.num_shape

    def first(self, starts: Starts) -> Float[Tensor, "bodies numbers"]:
        """The numbers of the starts: their angles, everything else as it counts from."""
        free = starts.angles.new_zeros(len(starts), self.num_shape + 6)
        return torch.cat([starts.angles, free], dim=1)

    def posed(self, numbers: Float[Tensor, "bodies numbers"], starts: Starts) -> Posed:
        """The bodies of these numbers."""
        prior, count = self.prior, self.num_angles
        angles_rad = prior.mean_rad + prior.std_rad * numbers[:, :count]
        if self.fixed_shape is None:
            build = numbers[:, count : self.num_prior]
            shape = prior.shape_mean + prior.shape_std * build
            # Models are not defined beyond; the limits' cost leads back.
            taken = shape.clamp(prior.shape_low, prior.shape_high)
        else:
            shape = taken = self.fixed_shape.expand(len(numbers), -1)
        turn, place = numbers[:, self.num_prior : -3], numbers[:, -3:]
        root = roma.rotvec_to_rotmat(_TURN_RAD * turn) @ starts.rotation
        rotations = torch.cat([root[:, None], prior.rotations(angles_rad)[:, 1:]], dim=1)
        ray = starts.ray + self.ray_unit * place[:, :2]
        depth = starts.depth_m * (_LOG_DEPTH * place[:, 2]).clamp(-3, 3).exp()
        translation = torch.cat([ray, torch.ones_like(ray[:, :1])], 1) * depth[:, None]
        output = self.model(taken, rotations, translation)
        return Posed(
            shape, angles_rad, rotations, translation, output, self.model.keypoints(output)
        )

    def energies(
        self, numbers: Float[Tensor, "bodies numbers"], starts: Starts, robust: float,
        *, mask: bool = False,
    ) -> dict[str, Float[Tensor, "bodies"]]:  # fmt: skip
        """Every term of every body. `robust` is where a residual stops to count, in its noise."""
        bodies, seen = self.posed(numbers, starts), self.evidence
        off = self.residuals(bodies)
        terms = {
            "keypoints": 0.5 * _robust(off[0].square().sum(-1), robust) @ seen.weight,
            "pose": 0.5 * numbers[:, : self.num_angles].square().sum(1),
            "limits": 0.5 * self.prior.beyond_limits(bodies.angles_rad, bodies.shape),
            "tilt": 0.5 * _robust(self.tilt(bodies).square(), _TILT_ROBUST),
            "behind": _BEHIND * (_NEAR_M - bodies.keypoints_m[..., 2]).relu().sum(1),
        }
        if self.num_shape:
            build = numbers[:, self.num_angles : self.num_prior]
            terms["shape"] = 0.5 * build.square().sum(1)
        if len(seen.pair_weight):
            terms["surface"] = 0.5 * _robust(off[1].square().sum(-1), robust) @ seen.pair_weight
        if mask and seen.mask is not None:
            terms["mask"] = _MASK_COST * self._mask_missed(bodies)
        return terms

    def residuals(
        self, bodies: Posed
    ) -> tuple[Float[Tensor, "bodies 23 2"], Float[Tensor, "bodies pairs 2"]]:
        """How far keypoints and surface pairs fall from their pixels, in units of their noise."""
        seen = self.evidence
        keypoints = (self.project(bodies.keypoints_m) - seen.points_px) / seen.noise_px
        vertices = bodies.output.vertices[:, seen.pair_vertex]
        return keypoints, (self.project(vertices) - seen.pair_px) / seen.pair_noise_px

    def tilt(self, bodies: Posed) -> Float[Tensor, "bodies"]:
        """How far the pelvis leans towards or from the camera, in its deviation.

        Without perspective somebody who leans and somebody smaller look the same. People mostly
        stand, sit or lie across the line of sight.
        """
        up = bodies.rotations[:, 0] @ self.up
        return torch.asin(up[:, 2].clamp(-0.999, 0.999)) / _TILT_RAD

    def project(self, points_m: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
        """Pixels; of points behind the camera some that lie far off, never NaN."""
        intrinsics = self.evidence.camera.intrinsics.to(points_m)
        return (points_m / points_m[..., 2:].clamp(min=_NEAR_M) @ intrinsics.T)[..., :2]

    def _mask_missed(self, bodies: Posed) -> Float[Tensor, "bodies"]:
        """Share of the mask that the body does not cover, and half of what it covers beside it.

        Half, because what stands in front of a person is cut out of the mask.
        """
        shown = self.evidence.mask
        assert shown is not None
        wanted: Bool[Tensor, "height width"] = shown.mask
        drawn = soft_silhouette(
            bodies.output.vertices, self.model.faces, shown.intrinsics, *wanted.shape,
            sigma=_MASK_SIGMA,
        )  # fmt: skip
        area = wanted.sum().clamp(min=1)
        missed = ((1 - drawn) * wanted).sum((1, 2)) / area
        return missed + _SPILL_SHARE * (drawn * ~wanted).sum((1, 2)) / area


def starts_at(
    rotation: Float[Tensor, "bodies 3 3"],
    translation_m: Float[Tensor, "bodies 3"],
    angles: Float[Tensor, "bodies angles"],
) -> Starts:
    """Starts whose root stands at these places."""
    depth = translation_m[:, 2]
    return Starts(rotation, translation_m[:, :2] / depth[:, None], depth, angles)


def _robust(squared: Float[Tensor, "bodies *points"], scale: float) -> Tensor:
    """Squares that approach `scale` squared far away."""
    return squared / (1 + squared / scale**2)


def robust_weight(
    off: Float[Tensor, "bodies points 2"], scale: float
) -> Float[Tensor, "bodies points"]:
    """How much a residual still pulls, 1 near 0: the derivative of `_robust` by the square."""
    return (1 + off.square().sum(-1) / scale**2) ** -2
