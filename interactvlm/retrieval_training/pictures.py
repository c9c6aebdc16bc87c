"""Pictures to learn from: one library shape each, from anywhere, in any light, partly hidden.

Deterministic by seed. Knows shapes and pixels; knows no network.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

from interactvlm.synthetic.appearance import SKIN_TONES, random_colour
from interactvlm.synthetic.backgrounds import Background
from object_retrieval.backend import ObjectPicture
from object_retrieval.views import Studio, render_object
from renders.camera import Camera
from renders.mesh import Mesh

SMALLEST_PX, LARGEST_PX = 16, 128
"""Sides of the pictures: objects in photos are as often far away as near."""
_SEEN_AT_LEAST = 0.2
"""Share of the object that stays visible behind what hides it."""


@dataclass(frozen=True)
class PictureChances:
    """How often a picture is made harder."""

    tilted: float = 0.3
    """Object turned any way, as things in hands are."""
    hidden: float = 0.7
    """Something in front of it."""
    figure: float = 0.5
    """Of these: somebody, with trunk and limbs, not just something."""
    cut: float = 0.12
    """Object beyond the picture's edge."""
    rough_mask: float = 0.3
    """Mask a pixel too large or too small."""


def draw_picture(
    mesh: Mesh, rng: np.random.Generator, chances: PictureChances | None = None
) -> ObjectPicture:
    """One picture of a shape with the mask of what is visible of it."""
    chances = PictureChances() if chances is None else chances
    if rng.random() < chances.tilted:
        mesh = _tilted(mesh, rng)
    side = round(math.exp(rng.uniform(math.log(SMALLEST_PX), math.log(LARGEST_PX))))
    linear, coverage = render_object(mesh, side, _random_studio(rng))
    share = coverage.numpy()
    backdrop = _backdrop(side, rng)
    image = linear.numpy() * share[..., None] + backdrop * (1 - share[..., None])
    mask = share >= 0.5
    if not mask.any():
        mask = share > 0
    image = _developed(image, rng)
    if rng.random() < chances.hidden:
        image, mask = _hidden(image, mask, rng, chances.figure)
    if rng.random() < chances.cut:
        image, mask = _cut(image, mask, rng)
    if rng.random() < chances.rough_mask:
        mask = _rough(mask, rng)
    rgb = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return ObjectPicture(rgb, mask)


