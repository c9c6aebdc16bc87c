"""What stands behind a synthetic scene: rooms, open air, plain studios, random clutter.

The floor is the plane z = 0 of the world seen through the camera, so shadows can be laid on it.
Knows cameras and colours, not people or objects. Deterministic for a given `Background`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image, ImageDraw

from interactvlm.synthetic.appearance import Rgb, random_colour, vector
from renders.camera import Camera

FAR_M = 60.0
"""Ground beyond this distance is drawn as haze."""

KINDS = ("room", "outdoor", "plain", "clutter")
KIND_SHARES = (0.5, 0.25, 0.12, 0.13)
_NOISE_SIZE = 64
_Colours = Float32[np.ndarray, "points 3"]


@dataclass(frozen=True)
class Texture:
    """A material of floor or wall, in metres of its plane."""

    kind: str = "plain"
    """One of `plain`, `tiles`, `planks`, `checks`, `noise`."""
    first: Rgb = (0.6, 0.6, 0.6)
    second: Rgb = (0.5, 0.5, 0.5)
    period_m: float = 0.4
    noise: float = 0.05
    """Strength of the random unevenness of brightness."""

    @staticmethod
    def random(
        rng: np.random.Generator, kinds: tuple[str, ...], base: Rgb | None = None
    ) -> "Texture":
        """A texture of one of `kinds` around `base` (a random colour by default)."""
        first = np.array(base if base is not None else random_colour(rng, neutral_share=0.5))
        first = np.clip(0.25 * rng.random() + 0.8 * first, 0.05, 0.95)
        second = np.clip(first * rng.uniform(0.6, 1.25), 0.03, 0.97)
        return Texture(
            kinds[int(rng.integers(len(kinds)))],
            _rgb(first),
            _rgb(second),
            float(rng.uniform(0.15, 0.7)),
            float(rng.uniform(0.02, 0.12)),
        )

    def colour(
        self,
        u_m: Float32[np.ndarray, " points"],
        v_m: Float32[np.ndarray, " points"],
        footprint_m: Float32[np.ndarray, " points"],
        noise_table: Float32[np.ndarray, "size size"],
    ) -> Float32[np.ndarray, "points 3"]:
        """Colour at plane coordinates; detail finer than a pixel's `footprint_m` fades out."""
        u, v = u_m / self.period_m, v_m / self.period_m
        if self.kind == "tiles":
            line = np.maximum(abs(u % 1 - 0.5), abs(v % 1 - 0.5)) > 0.47
            amount = 0.75 * line + 0.25 * _hash01(np.floor(u), np.floor(v))
        elif self.kind == "planks":
            row = np.floor(3 * u)
            end = (0.35 * v + 0.37 * row) % 1 > 0.985
            seam = (3 * u) % 1 > 0.94
            amount = 0.8 * _hash01(row, np.floor(0.35 * v + 0.37 * row)) + 0.6 * (seam | end)
        elif self.kind == "checks":
            amount = ((np.floor(u) + np.floor(v)) % 2).astype(np.float32)
        elif self.kind == "noise":
            amount = _value_noise(noise_table, 2 * u, 2 * v)
        else:
            amount = np.full_like(u, 0.3)
        visible = np.clip(self.period_m / (3.0 * footprint_m + 1e-6) - 0.4, 0, 1)
        amount = (0.3 + visible * (amount - 0.3))[:, None].astype(np.float32)
        mixed = vector(self.first) * (1 - amount) + vector(self.second) * amount
        rough = _value_noise(noise_table, 3.1 * u_m, 3.1 * v_m) - np.float32(0.5)
        return mixed * (1 + np.float32(2 * self.noise) * rough)[:, None]


@dataclass(frozen=True)
class Backdrop:
    """A painted background: colours, and where its pixels lie on the floor plane."""

    rgb: Float32[np.ndarray, "height width 3"]
    """Unlit by shadows, about 0..1."""
    on_floor: Bool[np.ndarray, "height width"]
    floor_world: Float32[np.ndarray, "height width 2"]
    """World x, y of the floor point seen; meaningless off the floor."""


