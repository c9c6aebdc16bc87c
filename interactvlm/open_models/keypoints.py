"""2D keypoints of boxed people: ViTPose, in COCO's order."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image

from interactvlm.errors import AssetError
from interactvlm.open_models.loading import Source, load_image_processor, load_model

COCO_KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


class PoseEstimator:
    """ViTPose on one crop per person."""

    def __init__(self, source: Source) -> None:
        from transformers import VitPoseForPoseEstimation

        self.model = load_model(source, VitPoseForPoseEstimation)
        self.processor = load_image_processor(source)
        labels = self.model.config.num_labels
        if labels != len(COCO_KEYPOINTS):
            raise AssetError(
                f"pose model has {labels} keypoints, COCO's {len(COCO_KEYPOINTS)} are read: "
                f"{source.name!r}"
            )

    @torch.no_grad()
    def find(
        self, image: Image.Image, boxes_xyxy_px: Sequence[tuple[float, float, float, float]]
    ) -> Float32[np.ndarray, "people 17 3"]:
        """x, y in the photo's pixels and confidence, per person box."""
        if not boxes_xyxy_px:
            return np.zeros((0, len(COCO_KEYPOINTS), 3), np.float32)
        boxes = np.array(
            [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in boxes_xyxy_px], dtype=np.float32
        )
        inputs = self.processor(images=image, boxes=[boxes], return_tensors="pt")
        output = self.model(inputs["pixel_values"].float().to(self.model.device))
        people = self.processor.post_process_pose_estimation(output, boxes=[boxes])[0]
        rows = [np.column_stack([p["keypoints"].numpy(), p["scores"].numpy()]) for p in people]
        return np.stack(rows).astype(np.float32)
