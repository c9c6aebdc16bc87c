"""`interactvlm contact`: one photo in, a result folder out."""

import json as json_format
from dataclasses import dataclass
from typing import Annotated

import tyro

from interactvlm.cli.photo_flags import PhotoFlags
from interactvlm.cli.question_flags import ReasonerArguments

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
class ContactOptions(ReasonerArguments, PhotoFlags):
    """Contact of one person with one or more objects."""

    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Object to ask about; may be given several times. Without any: contact with any object."""


def config_class() -> type[ContactOptions]:
    """What the command line is parsed into."""
    return ContactOptions


def run(options: ContactOptions) -> int:
    """0 when all is well, 1 when an answer was cut short."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        reasoner = options.reasoner_options(
            options.weights, offline=options.offline, seed=options.seed
        )
        common = options.request()
        from interactvlm.contact_job import ContactRequest, run_contact

        request = ContactRequest(labels=options.label, reasoner=reasoner, **common)
        result = run_contact(request)
    if options.json:
        to_stdout(json_format.dumps(result.report, indent=2))
    else:
        to_stdout(result.summary())
    return 0 if result.complete else 1
