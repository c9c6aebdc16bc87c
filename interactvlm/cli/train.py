"""`interactvlm train`: a model of one's own on generated data, or a full-size one by recipe."""

from itertools import pairwise
from typing import Annotated, Any

EXAMPLES = """\
Without --recipe: the miniature model, on the splits `train` and `val` of `interactvlm synth`.
With --recipe: a full-size model, converted by `interactvlm convert`, is fine-tuned on published
data sets with the published settings (docs/recipes.md) and saved with its adapters merged.
`train retrieval`: the small network that finds library shapes for pictures (docs/retrieval.md).
A stopped run goes on from its last checkpoint when started again.
`train scenes --help`, `train retrieval --help` and `train --recipe NAME --help` list the options
of each.

recipes: hcontact-damon, hcontact-wScene, oafford-lemon-piad, hcontact-ocontact, 2d-hcontact

examples:
  interactvlm train --preset mini --data data/synthetic --out runs/mini
  interactvlm train --preset mini --device cpu --processes 2
  interactvlm train retrieval --out runs/retrieval
  interactvlm train --recipe hcontact-damon --base models/lisa-13b --root datasets
  interactvlm train --recipe hcontact-ocontact --base models/lisa-13b --batch 4 --accumulate 8"""

_KINDS = ("scenes", "retrieval", "recipe")


def prepare(arguments: list[str]) -> list[str]:
    """Which of the trainings is asked for: told by --recipe, else generated scenes."""
    if arguments and arguments[0] in _KINDS:
        return arguments
    named = [a.partition("=")[2] for a in arguments if a.startswith("--recipe=")]
    named += [name for a, name in pairwise(arguments) if a == "--recipe"]
    if named:
        _require_recipe(named[0])
        return ["recipe", *arguments]
    return arguments if {"-h", "--help"} & set(arguments) else ["scenes", *arguments]


def _require_recipe(name: str) -> None:
    """Tells an unknown recipe in one sentence; the parser would draw a box."""
    from interactvlm.training.recipes import RECIPES

    if name not in RECIPES:
        from interactvlm.errors import InputError

        raise InputError(f"recipe {name!r} is unknown; known are {', '.join(RECIPES)}")


def config_class() -> Any:
    """What the command line is parsed into."""
    import tyro

    from interactvlm.retrieval_training.config import RetrievalTrainConfig
    from interactvlm.training.config import TrainConfig
    from interactvlm.training.recipes import FinetuneConfig

    return (
        Annotated[TrainConfig, tyro.conf.subcommand("scenes")]
        | Annotated[RetrievalTrainConfig, tyro.conf.subcommand("retrieval")]
        | Annotated[FinetuneConfig, tyro.conf.subcommand("recipe")]
    )


def run(config: Any) -> int:
    """0 when the training is complete."""
    from interactvlm.cli.output import to_stdout
    from interactvlm.retrieval_training.config import RetrievalTrainConfig
    from interactvlm.training.recipes import FinetuneConfig

    if isinstance(config, RetrievalTrainConfig):
        from interactvlm.retrieval_training.run import train_on_library

        folder = train_on_library(config)
    elif isinstance(config, FinetuneConfig):
        from interactvlm.training import finetune

        folder = finetune.main(config)
    else:
        from interactvlm.training.run import main

        folder = main(config)
    to_stdout(f"weights: {folder}")
    return 0
