"""How people are built and how they bend: what a fit may move, how far, and what is usual.

One table serves Anny and the SMPL family: a joint's axes are anatomical (bending about the axis to
the left, leaning about the axis to the back, turning about the vertical of the rest pose), only
the rest poses differ, arms at 48 degrees against arms level. Standard deviations are our own round
numbers for daily life, not learnt from a data set. Knows no pictures.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.anny_topology import y_up_from_anny
from human_recovery.body_model import BodyModel

_Axis = tuple[float, float, float]


class _Turn(NamedTuple):
    """One axis of a left or middle joint. The right side mirrors leaning and turning."""

    axis: _Axis
    """x left, y back, z up."""
    mean_deg: float
    std_deg: float
    low_deg: float
    high_deg: float


_BEND, _LEAN, _TWIST = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def _ball(bend: float, lean: float, twist: float) -> tuple[_Turn, ...]:
    """A joint that is usually straight; its limits are at two and a half deviations."""
    return tuple(
        _Turn(axis, 0.0, std, -2.5 * std, 2.5 * std)
        for axis, std in ((_BEND, bend), (_LEAN, lean), (_TWIST, twist))
    )


_MIDDLE: dict[str, tuple[_Turn, ...]] = {
    "spine_low": (_Turn(_BEND, 5.0, 14.0, -25.0, 45.0), *_ball(0.0, 9.0, 9.0)[1:]),
    "spine_middle": (_Turn(_BEND, 5.0, 12.0, -20.0, 40.0), *_ball(0.0, 9.0, 12.0)[1:]),
    "spine_high": (_Turn(_BEND, 3.0, 10.0, -20.0, 35.0), *_ball(0.0, 8.0, 10.0)[1:]),
    "neck": _ball(14.0, 10.0, 15.0),
    "head": _ball(18.0, 12.0, 25.0),
}
_SIDED: dict[str, tuple[_Turn, ...]] = {
    "collar": _ball(7.0, 9.0, 9.0),
    "shoulder": (
        _Turn(_BEND, -8.0, 42.0, -150.0, 60.0), _Turn(_LEAN, 22.0, 40.0, -110.0, 75.0),
        _Turn(_TWIST, 0.0, 40.0, -100.0, 100.0),
    ),
    "elbow": (_Turn((-0.743, -0.047, -0.667), 15.0, 42.0, -25.0, 125.0),),
    "forearm": (_Turn((0.55, -0.62, -0.56), 0.0, 30.0, -85.0, 85.0),),
    "wrist": _ball(15.0, 15.0, 15.0),
    "hip": (_Turn(_BEND, -18.0, 42.0, -130.0, 35.0), _Turn(_LEAN, 0.0, 16.0, -45.0, 60.0),
            _Turn(_TWIST, 0.0, 18.0, -50.0, 50.0)),
    "knee": (_Turn(_BEND, 22.0, 42.0, -2.0, 145.0),),
    "ankle": _ball(15.0, 9.0, 9.0),
}  # fmt: skip
_SMPL_ARM: dict[str, tuple[_Turn, ...]] = {
    "shoulder": (
        _Turn(_BEND, 0.0, 35.0, -120.0, 90.0), _Turn(_LEAN, 62.0, 40.0, -70.0, 115.0),
        _Turn(_TWIST, -8.0, 45.0, -140.0, 60.0),
    ),
    "elbow": (
        _Turn((0.0, 0.0, -1.0), 25.0, 42.0, -3.0, 150.0), _Turn(_BEND, 0.0, 30.0, -85.0, 85.0),
    ),
}  # fmt: skip
"""Where a level rest pose makes the same motion one about other axes."""

_ANNY_BONES = {
    "spine_low": "spine05", "spine_middle": "spine03", "spine_high": "spine01", "neck": "neck01",
    "head": "head", "collar": "clavicle", "shoulder": "upperarm01", "elbow": "lowerarm01",
    "forearm": "lowerarm02", "wrist": "wrist", "hip": "upperleg01", "knee": "lowerleg01",
    "ankle": "foot",
}  # fmt: skip
_SMPL_BONES = {
    "spine_low": "spine1", "spine_middle": "spine2", "spine_high": "spine3", "neck": "neck",
    "head": "head", "collar": "collar", "shoulder": "shoulder", "elbow": "elbow", "wrist": "wrist",
    "hip": "hip", "knee": "knee", "ankle": "ankle",
}  # fmt: skip
_ANNY_SHAPE: dict[str, tuple[float, float]] = {
    "gender": (0.5, 0.3), "age": (0.55, 0.05), "muscle": (0.5, 0.2), "weight": (0.5, 0.2),
    "height": (0.5, 0.07), "proportions": (0.5, 0.2),
}  # fmt: skip
"""Mean and deviation. Anny's height axis alone spans 1.3 to 2.3 m; these make adults of 1.69 m with
a deviation of 0.11 m, which is what depth is known by. Children (ages below 0.5) come out as small
adults."""

SITTING_DEG = {"hip": -85.0, "knee": 85.0}
"""What differs from the usual pose in a start for people who sit: joint, bend."""


@dataclass(frozen=True, eq=False)
class BodyPrior:
    """The angles and shape numbers of a model that a fit moves, as independent Gaussians."""

    names: tuple[str, ...]
    """joint.side:axis number, for every angle."""
    bone_from_angle: Float[Tensor, "angles bones 3"]
    mean_rad: Float[Tensor, "angles"]
    std_rad: Float[Tensor, "angles"]
    low_rad: Float[Tensor, "angles"]
    high_rad: Float[Tensor, "angles"]
    shape_mean: Float[Tensor, "shape"]
    shape_std: Float[Tensor, "shape"]
    shape_low: Float[Tensor, "shape"]
    shape_high: Float[Tensor, "shape"]

    def rotations(self, angles_rad: Float[Tensor, "batch angles"]) -> Float[Tensor, "batch b 3 3"]:
        """Bone rotations; the root and bones that are not moved stay at rest."""
        vectors = torch.einsum("ba,ajk->bjk", angles_rad, self.bone_from_angle)
        return roma.rotvec_to_rotmat(vectors)

    def beyond_limits(
        self, angles_rad: Float[Tensor, "batch angles"], shape: Float[Tensor, "batch shape"]
    ) -> Float[Tensor, "batch"]:
        """Squared excess over limits, in units of 5 degrees and of a third of a deviation."""
        angle = (angles_rad - self.high_rad).relu() + (self.low_rad - angles_rad).relu()
        build = (shape - self.shape_high).relu() + (self.shape_low - shape).relu()
        build = 3 * build / self.shape_std
        return (angle / math.radians(5.0)).square().sum(1) + build.square().sum(1)

    def posture(self, bends_deg: dict[str, float]) -> Float[Tensor, "angles"]:
        """Standardised angles of the usual pose with some joints, both sides, bent otherwise."""
        angles = self.mean_rad.clone()
        for index, name in enumerate(self.names):
            joint, axis = name.split(":")
            if axis == "0" and joint.split(".")[0] in bends_deg:
                angles[index] = math.radians(bends_deg[joint.split(".")[0]])
        return (angles - self.mean_rad) / self.std_rad


def body_prior(model: BodyModel) -> BodyPrior:
    """The prior of a model, on its device."""
    anny = model.topology_name.startswith("anny")
    bones = _ANNY_BONES if anny else _SMPL_BONES
    sided = _SIDED if anny else _SIDED | _SMPL_ARM
    names, rows, numbers = [], [], []
    for joint, bone in bones.items():
        for side in ("",) if joint in _MIDDLE else ("L", "R"):
            at = model.bone_names.index(_bone_name(bone, side, anny))
            for number, turn in enumerate((_MIDDLE | sided)[joint]):
                axis = torch.tensor(turn.axis)
                if side == "R":  # the mirror image of a rotation about this axis
                    axis = axis * torch.tensor([1.0, -1.0, -1.0])
                axis = axis / axis.norm()
                row = torch.zeros(len(model.bone_names), 3)
                row[at] = axis if anny else y_up_from_anny(axis)
                names.append(f"{joint}.{side}:{number}" if side else f"{joint}:{number}")
                rows.append(row)
                numbers.append([math.radians(value) for value in turn[1:]])
    mean, std, low, high = torch.tensor(numbers).T
    shape_mean = model.neutral_shape()[0].cpu()
    if anny:
        table = torch.tensor([_ANNY_SHAPE[name] for name in model.shape_names])
        shape_mean, shape_std = table[:, 0], table[:, 1]
        bounds = torch.zeros_like(shape_mean), torch.ones_like(shape_mean)
    else:
        shape_std = torch.ones_like(shape_mean)
        bounds = shape_mean - 3.0, shape_mean + 3.0
    device = model.faces.device
    values = (torch.stack(rows), mean, std, low, high, shape_mean, shape_std, *bounds)
    return BodyPrior(tuple(names), *(value.contiguous().to(device) for value in values))


def _bone_name(bone: str, side: str, anny: bool) -> str:
    if not side:
        return bone
    return f"{bone}.{side}" if anny else f"{'left' if side == 'L' else 'right'}_{bone}"
