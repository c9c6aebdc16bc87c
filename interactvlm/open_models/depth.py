"""Depth of every pixel: Depth Anything and other depth models of transformers."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image

from interactvlm.open_models.loading import Source, load_image_processor, load_model


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Depth in the photo's pixels."""

    values: Float32[np.ndarray, "height width"]
    """Metres, or inverse depth up to an unknown scale and shift (larger is nearer)."""
    metric: bool
    """Whether `values` are metres."""


class DepthEstimator:
    """One depth model; the config of the model says whether its values are metres."""

    def __init__(self, source: Source) -> None:
        from transformers import AutoModelForDepthEstimation

        self.model = load_model(source, AutoModelForDepthEstimation)
        self.processor = load_image_processor(source)
        kind = getattr(self.model.config, "depth_estimation_type", "relative")
        self.metric = kind == "metric"

    @torch.no_grad()
    def estimate(self, image: Image.Image) -> DepthMap:
        """Depth of a photo."""
        inputs = self.processor(images=image, return_tensors="pt")
        output = self.model(inputs["pixel_values"].to(self.model.device))
        size = (image.height, image.width)
        result = self.processor.post_process_depth_estimation(output, target_sizes=[size])[0]
        values = result["predicted_depth"].float().cpu().numpy()
        return DepthMap(np.ascontiguousarray(values, dtype=np.float32), self.metric)
