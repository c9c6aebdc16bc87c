"""`interactvlm doctor`: what is found, and how to get the rest."""

import json as json_format
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = """\
examples:
  interactvlm doctor
  interactvlm doctor --weights runs/mini/weights --json"""


@dataclass(frozen=True)
class DoctorOptions:
    """What is installed and found."""

    weights: Path | None = None
    """Model folder to look at instead of the shipped one."""
    json: bool = False
    """Print JSON and nothing else on standard output."""


def config_class() -> type[DoctorOptions]:
    """What the command line is parsed into."""
    return DoctorOptions


def run(options: DoctorOptions) -> int:
    """0 when everything needed is there, 1 when something needed is missing or damaged."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.doctor import examine, format_findings

        findings = examine(options.weights)
    if options.json:
        to_stdout(json_format.dumps({"findings": [f.to_dict() for f in findings]}, indent=2))
    else:
        to_stdout(format_findings(findings))
    return 0 if all(finding.fine for finding in findings if finding.needed) else 1
