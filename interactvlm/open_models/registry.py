"""Which open models are used by default, with licence and size. Names only, no imports."""

from dataclasses import dataclass
from typing import Literal

Task = Literal["boxes", "masks", "keypoints", "depth", "words"]


@dataclass(frozen=True)
class OpenModel:
    """One ungated model on the Hugging Face hub."""

    task: Task
    """What it is used for."""
    hub_id: str
    """`owner/name` on the hub."""
    licence: str
    """As its model card states it."""
    size_mb: int
    """About what is downloaded."""
    transformers_class: str
    """The class that runs it."""
    revision: str = "main"
    """Used where the user's lock file (`pins`) holds no commit. The table names no commits: none
    could be looked up and tried when it was written."""


OPEN_MODELS: tuple[OpenModel, ...] = (
    OpenModel("boxes", "IDEA-Research/grounding-dino-tiny", "Apache-2.0", 690,
              "GroundingDinoForObjectDetection"),
    OpenModel("masks", "facebook/sam-vit-base", "Apache-2.0", 375, "SamModel"),
    OpenModel("keypoints", "usyd-community/vitpose-base-simple", "Apache-2.0", 345,
              "VitPoseForPoseEstimation"),
    OpenModel("depth", "depth-anything/Depth-Anything-V2-Small-hf", "Apache-2.0", 100,
              "DepthAnythingForDepthEstimation"),
    OpenModel("words", "HuggingFaceTB/SmolVLM-256M-Instruct", "Apache-2.0", 515,
              "AutoModelForImageTextToText"),
)  # fmt: skip


def default_model(task: Task) -> OpenModel:
    """The model used for a task when none is named."""
    return next(model for model in OPEN_MODELS if model.task == task)
