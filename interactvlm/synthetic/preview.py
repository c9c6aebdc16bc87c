"""A contact sheet of generated scenes: photo, labels, and the true contact on the body."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw

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
    bodies = [draw_contact(contact, azimuth_deg) for azimuth_deg in (20.0, 200.0)]
    words = [
        f"{o.label}: {o.interaction.replace('_', ' ')}{'' if o.side == 'none' else ' ' + o.side}"
        + ("" if o.touched else " (untouched)")
        for o in scene.objects
    ]
    canvas = Image.new("RGB", (2 * _TILE_PX + 8, _TILE_PX + 14 * 3 + 6), "white")
    canvas.paste(picture, (0, 0))
    for i, body in enumerate(bodies):
        canvas.paste(Image.fromarray(body), (_TILE_PX + 4 + i * _TILE_PX // 2, 0))
    draw = ImageDraw.Draw(canvas)
    for line, text in enumerate(words[:3]):
        draw.text((4, _TILE_PX + 3 + 14 * line), text, fill=(20, 20, 20))
    return np.asarray(canvas)


def draw_contact(contact: torch.Tensor, azimuth_deg: float) -> UInt8[np.ndarray, "height width 3"]:
    """The canonical body with touching vertices in red, half a tile wide."""
    topology = get_topology("anny")
    vertices = topology.canonical_vertices.float()
    middle = (vertices.amin(0) + vertices.amax(0)) / 2
    angle = np.radians(azimuth_deg)
    eye = middle + torch.tensor([3.6 * np.sin(angle), 0.5, 3.6 * np.cos(angle)]).float()
    camera = Camera.look_at(
        eye, middle, torch.tensor([0.0, 1.0, 0.0]), 30.0, _TILE_PX, _TILE_PX // 2
    )
    colors = torch.where(contact[:, None], torch.tensor(_CONTACT), torch.tensor(_BODY))
    fragments = rasterize(Mesh(vertices, topology.faces), camera)
    towards = torch.nn.functional.normalize(eye - middle, dim=0)
    shade = 0.55 + 0.45 * (vertex_normals(vertices, topology.faces) @ towards).clamp(min=0)
    image = interpolate(colors * shade[:, None], topology.faces, fragments)
    image = torch.where((fragments.face_index >= 0)[..., None], image, torch.ones(()))
    return (image.clamp(0, 1) * 255).byte().numpy()
