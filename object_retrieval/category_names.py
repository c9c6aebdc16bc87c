"""Which category a mesh file of a tree belongs to: by its folder, or by a list.

Lists are CSV (name, category), JSON objects ({name: category}, or {category: [names]} as LVIS
annotations of Objaverse are), or ShapeNet's `taxonomy.json`. A name may be any folder on the way to
the file, the file's own name, or its whole path.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from renders.errors import InputError


@dataclass(frozen=True)
class CategoryNames:
    """Category by name of a file or folder."""

    category_of: dict[str, str]
    """Words that people ask with."""

    def of(self, path: PurePosixPath) -> str | None:
        """Category of a file, by its path below the tree; the name nearest to the file decides."""
        nearest_first = [str(path), str(path.with_suffix("")), path.name, path.stem]
        nearest_first += reversed(path.parent.parts)
        return next((self.category_of[n] for n in nearest_first if n in self.category_of), None)


def read_category_names(path: Path) -> CategoryNames:
    """Reads a list by its suffix.

    Raises:
        InputError: the file is missing, of another kind, or lists nothing.
    """
    if not path.is_file():
        raise InputError(f"list of categories not found; expected a file at {str(path)!r}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _csv_rows(text) if path.suffix.lower() == ".csv" else _json_rows(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"list of categories cannot be read ({error}); it may be CSV with lines name,category, "
            f"JSON like {{name: category}} or {{category: [names]}}, or ShapeNet's taxonomy.json: "
            f"{str(path)!r}"
        ) from None
    if not rows:
        raise InputError(f"list of categories is empty: {str(path)!r}")
    return CategoryNames({name: words_of(category) for name, category in rows.items()})


def words_of(name: str) -> str:
    """A folder's or list's name as words that people ask with: "Wine_Glass" is "wine glass"."""
    return " ".join(name.replace("_", " ").lower().split())


def _csv_rows(text: str) -> dict[str, str]:
    rows = [row for row in csv.reader(text.splitlines()) if row and any(row)]
    if any(len(row) < 2 for row in rows):
        raise ValueError(f"a line has no second column: {next(r for r in rows if len(r) < 2)}")
    return {row[0].strip(): row[1].strip() for row in rows if row[1].strip()}


def _json_rows(content: Any) -> dict[str, str]:
    if isinstance(content, list):
        # ShapeNet: [{"synsetId": "03001627", "name": "chair", "children": [...]}, ...]; a name
        # lists synonyms, of which the first is the usual word.
        return {str(row["synsetId"]): str(row["name"]).split(",")[0] for row in content}
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}")
    rows: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, str):
            rows[key] = value
        else:
            rows |= {str(name): key for name in value}
    return rows