@dataclass(frozen=True)
class Background:
    """A recipe of a background."""

    kind: str = "plain"
    """One of `KINDS`."""
    floor: Texture = Texture()
    wall: Texture = Texture(first=(0.8, 0.8, 0.78), second=(0.75, 0.75, 0.73))
    side_wall: Texture = Texture(first=(0.72, 0.72, 0.70), second=(0.68, 0.68, 0.66))
    sky: tuple[Rgb, Rgb] = ((0.45, 0.62, 0.88), (0.85, 0.9, 0.95))
    """Zenith and horizon colour."""
    yaw_rad: float = 0.0
    """Turn of the room about the vertical."""
    room_m: tuple[float, float, float] = (2.5, 2.5, 2.6)
    """Least half width, half depth and height of the room; it grows to hold the camera."""
    seed: int = 0

    @staticmethod
    def random(rng: np.random.Generator, kind: str | None = None) -> "Background":
        """Any background, or any of one kind."""
        chosen = kind if kind is not None else str(rng.choice(KINDS, p=KIND_SHARES))
        grounds = ((0.35, 0.45, 0.22), (0.45, 0.45, 0.45), (0.75, 0.68, 0.5), (0.4, 0.33, 0.25))
        ground = grounds[int(rng.integers(len(grounds)))]
        outdoor = chosen == "outdoor"
        floor_kinds = ("noise", "plain", "noise", "tiles") if outdoor else ("tiles", "planks",
                       "checks", "plain", "noise", "planks")  # fmt: skip
        wall = Texture.random(rng, ("plain", "plain", "plain", "noise", "planks", "tiles"))
        haze = float(rng.uniform(0.75, 0.95))
        blue = float(rng.uniform(0.0, 0.4))
        return Background(
            kind=chosen,
            floor=Texture.random(rng, floor_kinds, ground if outdoor else None),
            wall=wall,
            side_wall=Texture.random(rng, (wall.kind,), wall.first),
            sky=((haze - blue, haze - 0.5 * blue, haze), (haze, haze, min(1.0, haze + 0.04))),
            yaw_rad=float(rng.uniform(0, 2 * np.pi)),
            room_m=(
                float(rng.uniform(1.6, 5.0)),
                float(rng.uniform(1.6, 5.0)),
                float(rng.uniform(2.3, 3.4)),
            ),
            seed=int(rng.integers(2**31)),
        )

    def paint(self, camera: Camera) -> Backdrop:
        """The background as this camera sees it."""
        rng = np.random.default_rng(self.seed)
        noise = rng.random((_NOISE_SIZE, _NOISE_SIZE)).astype(np.float32)
        origin, rays = _camera_rays(camera)
        if self.kind == "room":
            flat, floor, points = self._paint_room(origin, rays, camera, noise, rng)
        elif self.kind == "clutter":
            rgb = _paint_clutter(camera.height_px, camera.width_px, rng)
            none = np.zeros(rgb.shape[:2], dtype=bool)
            return Backdrop(rgb, none, np.zeros((*rgb.shape[:2], 2), dtype=np.float32))
        else:
            flat, floor, points = self._paint_open(origin, rays, camera, noise, rng)
        shape = (camera.height_px, camera.width_px)
        return Backdrop(flat.reshape(*shape, 3), floor.reshape(shape), points.reshape(*shape, 2))

    def _paint_open(
        self,
        origin: Float32[np.ndarray, "3"],
        rays: Float32[np.ndarray, "points 3"],
        camera: Camera,
        noise: Float32[np.ndarray, "size size"],
        rng: np.random.Generator,
    ) -> tuple[_Colours, Bool[np.ndarray, " points"], Float32[np.ndarray, "points 2"]]:
        """Ground plane under a sky (`outdoor`) or running into a seamless backdrop (`plain`)."""
        down = -rays[:, 2]
        reach = origin[2] / np.maximum(down, 1e-5)
        floor = (down > 1e-4) & (reach < FAR_M)
        points = (origin + rays * reach[:, None])[:, :2]
        height = np.clip(rays[:, 2] / np.linalg.norm(rays, axis=1), 0, 1)[:, None]
        if self.kind == "plain":
            far = np.broadcast_to(vector(self.floor.first), rays.shape)
            rgb = far * (1 + 0.15 * height)
        else:
            zenith, horizon = vector(self.sky[0]), vector(self.sky[1])
            far = np.broadcast_to(horizon, rays.shape)
            rgb = horizon + (zenith - horizon) * np.sqrt(height)
            rgb = _add_skyline(rgb, rays, height[:, 0], horizon, rng)
        rgb = rgb.astype(np.float32)
        footprint = (reach * reach / (origin[2] * _focal_px(camera))).astype(np.float32)
        ground = self.floor.colour(points[floor, 0], points[floor, 1], footprint[floor], noise)
        haze = np.clip(reach[floor] / (12.0 if self.kind == "plain" else FAR_M), 0, 1)[:, None]
        rgb[floor] = ground + (far[floor] - ground) * haze**2
        return rgb, floor, points

    def _paint_room(
        self,
        origin: Float32[np.ndarray, "3"],
        rays: Float32[np.ndarray, "points 3"],
        camera: Camera,
        noise: Float32[np.ndarray, "size size"],
        rng: np.random.Generator,
    ) -> tuple[_Colours, Bool[np.ndarray, " points"], Float32[np.ndarray, "points 2"]]:
        """The inside of a box that holds the camera: where each ray leaves it."""
        cosine, sine = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        room_from_world = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], np.float32)
        eye, direction = room_from_world @ origin, rays @ room_from_world.T
        half = np.maximum(vector(self.room_m[:2]), np.abs(eye[:2]) + 0.4)
        high = np.append(half, max(self.room_m[2], eye[2] + 0.3)).astype(np.float32)
        low = np.append(-half, 0.0).astype(np.float32)
        direction = np.where(np.abs(direction) < 1e-6, np.float32(1e-6), direction)
        reach_all = np.where(direction > 0, high - eye, low - eye) / direction
        axis = reach_all.argmin(axis=1)
        reach = reach_all[np.arange(len(axis)), axis]
        hit = eye + direction * reach[:, None]
        floor = (axis == 2) & (direction[:, 2] < 0)
        ceiling = (axis == 2) & ~floor
        footprint = (reach / _focal_px(camera)).astype(np.float32)
        rgb = np.empty_like(rays)
        rgb[ceiling] = 0.5 + 0.45 * vector(self.wall.first)
        grazing = footprint * reach / max(float(eye[2]), 0.1)
        rgb[floor] = self.floor.colour(hit[floor, 0], hit[floor, 1], grazing[floor], noise)
        for wall_axis, texture in ((0, self.wall), (1, self.side_wall)):
            across = hit[:, 1 - wall_axis]
            for sign in (-1, 1):
                wall = (axis == wall_axis) & (direction[:, wall_axis] * sign > 0)
                u, v = across[wall], hit[wall, 2]
                colour = texture.colour(u, v, footprint[wall], noise)
                colour = _hang_pictures(colour, u, v, half[1 - wall_axis], rng)
                rgb[wall] = colour * np.float32(0.92 + 0.08 * sign)
        corner = np.clip(np.sort(reach_all, axis=1)[:, 1] - reach, 0, 0.5)[:, None]
        rgb *= 0.82 + 0.36 * corner
        world = hit[:, :2] @ room_from_world[:2, :2]
        return rgb, floor, world