def _tilted(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Turned about a random axis by any angle."""
    axis = torch.from_numpy(rng.standard_normal(3)).float()
    axis = axis / axis.norm().clamp(min=1e-6) * float(rng.uniform(0, math.pi))
    x, y, z = axis.tolist()
    skew = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turn = torch.linalg.matrix_exp(skew)
    return Mesh(mesh.vertices @ turn.T, mesh.faces, mesh.vertex_colors)


def _random_studio(rng: np.random.Generator) -> Studio:
    key = float(rng.uniform(0.3, 1.1))
    return Studio(
        azimuth_deg=float(rng.uniform(0, 360)),
        elevation_deg=float(-12 + 67 * rng.beta(1.3, 2.0)),
        roll_deg=float(rng.normal(0, 6)),
        fov_deg=float(rng.uniform(15, 60)),
        light_azimuth_deg=float(rng.uniform(-180, 180)),
        light_elevation_deg=float(rng.uniform(25, 85)),
        key=key,
        ambient=float(np.clip(1.05 - key, 0.25, 0.7) * rng.uniform(0.8, 1.2)),
    )


def _backdrop(side: int, rng: np.random.Generator) -> Float32[np.ndarray, "side side 3"]:
    """Linear colours of a place seen by some camera."""
    eye = torch.tensor([0.0, 0.0, float(rng.uniform(0.6, 1.8))])
    ahead = torch.tensor([float(rng.uniform(-1, 1)), -2.0, float(rng.uniform(0.0, 1.2))])
    up = torch.tensor([0.0, 0.0, 1.0])
    camera = Camera.look_at(eye, ahead, up, float(rng.uniform(20, 60)), side, side)
    return np.square(np.clip(Background.random(rng).paint(camera).rgb, 0, 1))


def _developed(
    linear: Float32[np.ndarray, "side side 3"], rng: np.random.Generator
) -> Float32[np.ndarray, "side side 3"]:
    """Light to display colours: exposure, white balance, contrast, blur, noise."""
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.92, 1.08, size=3)
    image = np.sqrt(np.maximum(linear * gain.astype(np.float32), 0))
    image = 0.5 + (image - 0.5) * np.float32(rng.uniform(0.8, 1.2))
    if rng.random() < 0.4:
        blur = rng.uniform(0.2, 0.9)
        image = gaussian_filter(image, (blur, blur, 0))
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return image + grain * np.float32(min(rng.exponential(0.012), 0.05))


def _hidden(
    image: Float32[np.ndarray, "side side 3"],
    mask: Bool[np.ndarray, "side side"],
    rng: np.random.Generator,
    figure: float,
) -> tuple[np.ndarray, np.ndarray]:
    """People, limbs, boards or blobs in front; as they were when they would hide nearly all."""
    canvas = Image.new("L", mask.shape[::-1], 0)
    draw = ImageDraw.Draw(canvas)
    rows, columns = np.nonzero(mask)
    at = rng.integers(len(rows), size=3)
    if rng.random() < figure:
        _draw_figure(draw, (float(columns[at[0]]), float(rows[at[0]])), len(mask), rng)
    else:
        for place in at[: int(rng.integers(1, 4))]:
            _draw_thing(draw, (float(columns[place]), float(rows[place])), len(mask), rng)
    front = np.asarray(canvas) > 0
    if (mask & ~front).sum() < max(4, _SEEN_AT_LEAST * mask.sum()):
        return image, mask
    skin = rng.random() < 0.4
    color = SKIN_TONES[int(rng.integers(len(SKIN_TONES)))] if skin else random_colour(rng)
    shade = np.float32(rng.uniform(0.6, 1.0)) * np.array(color, dtype=np.float32)
    return np.where(front[..., None], shade, image), mask & ~front


def _draw_figure(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], side: int, rng: np.random.Generator
) -> None:
    """A trunk, a head and limbs with one bend each."""
    tall = side * rng.uniform(0.15, 0.4)
    lean = rng.uniform(0, 2 * np.pi) if rng.random() < 0.3 else rng.normal(-np.pi / 2, 0.4)
    neck = _step(at, tall, lean)
    draw.line([at, neck], fill=255, width=max(1, round(0.45 * tall)))
    _draw_disc(draw, _step(neck, 0.3 * tall, lean), 0.22 * tall)
    for start, thick in ((at, 0.26), (at, 0.26), (neck, 0.17), (neck, 0.17)):
        knee = _step(start, 0.75 * tall, rng.uniform(0, 2 * np.pi))
        end = _step(knee, 0.75 * tall, rng.uniform(0, 2 * np.pi))
        draw.line([start, knee, end], fill=255, width=max(1, round(thick * tall)), joint="curve")


def _draw_thing(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], side: int, rng: np.random.Generator
) -> None:
    """A limb or pole to beyond the picture, or a blob."""
    reach = side * rng.uniform(0.06, 0.3)
    if rng.random() < 0.65:
        far = _step(at, 2.0 * side, rng.uniform(0, 2 * np.pi))
        draw.line([at, far], fill=255, width=max(1, round(reach)))
        _draw_disc(draw, at, reach / 2)
    else:
        _draw_disc(draw, at, reach, rng.uniform(0.4, 1.6))


def _step(at: tuple[float, float], length: float, angle: float) -> tuple[float, float]:
    return at[0] + length * math.cos(angle), at[1] + length * math.sin(angle)


def _draw_disc(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, squeeze: float = 1.0
) -> None:
    (x, y), high = at, radius * squeeze
    draw.ellipse([x - radius, y - high, x + radius, y + high], fill=255)


def _cut(
    image: Float32[np.ndarray, "side side 3"],
    mask: Bool[np.ndarray, "side side"],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One side of the object beyond the edge of the picture."""
    along = np.flatnonzero(mask.any(axis=0))
    at = along[int(len(along) * rng.uniform(0.1, 0.4))]
    if rng.random() < 0.5:
        image, mask = image[:, at:], mask[:, at:]
    else:
        last = along[-1] - (at - along[0]) + 1
        image, mask = image[:, :last], mask[:, :last]
    return image, mask


def _rough(
    mask: Bool[np.ndarray, "height width"], rng: np.random.Generator
) -> Bool[np.ndarray, "height width"]:
    """A pixel more or less all around; as it was when nothing would be left."""
    changed = binary_dilation(mask) if rng.random() < 0.5 else binary_erosion(mask)
    return changed if changed.sum() >= 4 else mask
