"""The ledger of a batch: what is queued, running, done, failed and skipped, in one SQLite file.

Only one process writes it. It is a plain rollback journal, not a write-ahead log: items take far
longer than the two small commits each of them costs, a plain file also works on network disks, and
it can be copied at any time. Every change is on disk before the next step begins. Knows items and
their states; knows no photo, no model and no process.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from interactvlm.batch.config import STATES, Attempt, Item, State
from interactvlm.errors import InputError, ResourceError
from interactvlm.photo import printable

VERSION = 1
"""Of the table below."""
MOST_BEGINNINGS = 3
"""An item that its process died with this many times is not begun again by itself."""
_LONGEST_STEM = 40
_TABLE = """
CREATE TABLE items (
    key TEXT PRIMARY KEY,
    row INTEGER,                         -- in the present manifest; NULL when it is not listed
    photo TEXT NOT NULL,
    label TEXT NOT NULL,
    folder TEXT NOT NULL UNIQUE COLLATE NOCASE,
    state TEXT NOT NULL,
    marked INTEGER NOT NULL,             -- whether the manifest wants it skipped
    begun INTEGER NOT NULL DEFAULT 0,    -- times begun without an end
    reason TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '',
    seconds REAL,
    finished TEXT,                       -- UTC
    thumbnail BLOB
);
CREATE INDEX by_row ON items (row);
"""


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one item."""

    key: str
    state: State
    marked: bool
    """Whether it was skipped because the manifest says so."""
    begun: int
    """Times it was begun without coming to an end."""
    folder: str
    """Name of its result folder."""


@dataclass(frozen=True)
class Line:
    """One listed item as people are told of it."""

    row: int
    photo: str
    label: str
    folder: str
    state: State
    reason: str
    result: str
    seconds: float | None
    finished: str | None
    """UTC, to the second."""
    thumbnail: bytes | None


def next_state(
    item: Item, before: Entry | None, *, retry_failed: bool, result_there: bool
) -> tuple[State, str]:
    """What an item is when a batch starts, and why; no process works on any item then."""
    if before is not None and before.state == "done" and result_there:
        return "done", ""
    if item.skip:
        return "skipped", item.skip
    if before is None or before.state in ("queued", "done"):
        return "queued", ""
    if before.state == "running":
        if before.begun >= MOST_BEGINNINGS and not retry_failed:
            return "failed", f"the process was killed {before.begun} times in a row while at it"
        return "queued", ""
    again = retry_failed if before.state == "failed" else before.marked
    return ("queued", "") if again else (before.state, "")


