"""Degrees of freedom, touch patches and moving frames of the fast Anny body.

Knows the body's rest geometry (A-pose, z up, facing -y) and how a small vector of joint angles
becomes bone rotations; does not know objects or interactions.
"""

import math
from dataclasses import dataclass
from functools import cache

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from human_recovery.anny_body import AnnyBody
from renders.mesh import vertex_normals

BALL_JOINTS: dict[str, float] = {
    "root": 1.0, "spine05": 0.8, "spine03": 0.8, "spine01": 0.8, "neck01": 1.0, "head": 1.0,
    "clavicle.L": 4.0, "clavicle.R": 4.0, "upperarm01.L": 0.12, "upperarm01.R": 0.12,
    "wrist.L": 0.5, "wrist.R": 0.5, "upperleg01.L": 0.3, "upperleg01.R": 0.3,
    "foot.L": 1.0, "foot.R": 1.0,
}  # fmt: skip
"""Three-axis joints and how stiffly each holds to its key pose (1/rad², relative)."""

_ELBOW_AXIS_LEFT = (-0.743, -0.047, -0.667)
_FOREARM_AXIS_LEFT = (0.55, -0.62, -0.56)
HINGES: dict[str, tuple[str, tuple[float, float, float], tuple[float, float], float]] = {
    "elbow.L": ("lowerarm01.L", _ELBOW_AXIS_LEFT, (-25.0, 120.0), 0.12),
    "elbow.R": ("lowerarm01.R", (-0.743, 0.047, 0.667), (-25.0, 120.0), 0.12),
    "twist.L": ("lowerarm02.L", _FOREARM_AXIS_LEFT, (-85.0, 85.0), 0.12),
    "twist.R": ("lowerarm02.R", (0.55, 0.62, 0.56), (-85.0, 85.0), 0.12),
    "knee.L": ("lowerleg01.L", (1.0, 0.0, 0.0), (-2.0, 140.0), 0.2),
    "knee.R": ("lowerleg01.R", (1.0, 0.0, 0.0), (-2.0, 140.0), 0.2),
}
"""One-axis joints: bone, axis in rest model axes, range in degrees, stiffness."""

Pose = dict[str, tuple[float, float, float] | float]
"""Key pose: joint name -> rotation vector in degrees, or one angle in degrees for a hinge."""


def mirror_name(name: str) -> str:
    """`foot.L` <-> `foot.R`; other names unchanged."""
    return (
        {"L": name[:-1] + "R", "R": name[:-1] + "L"}[name[-1]]
        if name[-2:] in (".L", ".R")
        else name
    )


def mirror_pose(pose: Pose) -> Pose:
    """The same pose with left and right swapped (reflection in the x = 0 plane)."""
    mirrored: Pose = {}
    for name, value in pose.items():
        if isinstance(value, tuple):
            mirrored[mirror_name(name)] = (value[0], -value[1], -value[2])
        else:
            mirrored[mirror_name(name)] = value
    return mirrored


@dataclass(frozen=True)
class Articulation:
    """Packs joint angles into one vector per scene and unpacks it to bone rotations."""

    names: tuple[str, ...]
    bone_from_angle: Float[Tensor, "angles bones 3"]
    lower_rad: Float[Tensor, "angles"]
    upper_rad: Float[Tensor, "angles"]
    stiffness: Float[Tensor, "angles"]

    def pack(self, pose: Pose) -> Float[Tensor, "angles"]:
        """Angles (radians) of a key pose; joints it does not name stay at rest."""
        values = torch.zeros(len(self.names))
        for joint, value in pose.items():
            parts = value if isinstance(value, tuple) else (value,)
            start = self.names.index(f"{joint}:0")
            values[start : start + len(parts)] = torch.tensor(parts) * math.pi / 180
        return values

    def rotations(self, angles: Float[Tensor, "batch angles"]) -> Float[Tensor, "batch bones 3 3"]:
        """Bone rotations (deltas about the model's rest axes) of joint angles in radians."""
        vectors = torch.einsum("ba,ajk->bjk", angles, self.bone_from_angle)
        return roma.rotvec_to_rotmat(vectors)

    def limit_violation(self, angles: Float[Tensor, "batch angles"]) -> Float[Tensor, "batch"]:
        """Sum of squared excess over the joint limits, rad²."""
        excess = (angles - self.upper_rad).relu() + (self.lower_rad - angles).relu()
        return excess.square().sum(-1)


