"""The open Anny body behind a small, batched, float32 interface.

Frame: z up, metres, the person faces -y and has their left at +x; the origin is the pelvis root.
"""

import contextlib
import io
import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from renders.errors import InputError

PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")
KEYPOINT_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle", "left_big_toe", "right_big_toe", "left_small_toe",
    "right_small_toe", "left_heel", "right_heel",
)  # fmt: skip
"""COCO's 17, then toes and heels, as Anny's regressor gives them."""

_FINGERS_LEFT = (0.557, -0.411, -0.722)
_THUMB_LEFT = (-0.477, -0.870, 0.128)
_PALM_LEFT = (-0.680, 0.273, -0.680)
_FIST_DEG = {"1": (0.0, 30.0, 40.0), "2": (72.0, 85.0, 50.0), "3": (76.0, 88.0, 50.0),
             "4": (78.0, 88.0, 50.0), "5": (80.0, 85.0, 50.0)}  # fmt: skip
"""Flexion of the three joints of each finger (1 = thumb) in a fist, degrees."""


FAST_BONES = (
    "root", "pelvis.L", "upperleg01.L", "upperleg02.L", "lowerleg01.L", "lowerleg02.L", "foot.L",
    "pelvis.R", "upperleg01.R", "upperleg02.R", "lowerleg01.R", "lowerleg02.R", "foot.R", "spine05",
    "spine04", "spine03", "spine02", "spine01", "clavicle.L", "shoulder01.L", "upperarm01.L",
    "upperarm02.L", "lowerarm01.L", "lowerarm02.L", "wrist.L", "clavicle.R", "shoulder01.R",
    "upperarm01.R", "upperarm02.R", "lowerarm01.R", "lowerarm02.R", "wrist.R", "neck01", "neck02",
    "neck03", "head",
)  # fmt: skip
"""Bones of the fast rig in its order; the full rig has all of them."""


@dataclass(frozen=True)
class BodyOutput:
    """A posed batch of bodies, in metres."""

    vertices: Float[Tensor, "batch verts 3"]
    bone_heads: Float[Tensor, "batch bones 3"]


class AnnyBody(nn.Module):
    """Anny at full resolution (13,718 vertices, 104 bones) or collapsed (1,229 vertices, 36 bones)."""

    def __init__(self, resolution: Literal["full", "fast"] = "full") -> None:
        super().__init__()
        self.resolution = resolution
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            import anny

            options: dict[str, Any] = {"skinning_method": "lbs"}
            if resolution == "fast":
                options |= {"rig": "anny-notoes-nohands-noeyes", "topology": "notoes_collapse10pc"}
            self.anny: Any = anny.Anny(**options).float()
            self._regressor: Any = anny.KeypointsRegressor.coco(self.anny) if resolution == "full" else None
        self.bone_names: tuple[str, ...] = tuple(self.anny.bone_labels)
        self.faces: Int[Tensor, "faces 3"] = self.anny.get_triangular_faces().long()
        self.phenotype_names = PHENOTYPES

    def forward(
        self,
        phenotypes: Float[Tensor, "batch 6"],
        bone_rotations: Float[Tensor, "batch bones 3 3"],
        translation: Float[Tensor, "batch 3"],
    ) -> BodyOutput:
        """Pose a batch; rotations are deltas about the model's axes at rest, identity is the A-pose."""
        pose = torch.eye(4, device=translation.device).repeat(*bone_rotations.shape[:2], 1, 1)
        pose = torch.cat([torch.cat([bone_rotations, pose[..., :3, 3:]], -1), pose[..., 3:, :]], -2)
        shape = dict(zip(PHENOTYPES, phenotypes.unbind(1), strict=True))
        output = self.anny(pose, phenotype_kwargs=shape)
        offset = translation[:, None]
        return BodyOutput(output["vertices"] + offset, output["bone_poses"][..., :3, 3] + offset)

    def full_rotations(
        self,
        fast_rotations: Float[Tensor, "batch fast_bones 3 3"],
        *,
        hand_curl: Float[Tensor, "batch 2"] | None = None,
    ) -> Float[Tensor, "batch bones 3 3"]:
        """Rotations of this (full) rig from those of the fast rig, bone by bone of the same name.

        `hand_curl` flexes the fingers of the left and right hand: 0 open, 1 fist.
        """
        batch = len(fast_rotations)
        rotations = torch.eye(3, device=fast_rotations.device).repeat(batch, len(self.bone_names), 1, 1)
        place = [self.bone_names.index(name) for name in FAST_BONES]
        rotations[:, place] = fast_rotations
        if hand_curl is not None:
            for bone, (hand, vector) in self._finger_axes.items():
                angle = hand_curl[:, hand, None] * vector.to(hand_curl)
                rotations[:, bone] = roma.rotvec_to_rotmat(angle)
        return rotations

    @property
    def _finger_axes(self) -> dict[int, tuple[int, Float[Tensor, "3"]]]:
        """Per finger bone: its hand (0 left) and the rotation vector of a fist."""
        fingers, palm = torch.tensor(_FINGERS_LEFT), torch.tensor(_PALM_LEFT)
        thumb = 0.5 * fingers + 0.85 * torch.tensor(_THUMB_LEFT)
        axes = {}
        for hand, side in enumerate("LR"):
            mirror = torch.tensor([1.0, 1.0, 1.0] if side == "L" else [1.0, -1.0, -1.0])
            for finger, flexion in _FIST_DEG.items():
                axis = torch.nn.functional.normalize(torch.cross(thumb if finger == "1" else fingers, palm, dim=0), dim=0)
                for joint, angle_deg in enumerate(flexion):
                    name = f"finger{finger}-{joint + 1}.{side}"
                    axes[self.bone_names.index(name)] = (hand, axis * mirror * math.radians(angle_deg))
        return axes

    def keypoints(self, output: BodyOutput) -> Float[Tensor, "batch keypoints=23 3"]:
        """COCO's keypoints with toes and heels; full resolution only."""
        if self._regressor is None:
            raise InputError("keypoints need AnnyBody('full'); the collapsed body has no regressor")
        return self._regressor({"vertices": output.vertices})
