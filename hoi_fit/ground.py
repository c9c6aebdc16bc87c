"""The floor that person and object share, as a plane in the camera's frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from renders.errors import InputError


@dataclass(frozen=True)
class Ground:
    """A level floor."""

    up_camera: tuple[float, float, float]
    """Away from the floor, of length 1, in the camera's frame."""
    height_m: float
    """Of the floor along that direction: points on it have this inner product."""

    def __post_init__(self) -> None:
        length = float(np.linalg.norm(self.up_camera))
        if not abs(length - 1) < 1e-3 or not np.isfinite(self.height_m):
            raise InputError(
                f"a floor needs a direction of length 1 and a finite height, found "
                f"{self.up_camera} and {self.height_m}"
            )


def ground_under(points_camera: Float[np.ndarray, "points 3"], pitch_deg: float) -> Ground:
    """The floor under the lowest of some points, for a camera that looks down by `pitch_deg`."""
    pitch = np.radians(pitch_deg)
    up = (0.0, float(-np.cos(pitch)), float(-np.sin(pitch)))
    return Ground(up, float((points_camera @ np.array(up)).min()))
