"""Pictures of synthetic scenes, with their exact labels.

One rasterisation per picture at twice its size; everything else is per covered pixel. Knows posed
scenes, cameras and styles; knows nothing of contacts, words or files.
"""

import io
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, Int8, Int32, Shaped, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter

from human_recovery.anny_body import KEYPOINT_NAMES
from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm.synthetic.appearance import Appearance, Rgb, body_chart, random_colour, vector
from interactvlm.synthetic.backgrounds import Background
from interactvlm.synthetic.lighting import Lights, ShadowMaps, row_dot, unit_rows
from interactvlm.synthetic.posing import PERSON, PosedScene, pose_scene, pose_scenes
from interactvlm.synthetic.viewpoint import sample_camera
from renders.camera import Camera
from renders.mesh import Mesh
from renders.rasterizer import VisiblePixels, visible_pixels

__all__ = [
    "Occluder",
    "PosedScene",
    "RenderedScene",
    "Sensor",
    "Style",
    "pose_scene",
    "pose_scenes",
    "render_scene",
    "sample_camera",
]

_TOPOLOGY = "anny"
_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Sensor:
    """What the camera does to the light it gets."""

    exposure: float = 1.0
    contrast: float = 1.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 0.0
    """Standard deviation of pixel noise, display units (0..1)."""
    blur_px: float = 0.0
    """Standard deviation of the blur at the final size."""
    jpeg_quality: int | None = None

    @staticmethod
    def random(rng: np.random.Generator) -> "Sensor":
        """Mostly a decent camera, sometimes a noisy, soft or strongly compressed one."""
        return Sensor(
            exposure=float(rng.uniform(0.8, 1.2)),
            contrast=float(rng.uniform(0.85, 1.2)),
            white_balance=tuple(float(gain) for gain in rng.uniform(0.93, 1.07, size=3)),  # pyright: ignore[reportArgumentType]
            noise=float(min(rng.exponential(0.01), 0.035)),
            blur_px=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.3 else 0.0,
            jpeg_quality=int(rng.integers(45, 95)) if rng.random() < 0.3 else None,
        )


@dataclass(frozen=True)
class Occluder:
    """A board or pole between camera and person; lengths as shares of the picture."""

    column: float
    """Centre, 0 left to 1 right."""
    half_width: float
    top: float
    bottom: float
    nearness: float
    """Distance as a share of the distance to the nearest thing of the scene, below 1."""
    colour: Rgb

    @staticmethod
    def random(rng: np.random.Generator) -> "Occluder":
        """A thin pole over the full height or a low board."""
        pole = rng.random() < 0.5
        return Occluder(
            column=float(rng.uniform(0.1, 0.9)),
            half_width=float(rng.uniform(0.015, 0.05) if pole else rng.uniform(0.08, 0.25)),
            top=-0.1 if pole else float(rng.uniform(0.65, 0.9)),
            bottom=1.1,
            nearness=float(rng.uniform(0.3, 0.8)),
            colour=random_colour(rng),
        )


@dataclass(frozen=True)
class Style:
    """Everything about a picture's looks that is not the scene or the camera."""

    appearance: Appearance = field(default_factory=Appearance)
    background: Background = field(default_factory=Background)
    lights: Lights = field(default_factory=Lights)
    sensor: Sensor = field(default_factory=Sensor)
    occluder: Occluder | None = None
    seed: int = 0
    """Seed of the sensor noise."""

    @staticmethod
    def random(rng: np.random.Generator) -> "Style":
        """Independent draws of all parts; a foreground occluder in one picture of twelve."""
        return Style(
            appearance=Appearance.random(rng),
            background=Background.random(rng),
            lights=Lights.random(rng),
            sensor=Sensor.random(rng),
            occluder=Occluder.random(rng) if rng.random() < 1 / 12 else None,
            seed=int(rng.integers(2**31)),
        )


@dataclass(frozen=True)
class RenderedScene:
    """A picture and its labels, pixel for pixel. Background, floor and occluder are instance 0."""

    rgb: UInt8[np.ndarray, "height width 3"]
    instance_index: Int8[np.ndarray, "height width"]
    """0 background, 1 the person, 2.. the objects in the scene's order."""
    part_index: Int8[np.ndarray, "height width"]
    """0 where not the person, else 1 + index into `PART_NAMES`."""
    vertex_index: Int32[np.ndarray, "height width"]
    """Nearest body vertex of the seen triangle; -1 where not the person."""
    depth_m: Float32[np.ndarray, "height width"]
    """Camera z of person and objects; 0 where instance 0."""
    keypoints_px: Float32[np.ndarray, "23 3"]
    """x, y, visible (0 or 1), in the order of `KEYPOINT_NAMES`; x and y NaN behind the camera."""

    def __repr__(self) -> str:
        height, width = self.instance_index.shape
        instances = int(self.instance_index.max(initial=0))
        return f"RenderedScene({height}x{width} px, {instances} instances)"