def _hang_pictures(
    colour: Float32[np.ndarray, "points 3"],
    u_m: Float32[np.ndarray, " points"],
    v_m: Float32[np.ndarray, " points"],
    half_width_m: float | np.floating,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "points 3"]:
    """Skirting board, then a few pictures, windows, doors and cupboards on a wall."""
    for _ in range(int(rng.integers(0, 5))):
        centre_u = rng.uniform(-half_width_m, half_width_m)
        size = rng.uniform(0.2, 0.7, size=2)
        standing = rng.random() < 0.45
        centre_v = size[1] * 1.4 if standing else rng.uniform(1.2, 2.0)
        half = (size[0], size[1] * 1.4) if standing else (size[0], size[1] * 0.8)
        paint, frame = random_colour(rng), random_colour(rng, neutral_share=0.8)
        out = np.maximum(np.abs(u_m - centre_u) - half[0], np.abs(v_m - centre_v) - half[1])
        colour[out < 0] = frame
        colour[out < -0.04] = paint
    colour[v_m < 0.08] = 0.5 * colour[v_m < 0.08] + np.float32(0.4 * rng.random())
    return colour


def _add_skyline(
    rgb: Float32[np.ndarray, "points 3"],
    rays: Float32[np.ndarray, "points 3"],
    height: Float32[np.ndarray, " points"],
    horizon: Float32[np.ndarray, "3"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, "points 3"]:
    """One or two hazy layers of hills or houses, by compass direction."""
    bearing = np.arctan2(rays[:, 1], rays[:, 0])
    rising = rays[:, 2] >= -1e-3
    for layer in range(int(rng.integers(0, 3))):
        phase = vector(rng.uniform(0, 2 * np.pi, size=3))
        if rng.random() < 0.5:
            top = sum(np.sin(k * bearing + p) / k for k, p in zip((2, 5, 11), phase, strict=True))
            ridge = 0.06 + 0.05 * top
        else:
            house = np.floor(bearing * 7 + phase[0])
            ridge = 0.03 + 0.22 * _hash01(house, np.full_like(bearing, layer))
        tint = 0.55 * horizon + 0.45 * vector(random_colour(rng))
        rgb = np.where((rising & (height < ridge))[:, None], tint * (0.8 + 0.1 * layer), rgb)
    return rgb


def _paint_clutter(
    height: int, width: int, rng: np.random.Generator
) -> Float32[np.ndarray, "height width 3"]:
    """Random overlapping boxes, discs and triangles of any colour."""
    canvas = Image.new("RGB", (width, height), _byte_rgb(random_colour(rng)))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(12, 60))):
        centre = rng.random(2) * (width, height)
        half = rng.uniform(0.02, 0.25, size=2) * (width, height)
        box = (*(centre - half), *(centre + half))
        fill = _byte_rgb(random_colour(rng, neutral_share=0.3))
        shape = int(rng.integers(3))
        if shape == 0:
            draw.rectangle(box, fill=fill)
        elif shape == 1:
            draw.ellipse(box, fill=fill)
        else:
            corners = centre + rng.uniform(-1.5, 1.5, size=(3, 2)) * half
            draw.polygon([tuple(corner) for corner in corners], fill=fill)
    return np.asarray(canvas, dtype=np.float32) / 255


