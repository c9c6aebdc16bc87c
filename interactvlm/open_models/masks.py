"""Masks of boxed or pointed-at things: SAM."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from interactvlm.errors import InputError
from interactvlm.open_models.loading import Source, load_image_processor, load_model

Point = tuple[float, float]


@dataclass(frozen=True)
class MaskPrompt:
    """What one mask is wanted of, in pixels of the photo: a box, points, or both."""

    box_xyxy_px: tuple[float, float, float, float] | None = None
    """The box around it."""
    points_on_px: tuple[Point, ...] = ()
    """Points on it."""
    points_off_px: tuple[Point, ...] = ()
    """Points near it that do not belong to it."""

    def __post_init__(self) -> None:
        if self.box_xyxy_px is None and not self.points_on_px:
            raise InputError("a mask needs a box or a point on the thing it is wanted of")
        points = (*self.points_on_px, *self.points_off_px)
        if not all(math.isfinite(v) for point in points for v in point):
            raise InputError(f"points must be pairs of finite numbers, got {points!r}")


class Segmenter:
    """SAM with one prompt per mask; the photo is encoded once."""

    def __init__(self, source: Source) -> None:
        from transformers import SamModel

        self.model = load_model(source, SamModel)
        self.processor: Any = load_image_processor(source)

    @torch.no_grad()
    def segment(
        self, image: Image.Image, prompts: Sequence[MaskPrompt]
    ) -> tuple[Bool[np.ndarray, "prompts height width"], Float[np.ndarray, "prompts"]]:
        """A mask per prompt in the photo's pixels, and SAM's own estimate of its overlap.

        Raises InputError for a point outside the photo.
        """
        if not prompts:
            return np.zeros((0, image.height, image.width), bool), np.zeros(0, np.float32)
        for prompt in prompts:
            _require_inside(prompt, image)
        inputs = self.processor(images=image, return_tensors="pt")
        sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
        pixels = inputs["pixel_values"].float().to(self.model.device)
        encoded = self.model.get_image_embeddings(pixels)
        height, width = (int(side) for side in sizes[1][0])
        scale = torch.tensor([width / image.width, height / image.height])
        # One call per prompt: prompts of different kinds do not fit into one batch.
        outputs = [
            self.model(
                image_embeddings=encoded, multimask_output=False, **self._inputs(prompt, scale)
            )
            for prompt in prompts
        ]
        low = torch.cat([output.pred_masks for output in outputs], dim=1).cpu()
        masks = self.processor.post_process_masks(low, *sizes)
        quality = torch.cat([output.iou_scores[0, :, 0] for output in outputs])
        return masks[0][:, 0].numpy(), quality.float().cpu().numpy()

    def _inputs(self, prompt: MaskPrompt, scale: Float[Tensor, "2"]) -> dict[str, Tensor]:
        """A prompt in pixels of what the model sees; one picture, one prompt."""
        inputs: dict[str, Tensor] = {}
        if prompt.box_xyxy_px is not None:
            box = torch.tensor(prompt.box_xyxy_px) * scale.repeat(2)
            inputs["input_boxes"] = box[None, None]
        points = (*prompt.points_on_px, *prompt.points_off_px)
        if points:
            kinds = [1] * len(prompt.points_on_px) + [0] * len(prompt.points_off_px)
            inputs["input_points"] = (torch.tensor(points) * scale)[None, None]
            inputs["input_labels"] = torch.tensor(kinds)[None, None]
        return {name: value.to(self.model.device) for name, value in inputs.items()}


def _require_inside(prompt: MaskPrompt, image: Image.Image) -> None:
    for x, y in (*prompt.points_on_px, *prompt.points_off_px):
        if not (0 <= x <= image.width and 0 <= y <= image.height):
            raise InputError(
                f"point ({x:g}, {y:g}) lies outside the photo of {image.width}x{image.height} px"
            )
