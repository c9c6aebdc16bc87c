"""`interactvlm retrieve`: shapes of a library for an object, by label, picture or mesh."""

import json as json_format
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

EXAMPLES = """\
Candidates come with a score (the probability among the library's shapes), the probability of their
category, and the size of that category in metres with its spread. See docs/retrieval.md.

examples:
  interactvlm retrieve --label "office chair"
  interactvlm retrieve --image crop.png --mask mask.png --top 10
  interactvlm retrieve --image crop.png --label chair --weigh-label
  interactvlm retrieve --mesh scan.ply --up z --out candidates.png
  interactvlm retrieve --label "red armchair" --openshape DIR --clip DIR"""


@dataclass(frozen=True, kw_only=True)
class RetrieveOptions:
    """Shapes that an object may be."""

    label: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """What the object is called; plurals, synonyms and "office chair" are understood."""
    image: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A picture of the object, cut out around it; or any photo, with --mask."""
    mask: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """White where the picture shows the object."""
    mesh: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A mesh or point cloud of the object, or of a part of it; its scale does not matter."""
    up: Literal["y", "z"] = "y"
    """Axis of that file that points up."""
    size: Annotated[float | None, tyro.conf.arg(metavar="METRES")] = None
    """Largest extent of the object, where it is known: weighs the categories."""
    metres: bool = False
    """The mesh is whole and in metres: its own extent counts as --size would."""
    weigh_label: bool = False
    """The label only weighs: the picture or mesh may overrule it."""
    top: int = 5
    """Number of candidates."""
    library: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of a library. Without it: the embedded one."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Picture encoder trained by `interactvlm train retrieval`. Without it: the shipped one."""
    openshape: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Published OpenShape weights, for shapes; with --clip for pictures and free text too."""
    clip: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """The CLIP model that shares their space: a folder, or a hub name in the local cache."""
    device: str = "cpu"
    """Where published weights run: cpu, cuda, cuda:1."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("interactvlm_output/retrieval.png")
    """Picture of the candidates."""
    json: bool = False
    """Print JSON and nothing else on standard output."""


def config_class() -> type[RetrieveOptions]:
    """What the command line is parsed into."""
    return RetrieveOptions


def run(options: RetrieveOptions) -> int:
    """0 when candidates were found."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.retrieval_job import RetrieveRequest, run_retrieve

        request = RetrieveRequest(
            label=options.label, image=options.image, mask=options.mask, mesh=options.mesh,
            up=options.up, size_m=options.size, metres=options.metres, top=options.top,
            restrict=not options.weigh_label, library=options.library, weights=options.weights,
            openshape=options.openshape, clip=options.clip, device=options.device,
            sheet=options.out,
        )  # fmt: skip
        result = run_retrieve(request)
    if options.json:
        to_stdout(json_format.dumps(result.to_dict(), indent=2))
    else:
        to_stdout(result.summary())
    return 0
