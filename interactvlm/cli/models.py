"""`interactvlm models`: the open models for real photos, listed or fetched."""

from dataclasses import dataclass
from typing import Literal

import tyro

EXAMPLES = """\
examples:
  interactvlm models
  interactvlm models fetch
  interactvlm models fetch facebook/sam-vit-base"""


@dataclass(frozen=True)
class ModelsOptions:
    """List the default models with licence and size, or fetch them into the hub's cache."""

    action: tyro.conf.Positional[Literal["list", "fetch"]] = "list"
    """`fetch` downloads; `list` shows what is there."""
    name: tyro.conf.Positional[str] = ""
    """Hub id of one model; without it all default ones."""


def config_class() -> type[ModelsOptions]:
    """What the command line is parsed into."""
    return ModelsOptions


def run(options: ModelsOptions) -> int:
    """0 when done."""
    from interactvlm.cli.output import to_stdout
    from interactvlm.open_models.loading import Source, fetch, resolved_revision
    from interactvlm.open_models.registry import OPEN_MODELS

    if options.action == "fetch":
        chosen = [options.name] if options.name else [model.hub_id for model in OPEN_MODELS]
        for name in chosen:
            to_stdout(f"{name}: {fetch(name)}")
        return 0
    width = max(len(model.hub_id) for model in OPEN_MODELS) + 2
    for model in OPEN_MODELS:
        here = resolved_revision(Source(model.hub_id, model.revision))
        state = f"here ({here[:12]})" if here else "not fetched"
        to_stdout(
            f"{model.task.ljust(10)}{model.hub_id.ljust(width)}{model.licence.ljust(12)}"
            f"{str(model.size_mb).rjust(5)} MB  {state}"
        )
    return 0
