"""English words for body parts and a small reader of them.

Knows words only: no meshes, no contact. The names it gives are those of `human_recovery.parts`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SIDED_PARTS = ("arm", "forearm", "hand", "thigh", "leg", "foot")
"""Parts that exist left and right."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "head": (
        *("head", "face", "neck", "ear", "ears", "forehead", "chin", "cheek", "cheeks", "nose"),
        *("mouth", "lip", "lips", "hair", "scalp", "skull", "throat", "jaw", "eye", "eyes"),
        *("temple", "nape", "mouths", "heads", "faces"),
    ),
    "torso": (
        *("torso", "trunk", "back", "backs", "upper back", "lower back", "chest", "chests"),
        *("belly", "stomach", "abdomen", "waist", "shoulder", "shoulders", "upper body", "spine"),
        *("breast", "breasts", "ribs", "rib cage", "ribcage", "hip", "hips", "pelvis", "tummy"),
        *("shoulder blade", "shoulder blades", "whole body"),
        *("collarbone", "midsection", "flank", "crotch", "groin"),
    ),
    "buttocks": (
        *("buttocks", "buttock", "bottom", "butt", "bum", "glutes", "backside", "rear", "rear end"),
        *("behind", "posterior", "butt cheeks", "butt cheek", "bottoms"),
    ),
    "forearm": (
        *("forearm", "forearms", "fore arm", "fore arms", "lower arm", "lower arms"),
        *("elbow", "elbows"),
    ),
    "arm": (
        *("arm", "arms", "upper arm", "upper arms", "bicep", "biceps", "tricep", "triceps"),
        *("armpit", "armpits"),
    ),
    "hand": (
        *("hand", "hands", "palm", "palms", "finger", "fingers", "fingertip", "fingertips"),
        *("thumb", "thumbs", "wrist", "wrists", "fist", "fists", "knuckle", "knuckles"),
        *("index finger", "index fingers", "little finger", "pinky"),
    ),
    "thigh": ("thigh", "thighs", "upper leg", "upper legs", "lap", "hamstring", "hamstrings"),
    "leg": (
        *("leg", "legs", "lower leg", "lower legs", "knee", "knees", "shin", "shins", "calf"),
        *("calves", "kneecap", "kneecaps"),
    ),
    "foot": (
        *("foot", "feet", "toe", "toes", "sole", "soles", "heel", "heels", "ankle", "ankles"),
        *("instep", "insteps", "big toe", "big toes"),
    ),
}
"""Words of each part without its side. Knees count as legs, elbows as forearms, necks as heads."""

_PART_OF_WORDS = {tuple(words.split()): part for part, all_ in SYNONYMS.items() for words in all_}
_LONGEST = max(len(words) for words in _PART_OF_WORDS)
_PLURAL = {
    *("hands", "palms", "wrists", "fists", "forearms", "elbows", "arms", "armpits", "thighs"),
    *("hamstrings", "legs", "knees", "shins", "calves", "kneecaps", "feet", "soles", "heels"),
    *("ankles", "insteps", "thumbs", "lap"),
}
"""Words that mean both sides even where an earlier side would carry over ("left hand and feet").

"lap" is one word for two thighs. Fingers and toes are many on one side, so they are not here.
"""
_BOTH = {"left", "right"}
_SIDES = {"left": {"left"}, "right": {"right"}, "both": _BOTH, "two": _BOTH}
_ONE = {"one", "either", "single"}
"""Words before a part that name one of two without saying which."""
_LINKS = {"and", "or", ",", "/", "&", "plus"}
_DETERMINERS = {
    *("the", "his", "her", "their", "its", "a", "an", "my", "your", "our", "person's", "man's"),
    *("woman's", "inner", "outer", "back", "front", "bare", "of", "side"),
}
_NEGATIONS = {"not", "no", "without", "neither", "nor", "except", "never", "excluding"}
_NEGATED_ON = _DETERMINERS | _LINKS - {","} | {"any", "with", "contact", "touching", "using", "in"}
_PERSON = {
    *("man", "woman", "person", "human", "boy", "girl", "child", "player", "rider", "him", "her"),
    *("body", "subject", "people", "athlete", "surfer"),
}
_THINGS = {
    *("chair", "chair's", "table", "sofa", "couch", "bench", "bed", "stool", "seat", "desk"),
    *("clock", "watch", "tool", "horse", "dog", "cat", "bear", "animal", "other"),
}
"""Words whose next word is a thing's part ("chair leg") or a phrase ("on the other hand")."""


