"""`interactvlm contact`: one photo in, a result folder out."""

import json as json_format
import os
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from interactvlm.cli.photo_flags import PhotoFlags

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


@dataclass(frozen=True, kw_only=True)
class ContactOptions(PhotoFlags):
    """Contact of one person with one or more objects."""

    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Object to ask about; may be given several times. Without any: contact with any object."""
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


def config_class() -> type[ContactOptions]:
    """What the command line is parsed into."""
    return ContactOptions


def run(options: ContactOptions) -> int:
    """0 when all is well, 1 when an answer was cut short."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        reasoner = _reasoner(options)
        common = options.request()
        from interactvlm.contact_job import ContactRequest, run_contact

        request = ContactRequest(labels=options.label, reasoner=reasoner, **common)
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
