"""What a batch is started with, what one item of it is, and how an attempt at one ended.

Knows no file format, no model and no database; imports nothing heavy.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "skipped"]
STATES: tuple[State, ...] = ("queued", "running", "done", "failed", "skipped")
MOST_WORKERS = 256
LEDGER_FILE = "ledger.sqlite"
"""Of a batch's folder; tells such a folder from others."""
ITEMS_FOLDER = "items"
"""Holds the result folders."""


@dataclass(frozen=True)
class BatchConfig:
    """Where a batch's photos come from, where results go and how it is run."""

    source: Path
    """Folder of photos, or a manifest."""
    out: Path
    """Folder of ledger, results and summary."""
    task: str = "contact"
    """What is done with each photo: a name of `tasks.TASKS`."""
    workers: int = 1
    """Processes; one is this process."""
    retry_failed: bool = False
    """Do again what failed before."""
    stop_on_error: bool = False
    """Begin nothing more after a failure."""

    def __post_init__(self) -> None:
        from interactvlm.errors import InputError

        if not 1 <= self.workers <= MOST_WORKERS:
            raise InputError(f"--workers must lie between 1 and {MOST_WORKERS}, got {self.workers}")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"a batch needs a folder for --out, found a file: {str(self.out)!r}")
        if self.out.resolve() == self.source.resolve():
            raise InputError(
                f"results would lie among the photos; choose another --out: {str(self.out)!r}"
            )


@dataclass(frozen=True)
class Item:
    """One photo and what is asked about it."""

    key: str
    """Hash of everything that decides the answer: the same key is the same work."""
    row: int
    """Place in the manifest or among the folder's photos, from 1."""
    photo: Path
    """The photo's file."""
    label: str
    """What is asked about, in words."""
    payload: Any
    """What the task's function is given; picklable."""
    skip: str = ""
    """Why it is to be left out; empty when it is not."""


@dataclass(frozen=True)
class Listing:
    """All that a batch is to do."""

    items: tuple[Item, ...]
    """Each key once, in the order of the manifest."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What all items share; a batch goes on only with the same."""
    notes: tuple[str, ...] = ()
    """What a person should know, such as rows that repeat others."""


@dataclass(frozen=True)
class Attempt:
    """How one attempt at an item ended."""

    state: Literal["done", "failed", "skipped"]
    result: str = ""
    """The answer in words."""
    reason: str = ""
    """Why it failed or was skipped, one sentence."""
    seconds: float = 0.0
    thumbnail: bytes = b""
    """A small JPEG of the photo; empty when it cannot be read."""
    lacked_resources: bool = False
    """Whether memory, disk or device did not suffice."""
