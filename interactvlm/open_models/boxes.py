"""Boxes of named things: Grounding DINO."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor

from interactvlm.errors import InputError
from interactvlm.open_models.loading import Source, load, load_image_processor, load_model

OVERLAP_MERGED = 0.7
"""Boxes of one label that overlap more (intersection over union) count as one."""


@dataclass(frozen=True)
class Detection:
    """One thing found in a photo."""

    label: str
    """The label asked for."""
    score: float
    """Confidence, 0 to 1."""
    box_xyxy_px: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels of the photo, clipped to it."""


class BoxDetector:
    """Grounding DINO: any labels in words, all in one pass."""

    def __init__(self, source: Source, *, threshold: float = 0.3) -> None:
        from transformers import AutoTokenizer, GroundingDinoForObjectDetection

        self.threshold = threshold
        self.model = load_model(source, GroundingDinoForObjectDetection)
        self.image_processor = load_image_processor(source)
        self.tokenizer: Any = load(source, AutoTokenizer.from_pretrained)

    @torch.no_grad()
    def find(self, image: Image.Image, labels: Sequence[str]) -> list[Detection]:
        """Everything above the threshold, best first. Raises InputError for an unusable label."""
        names = [_plain(label) for label in labels]
        if not names:
            return []
        text = self.tokenizer(" ".join(f"{name}." for name in names), return_tensors="pt")
        pixels = self.image_processor(images=image, return_tensors="pt")
        inputs = {**pixels, **text}
        inputs = {name: value.to(self.model.device) for name, value in inputs.items()}
        output = self.model(**inputs)
        probability = output.logits[0].sigmoid().float().cpu()
        boxes = corner_boxes(output.pred_boxes[0].float().cpu(), image.width, image.height)
        found = []
        spans = label_spans(text["input_ids"][0], self._full_stop(), len(names))
        for label, span in zip(labels, spans, strict=True):
            score = probability[:, span].amax(1)
            kept = strongest(boxes, score, self.threshold)
            for index in kept.tolist():
                x0, y0, x1, y1 = boxes[index].tolist()
                found.append(Detection(label, float(score[index]), (x0, y0, x1, y1)))
        return sorted(found, key=lambda detection: -detection.score)

    def _full_stop(self) -> int:
        return int(self.tokenizer.convert_tokens_to_ids("."))


def label_spans(
    input_ids: Int[Tensor, "tokens"], full_stop: int, count: int
) -> list[Int[Tensor, "span"]]:
    """Positions of each label's words in "[CLS] a chair . a cup . [SEP]"."""
    stops = (input_ids == full_stop).nonzero().flatten().tolist()[:count]
    starts = [1, *(stop + 1 for stop in stops)]
    return [torch.arange(start, stop) for start, stop in zip(starts, stops, strict=False)]


def corner_boxes(
    boxes: Float[Tensor, "boxes 4"], width: int, height: int
) -> Float[Tensor, "boxes 4"]:
    """Centre and size as shares of the photo to corners in pixels, clipped to the photo."""
    half = boxes[:, 2:] / 2
    corners = torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1).clamp(0, 1)
    return corners * corners.new_tensor([width, height, width, height])


def strongest(
    boxes: Float[Tensor, "boxes 4"], score: Float[Tensor, "boxes"], threshold: float
) -> Int[Tensor, "kept"]:
    """Indices above the threshold, best first, without near copies and empty boxes."""
    solid = (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
    order = score.argsort(descending=True)
    order = order[((score >= threshold) & solid)[order]]
    kept: list[int] = []
    for index in order.tolist():
        if not kept or not bool(_copies(boxes[index], boxes[kept]).any()):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)


def _copies(box: Float[Tensor, "4"], others: Float[Tensor, "boxes 4"]) -> Bool[Tensor, "boxes"]:
    low, high = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return shared > OVERLAP_MERGED * (areas - shared)


def _plain(label: str) -> str:
    name = " ".join(label.lower().replace("_", " ").split())
    if not name or "." in name:
        raise InputError(f"object label must be words without a full stop, got {label!r}")
    return name