@dataclass(frozen=True)
class PartMention:
    """One body part as a text names it."""

    part: str
    """A key of `SYNONYMS`."""
    words: str
    """The words that name it: "index finger"."""
    sides: frozenset[str]
    """Of left and right, those the text names; empty where it leaves the side open."""
    negated: bool
    """Whether a negation stands right before it: "not the feet"."""


def find_parts(text: str) -> set[str]:
    """The sided part names a text mentions, as "left hand" or "head".

    A singular without a side means both sides, unless a side carries over ("left hand and foot").
    Negated parts ("not the feet") and parts of things ("leg of the table") do not count.
    """
    found: set[str] = set()
    for mention in find_mentions(text):
        if mention.negated:
            continue
        if mention.part in SIDED_PARTS:
            found |= {f"{side} {mention.part}" for side in mention.sides or _BOTH}
        else:
            found.add(mention.part)
    return found


def find_mentions(text: str) -> list[PartMention]:
    """Every part a text names, in its order; parts of things are left out.

    A plural means both sides, a singular takes the side of the part it is linked to, if any. "one
    hand" and "left or right hand" leave the side open.
    """
    tokens = re.findall(r"[a-z]+(?:'[a-z]+)?|[^\sa-z]", _normalized(text))
    found: list[PartMention] = []
    carried: frozenset[str] = frozenset()
    negated = False
    for part, words, sides in _mentions(tokens):
        if not part:
            carried, negated = frozenset(), words == "not"
            continue
        named = frozenset(sides or ())
        if part in SIDED_PARTS:
            if sides is None:
                carried = named  # "one hand" is open whatever stood before it
            elif named or words.split()[-1] in _PLURAL:
                carried, named = named, named or frozenset(_BOTH)
            else:
                named = carried
        found.append(PartMention(part, words, named, negated))
    return found


def _normalized(text: str) -> str:
    lowered = text.lower().replace("’", "'")
    lowered = re.sub(r"\b(left|right)[-_](?=[a-z])", r"\1 ", lowered)
    return lowered.replace("_", " ")


def _mentions(tokens: list[str]) -> Iterator[tuple[str, str, set[str] | None]]:
    """(part, its words, sides said with it or None for "one of them"), and with an empty part
    wherever a run of linked parts ends, the words then being "not" where a negation begins."""
    at = 0
    sides: set[str] = set()
    one = False
    while at < len(tokens):
        word = tokens[at]
        length = _part_length(tokens, at)
        if length:
            words = tuple(tokens[at : at + length])
            if not _is_thing(tokens, at, length):
                said = sides | _bracketed_sides(tokens, at + length)
                unsaid = one and len(said) != 1
                yield _PART_OF_WORDS[words], " ".join(words), None if unsaid else said
                sides, one = set(), False
            at += length
            continue
        if word in _SIDES:
            one = one or (bool(sides) and tokens[at - 1] == "or")
            sides = sides | _SIDES[word]
        elif word in _ONE:
            yield "", "", None
            sides, one = set(), True
        elif word in _NEGATIONS:
            yield "", "not", None
            one = False
        elif word not in _NEGATED_ON:
            sides, one = set(), False
            if word not in "(),":
                yield "", "", None
        at += 1


def _part_length(tokens: list[str], at: int) -> int:
    """Number of words of the longest part name that starts here; 0 when none does."""
    for length in range(min(_LONGEST, len(tokens) - at), 0, -1):
        if tuple(tokens[at : at + length]) in _PART_OF_WORDS:
            return length
    return 0


def _is_thing(tokens: list[str], at: int, length: int) -> bool:
    """True where the word is another's part ("back of the hand", "leg of the table") or no noun."""
    before = tokens[at - 1] if at else ""
    after = tokens[at + length :]
    word = tokens[at]
    if before in _THINGS:
        return True
    if word == "behind" and before not in ("his", "her", "their", "the"):
        return True  # mostly a preposition
    if word == "back" and after and _part_length(after, 0):
        return True
    if not after or after[0] != "of":
        return False
    rest = [token for token in after[1:5] if token not in _DETERMINERS and token not in _SIDES]
    return not (rest and rest[0] in _PERSON)


def _bracketed_sides(tokens: list[str], at: int) -> set[str]:
    """The sides in "hand (left)" and "hands (left and right)"."""
    if tokens[at : at + 1] != ["("] or ")" not in tokens[at : at + 6]:
        return set()
    inside = tokens[at + 1 : tokens.index(")", at)]
    if not all(word in _SIDES or word in _LINKS for word in inside):
        return set()
    return set().union(*(_SIDES.get(word, set()) for word in inside))
