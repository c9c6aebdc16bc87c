"""What `interactvlm contact` does: photo and labels in, result folder out.

Ties reading, model and report together; knows no command line. A model may be handed in, so that
many photos load it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from interactvlm.assets_dir import default_weights
from interactvlm.config import InteractVLMConfig
from interactvlm.errors import InputError
from interactvlm.photo import Box, Photo
from interactvlm.photo_contact import PhotoContact
from interactvlm.photo_job import (
    PhotoRequest,
    Watch,
    checked_device,
    known_labels,
    load_model,
    memory_told,
    read_asked,
)
from interactvlm.photo_result import Answered, PhotoResult, finished_result
from interactvlm.placement import WHOLE
from interactvlm.provenance import Provenance, provenance_of, provenance_of_named
from interactvlm.reasoners.options import ReasonerOptions
from interactvlm.report import Maps, ReportedConfig
from interactvlm.results import ContactMap


@runtime_checkable
class ContactModel(Protocol):
    """What of a model this job uses."""

    @property
    def config(self) -> ReportedConfig:
        """Its sizes and names."""
        ...

    def known_label(self, label: str) -> str:
        """The label in the model's spelling; InputError when it is unknown."""
        ...

    def predict_contact(
        self, image: Any, labels: Sequence[str] = ("",), *, box_xyxy_px: Any = None
    ) -> list[ContactMap]:
        """Contact of the body with each label."""
        ...


@runtime_checkable
class PhotoContactModel(Protocol):
    """What of a model that marks the photo this job uses beside that."""

    def predict_photo_contact(
        self, image: Any, labels: Sequence[str] = ("",), *, box_xyxy_px: Any = None
    ) -> list[PhotoContact]:
        """Contact with each label as a mask over the photo."""
        ...


@dataclass(frozen=True)
class ContactRequest(PhotoRequest):
    """One photo and the questions about the body in it."""

    reasoner: ReasonerOptions | None = None
    """Another model to ask in words, in place of `weights`."""


def run_contact(request: ContactRequest, model: ContactModel | None = None) -> PhotoResult:
    """Answers the request and writes its result folder.

    Raises:
        InputError: the photo, a label, the box or the device cannot be used, or both a model
            folder and a reasoner are named.
        AssetError: the model folder is missing or damaged.
        ResourceError: memory or disk does not suffice.
    """
    watch = Watch()
    # The photo first: it fails in milliseconds, a model may take a minute to load. Models of
    # perception leave memory before a large one takes it.
    asked = read_asked(request, watch)
    photo = asked.photo
    with watch.step("load"):
        model, provenance = _loaded(request, photo, model)
    labels = known_labels(model, request.labels)
    with watch.step("predict"), memory_told(provenance.device):
        torch.manual_seed(request.seed)
        maps = _predicted(model, photo, labels, asked.image_box)
    answered = Answered(maps, model.config, provenance, watch.seconds)
    return finished_result(request.out, asked, answered)


def _predicted(
    model: ContactModel, photo: Photo, labels: Sequence[str], box_xyxy_px: Box | None
) -> Maps:
    """Contact on the body, or on the photo where that is what the model marks."""
    config = model.config
    if isinstance(config, InteractVLMConfig) and config.answers_on == "photo":
        assert isinstance(model, PhotoContactModel)
        return model.predict_photo_contact(photo.image, labels, box_xyxy_px=box_xyxy_px)
    return model.predict_contact(photo.image, labels, box_xyxy_px=box_xyxy_px)


def _loaded(
    request: ContactRequest, photo: Photo, model: ContactModel | None
) -> tuple[ContactModel, Provenance]:
    """The model to ask and what its answers are made from."""
    device = _checked_device(request)
    asking = model or load_contact_model(request)
    if request.reasoner is None:
        made = provenance_of(photo.sha256, _weights(request), seed=request.seed, device=device)
        return asking, made
    from interactvlm.reasoners.words_model import WordsModel

    if not isinstance(asking, WordsModel):
        raise InputError(f"a request with a reasoner needs its model, got {type(asking).__name__}")
    name, digest = asking.reasoner.name, asking.reasoner.weights_sha256
    made = provenance_of_named(photo.sha256, name, digest, seed=request.seed, device=device)
    return asking, made


def load_contact_model(request: ContactRequest) -> ContactModel:
    """The model a request asks for; handed to `run_contact`, it serves many photos.

    Raises:
        InputError: the device cannot be used, the weights were never trained for this, or both a
            model folder and a reasoner are named.
        AssetError: the model folder is missing or damaged.
        ResourceError: memory does not suffice.
    """
    device = _checked_device(request)
    if request.reasoner is None:
        return load_model(_weights(request), device, request.placement, "body")
    from interactvlm.reasoners.words_model import load_words_model

    with memory_told(device):
        return load_words_model(request.reasoner, device)


def _weights(request: ContactRequest) -> Path:
    return (request.weights or default_weights()).expanduser()


def _checked_device(request: ContactRequest) -> str:
    """Where the model runs. Raises InputError for settings that exclude each other."""
    if request.reasoner is None:
        return checked_device(request.device)
    if request.weights is not None:
        raise InputError(
            "weights and a reasoner in words exclude each other; give --weights or --reasoner"
        )
    if request.placement != WHOLE:
        raise InputError(
            "--load-in-4bit and --device-map are for --weights; a reasoner in words is loaded as "
            "it was saved"
        )
    return "endpoint" if request.reasoner.url else checked_device(request.device)
