"""What open models saw, drawn over the photo. Knows pixels and colours; knows no model."""

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image, ImageDraw

from interactvlm.open_models.photo_perception import PERSON, PhotoPerception

LIMBS = (
    (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15),
    (12, 14), (14, 16), (0, 5), (0, 6),
)  # fmt: skip
"""Pairs of COCO keypoints that are drawn as lines."""
_COLOURS = ((230, 72, 38), (36, 120, 200), (34, 160, 90), (200, 140, 20), (140, 80, 190))


def draw_perception(image: Image.Image, seen: PhotoPerception) -> Image.Image:
    """The photo with tinted masks, boxes with labels, and skeletons; depth beside it.

    People carry the numbers that `--person` takes.
    """
    seen = seen.in_pixels_of(image.width, image.height)
    canvas = image.convert("RGB").copy()
    for index, mask in enumerate(seen.masks if seen.masks is not None else ()):
        tint = Image.new("RGB", canvas.size, _COLOURS[index % len(_COLOURS)])
        canvas.paste(tint, mask=_share(mask, canvas.size))
    pen = ImageDraw.Draw(canvas)
    width = max(2, canvas.width // 300)
    for index, detection in enumerate(seen.detections):
        colour = _COLOURS[index % len(_COLOURS)]
        pen.rectangle(detection.box_xyxy_px, outline=colour, width=width)
        # People come first, so their place in the list is their number.
        number = f" {index + 1}" if detection.label == PERSON else ""
        x, y = detection.box_xyxy_px[:2]
        text = f"{detection.label}{number} {detection.score:.2f}"
        pen.text((x + 2 * width, y + width), text, colour)
    for person in seen.keypoints if seen.keypoints is not None else ():
        _draw_skeleton(pen, person, width)
    if seen.depth is None:
        return canvas
    wide = Image.new("RGB", (2 * canvas.width, canvas.height))
    wide.paste(canvas, (0, 0))
    wide.paste(_depth_picture(seen.depth.values).resize(canvas.size), (canvas.width, 0))
    return wide


def _share(mask: Bool[np.ndarray, "height width"], size: tuple[int, int]) -> Image.Image:
    """How much of the tint each pixel of a picture gets; a mask may have another size."""
    share = Image.fromarray(np.where(mask, 96, 0).astype(np.uint8))
    return share if share.size == size else share.resize(size, Image.Resampling.NEAREST)


def _draw_skeleton(
    pen: ImageDraw.ImageDraw, person: Float32[np.ndarray, "17 3"], width: int
) -> None:
    sure = person[:, 2] > 0.3
    for a, b in LIMBS:
        if sure[a] and sure[b]:
            pen.line([*person[a, :2].tolist(), *person[b, :2].tolist()], (255, 255, 255), width)
    for x, y, _ in person[sure].tolist():
        pen.ellipse([x - width, y - width, x + width, y + width], (20, 20, 20))


def _depth_picture(values: Float32[np.ndarray, "height width"]) -> Image.Image:
    low, high = np.percentile(values, (1, 99))
    shown = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1)
    return Image.fromarray((255 * shown).astype(np.uint8)).convert("RGB")
