"""English words for body parts and a small reader of them.

Knows words only: no meshes, no contact. The names it gives are those of `human_recovery.parts`.
"""

import re
from collections.abc import Iterator

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


def find_parts(text: str) -> set[str]:
    """The sided part names a text mentions, as "left hand" or "head".

    A singular without a side means both sides, unless a side carries over ("left hand and foot").
    Negated parts ("not the feet") and parts of things ("leg of the table") do not count.
    """
    tokens = re.findall(r"[a-z]+(?:'[a-z]+)?|[^\sa-z]", _normalized(text))
    found: set[str] = set()
    carried: set[str] = set()
    negated = False
    for part, sides, plural, start in _mentions(tokens):
        if start is None:
            carried, negated = set(), False
            continue
        if part == "not":
            negated = True
            continue
        if part not in SIDED_PARTS:
            names = {part}
        else:
            if not sides and not plural:
                sides = carried
            carried = sides
            names = {f"{side} {part}" for side in sides or _BOTH}
        if not negated:
            found |= names
    return found


def _normalized(text: str) -> str:
    lowered = text.lower().replace("’", "'")
    lowered = re.sub(r"\b(left|right)[-_](?=[a-z])", r"\1 ", lowered)
    return lowered.replace("_", " ")


def _mentions(tokens: list[str]) -> Iterator[tuple[str, set[str], bool, int | None]]:
    """(part, sides said with it, plural, position), ("not", ...) at a negation, and a None position
    wherever the run of linked parts ends."""
    at = 0
    sides: set[str] = set()
    while at < len(tokens):
        word = tokens[at]
        length = _part_length(tokens, at)
        if length:
            words = tuple(tokens[at : at + length])
            if not _is_thing(tokens, at, length):
                behind = _bracketed_side(tokens, at + length)
                yield _PART_OF_WORDS[words], sides | behind, words[-1] in _PLURAL, at
                sides = set()
            at += length
            continue
        if word in _SIDES:
            sides = sides | _SIDES[word]
        elif word in _NEGATIONS:
            yield "", set(), False, None
            yield "not", set(), False, at
        elif word not in _NEGATED_ON:
            sides = set()
            if word not in "(),":
                yield "", set(), False, None
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


def _bracketed_side(tokens: list[str], at: int) -> set[str]:
    """The side in "hand (left)"."""
    if tokens[at : at + 1] == ["("] and tokens[at + 2 : at + 3] == [")"]:
        return set(_SIDES.get(tokens[at + 1], set()))
    return set()
