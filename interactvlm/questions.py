"""What a model is asked and how its answer may begin, in the words its config fixes.

Knows configs and English; knows no tokens, photos or weights.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Literal

from interactvlm import templates
from interactvlm.config import InteractVLMConfig
from interactvlm.errors import InputError

ObjectJob = Literal["object", "affordance"]
"""What can be asked about an object: contact on it, or where it affords its use."""
LONGEST_NAME = 80
"""Characters of an object label or affordance; more is no name."""
_UNNAMED = "object"
"""How an object without a label is called in questions about itself."""


def body_question(config: InteractVLMConfig, label: str) -> str:
    """The question about contact of the body with `label`; "" means any object."""
    fixed = config.contact_question
    return templates.fill(fixed, label) if fixed else templates.question(label)


def object_question(config: InteractVLMConfig, label: str, job: ObjectJob) -> str:
    """The question about the object itself; one without a label is called "the object"."""
    fixed = config.affordance_question if job == "affordance" else ""
    fixed, label = fixed or config.object_question, label or _UNNAMED
    return templates.fill(fixed, label) if fixed else templates.question(label, target="object")


def begun_answer(config: InteractVLMConfig, affordance: str, job: ObjectJob) -> str:
    """How the answer about a given affordance begins; "" without one.

    Raises InputError for an unknown affordance, or where no answer names one.
    """
    known = known_affordance(config, affordance)
    if not known:
        return ""
    if job != "affordance" or not config.affordance_answer:
        raise InputError(
            f"affordance {affordance!r} was given, but the question is about contact on the "
            "object; leave the affordance out"
        )
    return config.affordance_answer.format(affordance=known)


def named_affordance(config: InteractVLMConfig, answer: str) -> str:
    """The first known affordance among the words of an answer; "" for none."""
    words = re.findall(r"[a-z]+", answer.lower())
    return next((word for word in words if word in config.affordances), "")


def known_label(config: InteractVLMConfig, label: str) -> str:
    """An object label in the model's spelling; InputError with the nearest known ones."""
    return _known_name(label, config.labels, "object label")


def known_affordance(config: InteractVLMConfig, affordance: str) -> str:
    """An affordance in the model's spelling; InputError with the nearest known ones."""
    return _known_name(affordance, config.affordances, "affordance")


def _known_name(name: str, known: Sequence[str], what: str) -> str:
    text = _plain(name)
    if len(text) > LONGEST_NAME:
        raise InputError(
            f"{what} has {len(text)} characters, at most {LONGEST_NAME} are read; it begins with "
            f"{text[:30]!r}"
        )
    if not text or not known:
        return text
    spelled = {_plain(k): k for k in known}
    if text in spelled:
        return spelled[text]
    near = difflib.get_close_matches(text, list(spelled), n=3)
    hint = f"did you mean {near}?" if near else f"known are {sorted(spelled)[:8]} and so on"
    raise InputError(f"{what} {name!r} is not one of the {len(spelled)} known {what}s; {hint}")


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())
