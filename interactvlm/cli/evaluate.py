"""`interactvlm evaluate BENCHMARK`: numbers on known truth."""

from collections.abc import Callable
from typing import Annotated, Any, Union

EXAMPLES = """\
The first word names the benchmark. `synthetic`, `retrieval` and `reconstruction` use scenes that
are generated when missing; the others need the publisher's files (docs/datasets.md says
where to get them and under which licence).

examples:
  interactvlm evaluate synthetic --split test
  interactvlm evaluate synthetic --split test --count 64 --json numbers.json
  interactvlm evaluate retrieval --split test --json numbers.json
  interactvlm evaluate reconstruction --split test --ladder 2 --count 64
  interactvlm evaluate damon --root datasets/damon --weights runs/mini/weights
  interactvlm evaluate piad --root datasets/piad --split unseen-test --limit 100"""

BENCHMARKS = (
    *("synthetic", "retrieval", "reconstruction"),
    *("damon", "piad", "3dir", "pico", "rich"),
)


def prepare(arguments: list[str]) -> list[str]:
    """Tells an unknown benchmark in our own words; the parser would list every option."""
    if arguments and (arguments[0] in BENCHMARKS or {"-h", "--help"} & set(arguments)):
        return arguments
    from interactvlm.errors import InputError

    found = f"got {arguments[0]!r}" if arguments else "got nothing"
    raise InputError(f"evaluate needs a benchmark, {found}; known are {', '.join(BENCHMARKS)}")


def config_class() -> Any:
    """What the command line is parsed into: one kind of settings per benchmark."""
    import tyro

    from interactvlm.evaluation.config import (
        BENCHMARK_CONFIGS,
        EvaluateConfig,
        ReconstructionConfig,
        RetrievalEvaluateConfig,
    )

    own = {
        "synthetic": EvaluateConfig, "retrieval": RetrievalEvaluateConfig,
        "reconstruction": ReconstructionConfig,
    }  # fmt: skip
    kinds: dict[str, Any] = own | BENCHMARK_CONFIGS
    members = [Annotated[kinds[name], tyro.conf.subcommand(name)] for name in BENCHMARKS]
    return Union[tuple(members)]  # noqa: UP007 - made of a list


def run(config: Any) -> int:
    """0 when all was measured, 1 when a photo could not be read or asked about."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout
    from interactvlm.evaluation.config import BenchmarkConfig

    if isinstance(config, BenchmarkConfig):
        return _published(config)
    with chatter_to_stderr():
        measure, table = _own_benchmark(config)
        numbers = measure(config)
    to_stdout(table(numbers))
    if config.json is not None:
        to_stdout(f"numbers: {config.json}")
    return 0


def _own_benchmark(config: Any) -> tuple[Callable[[Any], Any], Callable[[Any], str]]:
    """What measures with these settings, and what makes its numbers a table."""
    from interactvlm.evaluation.config import ReconstructionConfig, RetrievalEvaluateConfig

    if isinstance(config, RetrievalEvaluateConfig):
        from interactvlm.evaluation import retrieval

        return retrieval.evaluate_retrieval, retrieval.format_numbers
    if isinstance(config, ReconstructionConfig):
        from interactvlm.evaluation import reconstruction

        return reconstruction.evaluate_reconstruction, reconstruction.format_numbers
    from interactvlm.evaluation import synthetic

    return synthetic.evaluate, synthetic.format_report


def _published(config: Any) -> int:
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.evaluation.benchmark import run_benchmark
        from interactvlm.evaluation.markdown import as_markdown

        report = run_benchmark(config)
    to_stdout(as_markdown(report))
    to_stdout(f"report: {config.out_folder / 'report.md'}")
    return 1 if report["failures"] else 0
