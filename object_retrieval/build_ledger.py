"""Notes of a long job, a line of JSON per finished piece, so that a stopped job goes on.

Knows keys, stamps and plain values; nothing of what they mean.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from renders.cache import atomic_write
from renders.errors import InputError


class BuildLedger:
    """To be used in a `with` block; a line that was cut off by a kill does not count."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Reads what an earlier run noted.

        Raises:
            InputError: the earlier run had other settings.
        """
        self._known: dict[str, tuple[str, dict[str, Any]]] = {}
        rows = list(_whole_lines(path)) if path.is_file() else []
        if rows and rows[0].get("settings") != settings:
            raise InputError(
                f"the library here was begun with other settings; choose another --out or delete "
                f"it: {str(path.parent)!r}"
            )
        for row in rows[1:]:
            if row.keys() >= {"key", "stamp", "value"}:
                self._known[row["key"]] = (row["stamp"], row["value"])
        # Written anew: half a line at the end would swallow the next one.
        with atomic_write(path) as temporary:
            lines: list[dict[str, Any]] = [{"settings": settings}]
            lines += [{"key": k, "stamp": s, "value": v} for k, (s, v) in self._known.items()]
            temporary.write_text("".join(json.dumps(row) + "\n" for row in lines), "utf-8")
        self._path = path

    def __enter__(self) -> "BuildLedger":
        self._stream = open(self._path, "a", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def find(self, key: str, stamp: str) -> dict[str, Any] | None:
        """What was noted of a key, if its stamp is still the same."""
        known = self._known.get(key)
        return known[1] if known is not None and known[0] == stamp else None

    def values(self) -> list[dict[str, Any]]:
        """Everything that is noted."""
        return [value for _, value in self._known.values()]

    def note(self, key: str, stamp: str, value: dict[str, Any]) -> None:
        """Adds a line."""
        self._known[key] = (stamp, value)
        self._stream.write(json.dumps({"key": key, "stamp": stamp, "value": value}) + "\n")
        self._stream.flush()


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row
