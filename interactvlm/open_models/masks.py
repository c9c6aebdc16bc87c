"""Masks of boxed things: SAM."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image

from interactvlm.open_models.loading import Source, load_image_processor, load_model


class Segmenter:
    """SAM with one box as the prompt of one mask; the photo is encoded once."""

    def __init__(self, source: Source) -> None:
        from transformers import SamModel, SamProcessor

        self.model = load_model(source, SamModel)
        self.processor: Any = SamProcessor(load_image_processor(source))

    @torch.no_grad()
    def segment(
        self, image: Image.Image, boxes_xyxy_px: Sequence[tuple[float, float, float, float]]
    ) -> tuple[Bool[np.ndarray, "boxes height width"], Float[np.ndarray, "boxes"]]:
        """A mask per box in the photo's pixels, and SAM's own estimate of its overlap."""
        if not boxes_xyxy_px:
            return np.zeros((0, image.height, image.width), bool), np.zeros(0, np.float32)
        boxes = [[list(map(float, box)) for box in boxes_xyxy_px]]
        inputs = self.processor(images=image, input_boxes=boxes, return_tensors="pt")
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        inputs = {
            # Coordinates come in double precision, which the model's weights are not.
            name: (value.float() if value.is_floating_point() else value).to(self.model.device)
            for name, value in inputs.items()
        }
        output = self.model(**inputs, multimask_output=False)
        masks = self.processor.image_processor.post_process_masks(output.pred_masks.cpu(), *sizes)
        return masks[0][:, 0].numpy(), output.iou_scores[0, :, 0].float().cpu().numpy()
