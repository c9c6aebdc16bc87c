"""Pinhole cameras, in the project's one convention: x right, y down, z forward.

Pixel centres lie at +0.5; images are row-major (height, width). Knows no meshes. Other
conventions are converted here, at the border, in one named function each.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from renders.errors import InputError

NEAR_M = 1e-3
"""Points closer to the camera plane than this (metres) are not projected."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with its image size."""

    intrinsics: Float[Tensor, "3 3"]
    """Pixels from camera coordinates (K)."""
    camera_from_world: Float[Tensor, "4 4"]
    """Rigid transform, acting on column points from the left."""
    height_px: int
    """Image height, at least 1."""
    width_px: int
    """Image width, at least 1."""

    def __post_init__(self) -> None:
        if self.height_px < 1 or self.width_px < 1:
            raise InputError(
                f"image size must be at least 1x1, got {self.height_px!r}x{self.width_px!r}"
            )
        if not bool(
            torch.isfinite(self.intrinsics).all() and torch.isfinite(self.camera_from_world).all()
        ):
            raise InputError("camera matrices must be finite numbers")
        if not bool(self.intrinsics[0, 0] > 0) or not bool(self.intrinsics[1, 1] > 0):
            raise InputError(
                "focal lengths must be positive, got "
                f"{self.intrinsics[0, 0].item()!r} and {self.intrinsics[1, 1].item()!r}"
            )

    @staticmethod
    def look_at(
        eye_world: Float[Tensor, "3"],
        target_world: Float[Tensor, "3"],
        up_world: Float[Tensor, "3"],
        fov_deg: float,
        height_px: int,
        width_px: int,
    ) -> "Camera":
        """A camera at `eye_world` that sees `target_world` in the image centre.

        `fov_deg` is the vertical field of view; pixels are square.

        Raises:
            InputError: the eye is at the target, or `up_world` points along the view.
        """
        forward = target_world - eye_world
        right = torch.linalg.cross(forward, up_world)
        if not float(forward.norm()) > 0 or not float(right.norm()) > 1e-6 * float(
            forward.norm() * up_world.norm()
        ):
            raise InputError(
                f"cannot look from {eye_world.tolist()!r} at {target_world.tolist()!r} with up "
                f"{up_world.tolist()!r}: eye and target must differ and up must not point "
                "along the view"
            )
        forward, right = forward / forward.norm(), right / right.norm()
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
        pose = torch.eye(4, dtype=eye_world.dtype, device=eye_world.device)
        pose[:3, :3] = rotation
        pose[:3, 3] = -rotation @ eye_world
        intrinsics = intrinsics_from_fov(fov_deg, height_px, width_px).to(pose)
        return Camera(intrinsics, pose, height_px, width_px)

    @property
    def position_world(self) -> Float[Tensor, "3"]:
        """The camera centre in the world."""
        rotation, translation = self.camera_from_world[:3, :3], self.camera_from_world[:3, 3]
        return -rotation.T @ translation

    def to_camera(self, points_world: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """World points in camera coordinates."""
        pose = self.camera_from_world.to(points_world)
        return points_world @ pose[:3, :3].T + pose[:3, 3]

    def to_world(self, points_camera: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Camera points in world coordinates."""
        pose = self.camera_from_world.to(points_camera)
        return (points_camera - pose[:3, 3]) @ pose[:3, :3]

    def project(self, points_world: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
        """Pixel position (u, v) of each point; NaN where z < `NEAR_M`.

        Not clamped: a clamped point lands on a plausible pixel behind the lens and is later
        counted as visible. Positions outside the image are returned as they are.
        """
        points_camera = self.to_camera(points_world)
        depth = points_camera[..., 2:]
        depth = torch.where(depth < NEAR_M, torch.full_like(depth, torch.nan), depth)
        intrinsics = self.intrinsics.to(points_world)
        return (points_camera / depth @ intrinsics.T)[..., :2]

    def unproject(
        self, pixels: Float[Tensor, "*batch 2"], depth_m: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch 3"]:
        """World point at each pixel position (u, v) and camera depth z (metres)."""
        homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
        rays_camera = homogeneous @ torch.linalg.inv(self.intrinsics.to(pixels)).T
        return self.to_world(rays_camera * depth_m[..., None])

    def resized(self, height_px: int, width_px: int) -> "Camera":
        """The same view with another number of pixels; the field of view stays."""
        scale = torch.eye(3).to(self.intrinsics)
        scale[0, 0] = width_px / self.width_px
        scale[1, 1] = height_px / self.height_px
        return replace(
            self, intrinsics=scale @ self.intrinsics, height_px=height_px, width_px=width_px
        )

    def to(self, device: torch.device | str) -> "Camera":
        """The same camera with its matrices on another device."""
        return replace(
            self,
            intrinsics=self.intrinsics.to(device),
            camera_from_world=self.camera_from_world.to(device),
        )

    def __repr__(self) -> str:
        focal = self.intrinsics[1, 1].item()
        return f"Camera({self.height_px}x{self.width_px} px, focal {focal:.1f} px)"


def intrinsics_from_fov(fov_deg: float, height_px: int, width_px: int) -> Float[Tensor, "3 3"]:
    """Intrinsics of square pixels with a vertical field of view, principal point in the middle.

    Raises:
        InputError: the field of view is not strictly between 0 and 180 degrees.
    """
    if not 0.0 < fov_deg < 180.0:
        raise InputError(f"field of view must lie between 0 and 180 degrees, got {fov_deg!r}")
    focal_px = 0.5 * height_px / math.tan(math.radians(fov_deg) / 2)
    return torch.tensor(
        [[focal_px, 0.0, width_px / 2], [0.0, focal_px, height_px / 2], [0.0, 0.0, 1.0]]
    )


def camera_from_pytorch3d(
    distance: float,
    elevation_deg: float,
    azimuth_deg: float,
    shift_x: float = 0.0,
    shift_y: float = 0.0,
    fov_deg: float = 60.0,
    size_px: int = 1024,
) -> Camera:
    """Our camera for the published convention of the canonical renders (square images).

    There, the camera frame is x left, y up, z forward; the camera sits at
    `distance * (cos e sin a, sin e, cos e cos a)` and looks at the origin with +y up; then the
    shifts are added to its translation. Column 0 of the image lies at +x of that frame.

    Source: PyTorch3D 0.7.9 `look_at_view_transform` and `FoVPerspectiveCameras`.

    Raises:
        InputError: the distance is not positive, or the camera looks straight up or down.
    """
    elevation, azimuth = math.radians(elevation_deg), math.radians(azimuth_deg)
    if not distance > 0 or abs(math.cos(elevation)) < 1e-6:
        raise InputError(
            "the camera must have a positive distance and an elevation other than +-90 degrees, "
            f"got distance {distance!r}, elevation {elevation_deg!r}"
        )
    centre = distance * torch.tensor(
        [
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
            math.cos(elevation) * math.cos(azimuth),
        ],
        dtype=torch.float64,
    )
    forward = -centre / centre.norm()
    left = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), forward)
    left = left / left.norm()
    theirs_from_world = torch.eye(4, dtype=torch.float64)
    theirs_from_world[:3, :3] = torch.stack([left, torch.linalg.cross(forward, left), forward])
    theirs_from_world[:3, 3] = -theirs_from_world[:3, :3] @ centre
    theirs_from_world[:2, 3] += torch.tensor([shift_x, shift_y], dtype=torch.float64)
    ours_from_theirs = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
    return Camera(
        intrinsics=intrinsics_from_fov(fov_deg, size_px, size_px),
        camera_from_world=(ours_from_theirs @ theirs_from_world).float(),
        height_px=size_px,
        width_px=size_px,
    )
