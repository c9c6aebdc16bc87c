"""Questions and answers about contact, in words.

Knows English and nothing of tokens or tensors. Several paraphrases per purpose serve training
(drawn with a seed); inference always uses the first, so that two runs ask the same thing.
The answer about a body or object that is not touched carries no contact token.
"""

import random
from collections.abc import Callable, Sequence
from typing import Literal

Target = Literal["human", "object"]

HUMAN_PARTS_QUESTIONS = (
    "Which body parts touch the {label}? Mark where.",
    "Name the parts of the body in contact with the {label} and mark them.",
    "What on the person is touching the {label}? Show the contact.",
    "List the body parts that meet the {label} and mask the contact.",
)
HUMAN_SIMPLE_QUESTIONS = (
    "Where on the body is the contact with the {label}?",
    "Mark the area of the body that touches the {label}.",
    "Show where the {label} meets the person's body.",
    "Mask the human contact with the {label}.",
)
OBJECT_QUESTIONS = (
    "Which area of the {label} does the person touch?",
    "Mark the part of the {label} that is in contact with the person.",
    "Show where the body meets the {label}, on the {label}.",
    "Mask the contact on the {label}.",
)

# The token follows a whole sentence: an answer still reads well once the token is taken out.
HUMAN_PARTS_ANSWERS = (
    "In contact: {parts}. {token}",
    "Body parts in contact: {parts}. {token}",
    "Touching with: {parts}. {token}",
)
HUMAN_SIMPLE_ANSWERS = (
    "The body is touched here. {token}",
    "Contact is marked. {token}",
    "Touched here. {token}",
)
AFFORDANCE_ANSWER = "Used to {affordance}."
"""How an answer about an object begins that says what the object is used for."""
OBJECT_ANSWERS = (
    "The object is touched here. {token}",
    "The person touches this area. {token}",
    "Touched here. {token}",
)
NO_CONTACT_ANSWERS = (
    "Nothing touches the {label}.",
    "There is no contact with the {label}.",
    "No part of the body meets the {label}.",
)

_ANY = "any object"
"""How an empty label reads, without an article in front."""


def fill(template: str, label: str, **words: str) -> str:
    """Puts a label into a template; the empty label reads "any object", without an article."""
    if not label:
        template = template.replace("the {label}", _ANY)
    return template.format(label=label.replace("_", " "), **words)


def question(
    label: str,
    *,
    target: Target = "human",
    simple: bool = False,
    rng: random.Random | None = None,
) -> str:
    """A question about contact with `label` ("" = any); without `rng` the first paraphrase."""
    if target == "object":
        options = OBJECT_QUESTIONS
    else:
        options = HUMAN_SIMPLE_QUESTIONS if simple else HUMAN_PARTS_QUESTIONS
    return fill(_choose(options, rng), label)


def answer(
    label: str,
    token: str,
    *,
    touched: bool,
    parts: Sequence[str] = (),
    affordance: str = "",
    target: Target = "human",
    rng: random.Random | None = None,
) -> str:
    """The answer that trains the model.

    Body parts are named when given; with none (nothing reaches the naming threshold, or they
    were dropped on purpose) the simple wording is used. An answer about an object first says what
    it is used for, if that is given. Without contact no `token` is written.
    """
    if not touched:
        return fill(_choose(NO_CONTACT_ANSWERS, rng), label)
    if target == "object":
        told = fill(_choose(OBJECT_ANSWERS, rng), label, token=token)
        used = AFFORDANCE_ANSWER.format(affordance=affordance)
        return f"{used} {told}" if affordance else told
    if not parts:
        return fill(_choose(HUMAN_SIMPLE_ANSWERS, rng), label, token=token)
    options = HUMAN_PARTS_ANSWERS
    return fill(_choose(options, rng), label, token=token, parts=", ".join(parts))


def sample(
    label: str,
    token: str,
    *,
    touched: bool,
    parts: Sequence[str] = (),
    affordance: str = "",
    target: Target = "human",
    rng: random.Random,
    drop_parts: float = 0.0,
) -> tuple[str, str]:
    """One (question, answer) pair for training.

    With probability `drop_parts` a pair about the body is of the simple kind, so that the contact
    token cannot lean on the words in front of it alone.
    Source: the published recipe's body-part dropout (0.5 in its corrected version).
    """
    simple = target == "human" and rng.random() < drop_parts
    asked = question(label, target=target, simple=simple, rng=rng)
    told = answer(
        label, token, touched=touched, parts=() if simple else parts, affordance=affordance,
        target=target, rng=rng,
    )  # fmt: skip
    return asked, told


def no_contact_starts(start_of: Callable[[str], int]) -> tuple[int, ...]:
    """First tokens of answers without contact that begin no other answer; `start_of` an answer
    gives its first token."""

    def starts(answers: Sequence[str]) -> set[int]:
        return {start_of(fill(a, "thing", parts="head", token="")) for a in answers}

    others = (*HUMAN_PARTS_ANSWERS, *HUMAN_SIMPLE_ANSWERS, *OBJECT_ANSWERS)
    return tuple(sorted(starts(NO_CONTACT_ANSWERS) - starts(others)))


def corpus(
    labels: Sequence[str], part_names: Sequence[str], affordances: Sequence[str] = ()
) -> list[str]:
    """Every template with every label, part name and affordance: what a small tokenizer learns on.

    With the blank in front with which they follow the words before them in a conversation.
    """
    words = {"token": "", "parts": ", ".join(part_names)}
    groups = (
        HUMAN_PARTS_QUESTIONS, HUMAN_SIMPLE_QUESTIONS, OBJECT_QUESTIONS, HUMAN_PARTS_ANSWERS,
        HUMAN_SIMPLE_ANSWERS, OBJECT_ANSWERS, NO_CONTACT_ANSWERS,
    )  # fmt: skip
    templates = [f" {template}" for group in groups for template in group]
    used = [f" {AFFORDANCE_ANSWER}".format(affordance=affordance) for affordance in affordances]
    return used + [
        fill(template, label, **words) for label in ("", *labels) for template in templates
    ]


def _choose(options: Sequence[str], rng: random.Random | None) -> str:
    return options[0] if rng is None else rng.choice(options)
