"""What a recipe's samples ask and answer: contact with or without body parts, affordance, chat.

The wording is this package's own (`interactvlm.templates`): the questions a model is asked later
are among those it is trained on. Knows samples and words, no ids.
"""

import random

from human_recovery.parts import parts_in_contact
from human_recovery.topology import BodyTopology
from interactvlm import templates
from interactvlm.data.sample import Sample
from renders.mesh import PointCloud

Turns = tuple[tuple[str, str], ...]
"""Questions about one photo with their answers."""

AFFORDANCE_QUESTIONS = (
    "What does the person use the {label} for? Mark where it is used.",
    "Name the affordance of the {label} and mark its area.",
    "How is the {label} used here? Show where on the {label}.",
)
AFFORDANCE_ANSWERS = (
    "The affordance is {affordance}. {token}",
    "It is used to {affordance}. {token}",
    "Affordance: {affordance}. {token}",
)


def body_turns(
    sample: Sample,
    token: str,
    topology: BodyTopology,
    *,
    rng: random.Random,
    drop_parts: float,
    fixed_question: str,
) -> Turns:
    """One question about the body. Parts below a tenth are not named, and with none the answer
    is a simple one.

    `fixed_question` is what the model will be asked, empty when that is the first paraphrase.
    """
    assert sample.body is not None
    label = sample.entry.label.lower()
    simple = rng.random() < drop_parts
    asked = templates.question(label, simple=simple, rng=rng)
    if fixed_question and not simple and rng.randrange(len(templates.HUMAN_PARTS_QUESTIONS)) == 0:
        asked = templates.fill(fixed_question, label)
    parts = () if simple else parts_in_contact(sample.body.in_contact, topology)
    return ((asked, templates.answer(label, token, touched=True, parts=parts, rng=rng)),)


def photo_turns(sample: Sample, token: str, *, rng: random.Random, fixed_question: str) -> Turns:
    """One simple question whose contact is marked on the photo."""
    label = sample.entry.label.lower()
    asked = templates.question(label, simple=True, rng=rng)
    if fixed_question and rng.randrange(len(templates.HUMAN_SIMPLE_QUESTIONS)) == 0:
        asked = templates.fill(fixed_question, label)
    return ((asked, templates.answer(label, token, touched=True, rng=rng)),)


def object_turns(sample: Sample, token: str, *, rng: random.Random) -> Turns:
    """One question about an object: its contact, or the affordance that points are scored for."""
    assert sample.object is not None
    label, affordance = sample.entry.label.lower(), sample.entry.affordance
    if not isinstance(sample.object.surface, PointCloud):
        return (
            (
                templates.question(label, target="object", rng=rng),
                templates.answer(label, token, touched=True, target="object", rng=rng),
            ),
        )
    asked = templates.fill(rng.choice(AFFORDANCE_QUESTIONS), label)
    told = templates.fill(rng.choice(AFFORDANCE_ANSWERS), label, affordance=affordance, token=token)
    return ((asked, told),)


def chat_turns(sample: Sample) -> Turns:
    """A published conversation as it is."""
    return tuple((turn.question, turn.answer) for turn in sample.turns)
