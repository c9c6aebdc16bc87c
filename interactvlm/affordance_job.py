"""What `interactvlm affordance` does: photo and object in, result folder out.

Ties reading, model and report together; knows no command line. A model may be handed in, so that
many photos load it once.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from interactvlm.assets_dir import default_weights
from interactvlm.config import InteractVLMConfig
from interactvlm.errors import InputError
from interactvlm.object_file import UpAxis, load_object
from interactvlm.photo_job import (
    PhotoRequest,
    Watch,
    checked_device,
    config_of,
    known_labels,
    load_model,
    memory_told,
    read_asked,
)
from interactvlm.photo_result import Answered, PhotoResult, finished_result
from interactvlm.provenance import provenance_of
from interactvlm.questions import ObjectJob, begun_answer
from interactvlm.results import ContactMap


@runtime_checkable
class AffordanceModel(Protocol):
    """What of a model this job uses."""

    config: InteractVLMConfig

    def known_label(self, label: str) -> str:
        """The label in the model's spelling; InputError when it is unknown."""
        ...

    def predict_affordance(
        self,
        image: Any,
        label: str,
        surface: Any,
        *,
        affordance: str = "",
        ask: ObjectJob | None = None,
        box_xyxy_px: Any = None,
    ) -> ContactMap:
        """Contact or affordance on an object's mesh or points."""
        ...


@dataclass(frozen=True)
class AffordanceRequest(PhotoRequest):
    """One photo and the question about one object; at most one label names it."""

    object_file: Path = field(kw_only=True)
    """Mesh or point cloud."""
    up: UpAxis = "y"
    """Which axis of the object's own frame points up."""
    affordance: str = ""
    """The use asked about; empty lets the model name one."""
    ask: ObjectJob | None = None
    """Contact or affordance; None is what the weights were trained for."""

    def __post_init__(self) -> None:
        if len(self.labels) > 1:
            raise InputError(f"one object has one label, got {list(self.labels)}")


def load_affordance_model(request: AffordanceRequest) -> AffordanceModel:
    """The model a request asks for; handed to `run_affordance`, it serves many photos.

    Raises InputError, AssetError and ResourceError as `run_affordance` does.
    """
    device, weights = checked_device(request.device), _weights(request)
    job = request.ask or config_of(weights).object_job
    return load_model(weights, device, request.placement, job)


def _weights(request: AffordanceRequest) -> Path:
    return (request.weights or default_weights()).expanduser()


def run_affordance(request: AffordanceRequest, model: AffordanceModel | None = None) -> PhotoResult:
    """Answers the request and writes its result folder.

    Raises:
        InputError: the photo, object, label, affordance, box or device cannot be used, or the
            weights were never trained for objects.
        AssetError: the model folder is missing or damaged.
        ResourceError: memory or disk does not suffice.
    """
    watch = Watch()
    # What fails in milliseconds first: a model may take a minute to load.
    device, weights = checked_device(request.device), _weights(request)
    config = config_of(weights) if model is None else model.config
    job = request.ask or config.object_job
    config.require_trained_for(job)
    begun_answer(config, request.affordance, job)
    with watch.step("object"), memory_told("cpu"):
        shape = load_object(request.object_file, request.up)
    asked = read_asked(request, watch)
    with watch.step("load"):
        asking = model or load_affordance_model(request)
        provenance = provenance_of(asked.photo.sha256, weights, seed=request.seed, device=device)
    (label,) = known_labels(asking, request.labels)
    with watch.step("predict"), memory_told(device):
        torch.manual_seed(request.seed)
        contact = asking.predict_affordance(
            asked.photo.image,
            label,
            shape.surface,
            affordance=request.affordance,
            ask=request.ask,
            box_xyxy_px=asked.image_box,
        )
    given = f"the affordance {contact.affordance!r} was given; the model did not choose it"
    answered = Answered(
        maps=[shape.on_all_points(contact)],
        config=asking.config,
        provenance=provenance,
        timings_s=watch.seconds,
        shape=shape,
        notes=(*shape.notes, *((given,) if request.affordance else ())),
    )
    return finished_result(request.out, asked, answered)
