"""Pictures of library shapes: one shape from several sides, or a contact sheet with captions.

Frame: the library's (metres, z up, front -y). Knows shapes and colours, nothing of files.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from renders.camera import Camera
from renders.mesh import Mesh, face_normals
from renders.rasterizer import rasterize
from renders.shading import to_uint8

SHEET_VIEW = (28.0, 35.0)
"""Elevation and azimuth in degrees of the one view on a contact sheet: front, from its left."""
FOUR_VIEWS = (SHEET_VIEW, (10.0, 0.0), (10.0, 90.0), (28.0, 215.0))
"""Three-quarter view, front, left side, three-quarter view of the back."""
PLAIN_COLOR = (0.72, 0.72, 0.74)
"""Of a shape without colours."""
_FIELD_OF_VIEW_DEG = 24.0
_LIGHTS = (((-0.35, -0.6, 0.75), 0.42), ((0.9, -0.2, 0.25), 0.2))
"""Direction to each light and its share; the rest is ambient."""
_INK = (30, 30, 34)


def draw_shape(
    mesh: Mesh, view: tuple[float, float] = SHEET_VIEW, size_px: int = 256
) -> UInt8[np.ndarray, "size size 3"]:
    """The whole shape on white, every triangle in one shade, twice oversampled.

    `view` is elevation and azimuth in degrees; azimuth 0 looks at the front, 90 at the left side.
    A mesh without faces or extent gives a white picture.
    """
    if not mesh.num_faces:
        return np.full((size_px, size_px, 3), 255, dtype=np.uint8)
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    radius = float((high - low).norm()) / 2
    if not radius > 0:
        return np.full((size_px, size_px, 3), 255, dtype=np.uint8)
    # Drawn in units of the shape itself: a camera has a nearest distance, a screw is tiny.
    unit = Mesh((mesh.vertices - (low + high) / 2) / radius, mesh.faces)
    camera = _camera(view, 2 * size_px)
    fragments = rasterize(unit, camera)
    shown = fragments.face_index.clamp(min=0)
    lit = _lit_faces(unit, _face_colors(mesh), camera)[shown]
    image = torch.where(fragments.covered[..., None], lit, torch.ones(3))
    smooth = torch.nn.functional.avg_pool2d(image.permute(2, 0, 1)[None], 2)[0]
    return to_uint8(smooth.permute(1, 2, 0)).numpy()


def contact_sheet(
    shapes: Iterable[tuple[str, Mesh]], *, columns: int = 8, tile_px: int = 160
) -> Image.Image:
    """Captioned pictures in rows; draws one shape at a time."""
    tiles = []
    for caption, mesh in shapes:
        tiles.append(_captioned(caption, [draw_shape(mesh, size_px=tile_px)]))
    rows = [tiles[at : at + columns] for at in range(0, len(tiles), columns)]
    return _stacked(rows)


def shape_picture(caption: str, mesh: Mesh, *, tile_px: int = 320) -> Image.Image:
    """One shape from four sides under its caption."""
    return _captioned(caption, [draw_shape(mesh, view, tile_px) for view in FOUR_VIEWS])


def _camera(view: tuple[float, float], size_px: int) -> Camera:
    elevation, azimuth = np.radians(view)
    distance = 1.02 / np.sin(np.radians(_FIELD_OF_VIEW_DEG) / 2)
    toward = np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            -np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
        ]
    )
    eye = torch.tensor(distance * toward, dtype=torch.float32)
    up = torch.tensor([0.0, 0.0, 1.0])
    return Camera.look_at(eye, torch.zeros(3), up, _FIELD_OF_VIEW_DEG, size_px, size_px)


def _face_colors(mesh: Mesh) -> Float[Tensor, "faces 3"]:
    if mesh.vertex_colors is None:
        return torch.tensor(PLAIN_COLOR).expand(mesh.num_faces, 3)
    return mesh.vertex_colors[mesh.faces].mean(1)


def _lit_faces(
    mesh: Mesh, colors: Float[Tensor, "faces 3"], camera: Camera
) -> Float[Tensor, "faces 3"]:
    """Colour of each face under the lights; both of its sides are lit alike."""
    normals = face_normals(mesh.vertices, mesh.faces)
    to_eye = camera.position_world - mesh.vertices[mesh.faces].mean(1)
    normals = torch.where((normals * to_eye).sum(1, keepdim=True) < 0, -normals, normals)
    light = torch.full((mesh.num_faces, 1), 1.0 - sum(share for _, share in _LIGHTS))
    for direction, share in _LIGHTS:
        toward = torch.nn.functional.normalize(torch.tensor(direction), dim=0)
        light = light + 1.3 * share * (normals @ toward).clamp(min=0)[:, None]
    return (colors * light).clamp(max=1)


def _captioned(caption: str, pictures: Sequence[np.ndarray]) -> Image.Image:
    row = np.concatenate(list(pictures), axis=1)
    height = max(14, row.shape[0] // 10)
    image = Image.new("RGB", (row.shape[1], row.shape[0] + height), "white")
    image.paste(Image.fromarray(row), (0, 0))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=0.8 * height)
    middle = (row.shape[1] / 2, row.shape[0] + height / 2)
    draw.text(middle, caption, fill=_INK, font=font, anchor="mm")
    return image


def _stacked(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    if not rows:
        return Image.new("RGB", (1, 1), "white")
    width = max(sum(tile.width for tile in row) for row in rows)
    sheet = Image.new("RGB", (width, sum(row[0].height for row in rows)), "white")
    top = 0
    for row in rows:
        left = 0
        for tile in row:
            sheet.paste(tile, (left, top))
            left += tile.width
        top += row[0].height
    return sheet
