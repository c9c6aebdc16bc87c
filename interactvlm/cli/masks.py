"""`interactvlm masks DATASET`: training masks on the canonical views, as published."""

from typing import Annotated, Any, Union

EXAMPLES = """\
The first word names the data set; docs/datasets.md says where to get it. Files are named as the
published data step names them. Those that are there are kept, so a stopped run goes on when started
again. Bodies need your SMPL+H file (INTERACTVLM_BODY_MODELS). `interactvlm train` does not need
these files: it draws the same masks while it trains.

examples:
  interactvlm masks damon --root datasets/damon --out datasets/damon/train --preview
  interactvlm masks damon --root datasets/damon --split test --min-vertices 3
  interactvlm masks piad --root datasets/piad --split seen-test --limit 20 --preview"""


def prepare(arguments: list[str]) -> list[str]:
    """Tells an unknown data set in our own words; the parser would list every option."""
    from interactvlm.mask_generation.config import MASK_CONFIGS

    if arguments and (arguments[0] in MASK_CONFIGS or {"-h", "--help"} & set(arguments)):
        return arguments
    from interactvlm.errors import InputError

    found = f"got {arguments[0]!r}" if arguments else "got nothing"
    raise InputError(f"masks needs a data set, {found}; known are {', '.join(MASK_CONFIGS)}")


def config_class() -> Any:
    """What the command line is parsed into: one kind of settings per data set."""
    import tyro

    from interactvlm.mask_generation.config import MASK_CONFIGS

    members = [Annotated[k, tyro.conf.subcommand(name)] for name, k in MASK_CONFIGS.items()]
    return Union[tuple(members)]  # noqa: UP007 - made of a list


def run(config: Any) -> int:
    """0 when all masks are there."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.mask_generation.job import generate_masks

        report = generate_masks(config)
    to_stdout("\n".join(report.lines()))
    return 0
