"""`interactvlm contact`: one photo in, a result folder out."""

import json as json_format
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from interactvlm.open_models.flags import LEFT_OUT, PerceptionFlags

EXAMPLES = """\
examples:
  interactvlm contact photo.jpg
  interactvlm contact photo.jpg --label chair --label cup --out result
  interactvlm contact group.jpg --label sofa --box 120 40 380 600 --json
  interactvlm contact photo.jpg --label chair --reasoner Qwen/Qwen2.5-VL-3B-Instruct --samples 5
  interactvlm contact photo.jpg --label chair --reasoner-url http://localhost:8000/v1 \\
    --reasoner-model NAME
  interactvlm contact group.jpg --label sofa --perceive --person 2
  interactvlm contact group.jpg --label sofa --perception seen"""

_CONTACT_STEPS = PerceptionFlags(depth=LEFT_OUT)
"""Depth does not tell who touches what; `--depth` adds it for later stages."""


@dataclass(frozen=True)
class ContactOptions:
    """Contact of one person with one or more objects."""

    photo: tyro.conf.Positional[Path]
    """Image file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF; HEIC with the extra `heic`."""
    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Object to ask about; may be given several times. Without any: contact with any object."""
    box: tuple[float, float, float, float] | None = None
    """The person as x0 y0 x1 y1 in pixels of the upright photo. Without it: the whole photo."""
    perceive: bool = False
    """Find the person by open models first; boxes, masks and keypoints go into the result."""
    perception: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Result folder of `interactvlm perceive` or of an earlier `--perceive` on the same photo."""
    person: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Which of the people found, from 1. Without it: the one nearest to what is asked about."""
    models: PerceptionFlags = field(default_factory=lambda: _CONTACT_STEPS)
    """Which model does which step of `--perceive`."""
    weights: Path | None = None
    """Model folder. Without it: the shipped miniature model."""
    reasoner: Annotated[str | None, tyro.conf.arg(metavar="FOLDER|HUB_ID")] = None
    """Image-text model of transformers that answers in words, in place of --weights."""
    reasoner_url: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """OpenAI-compatible endpoint that answers in words; the photo is sent there."""
    reasoner_model: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Model at the endpoint. Without it: the variable INTERACTVLM_REASONER_MODEL."""
    reasoner_key_variable: Annotated[str | None, tyro.conf.arg(metavar="VARIABLE")] = None
    """Environment variable that holds the endpoint's key. Without it: INTERACTVLM_REASONER_KEY."""
    reasoner_timeout: Annotated[float | None, tyro.conf.arg(metavar="SECONDS")] = None
    """Longest wait for one answer of the endpoint. Without it: 120."""
    samples: Annotated[int | None, tyro.conf.arg(metavar="COUNT")] = None
    """Answers in words per label; several become probabilities. Without it: 1."""
    offline: bool = False
    """Never touch the network: a hub id must be in the local cache, an endpoint on this machine."""
    out: Path | None = None
    """Result folder. Without it: interactvlm_output/NAME_OF_THE_PHOTO."""
    json: bool = False
    """Print the report as JSON and nothing else on standard output."""
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


def config_class() -> type[ContactOptions]:
    """What the command line is parsed into."""
    return ContactOptions


def run(options: ContactOptions) -> int:
    """0 when all is well, 1 when an answer was cut short."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        reasoner = _reasoner(options)
        search = _person_search(options)
        placement = _placement(options)
        from interactvlm.contact_job import ContactRequest, run_contact

        request = ContactRequest(
            photo=options.photo,
            labels=options.label,
            box_xyxy_px=options.box,
            person=search,
            weights=options.weights,
            reasoner=reasoner,
            out=options.out or Path("interactvlm_output") / (options.photo.stem or "photo"),
            device=options.device,
            placement=placement,
            seed=options.seed,
        )
        result = run_contact(request)
    if options.json:
        to_stdout(json_format.dumps(result.report, indent=2))
    else:
        to_stdout(result.summary())
    return 0 if result.complete else 1


def _reasoner(options: ContactOptions) -> Any:
    """The `ReasonerOptions` the flags ask for, or None; checked before a model is loaded."""
    from interactvlm.errors import InputError
    from interactvlm.reasoners.options import ReasonerFlags, checked_options

    flags = ReasonerFlags(
        reasoner=options.reasoner,
        url=options.reasoner_url,
        model=options.reasoner_model,
        key_variable=options.reasoner_key_variable,
        samples=options.samples,
        timeout_s=options.reasoner_timeout,
        offline=options.offline,
    )
    if options.weights is not None and flags.any_given():
        raise InputError(
            "--weights and a reasoner in words exclude each other; give only one of the two"
        )
    return checked_options(flags, os.environ, seed=options.seed)


def _placement(options: ContactOptions) -> Any:
    """The `Placement` the flags ask for; checked before a model is loaded."""
    from interactvlm.placement import Placement, memory_limits

    limits = memory_limits(options.max_memory)
    return Placement(options.load_in_4bit, options.device_map, **limits)


def _person_search(options: ContactOptions) -> Any:
    """The `PersonSearch` the flags ask for, or None; checked before a model is loaded."""
    from interactvlm.errors import InputError

    if not options.perceive and options.models != _CONTACT_STEPS:
        raise InputError(
            "--boxes, --masks, --keypoints, --depth and --box-threshold choose the models of "
            "--perceive; give it too"
        )
    if not options.perceive and options.perception is None and options.person is None:
        return None
    from interactvlm.contact_job import checked_device
    from interactvlm.open_models.flags import chosen_models
    from interactvlm.open_models.people import PersonSearch

    models = None
    if options.perceive:
        device = checked_device(options.device)
        models = chosen_models(options.models, offline=options.offline, device=device)
    return PersonSearch(models, options.perception, options.person)
