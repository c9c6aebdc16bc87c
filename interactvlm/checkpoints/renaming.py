"""Strict renaming of state-dict keys: every key is mapped by a rule or ignored for a reason.

A family of checkpoints is one table; this file knows none of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from interactvlm.errors import AssetError

Value = TypeVar("Value")


@dataclass(frozen=True)
class KeyRule:
    """One regular expression over whole keys."""

    pattern: str
    """Matched against the whole key."""
    target: str | None
    """Replacement with group references; None ignores the key."""
    reason: str = ""
    """Why an ignored key is not needed."""


def rename_keys(
    state: Mapping[str, Value], rules: Sequence[KeyRule], *, family: str
) -> dict[str, Value]:
    """The state under new names; the first matching rule counts.

    Raises AssetError naming a key no rule knows, or two keys that would get one name.
    """
    renamed: dict[str, Value] = {}
    for key, value in state.items():
        for rule in rules:
            match = re.fullmatch(rule.pattern, key)
            if match is None:
                continue
            if rule.target is not None:
                name = match.expand(rule.target)
                if name in renamed:
                    raise AssetError(f"two keys of a {family} checkpoint become {name!r}: {key!r}")
                renamed[name] = value
            break
        else:
            raise AssetError(f"key {key!r} is not known in a {family} checkpoint")
    return renamed
