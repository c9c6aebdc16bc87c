"""Closing Anny's hands: one number per hand, 0 the rest pose, 1 a fist.

The bending axes are found from the rest skeleton, so nothing here depends on a bone's own frame.
Only the full rig has fingers.
"""

import math
from collections.abc import Mapping
from typing import Literal

import roma
import torch
from jaxtyping import Float
from torch import Tensor

Side = Literal["left", "right"]

FINGER_FLEXION_DEG: Mapping[int, tuple[float, float, float]] = {
    2: (72.0, 98.0, 55.0),
    3: (76.0, 100.0, 55.0),
    4: (80.0, 100.0, 55.0),
    5: (84.0, 98.0, 55.0),
}
"""Bending of the three joints of index, middle, ring and little finger in a fist."""
THUMB_OPPOSITION_DEG = 38.0
"""Turn of the thumb's root across the palm in a fist."""
THUMB_FLEXION_DEG = (18.0, 38.0, 48.0)
"""Bending of the thumb's joints, about the axis that leads its tip towards the little finger."""


def _letter(side: Side) -> str:
    return "L" if side == "left" else "R"


def palm_frame(
    bone_heads: Mapping[str, Float[Tensor, "3"]], side: Side
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Unit vectors of the resting hand: along the fingers, out of the palm, towards the thumb."""
    end = _letter(side)
    along = bone_heads[f"finger3-1.{end}"] - bone_heads[f"wrist.{end}"]
    along = along / along.norm()
    across = bone_heads[f"finger2-1.{end}"] - bone_heads[f"finger5-1.{end}"]
    across = across - (across @ along) * along
    across = across / across.norm()
    out_of_palm = torch.linalg.cross(along, across)
    return along, out_of_palm if side == "left" else -out_of_palm, across


def finger_axes(
    bone_heads: Mapping[str, Float[Tensor, "3"]], side: Side
) -> dict[str, Float[Tensor, "3"]]:
    """Rotation vector (radians, model axes at rest) of each finger bone in a full fist."""
    end = _letter(side)
    _, palm, across = palm_frame(bone_heads, side)
    vectors: dict[str, Tensor] = {}
    for finger, angles in FINGER_FLEXION_DEG.items():
        chain = [bone_heads[f"finger{finger}-{joint}.{end}"] for joint in (1, 2, 3)]
        direction = chain[2] - chain[0]
        axis = torch.linalg.cross(direction, palm)
        axis = axis / axis.norm()
        for joint, angle in enumerate(angles, start=1):
            vectors[f"finger{finger}-{joint}.{end}"] = math.radians(angle) * axis
    thumb = bone_heads[f"finger1-3.{end}"] - bone_heads[f"finger1-1.{end}"]
    opposition = torch.linalg.cross(thumb, palm)
    inwards = torch.linalg.cross(thumb, -across)
    opposition, inwards = opposition / opposition.norm(), inwards / inwards.norm()
    for joint, angle in enumerate(THUMB_FLEXION_DEG, start=1):
        vector = math.radians(angle) * inwards
        if joint == 1:
            vector = vector + math.radians(THUMB_OPPOSITION_DEG) * opposition
        vectors[f"finger1-{joint}.{end}"] = vector
    return vectors


def curl_rotations(
    axes: Mapping[str, Float[Tensor, "3"]], amount: Float[Tensor, "batch"]
) -> dict[str, Float[Tensor, "batch 3 3"]]:
    """Rotation deltas per finger bone for each amount; differentiable in `amount`."""
    return {
        name: roma.rotvec_to_rotmat(amount[:, None] * axis.to(amount)[None])
        for name, axis in axes.items()
    }
