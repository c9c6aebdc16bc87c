"""`interactvlm contact`: one photo in, a result folder out."""

import json as json_format
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

EXAMPLES = """\
examples:
  interactvlm contact photo.jpg
  interactvlm contact photo.jpg --label chair --label cup --out result
  interactvlm contact group.jpg --label sofa --box 120 40 380 600 --json"""


@dataclass(frozen=True)
class ContactOptions:
    """Contact of one person with one or more objects."""

    photo: tyro.conf.Positional[Path]
    """Image file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF; HEIC with the extra `heic`."""
    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Object to ask about; may be given several times. Without any: contact with any object."""
    box: tuple[float, float, float, float] | None = None
    """The person as x0 y0 x1 y1 in pixels of the upright photo. Without it: the whole photo."""
    weights: Path | None = None
    """Model folder. Without it: the shipped miniature model."""
    out: Path | None = None
    """Result folder. Without it: interactvlm_output/NAME_OF_THE_PHOTO."""
    json: bool = False
    """Print the report as JSON and nothing else on standard output."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, cuda:1."""
    seed: int = 0
    """Seed of every random number."""


def config_class() -> type[ContactOptions]:
    """What the command line is parsed into."""
    return ContactOptions


def run(options: ContactOptions) -> int:
    """0 when all is well, 1 when an answer was cut short."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.contact_job import ContactRequest, run_contact

        request = ContactRequest(
            photo=options.photo,
            labels=options.label,
            box_xyxy_px=options.box,
            weights=options.weights,
            out=options.out or Path("interactvlm_output") / (options.photo.stem or "photo"),
            device=options.device,
            seed=options.seed,
        )
        result = run_contact(request)
    if options.json:
        to_stdout(json_format.dumps(result.report, indent=2))
    else:
        to_stdout(result.summary())
    return 0 if result.complete else 1
