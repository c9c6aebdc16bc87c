"""What every body model gives back, and the keypoints all of them share."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

KEYPOINT_NAMES: tuple[str, ...] = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
    *("left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe"),
    *("left_heel", "right_heel"),
)
"""COCO's 17 in COCO's order, then toes and heels."""


@dataclass(frozen=True)
class BodyOutput:
    """A posed batch of bodies, in metres, in the frame of the model that made it."""

    vertices: Float[Tensor, "batch verts 3"]
    bone_heads: Float[Tensor, "batch bones 3"]

    def __repr__(self) -> str:
        batch, vertices, _ = self.vertices.shape
        return f"BodyOutput({batch} bodies, {vertices} vertices, {self.bone_heads.shape[1]} bones)"
