"""JSON and tables in an answer, as statements about parts.

Knows layouts; which words are body parts, and what a sentence says of them, is told by others.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from interactvlm.reasoners.prose import STAND_IN, prose_statements
from interactvlm.reasoners.statements import Statement, names_part, plain_words, verdict

DEEPEST = 12
"""Levels of nested JSON that are read; no answer about body parts needs more."""

_SIDES = ("left", "right", "both")
_NEGATIVE = re.compile(r"\b(?:not|no|non|without|none|untouched|unclear|unknown)\b|n't\b")
_PROSE_KEYS = re.compile(
    r"reason|explan|comment|note|descr|think|thought|caption|summary|label|object|image|scene|"
    r"person|action|activity"
)
_POLARITY_KEYS = re.compile(
    rf"touch|contact|parts?\b|answer|result|regions?\b|value|present|{STAND_IN}"
)
_CONFIDENCE_KEYS = re.compile(r"confiden|probab|score|certain|likel")
_NAME_KEYS = re.compile(r"part|name|region|body|area|location|where")


def json_statements(text: str) -> list[Statement] | None:
    """What the JSON in an answer says; None when there is no JSON about contact in it."""
    for version in (text, _repaired(text)):
        for value in _json_values(version):
            statements = list(_from_json(value, (), 0))
            if statements:
                return statements
    return None


def table_statements(text: str) -> list[Statement] | None:
    """What the table in an answer says; None when there is no table that names parts."""
    rows = [_cells(line) for line in text.splitlines() if _is_row(line)]
    rows = [row for row in rows if any(re.search(r"\w|[✓✔✅✗✘❌]", cell) for cell in row)]
    if len(rows) < 2:
        return None
    head = [] if names_part(" ; ".join(rows[0])) else [plain_words(cell) for cell in rows[0]]
    body = rows[1:] if head else rows
    return [statement for row in body for statement in _from_row(row, head)] or None


def _json_values(text: str) -> Iterator[Any]:
    """Every JSON object or list in a text, the outermost of each place."""
    decoder = json.JSONDecoder()
    at = 0
    while (found := re.compile(r"[\[{]").search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            at = found.start() + 1
            continue
        yield value


def _repaired(text: str) -> str:
    """Python's spelling of a value as JSON, and commas before a closing bracket taken out."""
    text = re.sub(r"'([^'\n]*)'(?=\s*[:,\]}])", r'"\1"', text)
    text = re.sub(r",(\s*[\]}])", r"\1", text)
    for python, plain in (("True", "true"), ("False", "false"), ("None", "null")):
        text = re.sub(rf"\b{python}\b", plain, text)
    return text


def _from_json(value: Any, path: tuple[str, ...], depth: int) -> Iterator[Statement]:
    """Statements of a JSON value below the keys `path`, outermost first."""
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        entry = _entry(value, path)
        if entry is not None:
            yield entry
            return
        for key, inside in value.items():
            words = _key_words(key)
            if not _PROSE_KEYS.search(words) or names_part(words):
                yield from _from_json(inside, (*path, words), depth + 1)
    elif isinstance(value, list):
        if not value and _POLARITY_KEYS.search(" ".join(path)) and not _is_negative(path):
            yield Statement("", False)
        for inside in value:
            yield from _from_json(inside, path, depth + 1)
    else:
        yield from _from_leaf(value, path)


