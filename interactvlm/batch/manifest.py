"""What a batch is to do: the photos below a folder, or the rows of a manifest.

A manifest is CSV with a header, or JSON lines, in UTF-8 (a byte-order mark and any line ends are
fine). Paths in it are relative to its own folder. Any fault of it is told before anything is begun.
Knows files and cells; which columns there are and what they mean, the task says.
"""

import csv
import difflib
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interactvlm.batch.config import LEDGER_FILE
from interactvlm.errors import InputError
from interactvlm.photo import printable

PHOTO_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".avif", ".heic",
    ".heif",
)  # fmt: skip
"""Files of a folder that count as photos, in small or capital letters."""
MANIFEST_SUFFIXES = (".csv", ".jsonl", ".ndjson")
RESULT_FILES = (LEDGER_FILE, "provenance.json")
"""A folder with one of these holds results, whose pictures are no photos."""

Parse = Callable[[Any], Any]
"""A cell, text or a JSON value, to what it means; ValueError says what it must be."""


@dataclass(frozen=True)
class Row:
    """One photo to do."""

    number: int
    """From 1, the header not counted."""
    place: str
    """Where it stands, for people."""
    values: dict[str, Any]
    """Meaning by column; empty cells are left out, `photo` is there."""


def text(cell: Any) -> str:
    """Words."""
    if not isinstance(cell, str | int | float):
        raise ValueError(f"must be text, got {cell!r}")
    return str(cell).strip()


def names(cell: Any) -> tuple[str, ...]:
    """Names: "chair; cup", or a list of strings."""
    parts = cell.split(";") if isinstance(cell, str) else cell
    words = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    found = tuple(part.strip() for part in parts if part.strip()) if words else ()
    if not found:
        raise ValueError(f"must be names with ';' between them, or a list of strings, got {cell!r}")
    return found


def box(cell: Any) -> tuple[float, ...]:
    """x0 y0 x1 y1 with spaces or commas between them, or a list of four numbers."""
    parts = cell.replace(",", " ").split() if isinstance(cell, str) else cell
    said = f"must be four numbers x0 y0 x1 y1 with x0 < x1 and y0 < y1, got {cell!r}"
    if not isinstance(parts, list) or len(parts) != 4:
        raise ValueError(said)
    try:
        corners = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        raise ValueError(said) from None
    finite = all(math.isfinite(value) for value in corners)
    if not finite or corners[0] >= corners[2] or corners[1] >= corners[3]:
        raise ValueError(said)
    return corners


def whole_number(cell: Any) -> int:
    """A number from 1."""
    try:
        number = int(str(cell).strip())
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"must be a whole number from 1, got {cell!r}")
    return number


def file(cell: Any) -> Path:
    """A path; `read_rows` sets it below the manifest's folder."""
    if not isinstance(cell, str) or "\0" in cell:
        raise ValueError(f"must be a path, got {cell!r}")
    try:
        return Path(cell.strip()).expanduser()
    except RuntimeError as error:  # the home of nobody
        raise ValueError(f"must be a path ({error}), got {cell!r}") from None


def read_rows(source: Path, columns: Mapping[str, Parse]) -> list[Row]:
    """The rows of a manifest, or one per photo below a folder, in the order of their names.

    Results of this package and names that begin with a dot are no part of a folder of photos.

    Raises:
        InputError: nothing is there, it cannot be read, it names no photo, or a row cannot be
            understood.
    """
    if source.is_dir():
        photos = _photos_below(source)
        return [
            Row(number, f"photo {number}", {"photo": photo})
            for number, photo in enumerate(photos, start=1)
        ]
    name = printable(source)
    if source.suffix.lower() not in MANIFEST_SUFFIXES:
        found = "another file" if source.exists() else "nothing"
        raise InputError(
            f"a batch needs a folder of photos or a manifest ({', '.join(MANIFEST_SUFFIXES)}), "
            f"found {found}: {name!r}"
        )
    content = _content(source, name)
    read = _csv_lines if source.suffix.lower() == ".csv" else _json_lines
    folder = Path(os.path.abspath(source.parent))
    rows = []
    for line, cells in read(content, name):
        place = f"line {line} of {name!r}"
        rows.append(Row(len(rows) + 1, place, _values(cells, columns, folder, place)))
    if not rows:
        raise InputError(f"the manifest has no rows: {name!r}")
    return rows


def _photos_below(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        # os.walk would leave the folder out in silence.
        raise InputError(f"folder cannot be read ({error.strerror}): {printable(error.filename)!r}")

    found, others = [], 0
    for place, folders, files in os.walk(os.path.abspath(folder), onerror=refuse):
        if any(name in files for name in RESULT_FILES):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name[0] != ".")
        photos = [n for n in sorted(files) if n.lower().endswith(PHOTO_SUFFIXES) and n[0] != "."]
        others += len(files) - len(photos)
        found += [Path(place) / name for name in photos]
    if not found:
        raise InputError(
            f"no photos in the folder or below it, but {others:,} other files; photos end in "
            f"{', '.join(PHOTO_SUFFIXES)}: {printable(folder)!r}"
        )
    return found


def _content(path: Path, name: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"manifest is not UTF-8 text (byte {error.start}); save it as UTF-8: {name!r}"
        ) from None
    except OSError as error:
        raise InputError(f"manifest cannot be read ({error.strerror}): {name!r}") from None


def _csv_lines(content: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and cells by column; short rows are empty at their end."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip().lower() for cell in cells]
                while not header[-1]:
                    header.pop()  # spreadsheets write columns that were emptied
                if len(set(header)) < len(header):
                    raise InputError(f"manifest has a column twice, {header}: {name!r}")
                continue
            if any(cell.strip() for cell in cells[len(header) :]):
                raise InputError(
                    f"{len(cells)} cells, the header names {len(header)}; put cells that hold a "
                    f"comma into quotes; line {reader.line_num} of {name!r}"
                )
            yield reader.line_num, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise InputError(
            f"manifest is no CSV ({error}); line {reader.line_num} of {name!r}"
        ) from None


def _json_lines(content: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and values by name."""
    # Not splitlines: it also cuts at characters that a JSON string may hold.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"no valid JSON ({error}); line {number} of {name!r}") from None
        if not isinstance(values, dict):
            raise InputError(
                f"every line must be an object with 'photo', got {values!r:.80}; line {number} of "
                f"{name!r}"
            )
        yield number, values


def _values(
    cells: Mapping[str, Any], columns: Mapping[str, Parse], folder: Path, place: str
) -> dict[str, Any]:
    """The meaning of one row's cells."""
    values: dict[str, Any] = {}
    for name, cell in cells.items():
        if name not in columns:
            raise _unknown_column(name, columns, place)
        if cell is None or cell == [] or (isinstance(cell, str) and not cell.strip()):
            continue
        try:
            value = columns[name](cell)
        except ValueError as error:
            raise InputError(f"{name} {error}; {place}") from None
        inside = isinstance(value, Path)
        values[name] = Path(os.path.abspath(folder / value)) if inside else value
    if "photo" not in values:
        raise InputError(f"the row names no photo; {place}")
    return values


def _unknown_column(name: str, columns: Mapping[str, Parse], place: str) -> InputError:
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"columns are {', '.join(columns)}"
    if ";" in name:
        hint = f"put commas between columns; {hint}"
    return InputError(f"unknown column {name!r}; {hint}; {place}")
