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
from interactvlm.synthetic.preview import best_view, draw_contact

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
    canvas = Image.new("RGB", (3 * SIZE_PX + 8, 2 * (SIZE_PX + 18)), "white")
    canvas.paste(photo.resize((SIZE_PX, SIZE_PX)), (0, SIZE_PX // 2))
    draw = ImageDraw.Draw(canvas)
    for row, found in enumerate(model.predict_contact(photo, labels)):
        top = row * (SIZE_PX + 18)
        view = best_view(torch.from_numpy(truth[row]))
        for column, contact in enumerate((torch.from_numpy(truth[row]), found.mask())):
            body = Image.fromarray(draw_contact(contact, view))
            canvas.paste(body, ((column + 1) * SIZE_PX, top))
        draw.text(
            (SIZE_PX + 6, top + SIZE_PX + 2), f"{labels[row]}: true | found", fill=(20, 20, 20)
        )
    return np.asarray(canvas)


if __name__ == "__main__":
    main()
