"""What every job on one photo shares: its request, reading, the person, the model, the device.

Knows photos, people and model folders; knows no question and no result.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from interactvlm.config import CONFIG_FILE, InteractVLMConfig, Job
from interactvlm.errors import InputError, ResourceError
from interactvlm.open_models.people import FoundPerson, PersonSearch, find_person
from interactvlm.photo import Box, Photo, checked_box, read_photo
from interactvlm.placement import WHOLE, Placement
from interactvlm.weights import require_folder


@dataclass(frozen=True)
class PhotoRequest:
    """One photo and what is asked about it."""

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
    device: str = "cpu"
    """Torch device."""
    placement: Placement = WHOLE
    """How the weights of a model folder are held."""
    seed: int = 0
    """Seed of every random number."""


@dataclass(frozen=True, eq=False)
class AskedPhoto:
    """A photo and the person in it that is asked about."""

    photo: Photo
    """Ready for a model."""
    box_xyxy_px: Box | None
    """The person in pixels of the original photo; None means the whole photo."""
    found: FoundPerson | None
    """Whom open models found, if they were asked."""

    @property
    def image_box(self) -> Box | None:
        """The person in pixels of the photo as the model is shown it."""
        return None if self.box_xyxy_px is None else self.photo.image_box(self.box_xyxy_px)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about photo and choice of person."""
        return (*self.photo.warnings, *(self.found.notes if self.found else ()))


@dataclass
class Watch:
    """Seconds per step, in the order of the steps."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measures what is inside."""
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


@runtime_checkable
class KnowsLabels(Protocol):
    """A model with a vocabulary of labels."""

    def known_label(self, label: str) -> str:
        """The label in the model's spelling; InputError when it is unknown."""
        ...


def read_asked(request: PhotoRequest, watch: Watch) -> AskedPhoto:
    """The photo, and the person in it: by box, by open models or from an earlier run.

    Raises:
        InputError: the photo or box cannot be used, or nobody was found.
        AssetError: a model or file of perception is missing or damaged.
        ResourceError: memory does not suffice.
    """
    with watch.step("read"):
        photo = read_photo(request.photo)
        box = _checked_box(request, photo)
    if request.person is None:
        return AskedPhoto(photo, box, None)
    with watch.step("perceive"):
        found = _found_person(request.person, request, photo)
    return AskedPhoto(photo, checked_box(found.box_xyxy_px, photo.width, photo.height), found)


def known_labels(model: KnowsLabels, labels: Sequence[str]) -> list[str]:
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


def _checked_box(request: PhotoRequest, photo: Photo) -> Box | None:
    if request.box_xyxy_px is None:
        return None
    if request.person is not None:
        raise InputError(
            "--box says where the person is, and so do --perceive, --perception and --person; give "
            "only one of them"
        )
    return checked_box(request.box_xyxy_px, photo.width, photo.height)


def _found_person(search: PersonSearch, request: PhotoRequest, photo: Photo) -> FoundPerson:
    device = "cpu" if search.models is None else search.models.boxes.device
    with memory_told(device):
        return find_person(search, photo, request.labels)


def config_of(weights: Path) -> InteractVLMConfig:
    """A model folder's config. Raises AssetError when the folder or file is not there."""
    return InteractVLMConfig.load(require_folder(weights) / CONFIG_FILE)


def load_model(
    weights: Path, device: str, placement: Placement = WHOLE, job: Job | None = None
) -> Any:
    """A model on a device; what a job uses of it, its protocol says.

    Raises AssetError, ResourceError or, for a placement or weights that were never trained for
    `job`, InputError.
    """
    from interactvlm.model import InteractVLM

    if job is not None:
        # Before the load, which takes a minute for a large model.
        config_of(weights).require_trained_for(job)
    with memory_told(device):
        return InteractVLM.from_pretrained(weights, device=device, placement=placement)