class Ledger:
    """An open ledger. Use `Ledger.open`."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self._path = path

    @staticmethod
    @contextlib.contextmanager
    def open(path: Path, *, read_only: bool = False) -> Iterator["Ledger"]:
        """The ledger in a file, made when it is not there.

        Raises:
            InputError: the file is no ledger, or one of another version.
            ResourceError: it cannot be read or written.
        """
        mode = "ro" if read_only else "rwc"
        with _told(path):
            # A long wait: somebody may be looking into the file.
            address = f"{path.absolute().as_uri()}?mode={mode}"
            database = sqlite3.connect(address, timeout=60, uri=True)
        try:
            ledger = Ledger(database, path)
            with _told(path):
                ledger._require_version(create=not read_only)
            yield ledger
        finally:
            database.close()

    def _require_version(self, *, create: bool) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if create and version == 0 and tables == 0:
            self._database.executescript(f"BEGIN; {_TABLE} PRAGMA user_version = {VERSION}; COMMIT")
        elif version != VERSION:
            raise InputError(
                f"the ledger is of version {version}, this program writes {VERSION}; choose "
                f"another --out: {str(self._path)!r}"
            )

    def entries(self) -> dict[str, Entry]:
        """Every item that was ever listed, by key."""
        with _told(self._path):
            found = self._database.execute("SELECT key, state, marked, begun, folder FROM items")
            return {
                key: Entry(key, state, bool(marked), begun, folder)
                for key, state, marked, begun, folder in found
            }

    def enlist(self, items: Sequence[Item], results: Path, *, retry_failed: bool) -> None:
        """Makes these the listed items, each in the state it starts with.

        `results` is where the result folders are: what is done and gone from there is done again.
        """
        before = self.entries()
        taken = {entry.folder.casefold() for entry in before.values()}
        with _told(self._path), self._database:
            self._database.execute("UPDATE items SET row = NULL")
            for item in items:
                entry = before.get(item.key)
                if entry is None:
                    entry = self._added(item, taken)
                there = (results / entry.folder).is_dir()
                state, reason = next_state(
                    item, before.get(item.key), retry_failed=retry_failed, result_there=there
                )
                self._database.execute(
                    "UPDATE items SET row = ?, photo = ?, label = ?, marked = ? WHERE key = ?",
                    (item.row, printable(item.photo), item.label, bool(item.skip), item.key),
                )
                if state != entry.state or reason:
                    begun = entry.begun if (entry.state, state) == ("running", "queued") else 0
                    self._database.execute(
                        "UPDATE items SET state = ?, reason = ?, begun = ?, result = '', "
                        "seconds = NULL, finished = NULL WHERE key = ?",
                        (state, reason, begun, item.key),
                    )

    def _added(self, item: Item, taken: set[str]) -> Entry:
        folder = folder_name(item)
        if folder.casefold() in taken:
            folder = f"{folder}-{item.key[:8]}"
        taken.add(folder.casefold())
        self._database.execute(
            "INSERT INTO items (key, photo, label, folder, state, marked) "
            "VALUES (?, '', '', ?, 'queued', 0)",
            (item.key, folder),
        )
        return Entry(item.key, "queued", False, 0, folder)

    def begin(self, key: str) -> None:
        """Notes that an item is being done."""
        with _told(self._path), self._database:
            self._database.execute(
                "UPDATE items SET state = 'running', begun = begun + 1 WHERE key = ?", (key,)
            )

    def end(self, key: str, attempt: Attempt) -> None:
        """Notes how an attempt ended."""
        with _told(self._path), self._database:
            self._database.execute(
                "UPDATE items SET state = ?, reason = ?, result = ?, seconds = ?, thumbnail = ?, "
                "finished = ?, begun = 0 WHERE key = ?",
                (
                    attempt.state,
                    attempt.reason,
                    attempt.result,
                    attempt.seconds,
                    attempt.thumbnail,
                    datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
                    key,
                ),
            )

    def put_back(self) -> None:
        """Queues again what was begun and is not at an end; nobody died of it."""
        with _told(self._path), self._database:
            self._database.execute(
                "UPDATE items SET state = 'queued', begun = begun - 1 WHERE state = 'running'"
            )

    def counts(self) -> dict[State, int]:
        """Listed items by state."""
        with _told(self._path):
            found = dict(
                self._database.execute(
                    "SELECT state, count(*) FROM items WHERE row IS NOT NULL GROUP BY state"
                ).fetchall()
            )
        return {state: found.get(state, 0) for state in STATES}

    def lines(
        self,
        *,
        state: State | Literal[""] = "",
        first: int = 0,
        most: int = -1,
        pictures: bool = False,
    ) -> Iterator[Line]:
        """Listed items in the order of the manifest, from the `first`-th, at most `most`.

        Thumbnails are left out unless `pictures`.
        """
        with _told(self._path):
            found = self._database.execute(
                "SELECT row, photo, label, folder, state, reason, result, seconds, finished, "
                "CASE WHEN ? THEN thumbnail END FROM items "
                "WHERE row IS NOT NULL AND (? = '' OR state = ?) ORDER BY row LIMIT ? OFFSET ?",
                (pictures, state, state, most, first),
            )
            for values in found:
                yield Line(*values)


def folder_name(item: Item) -> str:
    """Name of an item's result folder: its row, and the photo's name where letters allow."""
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in item.photo.stem)
    return f"{item.row:05d}-{stem[:_LONGEST_STEM] or 'photo'}"


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns what SQLite complains about into one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ResourceError(
            f"the ledger cannot be used ({error}); free some space or the lock, then start the "
            f"same command again: {str(path)!r}"
        ) from None
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"the ledger cannot be read ({error}); choose another --out or delete it: {str(path)!r}"
        ) from None
