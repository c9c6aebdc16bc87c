"""Our rule for the 15 parts: which part each vertex of a rigged body belongs to.

A vertex belongs to the part whose bones move it most; the buttocks are cut out of the back of the
pelvis and the top of the thighs by position. Knows weights and positions, no particular model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from human_recovery.parts import PART_NAMES, mirror_part
from human_recovery.symmetry import symmetric_labels
from renders.errors import AssetError

_BUTTOCKS_HEIGHT = (-0.30, 0.30)
"""From below to above the hip joints, in thigh lengths."""
_BUTTOCKS_BEHIND = 0.10
"""At least this far behind the hip joints, in thigh lengths."""


@dataclass(frozen=True)
class HipLandmarks:
    """Where the pelvis is, in the y up, z forward frame of the vertices."""

    hip_left: Float[Tensor, "3"]
    hip_right: Float[Tensor, "3"]
    knee_left: Float[Tensor, "3"]


def parts_from_weights(
    vertices: Float[Tensor, "verts 3"],
    bone_weights: Float[Tensor, "verts bones"],
    part_of_bone: Sequence[str],
    hips: HipLandmarks,
    partner: Int[Tensor, "verts"],
) -> Int[Tensor, "verts"]:
    """Index into `PART_NAMES` for each vertex of a body in its rest pose.

    The frame is y up, z forward, x to the person's left. Mirror-exact under `partner`.

    Raises:
        AssetError: the weights belong to another skeleton.
    """
    if bone_weights.shape[1] != len(part_of_bone):
        raise AssetError(
            f"the skinning weights name {bone_weights.shape[1]} bones, expected {len(part_of_bone)}"
        )
    column = torch.tensor([PART_NAMES.index(name) for name in part_of_bone])
    weights = torch.zeros(len(vertices), len(PART_NAMES)).index_add(
        1, column, bone_weights.detach().cpu().float()
    )
    labels = weights.argmax(dim=1)
    labels[_is_buttocks(vertices, labels, hips)] = PART_NAMES.index("buttocks")
    mirrored = torch.tensor([PART_NAMES.index(mirror_part(name)) for name in PART_NAMES])
    return symmetric_labels(labels, vertices, partner, mirrored, PART_NAMES.index("torso"))


def _is_buttocks(
    vertices: Float[Tensor, "verts 3"], labels: Int[Tensor, "verts"], hips: HipLandmarks
) -> Tensor:
    unit = (hips.knee_left - hips.hip_left).norm()
    offset = (vertices - (hips.hip_left + hips.hip_right) / 2) / unit
    allowed = torch.tensor([name in ("torso", "left thigh", "right thigh") for name in PART_NAMES])
    low, high = _BUTTOCKS_HEIGHT
    at_height = (offset[:, 1] > low) & (offset[:, 1] < high)
    return allowed[labels] & at_height & (offset[:, 2] < -_BUTTOCKS_BEHIND)


_ANNY_PART_OF_PREFIX: Mapping[str, str] = {
    "finger": "hand",
    "metacarpal": "hand",
    "wrist": "hand",
    "lowerarm": "forearm",
    "upperarm": "arm",
    "upperleg": "thigh",
    "lowerleg": "leg",
    "foot": "foot",
    "toe": "foot",
    "neck": "head",
    "head": "head",
    "eye": "head",
}
_SMPL_PART_OF_JOINT: Mapping[str, str] = {
    "shoulder": "arm",
    "elbow": "forearm",
    "wrist": "hand",
    "hand": "hand",
    "index": "hand",
    "middle": "hand",
    "pinky": "hand",
    "ring": "hand",
    "thumb": "hand",
    "hip": "thigh",
    "knee": "leg",
    "ankle": "foot",
    "foot": "foot",
    "neck": "head",
    "head": "head",
    "jaw": "head",
    "eye": "head",
}


def part_of_anny_bone(bone: str) -> str:
    """Part moved by a bone of Anny's rigs; bones of trunk and shoulder girdle are the torso."""
    name, _, end = bone.partition(".")
    for prefix, part in _ANNY_PART_OF_PREFIX.items():
        if name.startswith(prefix):
            return part if part == "head" else f"{'left' if end == 'L' else 'right'} {part}"
    return "torso"


def part_of_smpl_joint(joint: str) -> str:
    """Part moved by a joint of the SMPL family, by the names of the `smplx` package."""
    for side in ("left", "right"):
        if joint.startswith(f"{side}_"):
            rest = joint.removeprefix(f"{side}_").rstrip("0123456789")
            part = _SMPL_PART_OF_JOINT.get(rest, "torso")
            return part if part in ("head", "torso") else f"{side} {part}"
    return _SMPL_PART_OF_JOINT.get(joint, "torso")
