"""Pictures of library shapes, drawn by our rasteriser: for contact sheets and for embedding.

Frame: z up, front -y. Knows meshes, cameras and one kind of light; knows no library and no model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from object_retrieval.backend import ObjectPicture
from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh, face_normals
from renders.rasterizer import visible_pixels

SHEET_VIEW = (-55.0, 22.0)
"""(azimuth, elevation) in degrees of a contact sheet: front and left side, a little from above."""
_COLOUR = 0.62
"""Of surfaces without colours."""
_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Studio:
    """A camera that sees the whole object, and the light on it."""

    azimuth_deg: float = SHEET_VIEW[0]
    """Where the camera stands, counter-clockwise from +x seen from above; -90 is the front."""
    elevation_deg: float = SHEET_VIEW[1]
    """Height of the camera over the horizon."""
    roll_deg: float = 0.0
    """Turn of the picture, clockwise."""
    fov_deg: float = 40.0
    """Field of view."""
    light_azimuth_deg: float = 40.0
    """Where the light stands, relative to the camera."""
    light_elevation_deg: float = 55.0
    """Height of the light over the horizon."""
    key: float = 0.75
    """Strength of that light."""
    ambient: float = 0.4
    """Light from everywhere, a little more from above."""


def render_object(
    mesh: Mesh, side_px: int, studio: Studio | None = None
) -> tuple[Float[Tensor, "side side 3"], Float[Tensor, "side side"]]:
    """Linear colours (0 where empty) and the share of each pixel that the object covers.

    Raises:
        InputError: the mesh draws nothing: no faces, or none that any view sees.
    """
    studio = Studio() if studio is None else studio
    camera = _camera(mesh, side_px * _SUPERSAMPLING, studio)
    seen = visible_pixels(mesh, camera)
    if not len(seen.pixel_index):
        raise InputError("the object shows no surface in a picture; are its faces degenerate?")
    normals = face_normals(mesh.vertices, mesh.faces)[seen.face_index]
    towards = camera.position_world - mesh.vertices.mean(0)
    # Both sides of a surface are lit: shapes made by others often have their faces turned round.
    normals = normals * torch.where((normals @ towards.to(normals)) < 0, -1.0, 1.0)[:, None]
    light = _direction(
        studio.azimuth_deg + studio.light_azimuth_deg, studio.light_elevation_deg
    ).to(normals)
    strength = studio.ambient * (0.8 + 0.2 * normals[:, 2])
    strength = strength + studio.key * (normals @ light).clamp(min=0)
    if mesh.vertex_colors is None:
        color = torch.full((len(normals), 3), _COLOUR)
    else:
        corners = mesh.vertex_colors[mesh.faces[seen.face_index].long()]
        color = (corners * seen.barycentric[..., None]).sum(1)
    size = side_px * _SUPERSAMPLING
    image = torch.zeros(size * size, 4)
    image[seen.pixel_index] = torch.cat(
        [color.square() * strength[:, None], torch.ones(len(color), 1)], dim=1
    )
    image = image.view(1, size, size, 4).permute(0, 3, 1, 2)
    pooled = torch.nn.functional.avg_pool2d(image, _SUPERSAMPLING)[0].permute(1, 2, 0)
    coverage = pooled[..., 3]
    return pooled[..., :3] / coverage[..., None].clamp(min=1e-6), coverage


def picture_of(
    mesh: Mesh, side_px: int, studio: Studio | None = None, *, background: float = 1.0
) -> UInt8[np.ndarray, "side side 3"]:
    """The object on a plain background (display grey 0 to 1)."""
    linear, coverage = render_object(mesh, side_px, studio)
    display = linear.clamp(0, 1).sqrt()
    blended = display * coverage[..., None] + background * (1 - coverage[..., None])
    return (blended * 255 + 0.5).byte().numpy()


def masked_views(mesh: Mesh, side_px: int, studios: Sequence[Studio]) -> list[ObjectPicture]:
    """The object alone, from several sides."""
    pictures = []
    for studio in studios:
        linear, coverage = render_object(mesh, side_px, studio)
        rgb = (linear.clamp(0, 1).sqrt() * 255 + 0.5).byte().numpy()
        mask: Bool[np.ndarray, "side side"] = (coverage >= 0.5).numpy()
        pictures.append(ObjectPicture(rgb, mask if mask.any() else (coverage > 0).numpy()))
    return pictures


def around(count: int, elevations_deg: Sequence[float] = (8.0, 32.0)) -> list[Studio]:
    """Views from all sides, `count` per elevation, each ring turned against the next."""
    return [
        Studio(azimuth_deg=360 * (place + 0.5 * ring) / count, elevation_deg=elevation)
        for ring, elevation in enumerate(elevations_deg)
        for place in range(count)
    ]


def _camera(mesh: Mesh, size_px: int, studio: Studio) -> Camera:
    """Far enough that the sphere around the bounding box fits."""
    if not mesh.num_vertices:
        raise InputError("the object has no points to draw")
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    middle, radius = (low + high) / 2, float((high - low).norm()) / 2
    distance = max(radius, 1e-6) / math.sin(math.radians(studio.fov_deg) / 2)
    direction = _direction(studio.azimuth_deg, studio.elevation_deg).to(middle)
    roll = math.radians(studio.roll_deg)
    up = torch.tensor([0.0, 0.0, 1.0]).to(middle)
    right = torch.linalg.cross(-direction, up)
    right = right / right.norm().clamp(min=1e-9)
    tilted = math.cos(roll) * torch.linalg.cross(right, -direction) - math.sin(roll) * right
    eye = middle + distance * direction
    return Camera.look_at(eye, middle, tilted, studio.fov_deg, size_px, size_px)


def _direction(azimuth_deg: float, elevation_deg: float) -> Float[Tensor, "3"]:
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    flat = math.cos(elevation)
    return torch.tensor([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])
