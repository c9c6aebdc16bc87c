"""What `interactvlm contact` does: photo and labels in, result folder out.

Ties reading, model and report together; knows no command line. A model may be handed in, so that
many photos load it once.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from interactvlm.assets_dir import default_weights
from interactvlm.config import InteractVLMConfig
from interactvlm.errors import AssetError, InputError, ResourceError
from interactvlm.open_models.people import FoundPerson, PersonSearch, find_person
from interactvlm.photo import Box, Photo, checked_box, read_photo
from interactvlm.photo_contact import PhotoContact
from interactvlm.photo_marks import said_of_photo
from interactvlm.placement import WHOLE, Placement
from interactvlm.provenance import Provenance, provenance_of, provenance_of_named
from interactvlm.reasoners.options import ReasonerOptions
from interactvlm.report import ContactReport, Maps, ReportedConfig, write_result_folder
from interactvlm.results import ContactMap, shown_label


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
class ContactRequest:
    """One photo and the questions about it."""

    photo: Path
    """Image file."""
    out: Path
    """Result folder."""
    labels: tuple[str, ...] = ()
    """Objects to ask about; none means any object."""
    box_xyxy_px: tuple[float, float, float, float] | None = None
    """The person in pixels of the upright photo."""
    person: PersonSearch | None = None
    """How to find the person, in place of a box."""
    weights: Path | None = None
    """Model folder; None is the shipped one."""
    reasoner: ReasonerOptions | None = None
    """Another model to ask in words, in place of `weights`."""
    device: str = "cpu"
    """Torch device."""
    placement: Placement = WHOLE
    """How the weights of a model folder are held."""
    seed: int = 0
    """Seed of every random number."""


@dataclass(frozen=True, eq=False)
class ContactResult:
    """What was written."""

    out: Path
    """The result folder."""
    maps: Maps
    """Contact per label."""
    report: dict[str, Any]
    """Content of report.json."""
    complete: bool = True
    """False when an answer was cut short."""

    def summary(self) -> str:
        """A few lines for the terminal."""
        lines = [
            f"{shown_label(entry['label'])}: {_said(entry)}" for entry in self.report["contacts"]
        ]
        lines += [f"note: {warning}" for warning in self.report["warnings"]]
        return "\n".join([*lines, f"report: {self.out / 'report.html'}"])

    def __repr__(self) -> str:
        return f"ContactResult({len(self.maps)} labels, {str(self.out)!r})"


def _said(entry: dict[str, Any]) -> str:
    """One label's entry of report.json in words."""
    certainty = f"highest probability {entry['max_probability']:.2f}"
    if entry.get("surface") == "photo":
        share = entry["share_of_photo"]
        return f"{said_of_photo(share)} ({entry['mask']}, {certainty})" if share else "no contact"
    if not entry["contact_vertices"]:
        return "no contact"
    parts = ", ".join(entry["body_parts"]) or "a small area"
    return f"{parts} ({entry['contact_vertices']:,} surface points, {certainty})"


