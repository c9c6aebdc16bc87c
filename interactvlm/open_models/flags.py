"""Which open model does which step of perception, as the command line says it.

One meaning of these flags for every verb that has them. Imports nothing heavy: the help of a verb
shows them without loading a model library.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interactvlm.open_models.loading import Source
    from interactvlm.open_models.photo_perception import PerceptionModels
    from interactvlm.open_models.registry import Task

LEFT_OUT = "none"
"""What leaves a step out."""


@dataclass(frozen=True)
class PerceptionFlags:
    """Models that see people and objects."""

    boxes: str = ""
    """Grounding DINO: folder, or hub id with perhaps @REVISION. Empty: see `interactvlm models`."""
    masks: str = ""
    """SAM: folder or hub id; `none` leaves masks out."""
    keypoints: str = ""
    """ViTPose: folder or hub id; `none` leaves keypoints out."""
    depth: str = ""
    """Depth model: folder or hub id; `none` leaves depth out."""
    box_threshold: float = 0.3
    """Least confidence of a box."""


def chosen_models(flags: PerceptionFlags, *, offline: bool, device: str) -> "PerceptionModels":
    """The models that the flags name, nothing loaded yet. Raises InputError without boxes."""
    from interactvlm.errors import InputError
    from interactvlm.open_models.photo_perception import PerceptionModels

    def source(task: "Task", name: str) -> "Source | None":
        return None if name == LEFT_OUT else _source(task, name, offline=offline, device=device)

    boxes = source("boxes", flags.boxes)
    if boxes is None:
        raise InputError("boxes cannot be left out: masks and keypoints start from them")
    if not 0 <= flags.box_threshold <= 1:
        raise InputError(f"--box-threshold must lie between 0 and 1, got {flags.box_threshold!r}")
    return PerceptionModels(
        boxes=boxes,
        masks=source("masks", flags.masks),
        keypoints=source("keypoints", flags.keypoints),
        depth=source("depth", flags.depth),
        box_threshold=flags.box_threshold,
    )


def _source(task: "Task", name: str, *, offline: bool, device: str) -> "Source":
    """The named model of a step, its default for ""."""
    from interactvlm.open_models.loading import named_source
    from interactvlm.open_models.registry import default_model

    default = default_model(task)
    if name:
        return named_source(name, offline=offline, device=device)
    return named_source(default.hub_id, default=default.revision, offline=offline, device=device)