def _key_words(key: Any) -> str:
    """leftHand and left_hand as "left hand"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(key)).replace("_", " ").lower()


def _from_leaf(value: Any, path: tuple[str, ...]) -> Iterator[Statement]:
    """A string, number, boolean or null below the keys `path`."""
    touches, named = not _is_negative(path), _part_phrase(path)
    said = _said(value)
    if named and said is not None:
        yield Statement(named, said[0] == touches, said[1] if said[0] else 1.0)
    elif isinstance(value, str) and value.strip():
        yield from _from_text(value, named, path, touches)
    elif said is not None or value is None:
        denied = value is None or not (said and said[0])
        if denied and touches and _POLARITY_KEYS.search(" ".join(path)):
            yield Statement(named, False)


def _from_text(value: str, named: str, path: tuple[str, ...], touches: bool) -> Iterator[Statement]:
    """A string below the keys `path`, which name the part `named` or none."""
    if plain_words(value) in _SIDES and named:
        yield Statement(f"{plain_words(value)} {named}", touches)
    elif verdict(value) is False:
        if touches and _POLARITY_KEYS.search(" ".join(path)):
            yield Statement("", False)
    else:
        phrase = " ".join((named or _side_words(path), value)).strip()
        for statement in prose_statements(phrase):
            yield Statement(statement.text, statement.touches and touches, statement.weight)


def _said(value: Any) -> tuple[bool, float] | None:
    """Yes or no with its certainty, of a JSON value; None when it is neither."""
    if isinstance(value, bool):
        return value, 1.0
    if isinstance(value, int | float) and math.isfinite(value):
        share = value / 100 if value > 1 else value
        return share > 0, min(max(float(share), 0.0), 1.0)
    if isinstance(value, str):
        yes = verdict(value)
        return None if yes is None else (yes, 1.0)
    return None


def _entry(entry: dict[str, Any], path: tuple[str, ...]) -> Statement | None:
    """{"part": "hand", "side": "left", "contact": true, "confidence": 0.8} as one statement.

    The part may also be the key above: {"left hand": {"contact": true}}.
    """
    keys = {_key_words(key): value for key, value in entry.items()}
    names = [v for k, v in keys.items() if _NAME_KEYS.search(k) and _is_part(v)]
    judged = {
        key: said
        for key, value in keys.items()
        if (_POLARITY_KEYS.search(key) or _CONFIDENCE_KEYS.search(key))
        and (said := _said(value)) is not None
    }
    if not names and not (judged and _part_phrase(path)):
        return None
    text, side = names[0] if names else _part_phrase(path), keys.get("side")
    if isinstance(side, str) and plain_words(side) in _SIDES:
        text = f"{plain_words(side)} {text}"
    touches, weight = not _is_negative(path), 1.0
    for key, (yes, certainty) in judged.items():
        if _CONFIDENCE_KEYS.search(key):
            weight = certainty if yes else 0.0
        else:
            touches = touches and yes != _is_negative((key,))
    return Statement(text, touches, weight if touches else 1.0)


def _is_part(value: Any) -> bool:
    return isinstance(value, str) and names_part(value)


def _is_negative(path: tuple[str, ...]) -> bool:
    return any(_NEGATIVE.search(words) for words in path)


def _part_phrase(path: tuple[str, ...]) -> str:
    """The part that keys name, its side in front: "left hand"; empty when they name none."""
    naming = [words for words in path if names_part(words) and not _is_negative((words,))]
    if not naming:
        return ""
    side = re.search(r"\b(?:left|right|both)\b", " ".join((naming[-1], *path)))
    return f"{side[0]} {naming[-1]}" if side else naming[-1]


def _side_words(path: tuple[str, ...]) -> str:
    """The side that keys name: {"left": ["hand"]}."""
    return " ".join(words for words in path if words in _SIDES)


def _is_row(line: str) -> bool:
    return line.count("|") >= 2 or "\t" in line.strip()


def _cells(line: str) -> list[str]:
    parted = line.strip().strip("|").split("|") if "|" in line else line.split("\t")
    return [cell.strip() for cell in parted]


def _from_row(row: list[str], head: list[str]) -> Iterator[Statement]:
    """One row: names and sides in some cells, yes or no in others; the rest is remarks."""
    name = next((cell for cell in row if names_part(cell)), None)
    if name is None:
        return
    verdicts = [verdict(cell) for cell in row]
    sided = [i for i, title in enumerate(head[: len(row)]) if title in ("left", "right")]
    if sided and all(verdicts[i] is not None for i in sided):
        for i in sided:
            yield Statement(f"{head[i]} {plain_words(name)}", bool(verdicts[i]))
        return
    side = next((plain_words(cell) for cell in row if plain_words(cell) in _SIDES), "")
    said = [yes for yes in verdicts if yes is not None]
    named = f"{side} {name}".strip()
    if said:
        yield Statement(named, said[0])
        return
    remarks = [cell for cell in row if cell is not name and plain_words(cell) not in _SIDES]
    yield from prose_statements(" ".join((named, *remarks)))