def render_scene(posed: PosedScene, camera: Camera, style: Style) -> RenderedScene:
    """The picture `camera` takes of a posed scene, with exact labels. Deterministic."""
    scale = _SUPERSAMPLING
    large = camera.resized(scale * camera.height_px, scale * camera.width_px)
    mesh = _merged_mesh(posed, _occluder_mesh(posed, camera, style.occluder))
    pixels = _Pixels.of(visible_pixels(mesh, large))
    shadows = ShadowMaps(posed.caster_points, style.lights)
    linear = _lit_background(camera, style, shadows)
    _lay_over(linear, pixels, _lit_surfaces(posed, pixels, large, style, shadows))

    # Labels by the nearest of the finer pixels' centres; all are equally near, take one.
    face = pixels.image(pixels.face, large, empty=-1)[scale // 2 :: scale, scale // 2 :: scale]
    depth = pixels.image(pixels.depth_m, large, empty=0)[scale // 2 :: scale, scale // 2 :: scale]
    # One more entry, at index -1: background and occluder.
    instance_of_face = np.append(posed.instance_of_face, 0)
    known_face = np.where(face < len(posed.faces), face, -1)
    instance = instance_of_face[known_face].astype(np.int8)
    part_of_face = np.append(_part_of_body_face(), np.int8(0))
    part = part_of_face[np.where(instance == PERSON, face, -1)]
    corner = pixels.image(pixels.weight.argmax(axis=1), large, empty=0)
    corner = corner[scale // 2 :: scale, scale // 2 :: scale]
    vertex = posed.faces[np.where(instance == PERSON, face, 0), corner]
    vertex = np.where(instance == PERSON, vertex, -1).astype(np.int32)
    depth_m = np.where(instance > 0, depth, np.float32(0))
    keypoints = _visible_keypoints(posed, camera, part, depth)
    return RenderedScene(_develop(linear, style), instance, part, vertex, depth_m, keypoints)


@dataclass(frozen=True)
class _Pixels:
    """The rasteriser's covered pixels as numpy arrays."""

    pixel: np.ndarray
    face: np.ndarray
    weight: np.ndarray
    depth_m: np.ndarray

    @staticmethod
    def of(visible: VisiblePixels) -> "_Pixels":
        return _Pixels(
            visible.pixel_index.numpy(),
            visible.face_index.numpy(),
            visible.barycentric.numpy(),
            visible.depth_m.numpy(),
        )

    def image(
        self, values: Shaped[np.ndarray, " covered"], camera: Camera, *, empty: int
    ) -> Shaped[np.ndarray, "height width"]:
        """Values of covered pixels as an image, `empty` elsewhere."""
        flat = np.full(camera.height_px * camera.width_px, empty, dtype=values.dtype)
        flat[self.pixel] = values
        return flat.reshape(camera.height_px, camera.width_px)

    def blend(
        self,
        attributes: Float32[np.ndarray, "rows channels"],
        rows: Int[np.ndarray, "some 3"],
        chosen: Int[np.ndarray, " some"],
    ) -> Float32[np.ndarray, "some channels"]:
        """Barycentric mean of three rows per chosen pixel."""
        weight = self.weight[chosen]
        first, second, third = (weight[:, i, None] * attributes[rows[:, i]] for i in range(3))
        return first + second + third


def _merged_mesh(posed: PosedScene, occluder: tuple[np.ndarray, np.ndarray]) -> Mesh:
    """Body, objects and occluder as one mesh, faces in that order."""
    vertices, faces = occluder
    return Mesh(
        torch.from_numpy(np.concatenate([posed.vertices_world, vertices])),
        torch.from_numpy(np.concatenate([posed.faces, faces + len(posed.vertices_world)])),
    )


def _occluder_mesh(
    posed: PosedScene, camera: Camera, occluder: Occluder | None
) -> tuple[Float32[np.ndarray, "verts 3"], np.ndarray]:
    """A box in front of the camera; no vertices and faces without an occluder."""
    if occluder is None:
        return np.zeros((0, 3), dtype=np.float32), np.zeros((0, 3), dtype=np.int64)
    points = camera.to_camera(torch.from_numpy(posed.framing_points()))
    nearest = max(float(points[:, 2].min()), 0.2)
    depth = nearest * occluder.nearness
    width, height = camera.width_px, camera.height_px
    columns = (np.array([-1, 1]) * occluder.half_width + occluder.column) * width
    rows = np.array([occluder.top, occluder.bottom]) * height
    pixels = torch.tensor([[column, row] for column in columns for row in rows])
    pixels = pixels.float().repeat(2, 1)
    depths = torch.tensor([depth] * 4 + [min(depth * 1.1, 0.95 * nearest)] * 4)
    vertices = camera.unproject(pixels, depths).numpy()
    # Corners: bit 0 bottom, bit 1 right, bit 2 far; two triangles per side.
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 2, 6, 4), (1, 5, 7, 3), (0, 4, 5, 1), (2, 3, 7, 6)]
    faces = [[(a, b, c), (a, c, d)] for a, b, c, d in quads]
    return vertices, np.array(faces, dtype=np.int64).reshape(-1, 3)


def _lit_background(
    camera: Camera, style: Style, shadows: ShadowMaps
) -> Float32[np.ndarray, "height width 3"]:
    """Linear background colours, with shadows and contact darkening on its floor."""
    backdrop = style.background.paint(camera)
    # One sample per pixel, so a light blur stands for anti-aliasing (and for depth of field).
    linear = gaussian_filter(np.square(np.clip(backdrop.rgb, 0, 1)), (0.45, 0.45, 0))
    on_floor = backdrop.on_floor
    shadow, contact = shadows.floor(backdrop.floor_world[on_floor])
    light = style.lights.floor_light(shadow) * (1 - np.float32(0.45) * contact)[:, None]
    linear[on_floor] *= light
    return linear


def _lit_surfaces(
    posed: PosedScene, pixels: _Pixels, camera: Camera, style: Style, shadows: ShadowMaps
) -> Float32[np.ndarray, "covered 3"]:
    """Linear colours of the covered pixels."""
    face = pixels.face
    on_body = np.flatnonzero(face < posed.num_body_faces)
    on_object = np.flatnonzero((face >= posed.num_body_faces) & (face < len(posed.faces)))
    on_occluder = np.flatnonzero(face >= len(posed.faces))
    display = np.empty((len(face), 3), dtype=np.float32)
    chart = body_chart(_TOPOLOGY)
    at = pixels.blend(chart.coordinates, posed.faces[face[on_body]], on_body)
    display[on_body] = style.appearance.colour(chart, at)
    display[on_object] = posed.object_colours[face[on_object] - posed.num_body_faces]
    if style.occluder is not None:
        display[on_occluder] = style.occluder.colour

    eye, points = _surface_points(pixels, camera)
    to_eye = unit_rows(eye - points)
    normal = to_eye.copy()
    real = np.flatnonzero(face < len(posed.faces))
    corners = 3 * face[real, None] + np.arange(3)
    normal[real] = pixels.blend(posed.corner_normals.reshape(-1, 3), corners, real)
    normal = unit_rows(normal)
    # Inner sides of open shells are lit as if they faced the eye.
    normal *= np.where(row_dot(normal, to_eye) < -0.2, np.float32(-1), np.float32(1))[:, None]
    key_share = shadows.key_share(points, normal)
    gloss = np.full(len(face), style.lights.gloss, dtype=np.float32)
    gloss[on_object] *= 2
    linear = style.lights.shade(np.square(display), normal, to_eye, key_share, gloss)
    # Undersides near the floor receive little light from anywhere.
    closeness = np.exp(-np.maximum(points[:, 2], 0) / np.float32(0.08)) * (0.6 - 0.4 * normal[:, 2])
    return linear * (1 - np.float32(0.5) * closeness)[:, None]


def _surface_points(
    pixels: _Pixels, camera: Camera
) -> tuple[Float32[np.ndarray, "3"], Float32[np.ndarray, "covered 3"]]:
    """The eye, and the world point each covered pixel sees."""
    centres = np.stack([pixels.pixel % camera.width_px, pixels.pixel // camera.width_px], axis=1)
    centres = torch.from_numpy(centres.astype(np.float32) + 0.5)
    points = camera.unproject(centres, torch.from_numpy(pixels.depth_m))
    return camera.position_world.numpy(), points.numpy()


def _lay_over(
    background: Float32[np.ndarray, "height width 3"],
    pixels: _Pixels,
    colours: Float32[np.ndarray, "covered 3"],
) -> None:
    """Blends finer foreground pixels into the picture by the share of each pixel they cover."""
    height, width = background.shape[:2]
    scale = _SUPERSAMPLING
    row, column = np.divmod(pixels.pixel, width * scale)
    coarse = (row // scale) * width + column // scale
    share = 1.0 / scale**2
    size = height * width
    flat = background.reshape(-1, 3)
    flat *= (1 - share * np.bincount(coarse, minlength=size)).astype(np.float32)[:, None]
    for channel in range(3):
        flat[:, channel] += share * np.bincount(coarse, colours[:, channel], minlength=size)


def _develop(
    linear: Float32[np.ndarray, "height width 3"], style: Style
) -> UInt8[np.ndarray, "height width 3"]:
    """Linear light to the bytes of a photo: tone curve, white balance, blur, noise, JPEG."""
    sensor = style.sensor
    light = linear * np.float32(sensor.exposure) * vector(sensor.white_balance)
    image = np.sqrt(np.maximum(light, 0))
    # Straight up to 0.8, then a soft shoulder instead of clipped highlights.
    image = np.where(image > 0.8, 0.8 + 0.2 * np.tanh((image - 0.8) / 0.3), image)
    image = 0.5 + (image - 0.5) * np.float32(sensor.contrast)
    if sensor.blur_px > 0:
        image = gaussian_filter(image, (sensor.blur_px, sensor.blur_px, 0))
    if sensor.noise > 0:
        rng = np.random.default_rng(style.seed)
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + grain * np.float32(sensor.noise)
    rgb = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    if sensor.jpeg_quality is None:
        return rgb
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=sensor.jpeg_quality)
    return np.array(Image.open(stream))


_PARTS_OF_JOINT = {
    "nose": ("head",), "eye": ("head",), "ear": ("head",),
    "shoulder": ("torso", "arm"), "elbow": ("arm", "forearm"), "wrist": ("forearm", "hand"),
    "hip": ("torso", "buttocks", "thigh"), "knee": ("thigh", "leg"), "ankle": ("leg", "foot"),
}  # fmt: skip
"""Surface parts around each keypoint, without sides; toes and heels are on the foot."""


@lru_cache(maxsize=1)
def _keypoint_surface() -> tuple[
    Bool[np.ndarray, "keypoints parts"], Float32[np.ndarray, " keypoints"]
]:
    """Which part indices (0 none, 1.. parts) may show a keypoint, and how deep it lies (m)."""
    allowed = np.zeros((len(KEYPOINT_NAMES), len(PART_NAMES) + 1), dtype=bool)
    depth_m = np.empty(len(KEYPOINT_NAMES), dtype=np.float32)
    for row, name in enumerate(KEYPOINT_NAMES):
        side = next((side for side in ("left", "right") if side in name), "")
        joint = next((joint for joint in _PARTS_OF_JOINT if joint in name), "foot")
        parts = _PARTS_OF_JOINT.get(joint, ("foot",))
        names = set(parts) | {f"{side} {part}" for part in parts}
        allowed[row, 1:] = [part in names for part in PART_NAMES]
        depth_m[row] = 0.045 if parts == ("head",) else 0.16
    return allowed, depth_m


@lru_cache(maxsize=1)
def _part_of_body_face() -> Int8[np.ndarray, " faces"]:
    """1 + part index of each body face, by its first vertex."""
    topology = get_topology(_TOPOLOGY)
    return (topology.part_of_vertex[topology.faces[:, 0]] + 1).numpy().astype(np.int8)


def _visible_keypoints(
    posed: PosedScene,
    camera: Camera,
    part: Int8[np.ndarray, "height width"],
    surface_depth: Float32[np.ndarray, "height width"],
) -> Float32[np.ndarray, "23 3"]:
    """Projected keypoints; visible where the body's surface over the joint is what is seen."""
    points = torch.from_numpy(posed.keypoints_world)
    positions = camera.project(points).numpy()
    depth = camera.to_camera(points)[:, 2].numpy()
    allowed, skin_m = _keypoint_surface()
    height, width = part.shape
    inside = np.isfinite(positions[:, 0])
    place = np.floor(np.where(inside[:, None], positions, -1)).astype(np.int64)
    inside &= ((place >= 0) & (place < (width, height))).all(axis=1)
    visible = np.zeros(len(points), dtype=bool)
    # One pixel around: a joint on the silhouette belongs to the limb beside it.
    for row_step in (-1, 0, 1):
        for column_step in (-1, 0, 1):
            row = np.clip(place[:, 1] + row_step, 0, height - 1)
            column = np.clip(place[:, 0] + column_step, 0, width - 1)
            near = np.abs(surface_depth[row, column] - depth) < skin_m
            visible |= near & allowed[np.arange(len(points)), part[row, column]]
    return np.column_stack([positions, visible & inside]).astype(np.float32)
