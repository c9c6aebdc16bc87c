"""`interactvlm fit`: place the object of a folder of files; no model is asked."""

import json as json_format
from dataclasses import dataclass
from pathlib import Path

import tyro

EXAMPLES = """\
examples:
  interactvlm fit result
  interactvlm fit scene --out result

The folder is a result of `interactvlm reconstruct`, perhaps with some files replaced, or put
together by hand: photo.png, camera.json, body.npz, object_mask.png, object.obj (metres, y up);
perhaps contact.npz, affordance.npz, person_mask.png, depth.npy (metres)."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Where the object of a folder of files stands."""

    folder: tyro.conf.Positional[Path]
    """Folder of the files."""
    out: Path | None = None
    """Result folder. Without it: the same folder."""
    joint: bool = False
    """Also let the body's limbs and place move until contact closes (body_joint.npz)."""
    json: bool = False
    """Print the report as JSON and nothing else on standard output."""


def config_class() -> type[FitOptions]:
    """What the command line is parsed into."""
    return FitOptions


def run(options: FitOptions) -> int:
    """0 when all is well."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.reconstruction.job import run_fit

        result = run_fit(options.folder, options.out, joint=options.joint)
    to_stdout(json_format.dumps(result.report, indent=2) if options.json else result.summary())
    return 0