@dataclass
class _Watch:
    """Seconds per step, in the order of the steps."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


def run_contact(request: ContactRequest, model: ContactModel | None = None) -> ContactResult:
    """Answers the request and writes its result folder.

    Raises:
        InputError: the photo, a label, the box or the device cannot be used, or both a model
            folder and a reasoner are named.
        AssetError: the model folder is missing or damaged.
        ResourceError: memory or disk does not suffice.
    """
    watch = _Watch()
    # The photo first: it fails in milliseconds, a model may take a minute to load.
    with watch.step("read"):
        photo = read_photo(request.photo)
        box = _checked_box(request, photo)
    # Before the load: models of perception leave memory before a large one takes it.
    found = None
    if request.person is not None:
        with watch.step("perceive"):
            found = _found_person(request.person, request, photo)
            box = checked_box(found.box_xyxy_px, photo.width, photo.height)
    with watch.step("load"):
        model, provenance = _loaded(request, photo, model)
    labels = known_labels(model, request.labels)
    with watch.step("predict"), memory_told(provenance.device):
        torch.manual_seed(request.seed)
        shown_box = None if box is None else photo.image_box(box)
        maps = _predicted(model, photo, labels, shown_box)
    _require_finite(maps, provenance.weights)
    report = ContactReport(
        photo=photo,
        maps=maps,
        provenance=provenance,
        config=model.config,
        box_xyxy_px=box,
        person=found,
        timings_s=watch.seconds,
        warnings=(*photo.warnings, *(found.notes if found else ()), *_notes(maps)),
    )
    written = write_result_folder(request.out, report)
    complete = all(contact.finished for contact in maps)
    return ContactResult(request.out, maps, written, complete)


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
    if request.reasoner is not None:
        return _loaded_reasoner(request.reasoner, request, photo, model)
    device = checked_device(request.device)
    weights = (request.weights or default_weights()).expanduser()
    model = load_model(weights, device, request.placement) if model is None else model
    return model, provenance_of(photo.sha256, weights, seed=request.seed, device=device)


def _loaded_reasoner(
    options: ReasonerOptions, request: ContactRequest, photo: Photo, model: ContactModel | None
) -> tuple[ContactModel, Provenance]:
    from interactvlm.reasoners.words_model import WordsModel, load_words_model

    if request.weights is not None:
        raise InputError(
            "weights and a reasoner in words exclude each other; give --weights or --reasoner"
        )
    if request.placement != WHOLE:
        raise InputError(
            "--load-in-4bit and --device-map are for --weights; a reasoner in words is loaded as "
            "it was saved"
        )
    device = "endpoint" if options.url else checked_device(request.device)
    if not isinstance(model, WordsModel):
        with memory_told(device):
            model = load_words_model(options, device)
    reasoner = model.reasoner
    provenance = provenance_of_named(
        photo.sha256, reasoner.name, reasoner.weights_sha256, seed=request.seed, device=device
    )
    return model, provenance


def load_model(weights: Path, device: str, placement: Placement = WHOLE) -> ContactModel:
    """A model on a device. Raises AssetError, ResourceError or, for a placement, InputError."""
    from interactvlm.model import InteractVLM

    with memory_told(device):
        return InteractVLM.from_pretrained(weights, device=device, placement=placement)


def known_labels(model: ContactModel, labels: Sequence[str]) -> list[str]:
    """The labels in the model's spelling, each once; [""] (any object) when there are none."""
    blank = [label for label in labels if not label.strip()]
    if blank:
        raise InputError(f"object label must name an object, got {blank[0]!r}")
    return list(dict.fromkeys(model.known_label(label) for label in labels)) or [""]


def checked_device(name: str) -> str:
    """The device's name. Raises InputError for no device, ResourceError for one not there."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device must be cpu, cuda or cuda:NUMBER, got {name!r}") from None
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if count <= (device.index or 0):
            raise ResourceError(
                f"device {name!r} was asked for, {count} CUDA devices are usable here; use "
                "--device cpu or install a torch build that fits the driver"
            )
    elif device.type != "cpu":
        raise InputError(f"device must be cpu, cuda or cuda:NUMBER, got {name!r}")
    return name


@contextmanager
def memory_told(device: str) -> Iterator[None]:
    """Turns a lack of memory inside into a ResourceError with free and total bytes."""
    try:
        yield
    except torch.OutOfMemoryError:
        free, total = torch.cuda.mem_get_info(device)
        raise ResourceError(
            f"memory of {device!r} ran out with {free:,} of {total:,} bytes free; "
            "use --device cpu or a smaller model"
        ) from None
    except MemoryError:
        raise ResourceError(
            "main memory ran out; close other programs or use a smaller model or photo"
        ) from None


def _checked_box(request: ContactRequest, photo: Photo) -> Box | None:
    if request.box_xyxy_px is None:
        return None
    if request.person is not None:
        raise InputError(
            "--box says where the person is, and so do --perceive, --perception and --person; give "
            "only one of them"
        )
    return checked_box(request.box_xyxy_px, photo.width, photo.height)


def _found_person(search: PersonSearch, request: ContactRequest, photo: Photo) -> FoundPerson:
    device = "cpu" if search.models is None else search.models.boxes.device
    with memory_told(device):
        return find_person(search, photo, request.labels)


def _require_finite(maps: Maps, weights: str) -> None:
    for contact in maps:
        if isinstance(contact, PhotoContact):
            values = contact.pixel_probability
        else:
            values = contact.vertex_probability
        if not bool(torch.isfinite(values).all()):
            raise AssetError(
                f"the model gave NaN for {shown_label(contact.label)!r}; its weights are damaged, "
                f"fetch them again: {weights!r}"
            )


def _notes(maps: Maps) -> list[str]:
    """What a person should know about the maps; cut answers above all."""
    notes = []
    for contact in maps:
        notes += contact.notes
        if not contact.finished and not contact.notes:
            label = shown_label(contact.label)
            notes.append(f"the answer about {label!r} was cut at the longest allowed length")
    return notes
