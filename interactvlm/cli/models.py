"""`interactvlm models`: the open models for real photos, listed or fetched."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

EXAMPLES = """\
`fetch` records the commit it got; later loads take exactly that commit. To move on, fetch with
--revision main. Elsewhere a model is named at a revision as owner/name@REVISION.

examples:
  interactvlm models
  interactvlm models fetch
  interactvlm models fetch facebook/sam-vit-base --revision main"""


@dataclass(frozen=True)
class ModelsOptions:
    """List the default models with licence, size and commit, or fetch and pin them."""

    action: tyro.conf.Positional[Literal["list", "fetch"]] = "list"
    """`fetch` downloads and pins; `list` shows what is there."""
    name: tyro.conf.Positional[str] = ""
    """Hub id of one model; without it all default ones."""
    revision: Annotated[str, tyro.conf.arg(metavar="COMMIT|TAG|BRANCH")] = ""
    """What to fetch and pin. Without it: the pinned commit, else `main`."""


def config_class() -> type[ModelsOptions]:
    """What the command line is parsed into."""
    return ModelsOptions


def run(options: ModelsOptions) -> int:
    """0 when done."""
    from interactvlm.errors import InputError

    if options.action == "fetch":
        return _fetch(options)
    if options.name or options.revision:
        raise InputError("a model or revision is named to fetch it: `interactvlm models fetch`")
    return _list()


def _fetch(options: ModelsOptions) -> int:
    from interactvlm.cli.output import to_stdout
    from interactvlm.errors import InputError
    from interactvlm.open_models.loading import fetch
    from interactvlm.open_models.registry import OPEN_MODELS

    if options.revision and "@" in options.name:
        raise InputError("--revision and @ both name a revision; give only one of them")
    chosen = [options.name] if options.name else [model.hub_id for model in OPEN_MODELS]
    for name in chosen:
        folder = fetch(f"{name}@{options.revision}" if options.revision else name)
        to_stdout(f"{name}: {folder}")
    return 0


def _list() -> int:
    from interactvlm.cli.output import to_stdout
    from interactvlm.open_models.loading import Source, resolved_revision
    from interactvlm.open_models.pins import lock_path, read_pins
    from interactvlm.open_models.registry import OPEN_MODELS

    pins = read_pins()
    others = sorted(pins.keys() - {model.hub_id for model in OPEN_MODELS})
    width = max(map(len, [*others, *(model.hub_id for model in OPEN_MODELS)])) + 2

    def state(name: str, default: str) -> str:
        pin = pins.get(name)
        here = resolved_revision(Source(name, pin.commit if pin else default))
        if pin is not None:
            return f"pinned to {pin.commit[:12]} ({'here' if here else 'not fetched'})"
        return f"not pinned ({f'here at {here[:12]}' if here else 'not fetched'})"

    for model in OPEN_MODELS:
        to_stdout(
            f"{model.task.ljust(10)}{model.hub_id.ljust(width)}{model.licence.ljust(12)}"
            f"{str(model.size_mb).rjust(5)} MB  {state(model.hub_id, model.revision)}"
        )
    for name in others:
        to_stdout(f"{''.ljust(10)}{name.ljust(width)}{''.ljust(20)}  {state(name, 'main')}")
    to_stdout(f"pins: {lock_path()}" if pins else "nothing is pinned; `models fetch` pins commits")
    return 0
