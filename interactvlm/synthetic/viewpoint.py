"""Where the photographer stands: random cameras that frame a person and what they touch.

Knows points to frame and a facing direction; knows neither bodies nor objects.
"""

import numpy as np
import torch
from jaxtyping import Float32

from renders.camera import Camera

FRONTAL_SHARE = 0.75
"""Share of cameras within `FRONTAL_DEG` of the person's facing direction."""
FRONTAL_DEG = 70.0
CROPPED_SHARE = 0.05
"""Share of pictures taken too close, so that part of the person is cut off."""
_LOWEST_EYE_M = 0.12
_EYE_ROOM_M = 0.35
_TRIES = 6
_BLOCKED_AT_MOST = 0.2


def sample_camera(
    points_world: Float32[np.ndarray, "points 3"],
    rng: np.random.Generator,
    size_px: int,
    *,
    facing_world: Float32[np.ndarray, "3"] | None = None,
    obstacles_world: Float32[np.ndarray, "obstacles 3"] | None = None,
) -> Camera:
    """A square picture of all `points_world` (for instance `PosedScene.framing_points()`).

    Field of view 30 to 75 degrees, elevation -5 to 35, roll within 5, random margin, a little off
    the centre; `CROPPED_SHARE` of the pictures cut the person. Without a (horizontal)
    `facing_world` all azimuths are equally likely. The eye stays above the floor. Of a few tries
    the first is taken whose view `obstacles_world` (points on other objects) block little.
    """
    best, least = None, np.inf
    for _ in range(_TRIES):
        camera = _any_camera(points_world, rng, size_px, facing_world)
        blocked = 0.0
        if obstacles_world is not None and len(obstacles_world):
            blocked = _blocked_share(camera, points_world, obstacles_world)
        if blocked < least:
            best, least = camera, blocked
        if blocked <= _BLOCKED_AT_MOST:
            break
    assert best is not None
    return best


def _blocked_share(
    camera: Camera,
    points_world: Float32[np.ndarray, "points 3"],
    obstacles_world: Float32[np.ndarray, "obstacles 3"],
    cells: int = 12,
) -> float:
    """Share of picture cells with framed points that have nearer obstacle points before them."""
    to_eye = obstacles_world - camera.position_world.numpy()
    if bool((np.square(to_eye).sum(axis=1) < _EYE_ROOM_M**2).any()):
        return 1.0
    depths = []
    for points in (points_world, obstacles_world):
        seen = torch.from_numpy(points)
        depth = camera.to_camera(seen)[:, 2].numpy()
        place = camera.project(seen).numpy() * (cells / camera.width_px)
        usable = ((place >= 0) & (place < cells)).all(axis=1)  # False where NaN
        column, row = place[usable].astype(np.int64).T
        nearest = np.full(cells * cells, np.inf)
        np.minimum.at(nearest, row * cells + column, depth[usable])
        depths.append(nearest)
    framed = np.isfinite(depths[0])
    return float((depths[1] < depths[0])[framed].mean()) if framed.any() else 1.0


def _any_camera(
    points_world: Float32[np.ndarray, "points 3"],
    rng: np.random.Generator,
    size_px: int,
    facing_world: Float32[np.ndarray, "3"] | None,
) -> Camera:
    fov_deg = float(rng.uniform(30, 75))
    azimuth = _azimuth_rad(rng, facing_world)
    # More pictures from eye height than from above.
    elevation = float(np.radians(-5 + 40 * rng.beta(1.2, 1.8)))
    roll = float(np.radians(np.clip(rng.normal(0, 2), -5, 5)))
    margin = float(rng.uniform(0.03, 0.18))
    offset = rng.uniform(-1, 1, size=2)
    cropped = rng.random() < CROPPED_SHARE
    closeness = float(rng.uniform(0.55, 0.85))

    half_slope = np.tan(np.radians(fov_deg) / 2)
    slope = half_slope * (1 - margin)
    forward, right, down = _axes(azimuth, elevation, roll)
    centre, distance = _fit(points_world @ np.stack([right, down, forward]).T, slope)
    if (right * centre[0] + down * centre[1] - forward * distance)[2] < _LOWEST_EYE_M:
        # Under the floor: look slightly down instead.
        forward, right, down = _axes(azimuth, float(np.radians(3.0)), roll)
    seen = points_world @ np.stack([right, down, forward]).T
    centre, distance = _fit(seen, slope)
    # Room left between the points and the picture's border, at the points' middle depth.
    depth = seen[:, 2].mean() + distance
    room = np.maximum(half_slope * depth - (seen[:, :2].max(0) - seen[:, :2].min(0)) / 2, 0)
    shift = 0.5 * offset * room
    if cropped:
        nearest = distance + seen[:, 2].min()
        distance = max(distance * closeness, distance - nearest + 0.35)
        extent = seen[:, :2].max(0) - seen[:, :2].min(0)
        shift = offset * extent * (0.15, 0.3)
    eye = right * (centre[0] + shift[0]) + down * (centre[1] + shift[1]) - forward * distance
    eye[2] = max(eye[2], _LOWEST_EYE_M)
    eye_world, target, up = (
        torch.from_numpy(vector.astype(np.float32)) for vector in (eye, eye + forward, -down)
    )
    return Camera.look_at(eye_world, target, up, fov_deg, size_px, size_px)


def _azimuth_rad(rng: np.random.Generator, facing: Float32[np.ndarray, "3"] | None) -> float:
    anywhere = float(rng.uniform(-np.pi, np.pi))
    frontal = float(rng.uniform(-1, 1) * np.radians(FRONTAL_DEG))
    to_front = rng.random() < (FRONTAL_SHARE - FRONTAL_DEG / 180) / (1 - FRONTAL_DEG / 180)
    if facing is None or float(np.hypot(facing[0], facing[1])) < 0.2:
        return anywhere
    return float(np.arctan2(facing[1], facing[0])) + (frontal if to_front else anywhere)


def _axes(
    azimuth_rad: float, elevation_rad: float, roll_rad: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forward, right and down of a camera that stands at an azimuth and height angle."""
    flat = np.cos(elevation_rad)
    forward = -np.array(
        [np.cos(azimuth_rad) * flat, np.sin(azimuth_rad) * flat, np.sin(elevation_rad)]
    )
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cosine, sine = np.cos(roll_rad), np.sin(roll_rad)
    return forward, cosine * right + sine * down, cosine * down - sine * right


def _fit(
    seen: Float32[np.ndarray, "points 3"] | np.ndarray, slope: float
) -> tuple[np.ndarray, float]:
    """Eye position across (x, y) and distance back so that all |x|, |y| <= slope * z.

    Each side bounds the distance: x - cx <= slope (z + d) and cx - x <= slope (z + d), so the
    best centre and the least distance of an axis come from its two extremes.
    """
    high = (seen[:, :2] - slope * seen[:, 2:]).max(axis=0)
    low = (seen[:, :2] + slope * seen[:, 2:]).min(axis=0)
    distance = float(((high - low) / (2 * slope)).max())
    return (high + low) / 2, distance