def build_articulation(bone_names: tuple[str, ...]) -> Articulation:
    """The degrees of freedom above on the fast rig's bone order."""
    names: list[str] = []
    rows: list[Tensor] = []
    lower: list[float] = []
    upper: list[float] = []
    stiffness: list[float] = []
    for bone, stiff in BALL_JOINTS.items():
        for axis in range(3):
            row = torch.zeros(len(bone_names), 3)
            row[bone_names.index(bone), axis] = 1.0
            names.append(f"{bone}:{axis}")
            rows.append(row)
            limit = math.pi if bone == "root" else math.radians(140 if "upper" in bone else 60)
            lower.append(-limit)
            upper.append(limit)
            stiffness.append(stiff)
    for joint, (bone, axis_vector, range_deg, stiff) in HINGES.items():
        row = torch.zeros(len(bone_names), 3)
        axis_unit = torch.tensor(axis_vector)
        row[bone_names.index(bone)] = axis_unit / axis_unit.norm()
        names.append(f"{joint}:0")
        rows.append(row)
        lower.append(math.radians(range_deg[0]))
        upper.append(math.radians(range_deg[1]))
        stiffness.append(stiff)
    return Articulation(
        tuple(names), torch.stack(rows), torch.tensor(lower), torch.tensor(upper),
        torch.tensor(stiffness),
    )  # fmt: skip


