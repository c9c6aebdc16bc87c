"""What a fit gives: the object's pose, the other hypotheses, and how it was reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hoi_fit.similarity import Similarity

StopReason = Literal["converged", "iterations", "diverged"]
"""Diverged: numbers were no longer finite; what was best before that is the result."""


@dataclass(frozen=True, eq=False)
class ObjectPose:
    """Where an object stands: `p_camera = scale * rotation @ p_object + translation_m`."""

    camera_from_object: Similarity
    score: float
    """Energy; the least is best."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        pose = self.camera_from_object
        return {
            "score": self.score,
            "camera_from_object": {
                "rotation": pose.rotation.tolist(),
                "translation_m": pose.translation_m.tolist(),
                "scale": pose.scale,
            },
        }


@dataclass(frozen=True)
class FitStage:
    """One resolution of the search."""

    size_px: int
    """Longer side of the image compared with."""
    poses: int
    """Hypotheses that were moved."""
    steps: int
    stopped: StopReason
    energies: tuple[Mapping[str, float], ...]
    """Of the best hypothesis, step by step: each weighted term, their sum and the gradient norm."""


@dataclass(frozen=True, eq=False)
class FitReport:
    """The result and its history."""

    pose: ObjectPose
    hypotheses: tuple[ObjectPose, ...]
    """All that reached the last stage, best first, `pose` among them."""
    mask_iou: float
    """Of the drawn object and its mask at the last resolution, outside what is ignored."""
    contact_m: float | None
    """Mean distance between touched and touching points; None without contact."""
    contact_used: bool
    stages: tuple[FitStage, ...]
    notes: tuple[str, ...] = ()
    """What a user should know, as sentences."""