def _camera_rays(
    camera: Camera,
) -> tuple[Float32[np.ndarray, "3"], Float32[np.ndarray, "points 3"]]:
    """Eye and one ray direction per pixel (unit depth, row-major) in the world."""
    intrinsics = camera.intrinsics.numpy()
    rotation = camera.camera_from_world[:3, :3].numpy()
    origin = -rotation.T @ camera.camera_from_world[:3, 3].numpy()
    columns = (np.arange(camera.width_px) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    rows = (np.arange(camera.height_px) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
    x, y = np.meshgrid(columns, rows)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3) @ rotation
    return origin.astype(np.float32), rays.astype(np.float32)


def _focal_px(camera: Camera) -> float:
    return float(camera.intrinsics[1, 1])


def _hash01(
    a: Float32[np.ndarray, " points"], b: Float32[np.ndarray, " points"]
) -> Float32[np.ndarray, " points"]:
    """A number in [0, 1) that looks random, from two whole numbers."""
    mixed = np.sin(a * np.float32(12.9898) + b * np.float32(78.233)) * np.float32(437.5453)
    return mixed - np.floor(mixed)


def _value_noise(
    table: Float32[np.ndarray, "size size"],
    u: Float32[np.ndarray, " points"],
    v: Float32[np.ndarray, " points"],
) -> Float32[np.ndarray, " points"]:
    """Smooth repeating noise in [0, 1] with one knot per unit."""
    column, row = np.floor(u), np.floor(v)
    s, t = u - column, v - row
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    left = column.astype(np.int32) % _NOISE_SIZE
    top = row.astype(np.int32) % _NOISE_SIZE
    flat, right, below = table.ravel(), (left + 1) % _NOISE_SIZE, (top + 1) % _NOISE_SIZE
    upper = flat[top * _NOISE_SIZE + left] * (1 - s) + flat[top * _NOISE_SIZE + right] * s
    lower = flat[below * _NOISE_SIZE + left] * (1 - s) + flat[below * _NOISE_SIZE + right] * s
    return upper * (1 - t) + lower * t


def _rgb(values: Float32[np.ndarray, "3"] | np.ndarray) -> Rgb:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _byte_rgb(colour: Rgb) -> tuple[int, int, int]:
    red, green, blue = (int(255 * channel) for channel in colour)
    return red, green, blue
