"""`interactvlm affordance`: one photo and one object in, a result folder out."""

import json as json_format
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from interactvlm.cli.photo_flags import PhotoFlags
from interactvlm.cli.question_flags import ObjectArguments

EXAMPLES = """\
examples:
  interactvlm affordance photo.jpg --object chair.obj --label chair
  interactvlm affordance photo.jpg --object chair.glb --label chair --affordance sit
  interactvlm affordance photo.jpg --object scan.ply --up z --ask contact --weights DIR --json

The shipped miniature model knows its 18 labels. Other weights must have been trained on objects:
the released oafford-lemon-piad or hcontact-ocontact after `interactvlm convert`."""


@dataclass(frozen=True, kw_only=True)
class AffordanceOptions(ObjectArguments, PhotoFlags):
    """Where on an object its use, or the person's touch, is."""

    object: Annotated[Path, tyro.conf.arg(metavar="FILE")] = field()
    """The object: obj, ply, glb, gltf, stl, off; points as xyz, txt (PIAD too), npy, npz."""
    label: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """What the object is. Without it the model is asked about "the object"."""


def config_class() -> type[AffordanceOptions]:
    """What the command line is parsed into."""
    return AffordanceOptions


def run(options: AffordanceOptions) -> int:
    """0 when all is well, 1 when the answer was cut short."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        common = options.request()
        from interactvlm.affordance_job import AffordanceRequest, run_affordance

        request = AffordanceRequest(
            object_file=options.object,
            labels=(options.label,) if options.label else (),
            **options.object_fields(),
            **common,
        )
        result = run_affordance(request)
    if options.json:
        to_stdout(json_format.dumps(result.report, indent=2))
    else:
        to_stdout(result.summary())
    return 0 if result.complete else 1
