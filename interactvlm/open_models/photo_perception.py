"""All open models on one photo: people and named objects with boxes, masks, keypoints and depth.

Knows which model does which step; knows no file (`perception_files`) and no picture
(`perception_picture`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image

from interactvlm.open_models.boxes import BoxDetector, Detection
from interactvlm.open_models.depth import DepthEstimator, DepthMap
from interactvlm.open_models.keypoints import PoseEstimator
from interactvlm.open_models.loading import Source, resolved_revision
from interactvlm.open_models.masks import MaskPrompt, Segmenter

PERSON = "person"


@dataclass(frozen=True)
class PerceptionModels:
    """Which model does which step; a step without a model is left out."""

    boxes: Source
    masks: Source | None = None
    keypoints: Source | None = None
    depth: Source | None = None
    box_threshold: float = 0.3
    """Least confidence of a detection."""
    kept: bool = False
    """Whether models stay in memory for the next photo; else there is one at a time."""

    def opened(self, kind: type, source: Source, **options: Any) -> Any:
        """The model of a step, loaded now or kept from an earlier photo."""
        return _kept(kind, source, **options) if self.kept else kind(source, **options)

    def steps(self) -> dict[str, Source]:
        """The steps that have a model."""
        named = {n: getattr(self, n) for n in ("boxes", "masks", "keypoints", "depth")}
        return {name: source for name, source in named.items() if source is not None}


@cache
def _kept(kind: type, source: Source, **options: Any) -> Any:
    return kind(source, **options)


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
    """Find people and the named objects; a progress bar shows while models are loaded for it."""
    from tqdm import tqdm

    steps = models.steps()
    bar = tqdm(total=len(steps), desc="perceive", unit="model", disable=models.kept)
    provenance = {n: f"{s.name}@{resolved_revision(s)}" for n, s in steps.items()}

    wanted = [PERSON, *(label for label in dict.fromkeys(labels) if label != PERSON)]
    detector = models.opened(BoxDetector, models.boxes, threshold=models.box_threshold)
    found = detector.find(image, wanted)
    del detector
    found.sort(key=lambda d: d.label != PERSON)
    bar.update()
    people = [d.box_xyxy_px for d in found if d.label == PERSON]
    masks = keypoints = depth = None
    if models.masks is not None:
        prompts = [MaskPrompt(d.box_xyxy_px) for d in found]
        masks = models.opened(Segmenter, models.masks).segment(image, prompts)[0]
        bar.update()
    if models.keypoints is not None:
        keypoints = models.opened(PoseEstimator, models.keypoints).find(image, people)
        bar.update()
    if models.depth is not None:
        depth = models.opened(DepthEstimator, models.depth).estimate(image)
        bar.update()
    bar.close()
    return PhotoPerception(
        tuple(found), image.width, image.height, masks, keypoints, depth, provenance
    )
