"""One thing an answer says about body parts; what every reader of answers returns."""

import re
from dataclasses import dataclass

from human_recovery.part_words import find_mentions


@dataclass(frozen=True)
class Statement:
    """Something an answer says about body parts."""

    text: str
    """A phrase that names parts; empty where the answer speaks of the whole body."""
    touches: bool
    """Whether they are said to touch."""
    weight: float = 1.0
    """How sure the answer is, 0 to 1."""


_YES = {
    *("yes", "y", "true", "touching", "touches", "contact", "in contact", "x"),
    *("✓", "✔", "✔️", "✅"),
}
_NO = {
    *("no", "n", "false", "none", "not touching", "no contact", "not in contact", "never", "0"),
    *("-", "–", "—", "✗", "✘", "❌"),
}


def names_part(text: str) -> bool:
    """Whether a text names any body part, negated or not."""
    return bool(find_mentions(text))


def verdict(text: str) -> bool | None:
    """Yes or no, where a short text says nothing else; None otherwise."""
    plain = plain_words(text)
    if plain in _YES:
        return True
    if plain in _NO:
        return False
    first = re.match(r"(yes|no)\b *[,(:;–—-]", plain)
    return None if first is None or names_part(plain) else first[1] == "yes"


def plain_words(text: str) -> str:
    """Lower case, without quotes, full stops and the marks of bold and italic type."""
    return re.sub(r"[*_`\"'.!]+", " ", text).strip().lower()
