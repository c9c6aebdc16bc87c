"""Pictures of a reconstruction: drawn over the photo, and turned about its middle.

Knows meshes, cameras and colours; knows no fit and no files.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from interactvlm.pictures import INK, heat_colours
from renders.camera import Camera
from renders.mesh import Mesh, face_normals
from renders.rasterizer import visible_pixels

HUMAN, OBJECT = (0.42, 0.62, 0.86), (0.95, 0.76, 0.30)
TURNS_DEG = (0, 60, 120, 180, 240, 300)
_SMALLEST_PX, _LARGEST_PX = 512, 1280
_TILE_PX = 420
_HEIGHT_DEG = 15.0


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


def turntable(scene: Mesh, titles: bool = True) -> Image.Image:
    """The scene from six sides, from a little above the camera's horizon, and from above."""
    middle = (scene.vertices.amax(0) + scene.vertices.amin(0)) / 2
    reach = float((scene.vertices - middle).norm(dim=1).max())
    distance = reach / math.sin(math.radians(20)) * 1.02
    up = torch.tensor([0.0, -1.0, 0.0])
    tiles = []
    for turn in TURNS_DEG:
        a, h = math.radians(turn), math.radians(_HEIGHT_DEG)
        away = torch.tensor([math.sin(a) * math.cos(h), -math.sin(h), -math.cos(a) * math.cos(h)])
        tiles.append((f"{turn} deg", _seen_from(scene, middle + distance * away, middle, up)))
    above = middle + distance * torch.tensor([0.0, -1.0, 0.0])
    tiles.append(("above", _seen_from(scene, above, middle, torch.tensor([0.0, 0.0, 1.0]))))
    columns = 4
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * _TILE_PX, rows * _TILE_PX), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (title, tile) in enumerate(tiles):
        x, y = index % columns * _TILE_PX, index // columns * _TILE_PX
        sheet.paste(tile, (x, y))
        if titles:
            pen.text((x + 10, y + 8), title, INK, ImageFont.load_default(15))
    return sheet


def _seen_from(
    scene: Mesh,
    eye: Float[Tensor, "3"],
    target: Float[Tensor, "3"],
    up: Float[Tensor, "3"],
) -> Image.Image:
    camera = Camera.look_at(eye, target, up, 40.0, 2 * _TILE_PX, 2 * _TILE_PX)
    return _image(draw(scene, camera)[0]).resize((_TILE_PX, _TILE_PX), Image.Resampling.BOX)


def _image(pixels: Float[Tensor, "height width 3"]) -> Image.Image:
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
