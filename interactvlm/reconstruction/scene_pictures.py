"""Pictures of a reconstruction: drawn over the photo, and turned about its middle.

Knows meshes, cameras and colours; knows no fit and no files.
"""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from interactvlm.pictures import INK, heat_colours
from object_retrieval.views import Studio, picture_of
from renders.camera import Camera
from renders.mesh import Mesh, face_normals
from renders.rasterizer import visible_pixels

HUMAN, OBJECT = (0.42, 0.62, 0.86), (0.95, 0.76, 0.30)
TURNS_DEG = (0, 60, 120, 180, 240, 300)
_SMALLEST_PX, _LARGEST_PX = 512, 1280
_TILE_PX = 420
_COLUMNS = 4
_FRONT_DEG, _HEIGHT_DEG = -90.0, 15.0
"""Where the first view of the turntable stands: on the photo's side, a little above."""


def coloured(
    mesh: Mesh, colour: tuple[float, float, float], heat: Float[Tensor, "verts"] | None
) -> Mesh:
    """The mesh in one colour, with contact in heat colours on top."""
    base = torch.tensor(colour).expand(mesh.num_vertices, 3)
    if heat is None:
        return mesh.with_colors(base.clone())
    shown = (heat >= 0.1)[:, None]
    return mesh.with_colors(torch.where(shown, heat_colours(heat), base))


def joined(meshes: list[Mesh]) -> Mesh:
    """Several coloured meshes as one."""
    starts = np.cumsum([0, *(m.num_vertices for m in meshes)])
    faces = [m.faces.long() + int(start) for m, start in zip(meshes, starts, strict=False)]
    colours = [m.vertex_colors for m in meshes if m.vertex_colors is not None]
    return Mesh(torch.cat([m.vertices for m in meshes]), torch.cat(faces), torch.cat(colours))


def draw(mesh: Mesh, camera: Camera) -> tuple[Float[Tensor, "height width 3"], Tensor]:
    """Colours lit from the camera, flat and from both sides, and which pixels are covered."""
    assert mesh.vertex_colors is not None
    seen = visible_pixels(mesh, camera)
    corners = mesh.faces.long()[seen.face_index]
    colour = (mesh.vertex_colors[corners] * seen.barycentric[..., None].to(mesh.vertices)).sum(1)
    normals = face_normals(mesh.vertices, mesh.faces)[seen.face_index]
    place = camera.to_camera(mesh.vertices)[corners].mean(1)
    turn = camera.camera_from_world[:3, :3].to(normals)
    toward = -torch.nn.functional.normalize(place, dim=-1)
    light = ((normals @ turn.T) * toward).sum(-1).abs()
    canvas = torch.ones(camera.height_px * camera.width_px, 3)
    canvas[seen.pixel_index] = (colour * (0.35 + 0.65 * light[:, None])).clamp(0, 1)
    covered = torch.zeros(camera.height_px * camera.width_px, dtype=torch.bool)
    covered[seen.pixel_index] = True
    size = (camera.height_px, camera.width_px)
    return canvas.view(*size, 3), covered.view(size)


def overlay(photo: Image.Image, camera: Camera, scene: Mesh, share: float = 0.8) -> Image.Image:
    """Photo on the left, the scene drawn over it on the right."""
    longer = max(photo.size)
    factor = min(max(longer, _SMALLEST_PX), _LARGEST_PX) / longer
    size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    shown = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    colour, covered = draw(scene, camera.resized(size[1], size[0]))
    pixels = torch.from_numpy(np.asarray(shown).copy()).float() / 255
    mixed = torch.where(covered[..., None], share * colour + (1 - share) * pixels, pixels)
    both = torch.cat([pixels, mixed], dim=1)
    return _image(both)


def turntable(scene: Mesh) -> Image.Image:
    """The scene from six sides, from a little above the camera's horizon, and from above."""
    x, y, z = scene.vertices.unbind(1)
    upright = Mesh(torch.stack([x, z, -y], dim=1), scene.faces, scene.vertex_colors)
    views = [(f"{turn} deg", Studio(_FRONT_DEG + turn, _HEIGHT_DEG)) for turn in TURNS_DEG]
    views.append(("above", Studio(_FRONT_DEG, 89.0)))
    rows = -(-len(views) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _TILE_PX, rows * _TILE_PX), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (title, studio) in enumerate(views):
        left, top = index % _COLUMNS * _TILE_PX, index // _COLUMNS * _TILE_PX
        sheet.paste(Image.fromarray(picture_of(upright, _TILE_PX, studio)), (left, top))
        pen.text((left + 10, top + 8), title, INK, ImageFont.load_default(15))
    return sheet


def _image(pixels: Float[Tensor, "height width 3"]) -> Image.Image:
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
