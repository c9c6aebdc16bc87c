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
    """One regular expression over whole keys.

    A rule with a target is plain text but for its groups, so that it can be read backwards too
    (see `published_name`).
    """

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


def published_name(name: str, rules: Sequence[KeyRule]) -> str:
    """The key that the rules turn into `name`; `name` itself when there is none."""
    for rule in rules:
        key = None if rule.target is None else _backwards(rule.pattern, rule.target, name)
        if key is not None:
            return key
    return name


def _backwards(pattern: str, target: str, name: str) -> str | None:
    """The key that one rule turns into `name`."""
    pieces = _split_groups(pattern)
    literals, groups = pieces[0::2], pieces[1::2]
    words = re.split(r"\\(\d)", target)
    order = [int(digit) - 1 for digit in words[1::2]]
    inverse = re.escape(words[0])
    for group, literal in zip(order, words[2::2], strict=True):
        inverse += f"({groups[group]})" + re.escape(literal)
    match = re.fullmatch(inverse, name)
    if match is None:
        return None
    found = dict(zip(order, match.groups(), strict=True))
    key = re.sub(r"\\(.)", r"\1", literals[0])
    for group, literal in enumerate(literals[1:]):
        key += found[group] + re.sub(r"\\(.)", r"\1", literal)
    return key


def _split_groups(pattern: str) -> list[str]:
    """Texts outside and inside the outermost groups, in turn."""
    pieces, depth = [""], 0
    for sign in pattern:
        depth += (sign == "(") - (sign == ")")
        opens, closes = sign == "(" and depth == 1, sign == ")" and depth == 0
        if opens or closes:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces
