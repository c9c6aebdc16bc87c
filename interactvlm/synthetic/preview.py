"""A contact sheet of generated scenes: photo, labels, and the true contact on the body."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from human_recovery.topology import get_topology
from interactvlm.synthetic.shards import SceneRecord, SceneShards
from renders.cache import atomic_write
from renders.camera import Camera
from renders.mesh import Mesh, vertex_normals
from renders.rasterizer import interpolate, rasterize

_TILE_PX = 192
_COLUMNS = 4
_BODY = (0.78, 0.80, 0.84)
_CONTACT = (0.93, 0.16, 0.12)
VIEWS_DEG = ((20.0, 12.0), (200.0, 12.0), (20.0, -42.0), (160.0, -42.0))
"""(azimuth, elevation) of pictures of the body: front, back, and both from below."""


def draw_preview(folder: Path, out: Path, *, count: int = 24) -> Path:
    """Draw the first `count` scenes of a split to a PNG; returns its path."""
    shards = SceneShards(folder)
    tiles = [_tile(shards, scene) for scene in shards.scenes[:count]]
    while len(tiles) % _COLUMNS:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [np.concatenate(tiles[i : i + _COLUMNS], axis=1) for i in range(0, len(tiles), _COLUMNS)]
    with atomic_write(out) as temporary:
        Image.fromarray(np.concatenate(rows, axis=0)).save(temporary, format="PNG")
    return out


def _tile(shards: SceneShards, scene: SceneRecord) -> UInt8[np.ndarray, "height width 3"]:
    picture = Image.fromarray(shards.picture(scene).rgb).resize((_TILE_PX, _TILE_PX))
    contact = torch.from_numpy(shards.contact(scene)).any(0)
    body = draw_contact(contact, best_view(contact))
    words = [
        f"{o.label}: {o.interaction.replace('_', ' ')}{'' if o.side == 'none' else ' ' + o.side}"
        + ("" if o.touched else " (untouched)")
        for o in scene.objects
    ]
    canvas = Image.new("RGB", (2 * _TILE_PX + 8, _TILE_PX + 14 * 3 + 6), "white")
    canvas.paste(picture, (0, 0))
    canvas.paste(Image.fromarray(body), (_TILE_PX + 4, 0))
    draw = ImageDraw.Draw(canvas)
    for line, text in enumerate(words[:3]):
        draw.text((4, _TILE_PX + 3 + 14 * line), text, fill=(20, 20, 20))
    return np.asarray(canvas)


def best_view(contact: Bool[Tensor, "verts"]) -> tuple[float, float]:
    """The view of `VIEWS_DEG` that the contact faces most: palms and soles are seen from below."""
    topology = get_topology("anny")
    normals = vertex_normals(topology.canonical_vertices.float(), topology.faces)[contact]
    facing = [float((normals @ _direction(*view)).clamp(min=0).sum()) for view in VIEWS_DEG]
    return VIEWS_DEG[int(np.argmax(facing))]


def draw_contact(
    contact: Bool[Tensor, "verts"], view_deg: tuple[float, float]
) -> UInt8[np.ndarray, "height width 3"]:
    """The canonical body with touching vertices in red; `view_deg` is (azimuth, elevation)."""
    topology = get_topology("anny")
    vertices = topology.canonical_vertices.float()
    middle = (vertices.amin(0) + vertices.amax(0)) / 2
    towards = _direction(*view_deg)
    camera = Camera.look_at(
        middle + 3.6 * towards, middle, torch.tensor([0.0, 1.0, 0.0]), 32.0, _TILE_PX, _TILE_PX
    )
    colors = torch.where(contact[:, None], torch.tensor(_CONTACT), torch.tensor(_BODY))
    fragments = rasterize(Mesh(vertices, topology.faces), camera)
    shade = 0.55 + 0.45 * (vertex_normals(vertices, topology.faces) @ towards).clamp(min=0)
    image = interpolate(colors * shade[:, None], topology.faces, fragments)
    image = torch.where((fragments.face_index >= 0)[..., None], image, torch.ones(()))
    return (image.clamp(0, 1) * 255).byte().numpy()


def _direction(azimuth_deg: float, elevation_deg: float) -> Float[Tensor, "3"]:
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    flat = np.cos(elevation)
    return torch.tensor(
        [flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)], dtype=torch.float32
    )
