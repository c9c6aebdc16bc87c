"""From the words of one answer to weights on named regions of the body.

JSON is tried first, then tables, then prose. What an answer leaves open stays open: a hand without
its side puts half the weight on both and says so; an answer that says nothing about contact is
unusable, which is not the same as no contact. Knows words; no surfaces.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from human_recovery.part_regions import Side, is_paired, is_region
from human_recovery.part_words import SIDED_PARTS, PartMention, find_mentions
from interactvlm.reasoners.prose import STAND_IN, denies_contact, is_refusal, prose_statements
from interactvlm.reasoners.statements import Statement, names_part
from interactvlm.reasoners.structured import json_statements, table_statements

OPEN_SIDE_WEIGHT = 0.5
"""Weight of each side where an answer does not say which."""

Outcome = Literal["contact", "no contact", "refused", "unusable"]

_OPPOSITE: dict[Side, Side] = {"left": "right", "right": "left"}
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_OF_PART = re.compile(
    r"\b(palms?|fingers?|fingertips?|thumbs?|wrists?|soles?|heels?|toes?|ankles?) (?:of|on) "
    r"(?:(?:the|his|her|their|its|each|both|one|left|right) )*(?:hands?|foot|feet)\b",
    re.IGNORECASE,
)
_PARTS_PART = re.compile(
    r"\b(left|right) (?:hand|foot)'s (?=(?:palm|finger|thumb|wrist|sole|heel|toe|ankle))",
    re.IGNORECASE,
)
_ALL_EXCEPT = re.compile(r"\b(?:everything|all|every)\b[^.;]*\bexcept\b", re.IGNORECASE)
_OTHER = re.compile(
    r"\bother (hand|foot|arm|forearm|leg|thigh|palm|elbow|knee|heel|sole)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class RegionWeight:
    """A region of the body and how surely an answer puts contact there."""

    part: str
    """Part without its side: "hand"."""
    words: str
    """Words of a finer region; empty for the whole part."""
    side: Side | None
    """None for a part of the middle line as a whole."""
    weight: float
    """0 to 1."""


@dataclass(frozen=True)
class Reading:
    """What one answer says."""

    outcome: Outcome
    """Whether it tells of contact, of none, or cannot be used."""
    regions: tuple[RegionWeight, ...] = ()
    """Where it puts contact."""
    open_sides: tuple[str, ...] = ()
    """Words whose side the answer left open."""

    @property
    def usable(self) -> bool:
        """Whether the answer says anything about contact."""
        return self.outcome in ("contact", "no contact")


def read_answer(text: str, label: str = "") -> Reading:
    """What an answer says about contact with `label`."""
    text = _prepared(text, label)
    statements = json_statements(text)
    if statements is None:
        statements = table_statements(text)
    from_layout = statements is not None
    if statements is None:
        statements = prose_statements(text)
    gathered = _Gathered()
    for statement in statements:
        gathered.add(statement)
    regions, open_sides = gathered.resolved()
    if regions:
        return Reading("contact", regions, open_sides)
    if is_refusal(text) and not from_layout:
        return Reading("refused")
    if _ALL_EXCEPT.search(text) and not from_layout:
        return Reading("unusable")
    told = gathered.denies or denies_contact(text)
    return Reading("no contact" if told else "unusable")


@dataclass
class _Gathered:
    """Weights by part, side and region, in the order of the statements: the last word counts."""

    sure: dict[tuple[str, Side | None, str], float] = field(default_factory=dict)
    open: dict[tuple[str, str], float] = field(default_factory=dict)
    denied: set[tuple[str, Side | None]] = field(default_factory=set)
    denies: bool = False

    def add(self, statement: Statement) -> None:
        self.denies = self.denies or not statement.touches
        for mention in find_mentions(statement.text):
            if statement.touches and statement.weight > 0 and not mention.negated:
                self._affirm(mention, statement.weight)
            else:
                self._deny(mention)

    def _affirm(self, mention: PartMention, weight: float) -> None:
        words = mention.words if is_region(mention.part, mention.words) else ""
        paired = is_paired(mention.part, mention.words)
        if paired and not mention.sides and _is_singular(mention):
            self.open[mention.part, mention.words] = weight
            return
        for side in _sides(mention) or (None,):
            self.sure[mention.part, side, words] = weight
            self.denied.discard((mention.part, side))

    def _deny(self, mention: PartMention) -> None:
        self.denies = True
        words = mention.words if is_region(mention.part, mention.words) else ""
        both: tuple[Side, ...] = ("left", "right")
        sides: tuple[Side | None, ...] = _sides(mention) or (*both, None)
        if not words:
            self.denied |= {(mention.part, side) for side in sides}
        for part, side, region in list(self.sure):
            # "The palm but not the fingertips": a region takes no more than itself away.
            if part == mention.part and side in sides and (not words or region == words):
                del self.sure[part, side, region]
        for part, said in list(self.open):
            if part == mention.part and not mention.sides and (not words or said == words):
                del self.open[part, said]

    def resolved(self) -> tuple[tuple[RegionWeight, ...], tuple[str, ...]]:
        """Every region with its weight, and the words whose side stayed open."""
        weights = dict(self.sure)
        left_open: list[str] = []
        for (part, said), weight in self.open.items():
            words = said if is_region(part, said) else ""
            if any(
                p == part and side is not None and (part in SIDED_PARTS or w == words)
                for p, side, w in self.sure
            ):
                continue  # "one hand: the left hand"
            free: list[Side] = [s for s in _OPPOSITE if (part, s) not in self.denied]
            if len(free) == 2:
                left_open.append(said)
            share = weight if len(free) == 1 else weight * OPEN_SIDE_WEIGHT
            for side in free:
                weights[part, side, words] = max(weights.get((part, side, words), 0.0), share)
        regions = tuple(RegionWeight(p, w, s, weight) for (p, s, w), weight in weights.items())
        return regions, tuple(dict.fromkeys(left_open))


def _is_singular(mention: PartMention) -> bool:
    """Whether a mention without a side means one of two; "shoulders" means both."""
    last = mention.words.split()[-1]
    many = last.endswith("s") and last not in ("biceps", "triceps")
    return mention.part in SIDED_PARTS or not many


def _sides(mention: PartMention) -> tuple[Side, ...]:
    """Sides a mention names; of a part on the middle line both sides are no side."""
    named: tuple[Side, ...] = tuple(s for s in _OPPOSITE if s in mention.sides)
    return () if mention.part not in SIDED_PARTS and len(named) == 2 else named


def _prepared(text: str, label: str) -> str:
    """The answer without thinking aloud, without the label's own words, with plain phrases."""
    text = re.sub(" {2,}", " ", _THOUGHTS.sub(" ", text).replace("’", "'"))
    named = " ".join(label.replace("_", " ").split())
    if named and not _is_part_name(named):
        pattern = r"[\s_-]+".join(re.escape(word) for word in named.split())
        text = re.sub(rf"\b{pattern}(?=s?\b)", STAND_IN, text, flags=re.IGNORECASE)
    text = _OF_PART.sub(_side_first, _PARTS_PART.sub(r"\1 ", text))
    return _OTHER.sub(lambda found: _other_side(text[: found.start()], found[1]), text)


def _is_part_name(label: str) -> bool:
    """Whether a label is a body part itself, whose words must stay."""
    mentions = find_mentions(label)
    return bool(mentions) and mentions[0].words == label.lower()


def _side_first(found: re.Match[str]) -> str:
    """ "palm of the left hand" as "left palm", which names the finer region."""
    side = re.search(r"\b(?:left|right|both|one)\b", found[0].lower())
    return f"{side[0]} {found[1]}" if side else found[1]


def _other_side(before: str, part: str) -> str:
    """ "the other hand" as the side not named last; open when none was named."""
    if re.search(r"\bon the $", before.lower()):
        return f"other {part}"
    named = re.findall(r"\b(left|right)\b", before.lower())
    if not named or not names_part(before):
        return f"one {part}"
    return f"{'right' if named[-1] == 'left' else 'left'} {part}"
