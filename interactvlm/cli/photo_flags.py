"""Flags that every verb about photos shares, and what they mean to its job.

Imports nothing heavy: the help of a verb shows them without loading a model library.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from interactvlm.open_models.flags import LEFT_OUT, PerceptionFlags

_STEPS = PerceptionFlags(depth=LEFT_OUT)
"""Depth does not tell who touches what; `--depth` adds it for later stages."""


@dataclass(frozen=True, kw_only=True)
class ModelFlags:
    """How people are found, which model answers and where it runs."""

    perceive: bool = False
    """Find the person by open models first; boxes, masks and keypoints go into the result."""
    models: PerceptionFlags = field(default_factory=lambda: _STEPS)
    """Which model does which step of `--perceive`."""
    weights: Path | None = None
    """Model folder. Without it: the shipped miniature model."""
    offline: bool = False
    """Never touch the network: a hub id must be in the local cache, an endpoint on this machine."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, cuda:1."""
    load_in_4bit: bool = False
    """Hold the language model of --weights in 4 bits; needs a CUDA device and bitsandbytes."""
    device_map: Literal["none", "auto"] = "none"
    """auto: what does not fit on the device waits in main memory, the rest on disk."""
    max_memory: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="PLACE=SIZE")
    ] = ()
    """Most that --device-map fills, for example device=20GiB or cpu=8GiB."""
    seed: int = 0
    """Seed of every random number."""

    def model_fields(self) -> dict[str, Any]:
        """The fields of a `PhotoRequest` about the model; checked before one is loaded."""
        return {
            "weights": self.weights,
            "device": self.device,
            "placement": self._placement(),
            "seed": self.seed,
        }

    def person_search(self, folder: Path | None = None, number: int | None = None) -> Any:
        """The `PersonSearch` the flags ask for, or None; checked before a model is loaded.

        Raises InputError for flags that contradict each other.
        """
        from interactvlm.errors import InputError

        if not self.perceive and self.models != _STEPS:
            raise InputError(
                "--boxes, --masks, --keypoints, --depth and --box-threshold choose the models of "
                "--perceive; give it too"
            )
        if not self.perceive and folder is None and number is None:
            return None
        from interactvlm.open_models.flags import chosen_models
        from interactvlm.open_models.people import PersonSearch
        from interactvlm.photo_job import checked_device

        models = None
        if self.perceive:
            device = checked_device(self.device)
            models = chosen_models(self.models, offline=self.offline, device=device)
        return PersonSearch(models, folder, number)

    def _placement(self) -> Any:
        """The `Placement` the flags ask for; checked before a model is loaded."""
        from interactvlm.placement import Placement, memory_limits

        limits = memory_limits(self.max_memory)
        return Placement(self.load_in_4bit, self.device_map, **limits)


@dataclass(frozen=True, kw_only=True)
class _OnePhoto:
    """One photo, the person in it and where things go."""

    photo: tyro.conf.Positional[Path]
    """Image file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF; HEIC with the extra `heic`."""
    box: tuple[float, float, float, float] | None = None
    """The person as x0 y0 x1 y1 in pixels of the upright photo. Without it: the whole photo."""
    perception: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Result folder of `interactvlm perceive` or of an earlier `--perceive` on the same photo."""
    person: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Which of the people found, from 1. Without it: the one nearest to what is asked about."""
    out: Path | None = None
    """Result folder. Without it: interactvlm_output/NAME_OF_THE_PHOTO."""
    json: bool = False
    """Print the report as JSON and nothing else on standard output."""


@dataclass(frozen=True, kw_only=True)
class PhotoFlags(ModelFlags, _OnePhoto):
    """One photo and the model. Help shows the fields of the last base first."""

    def request(self) -> dict[str, Any]:
        """The fields of a `PhotoRequest` that these flags set; checked before a model is loaded.

        Raises InputError for flags that contradict each other.
        """
        return {
            "photo": self.photo,
            "box_xyxy_px": self.box,
            "person": self.person_search(self.perception, self.person),
            "out": self.out or Path("interactvlm_output") / (self.photo.stem or "photo"),
            **self.model_fields(),
        }
