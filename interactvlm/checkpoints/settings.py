"""The JSON files beside published weights: read once, every value checked when it is used.

Knows how to read and how to complain; knows no model.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interactvlm.config import CONFIG_FILE
from interactvlm.errors import AssetError

ADDED_TOKENS = "added_tokens.json"


@dataclass(frozen=True)
class Settings:
    """Values of one JSON object and where they were read."""

    values: dict[str, Any]
    """As in the file."""
    path: Path
    """The file."""

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number. Raises AssetError when it is absent without default, or another type."""
        return self._get(name, default, "a whole number", lambda v: type(v) is int)

    def number(self, name: str, default: float | None = None) -> float:
        """A number."""
        return float(self._get(name, default, "a number", lambda v: type(v) in (int, float)))

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""
        return self._get(name, default, "true or false", lambda v: type(v) is bool)

    def text(self, name: str, default: str | None = None) -> str:
        """A text."""
        return self._get(name, default, "a text", lambda v: isinstance(v, str))

    def part(self, name: str) -> "Settings":
        """An object inside; the settings themselves when they have no such key."""
        inner = self.values.get(name, self.values)
        if not isinstance(inner, dict):
            raise AssetError(f"{name!r} must be an object, found {inner!r}: {str(self.path)!r}")
        return Settings(inner, self.path)

    def has(self, name: str) -> bool:
        """Whether the name is there and not null."""
        return self.values.get(name) is not None

    def _get(self, name: str, default: Any, kind: str, fits: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            value = default
        if value is None:
            raise AssetError(f"{name!r} is missing; {kind} is expected: {str(self.path)!r}")
        if not fits(value):
            raise AssetError(f"{name!r} must be {kind}, found {value!r}: {str(self.path)!r}")
        return value


def read_settings(folder: Path) -> Settings:
    """A folder's config.json. Raises AssetError when it is missing or no JSON object."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise AssetError(
            f"{CONFIG_FILE} is not there, and the weights alone do not tell the number of heads or "
            f"the ids of tokens; fetch it too: {str(path)!r}"
        )
    return Settings(read_object(path), path)


def read_added_tokens(folder: Path) -> dict[str, int]:
    """Ids by text of the tokens a checkpoint added to its vocabulary.

    Raises AssetError when the file is missing or holds anything else.
    """
    path = folder / ADDED_TOKENS
    if not path.is_file():
        raise AssetError(
            f"{ADDED_TOKENS}, which gives the contact tokens their ids, is not there; fetch it "
            f"too: {str(path)!r}"
        )
    added = read_object(path)
    for text, index in added.items():
        if type(index) is not int:
            raise AssetError(f"token {text!r} must have a number, found {index!r}: {str(path)!r}")
    return added


def read_object(path: Path) -> dict[str, Any]:
    """The object a JSON file holds. Raises AssetError when it cannot be read or holds another."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AssetError(f"not valid JSON ({error}): {str(path)!r}") from None
    except OSError as error:
        raise AssetError(f"file cannot be read ({error.strerror}): {str(path)!r}") from None
    if not isinstance(values, dict):
        raise AssetError(f"a JSON object is expected, found {values!r:.60}: {str(path)!r}")
    return values
