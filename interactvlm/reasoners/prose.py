"""Sentences and lists in an answer, as statements about parts.

A small grammar by hand: it splits a text into clauses that each have their own verb and asks of
each whether it is negated. Knows English; no JSON, no sides, no surfaces.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from human_recovery.part_words import find_mentions
from interactvlm.reasoners.statements import Statement, names_part, verdict

STAND_IN = "chair"
"""What the object asked about is called while an answer is read: its parts ("the chair's arm") are
known to be no body parts."""
HEDGED_WEIGHT = 0.5
"""Weight of "may touch", "possibly"."""

_BULLET = re.compile(r"^\s*(?:[-*•–·]|\(?\d{1,2}[.):])\s+")
_VERB = re.compile(
    r"\b(?:is|are|was|were|do|does|did|has|have|can|cannot|may|might|could|will|"
    r"contacts|contacting|contacted|"
    r"(?:touch|rest|sit|lean|grip|grasp|grab|clasp|hold|hang|press|support|lie|lying|lay|stand|"
    r"wrap|push|pull|kick|carr|wear|mak|meet|remain|appear|seem|bear|reach|cover|straddl|cling|"
    r"steer|rid|plac|squeez|brac|dangl|hover|float)\w*)\b|n't\b"
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|without|neither|nor|nothing|none|cannot|untouched)\b|n't\b"
    r"|\bfree of\b|\baway from\b|\b(?:dangl|hover|float)\w*|\bin (?:the |mid[ -]?)air\b"
)
_UNKNOWN = re.compile(
    r"\b(?:unclear|unknown|hidden|occluded|invisible|n/a|out of (?:frame|view|sight))\b"
    r"|(?:\bnot|n't) (?:\w+ )?(?:visible|clear|known|shown|determine|tell|see)\b"
    r"|\bcannot (?:be )?(?:seen|see|tell|determined?)\b"
)
_HEDGE = re.compile(r"\b(?:may|might|maybe|perhaps|possibly|could)\b")
_GROUND = re.compile(r"\b(?:floor|ground|carpet|grass|pavement|street|sand)\b")
_ALONE = re.compile(r"^\s*(?:only|just|rather)\b")
_SENTENCE = re.compile(r"[;!?\n]+|\.(?!\d)")
_CONTRAST = re.compile(r",?\s*\b(?:but|while|whereas|however|although|though|yet|whilst)\b,?")
_ELLIPSIS = re.compile(
    r"^\W*(?:(?:and|it|they) )*(?:not|never|(?:is|are|do|does|did)(?: not|n't))\b"
    r".*\b(?:touch|contact)"
)
_ON_ONESELF = re.compile(
    r"\b(?:on|in|against) (?:his|her|their|the person's) (?:own )?(?:left |right |other )?"
    r"(?:knees?|lap|thighs?|hips?|waist|chest|face|head|chin|mouth|hands?|pockets?)\b"
)
_SCORE = re.compile(
    # The name's length is bounded: without a bound a long line costs the square of its length.
    r"([^,;|()]{1,60}?) ?[:(=–—-] ?(\d{1,3}(?:\.\d+)? ?%|[01]?\.\d+|[01](?= ?\)))"
)
_EXCEPTED = re.compile(
    r"\b(?:no (?:\w+ )?parts?|nothing|none)\b[^.;,]*?\b(?:except|besides|apart from|other than)\b"
)
_DENIAL = re.compile(
    r"\bno (?:\w+ ){0,2}(?:contact|parts?|touching)\b|\bnothing\b|\bnone\b|\buntouched\b"
    r"|(?:\bnot|n't) (?:\w+ ){0,4}(?:touch|contact)|^\W*no\b"
)
_NO_DENIAL = re.compile(
    r"\b(?:nothing|none|no(?: \w+){0,2}?) (?:else|other|others|further)\b|\bno other\b"
    r"|\bnot (?:only|just|merely)\b|\bnothing but\b|\bno doubt\b"
)
_NOT_THE_OTHER = re.compile(
    r",?\s*(?:and |but )?not (?:with )?(?:the |his |her |their )?(?:left|right)(?: one)?"
    r"(?=\s*(?:[,.;:)]|$))"
)
_REFUSAL = re.compile(
    r"\b(?:i'?m|i am|we are) (?:sorry|unable|not able)\b|\bas an ai\b"
    r"|\b(?:i|we) (?:can(?:no|')t|could(?:n't| not)|won't|will not) "
    r"(?:help|assist|identify|determine|see|tell|provide|answer|analy|process|view|comply)"
)


def prose_statements(text: str) -> list[Statement]:
    """What lines and sentences say about parts; contact with the ground does not count.

    The object asked about should read `STAND_IN`, so that its own words are not read as parts.
    """
    found: list[Statement] = []
    heading = True
    for line in text.splitlines():
        bullet = _BULLET.match(line)
        content = _BULLET.sub("", line).strip().strip("*_#> ")
        if not content:
            continue
        is_title = content.endswith(":") or line.lstrip().startswith(("#", "**"))
        if bullet is None and is_title and not names_part(content):
            heading = not _NEGATION.search(_normalized(content))
            continue
        statements = list(_from_line(content))
        if bullet is None:
            heading = True
        elif not heading:
            statements = [Statement(s.text, False, s.weight) for s in statements]
        found += statements
    return found


def denies_contact(text: str) -> bool:
    """Whether an answer that names no touching part says that nothing touches."""
    normal = _NO_DENIAL.sub(" ", _normalized(text))
    return bool(_DENIAL.search(normal)) or verdict(text) is False


def is_refusal(text: str) -> bool:
    """Whether an answer says that it will not or cannot answer."""
    return bool(_REFUSAL.search(_normalized(text)))


def _from_line(content: str) -> Iterator[Statement]:
    """One line; "Left hand: yes" is a name with a verdict, anything else is sentences."""
    name, colon, said = content.partition(":")
    yes = verdict(said) if colon else None
    if yes is not None and names_part(name):
        yield Statement(name, yes)
        return
    scored = [(n, _share(score)) for n, score in _SCORE.findall(content) if names_part(n)]
    if scored:
        yield from (Statement(name, share > 0, share) for name, share in scored)
        return
    if colon and not names_part(name) and _NEGATION.search(_normalized(name)):
        # "Not touching: feet, head"
        yield from (Statement(s.text, False, s.weight) for s in _from_sentences(said))
        return
    yield from _from_sentences(content)


def _share(score: str) -> float:
    """ "0.8" and "80 %" as 0.8."""
    number = float(score.rstrip("% "))
    return min(number / 100 if "%" in score else number, 1.0)


def _from_sentences(text: str) -> Iterator[Statement]:
    for sentence in _SENTENCE.split(_normalized(text)):
        before: Statement | None = None
        for clause in (c for piece in _CONTRAST.split(sentence) for c in _clauses(piece)):
            if before is not None and _ELLIPSIS.search(clause) and not names_part(clause):
                # "The hand is near it but not touching it": the negation is the hand's.
                before = Statement(before.text, False, before.weight)
            elif names_part(clause) and not _says_nothing(clause):
                if before is not None:
                    yield before
                weight = HEDGED_WEIGHT if _HEDGE.search(clause) else 1.0
                before = Statement(clause, not _is_negated(clause), weight)
        if before is not None:
            yield before


def _normalized(text: str) -> str:
    """Lower case with the idioms gone that would read as a negation or a part."""
    text = text.lower().replace("’", "'").replace("**", " ")
    text = re.sub(r"\b(left|right)(?: side)?\s*:\s*", r"\1 ", text)
    text = re.sub(r"\bon the (?:one|other) hand\b,?", " but ", text)
    text = _EXCEPTED.sub(" only ", text)
    text = re.sub(r"\b(?:rather than|instead of|other than)\b", " not ", text)
    text = re.sub(r"\b(?:arm|head|back|foot)(?: |-)rest\b", "seat", text)
    text = re.sub(r"\bits (?=\w)", f"{STAND_IN}'s ", text)  # a person's would be "his" or "her"
    text = re.sub(r"\bhand[- ]held\b|\bfirst[- ]hand\b|\bsecond[- ]hand\b", " ", text)
    return _NOT_THE_OTHER.sub(" ", _NO_DENIAL.sub(" ", text))


def _clauses(text: str) -> Iterator[str]:
    """Pieces between commas and "and", joined until each has a verb or says something alone."""
    pieces = re.split(r"(,\s*(?:and\s+)?|\s+and\s+)", text)
    clause, has_verb = "", False
    for at in range(0, len(pieces), 2):
        piece, before = pieces[at], pieces[at - 1] if at else ""
        own_verb = _VERB.search(piece) is not None
        alone = _ALONE.match(piece) is not None or _is_elsewhere(piece)
        if clause and has_verb and (own_verb or alone):
            yield clause
            clause, has_verb = piece, own_verb or alone
        else:
            clause, has_verb = clause + before + piece, has_verb or own_verb or alone
    if clause.strip():
        yield clause


def _says_nothing(clause: str) -> bool:
    """Whether a clause speaks of parts that cannot be seen, or of other contact."""
    return _UNKNOWN.search(clause) is not None or _is_elsewhere(clause)


def _is_elsewhere(clause: str) -> bool:
    """Whether a clause speaks of the ground or of oneself and not of the object asked about."""
    if STAND_IN in clause:
        return False
    oneself = _ON_ONESELF.search(clause)
    # "It lies on her lap" is contact, "the hand lies on her lap" is none with the object.
    return bool(_GROUND.search(clause)) or bool(oneself and names_part(clause[: oneself.start()]))


def _is_negated(clause: str) -> bool:
    """Whether a clause as a whole is negated; "not the feet" negates no more than the feet."""
    starts = [negation.start() for negation in _NEGATION.finditer(clause)]
    for start, end in pairwise([*starts, len(clause)]):
        mentions = find_mentions(clause[start:end])
        if not mentions or not mentions[0].negated:
            return True
    return False
