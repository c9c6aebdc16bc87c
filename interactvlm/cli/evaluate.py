"""`interactvlm evaluate BENCHMARK`: numbers on known truth."""

from typing import Any

EXAMPLES = """\
The first word names the benchmark; `synthetic` is generated here when it is missing.

examples:
  interactvlm evaluate synthetic --split test
  interactvlm evaluate synthetic --split test --count 64 --json numbers.json
  interactvlm evaluate synthetic --split test --shuffle-images"""

BENCHMARKS = ("synthetic",)


def prepare(arguments: list[str]) -> list[str]:
    """Takes the benchmark's name off the arguments."""
    if arguments and arguments[0] in BENCHMARKS:
        return arguments[1:]
    if "-h" in arguments or "--help" in arguments:
        return arguments
    from interactvlm.errors import InputError

    found = f"got {arguments[0]!r}" if arguments else "got nothing"
    raise InputError(f"evaluate needs a benchmark, {found}; known are {', '.join(BENCHMARKS)}")


def config_class() -> type:
    """What the command line is parsed into."""
    from interactvlm.evaluation.config import EvaluateConfig

    return EvaluateConfig


def run(config: Any) -> int:
    """0 when all was measured."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.evaluation.synthetic import evaluate, format_report

        report = evaluate(config)
    to_stdout(format_report(report))
    if config.json is not None:
        to_stdout(f"numbers: {config.json}")
    return 0
