"""Draws docs/images/overview.png: generated photos, the true contact and what the model finds.

Takes the first scenes of the test split that hold two touched objects, not the best ones.

    python docs/overview_picture.py
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from interactvlm.assets_dir import default_weights
from interactvlm.model import InteractVLM
from interactvlm.synthetic.dataset import generate_scenes, take_picture
from interactvlm.synthetic.preview import draw_contact

SIZE_PX = 192
COUNT = 6


def main() -> None:
    model = InteractVLM.from_pretrained(default_weights())
    tiles = []
    for scene in generate_scenes("test", 7, 0, 48):
        touched = [i for i, contact in enumerate(scene.contact) if contact.any()]
        if len(touched) < 2 or len(tiles) == COUNT:
            continue
        rng = np.random.default_rng([7, scene.state.seed])
        photo = Image.fromarray(take_picture(scene.posed, rng, SIZE_PX)[0]["rgb"])
        labels = [scene.state.objects[i].instance.category for i in touched[:2]]
        tiles.append(_tile(photo, labels, scene.contact[touched[:2]], model))
    rows = [np.concatenate(tiles[i : i + 3], axis=1) for i in range(0, len(tiles), 3)]
    out = Path(__file__).parent / "images" / "overview.png"
    out.parent.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(rows, axis=0)).save(out)
    print(out)


def _tile(photo: Image.Image, labels: list[str], truth: np.ndarray, model: InteractVLM):
    half = SIZE_PX // 2
    canvas = Image.new("RGB", (SIZE_PX + 4 * half + 18, SIZE_PX + 36), "white")
    canvas.paste(photo, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for i, found in enumerate(model.predict_contact(photo, labels)):
        left = SIZE_PX + 6 + i * (2 * half + 6)
        for column, contact in enumerate((torch.from_numpy(truth[i]), found.mask())):
            azimuth_deg = _best_side(torch.from_numpy(truth[i]))
            body = Image.fromarray(draw_contact(contact, azimuth_deg))
            canvas.paste(body, (left + column * half, 0))
        draw.text((left + 4, SIZE_PX + 2), f"{labels[i]}: truth | found", fill=(20, 20, 20))
        draw.text((left + 4, SIZE_PX + 16), found.answer[:34], fill=(110, 110, 110))
    return np.asarray(canvas)


def _best_side(contact: torch.Tensor) -> float:
    """From the front, or from behind when most of the contact is at the back."""
    from human_recovery.topology import get_topology
    from renders.mesh import vertex_normals

    topology = get_topology("anny")
    normals = vertex_normals(topology.canonical_vertices.float(), topology.faces)
    return 200.0 if normals[contact][:, 2].mean() < 0 else 20.0


if __name__ == "__main__":
    main()