@dataclass(frozen=True)
class TouchPatches:
    """Named vertex groups of the fast body that can be asked to touch something."""

    index: dict[str, Int[Tensor, "_"]]
    hand_groups: dict[str, tuple[Int[Tensor, "_"], Int[Tensor, "_"], Int[Tensor, "_"]]]
    """Per side: wrist end, finger end, thumb; they carry the hand's frame."""

    def padded(self, names: tuple[str, ...], width: int) -> Int[Tensor, "patches width"]:
        """Vertex ids per patch, cycled to `width` so that patches stack."""
        rows = []
        for name in names:
            ids = self.index[name]
            rows.append(ids.repeat(-(-width // len(ids)))[:width])
        return torch.stack(rows)


@cache
def fast_body() -> AnnyBody:
    """The collapsed Anny body, built once per process."""
    return AnnyBody("fast")


@torch.no_grad()
def build_patches(body: AnnyBody) -> TouchPatches:
    """Touch patches by position and normal of the average body at rest."""
    output = body(
        torch.full((1, 6), 0.5),
        torch.eye(3).expand(1, len(body.bone_names), 3, 3),
        torch.zeros(1, 3),
    )
    points = output.vertices[0]
    normals = vertex_normals(points, body.faces)
    heads = {name: output.bone_heads[0, i] for i, name in enumerate(body.bone_names)}
    x, y, z = points.unbind(1)
    patches: dict[str, Tensor] = {
        "seat": (z > -0.2) & (z < -0.03) & (y > 0.0) & (normals[:, 1] > 0.3) & (x.abs() < 0.2),
        "buttocks_back": (z > -0.06) & (z < 0.08) & (normals[:, 1] > 0.6) & (x.abs() < 0.2),
        "upper_back": (z > 0.2) & (z < 0.42) & (x.abs() < 0.15) & (normals[:, 1] > 0.6),
        "lower_back": (z > 0.08) & (z < 0.2) & (x.abs() < 0.12) & (normals[:, 1] > 0.6),
        "head_back": (z > 0.6) & (z < 0.72) & (x.abs() < 0.08) & (normals[:, 1] > 0.6),
        "belly": (z > 0.0) & (z < 0.15) & (x.abs() < 0.12) & (normals[:, 1] < -0.7),
    }
    hand_groups = {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        on_side = x * sign > 0.02
        patches[f"thigh_back.{side}"] = (
            on_side & (z > -0.36) & (z < -0.18) & (normals[:, 1] > 0.6) & (x.abs() < 0.25)
        )
        patches[f"calf.{side}"] = on_side & (z > -0.68) & (z < -0.5) & (normals[:, 1] > 0.6)
        sole = on_side & (z < z.min() + 0.03) & (normals[:, 2] < -0.6)
        patches[f"sole.{side}"] = sole
        patches[f"toes.{side}"] = (
            on_side & (z < z.min() + 0.08) & (y < -0.13) & (normals[:, 1] < -0.2)
        )
        hand = _hand_coordinates(points, heads[f"wrist.{side}"], sign)
        normal = normals @ _hand_axes(sign).T
        in_hand = (hand[:, 0] > -0.01) & (hand.norm(dim=1) < 0.21)
        patches[f"palm.{side}"] = (
            in_hand & (normal[:, 2] > 0.5) & (hand[:, 0] > 0.02) & (hand[:, 0] < 0.125)
            & (hand[:, 1] < 0.07)
        )  # fmt: skip
        hand_groups[side] = tuple(
            mask.nonzero()[:, 0]
            for mask in (
                in_hand & (hand[:, 0] < 0.04) & (hand[:, 1].abs() < 0.06),
                in_hand & (hand[:, 0] > 0.13),
                in_hand & (hand[:, 1] > 0.085) & (hand[:, 0] < 0.09),
            )
        )
    return TouchPatches({k: v.nonzero()[:, 0] for k, v in patches.items()}, hand_groups)


def _hand_axes(sign: float) -> Float[Tensor, "3 3"]:
    """Rows: finger direction, thumb direction, palm normal of the hand at rest."""
    left = torch.tensor([[0.557, -0.411, -0.722], [-0.477, -0.870, 0.128], [-0.680, 0.273, -0.680]])
    return left * torch.tensor([sign, 1.0, 1.0])


def _hand_coordinates(
    points: Float[Tensor, "verts 3"], wrist: Float[Tensor, "3"], sign: float
) -> Float[Tensor, "verts 3"]:
    return (points - wrist) @ _hand_axes(sign).T


def hand_frame(
    vertices: Float[Tensor, "batch verts 3"], patches: TouchPatches, side: str
) -> tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3"]]:
    """Rotation with columns (fingers, thumb, fingers x thumb), and the palm's centre, world.

    The third column leaves the palm of a left hand and the back of a right one.
    """
    wrist, fingers, thumb = (vertices[:, ids].mean(1) for ids in patches.hand_groups[side])
    palm = vertices[:, patches.index[f"palm.{side}"]].mean(1)
    along = torch.nn.functional.normalize(fingers - wrist, dim=-1)
    across = thumb - palm
    across = across - (across * along).sum(-1, keepdim=True) * along
    across = torch.nn.functional.normalize(across, dim=-1)
    return torch.stack([along, across, torch.cross(along, across, dim=-1)], dim=-1), palm


def torso_frame(
    vertices: Float[Tensor, "batch verts 3"], bone_heads: Float[Tensor, "batch bones 3"],
    bone_names: tuple[str, ...], patches: TouchPatches,
) -> tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3"]]:  # fmt: skip
    """Rotation whose columns are (left, back, up) of the rib cage, and the upper back's centre."""
    at = {
        n: bone_heads[:, bone_names.index(n)] for n in ("upperarm01.L", "upperarm01.R", "spine03")
    }
    left = torch.nn.functional.normalize(at["upperarm01.L"] - at["upperarm01.R"], dim=-1)
    up = (at["upperarm01.L"] + at["upperarm01.R"]) / 2 - at["spine03"]
    up = torch.nn.functional.normalize(up - (up * left).sum(-1, keepdim=True) * left, dim=-1)
    back = torch.cross(up, left, dim=-1)
    return torch.stack([left, back, up], dim=-1), vertices[:, patches.index["upper_back"]].mean(1)
