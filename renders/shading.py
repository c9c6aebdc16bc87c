"""Colours and light: normals and positions as colours, and the published Phong shading.

Knows meshes, cameras and fragments; knows nothing of bodies or view sets.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh, vertex_normals
from renders.rasterizer import Fragments, VisiblePixels

NOCS_RANGE = (0.1, 0.9)
"""Colours of positions. Source: InteractVLM, object renders (min-max * 0.8 + 0.1)."""


@dataclass(frozen=True)
class PhongLight:
    """One white point light and the default material.

    Source: InteractVLM mesh renders (PyTorch3D `PointLights`, `Materials`, `HardPhongShader`).
    """

    position_world: tuple[float, float, float] = (0.0, 0.0, 3.0)
    """Where the light is."""
    ambient: float = 0.5
    """Share of the colour that needs no light."""
    diffuse: float = 0.3
    """Share that follows the angle to the light."""
    specular: float = 0.2
    """White highlight."""
    shininess: float = 64.0
    """Exponent of the highlight."""


def normals_as_colors(
    vertices: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "verts 3"]:
    """Vertex colours (normal + 1) / 2 in [0, 1]. Source: InteractVLM, canonical human."""
    return (vertex_normals(vertices, faces) + 1) / 2


def nocs_colors(positions: Float[Tensor, "count 3"]) -> Float[Tensor, "count 3"]:
    """Position as colour: each axis from its minimum to its maximum, in [0.1, 0.9].

    An axis without extent gets the lowest colour.

    Source: InteractVLM object renders (normalised object coordinates).
    """
    if len(positions) == 0:
        return positions.clone()
    low, high = positions.amin(0), positions.amax(0)
    extent = torch.where(high > low, high - low, torch.ones_like(high))
    return (positions - low) / extent * (NOCS_RANGE[1] - NOCS_RANGE[0]) + NOCS_RANGE[0]


def render_phong(
    mesh: Mesh,
    camera: Camera,
    pixels: VisiblePixels | Fragments,
    light: PhongLight | None = None,
) -> Float[Tensor, "height width 3"]:
    """Shaded vertex colours on white, RGB; not clamped (a highlight may pass 1).

    Source: InteractVLM mesh renders: PyTorch3D hard Phong with interpolated vertex normals.

    Raises:
        InputError: the mesh has no vertex colours.
    """
    if mesh.vertex_colors is None:
        raise InputError("the mesh has no vertex colours; give it some with `with_colors`")
    light = PhongLight() if light is None else light
    if isinstance(pixels, Fragments):
        pixels = covered_pixels(pixels)
    corners = mesh.faces[pixels.face_index].long()
    weights = pixels.barycentric.to(mesh.vertices)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    color, normal, position = (
        (values[corners] * weights[..., None]).sum(1)
        for values in (mesh.vertex_colors, normals, mesh.vertices)
    )
    shaded = _phong(color, normal, position, camera, light)
    image = shaded.new_ones(camera.height_px * camera.width_px, 3)
    return image.index_put_((pixels.pixel_index,), shaded).view(camera.height_px, -1, 3)


def _phong(
    color: Float[Tensor, "covered 3"],
    normal: Float[Tensor, "covered 3"],
    position: Float[Tensor, "covered 3"],
    camera: Camera,
    light: PhongLight,
) -> Float[Tensor, "covered 3"]:
    """ambient and diffuse times the colour, plus a white highlight."""
    normal = _unit(normal)
    to_light = _unit(torch.tensor(light.position_world).to(position) - position)
    to_eye = _unit(camera.position_world.to(position) - position)
    cosine = (normal * to_light).sum(-1, keepdim=True)
    reflected = 2 * cosine * normal - to_light
    highlight = (to_eye * reflected).sum(-1, keepdim=True).clamp(min=0) * (cosine > 0)
    lit = light.ambient + light.diffuse * cosine.clamp(min=0)
    return lit * color + light.specular * highlight**light.shininess


def _unit(vectors: Float[Tensor, "count 3"]) -> Float[Tensor, "count 3"]:
    return torch.nn.functional.normalize(vectors, dim=-1, eps=1e-6)  # eps as PyTorch3D's


def covered_pixels(fragments: Fragments) -> VisiblePixels:
    """The covered pixels of dense fragments, as lists."""
    height, width = fragments.face_index.shape
    pixel = fragments.covered.flatten().nonzero().flatten()
    return VisiblePixels(
        pixel,
        fragments.face_index.flatten()[pixel].long(),
        fragments.barycentric.reshape(-1, 3)[pixel],
        fragments.depth_m.flatten()[pixel],
        height,
        width,
    )


def to_uint8(image: Float[Tensor, "*batch 3"]) -> UInt8[Tensor, "*batch 3"]:
    """floor(255 * value), clamped to [0, 255]; truncation, not rounding, as published."""
    return (image.detach().clamp(0, 1) * 255).floor().to(torch.uint8)
