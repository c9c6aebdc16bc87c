"""All open models on one photo: people and named objects with boxes, masks, keypoints and depth.

Every step is a file in the result folder, so that a later step can take it from there:
`detections.json`, `masks.npz` (bool, bit-packed by zip), `keypoints.json` (COCO results format),
`depth.npy` (float32), `perception.png` (to look at).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image, ImageDraw

from interactvlm.open_models.boxes import BoxDetector, Detection
from interactvlm.open_models.depth import DepthEstimator, DepthMap
from interactvlm.open_models.keypoints import PoseEstimator
from interactvlm.open_models.loading import Source, resolved_revision
from interactvlm.open_models.masks import Segmenter
from renders.cache import atomic_write

PERSON = "person"
LIMBS = (
    (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15),
    (12, 14), (14, 16), (0, 5), (0, 6),
)  # fmt: skip
"""Pairs of COCO keypoints that are drawn as lines."""
_COLOURS = ((230, 72, 38), (36, 120, 200), (34, 160, 90), (200, 140, 20), (140, 80, 190))


@dataclass(frozen=True)
class PerceptionModels:
    """Which model does which step; a step without a model is left out."""

    boxes: Source
    masks: Source | None = None
    keypoints: Source | None = None
    depth: Source | None = None
    box_threshold: float = 0.3
    """Least confidence of a detection."""

    def steps(self) -> dict[str, Source]:
        """The steps that have a model."""
        named = {n: getattr(self, n) for n in ("boxes", "masks", "keypoints", "depth")}
        return {name: source for name, source in named.items() if source is not None}


@dataclass(frozen=True, eq=False)
class PhotoPerception:
    """What the models saw. Boxes and keypoints are in pixels of a photo of `width` x `height`."""

    detections: tuple[Detection, ...]
    """People first, then objects, best first each."""
    width: int
    height: int
    masks: Bool[np.ndarray, "detections height width"] | None = None
    keypoints: Float32[np.ndarray, "people 17 3"] | None = None
    """x, y, confidence of the detections that are people, in their order."""
    depth: DepthMap | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    """Model and revision per step."""

    def in_pixels_of(self, width: int, height: int) -> "PhotoPerception":
        """Boxes and keypoints at another size of the same photo; maps stay as they are."""
        x, y = width / self.width, height / self.height
        detections = []
        for found in self.detections:
            x0, y0, x1, y1 = found.box_xyxy_px
            detections.append(replace(found, box_xyxy_px=(x0 * x, y0 * y, x1 * x, y1 * y)))
        keypoints = self.keypoints
        if keypoints is not None:
            keypoints = keypoints * np.array([x, y, 1.0], dtype=np.float32)
        return replace(
            self, detections=tuple(detections), keypoints=keypoints, width=width, height=height
        )

    @property
    def people(self) -> tuple[Detection, ...]:
        """Detections that are people."""
        return tuple(d for d in self.detections if d.label == PERSON)


def perceive(
    image: Image.Image, labels: Sequence[str], models: PerceptionModels
) -> PhotoPerception:
    """Find people and the named objects. One model is in memory at a time; a progress bar shows."""
    from tqdm import tqdm

    steps = models.steps()
    bar = tqdm(total=len(steps), desc="perceive", unit="model")
    provenance = {n: f"{s.name}@{resolved_revision(s)}" for n, s in steps.items()}

    wanted = [PERSON, *(label for label in dict.fromkeys(labels) if label != PERSON)]
    found = BoxDetector(models.boxes, threshold=models.box_threshold).find(image, wanted)
    found.sort(key=lambda d: d.label != PERSON)
    bar.update()
    boxes = [d.box_xyxy_px for d in found]
    people = [d.box_xyxy_px for d in found if d.label == PERSON]
    masks = keypoints = depth = None
    if models.masks is not None:
        masks = Segmenter(models.masks).segment(image, boxes)[0]
        bar.update()
    if models.keypoints is not None:
        keypoints = PoseEstimator(models.keypoints).find(image, people)
        bar.update()
    if models.depth is not None:
        depth = DepthEstimator(models.depth).estimate(image)
        bar.update()
    bar.close()
    return PhotoPerception(
        tuple(found), image.width, image.height, masks, keypoints, depth, provenance
    )


def save_perception(folder: Path, image: Image.Image, seen: PhotoPerception) -> list[Path]:
    """Write what was seen; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [_write_json(folder / "detections.json", _described(seen))]
    if seen.masks is not None:
        written.append(folder / "masks.npz")
        with atomic_write(written[-1]) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, masks=seen.masks)
    if seen.keypoints is not None:
        written.append(_write_json(folder / "keypoints.json", _coco_results(seen)))
    if seen.depth is not None:
        written.append(folder / "depth.npy")
        with atomic_write(written[-1]) as temporary, temporary.open("wb") as stream:
            np.save(stream, seen.depth.values, allow_pickle=False)
    written.append(folder / "perception.png")
    with atomic_write(written[-1]) as temporary:
        draw_perception(image, seen).save(temporary, format="PNG")
    return written


def draw_perception(image: Image.Image, seen: PhotoPerception) -> Image.Image:
    """The photo with tinted masks, boxes with labels, and skeletons; depth beside it."""
    seen = seen.in_pixels_of(image.width, image.height)
    canvas = image.convert("RGB").copy()
    for index in range(len(seen.detections) if seen.masks is not None else 0):
        assert seen.masks is not None
        tint = Image.new("RGB", canvas.size, _COLOURS[index % len(_COLOURS)])
        share = Image.fromarray(np.where(seen.masks[index], 96, 0).astype(np.uint8))
        canvas.paste(tint, mask=share)
    pen = ImageDraw.Draw(canvas)
    width = max(2, canvas.width // 300)
    for index, detection in enumerate(seen.detections):
        colour = _COLOURS[index % len(_COLOURS)]
        pen.rectangle(detection.box_xyxy_px, outline=colour, width=width)
        x, y = detection.box_xyxy_px[:2]
        pen.text((x + 2 * width, y + width), f"{detection.label} {detection.score:.2f}", colour)
    for person in seen.keypoints if seen.keypoints is not None else ():
        _draw_skeleton(pen, person, width)
    if seen.depth is None:
        return canvas
    wide = Image.new("RGB", (2 * canvas.width, canvas.height))
    wide.paste(canvas, (0, 0))
    wide.paste(_depth_picture(seen.depth.values).convert("RGB"), (canvas.width, 0))
    return wide


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
    return Image.fromarray((255 * shown).astype(np.uint8))


def _described(seen: PhotoPerception) -> dict[str, Any]:
    return {
        "width": seen.width, "height": seen.height,
        "detections": [asdict(d) for d in seen.detections],
        "depth": None if seen.depth is None else ("metres" if seen.depth.metric else "relative"),
        "models": seen.provenance,
    }  # fmt: skip


def _coco_results(seen: PhotoPerception) -> list[dict[str, Any]]:
    assert seen.keypoints is not None
    return [
        {
            "image_id": 0, "category_id": 1, "score": person.score,
            "keypoints": [round(float(v), 3) for v in points.reshape(-1)],
        }
        for person, points in zip(seen.people, seen.keypoints, strict=True)
    ]  # fmt: skip


def _write_json(path: Path, values: Any) -> Path:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return path
