"""What a batch came to: a table with a line per item, and a few numbers for whoever started it.

Knows the ledger; knows no process and no HTML.
"""

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interactvlm.batch.config import ITEMS_FOLDER, State
from interactvlm.batch.ledger import Ledger, Line
from renders.cache import atomic_write

SUMMARY_FILE = "summary.csv"
COLUMNS = (
    "row", "photo", "label", "state", "reason", "result", "seconds", "finished_utc", "folder",
)  # fmt: skip
MOST_TOLD = 5
"""Failures that the terminal tells; all are in the table."""


@dataclass(frozen=True)
class BatchReport:
    """What a run of a batch came to."""

    out: Path
    counts: dict[State, int]
    """Listed items by state."""
    failed: tuple[Line, ...]
    """Failures, in the order of the manifest."""
    seconds: float
    """Of this run."""
    notes: tuple[str, ...] = ()
    """What a person should know."""
    interrupted: bool = False
    """Whether Ctrl-C ended it."""

    @staticmethod
    def of(
        ledger: Ledger,
        *,
        out: Path,
        seconds: float,
        notes: tuple[str, ...] = (),
        interrupted: bool = False,
    ) -> "BatchReport":
        """The report of what a ledger says now."""
        failed = tuple(ledger.lines(state="failed"))
        return BatchReport(out, ledger.counts(), failed, seconds, notes, interrupted)

    def summary(self) -> str:
        """A few lines for the terminal."""
        counted = ", ".join(f"{count:,} {state}" for state, count in self.counts.items() if count)
        lines = [f"{counted or 'nothing'}, of {sum(self.counts.values()):,}; {self.seconds:.0f} s"]
        lines += [f"note: {note}" for note in self.notes]
        for line in itertools.islice(self.failed, MOST_TOLD):
            lines.append(f"failed: row {line.row}, {line.photo}: {line.reason}")
        if len(self.failed) > MOST_TOLD:
            lines.append(f"and {len(self.failed) - MOST_TOLD:,} more, see {SUMMARY_FILE}")
        if self.failed:
            lines.append("the same command with --retry-failed does them again")
        if self.counts["queued"]:
            stopped = "stopped" if self.interrupted else "not finished"
            lines.append(f"{stopped}; the same command goes on with what is queued")
        return "\n".join([*lines, f"index: {self.out / 'index.html'}"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "out": str(self.out),
            "items": sum(self.counts.values()),
            "counts": self.counts,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "failed": [
                {"row": f.row, "photo": f.photo, "label": f.label, "reason": f.reason}
                for f in self.failed
            ],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"BatchReport({self.counts}, {str(self.out)!r})"


def write_summary(out: Path, ledger: Ledger) -> None:
    """Writes the table, one line per listed item, whole or not at all."""
    with (
        atomic_write(out / SUMMARY_FILE) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for line in ledger.lines():
            table.writerow(
                (
                    line.row,
                    line.photo,
                    line.label,
                    line.state,
                    line.reason,
                    line.result,
                    "" if line.seconds is None else f"{line.seconds:.3f}",
                    line.finished or "",
                    f"{ITEMS_FOLDER}/{line.folder}" if line.state == "done" else "",
                )
            )
