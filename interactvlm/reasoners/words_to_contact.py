"""From readings of answers to a contact map on the body.

Each answer gives every vertex the weight of the surest region it lies in; several answers are
averaged, so that a vertex's probability is the share of answers that name it. Knows surfaces and
readings; no models and no words.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.part_regions import region_mask
from human_recovery.topology import BodyTopology
from interactvlm.reasoners.interface import ReasonerAnswer
from interactvlm.reasoners.reading import Reading
from interactvlm.results import ContactMap

THRESHOLD = 0.5
"""In contact where at least half of the usable answers say so; an open side is just in contact."""
SHOWN_CHARACTERS = 160
"""Of an unusable answer, in a note."""


def answer_weights(reading: Reading, topology: BodyTopology) -> Float[Tensor, "verts"]:
    """How surely one answer puts contact on each vertex, 0 to 1."""
    weights = torch.zeros(topology.num_vertices)
    for region in reading.regions:
        mask = region_mask(topology, region.part, region.words, region.side)
        weights = weights.maximum(mask * region.weight)
    return weights


def contact_from_answers(
    answers: Sequence[ReasonerAnswer],
    readings: Sequence[Reading],
    label: str,
    topology: BodyTopology,
) -> ContactMap:
    """The contact map of one label, with the answers' words and notes on what they left open.

    Answers that cannot be used are left out of the average. Without any usable one the map is
    empty and not `finished`: nothing is known, which is not "no contact".
    """
    usable = [reading for reading in readings if reading.usable]
    probability = torch.zeros(topology.num_vertices)
    if usable:
        probability = torch.stack([answer_weights(r, topology) for r in usable]).mean(0)
    return ContactMap(
        vertex_probability=probability,
        topology=topology.name,
        label=label,
        threshold=THRESHOLD,
        # Every vertex has its value from the words themselves, none from its neighbours.
        seen=torch.ones(topology.num_vertices, dtype=torch.bool),
        answer=joined_answers(answers),
        finished=bool(usable) and all(answer.finished for answer in answers),
        notes=tuple(_notes(answers, readings, label or "any object")),
    )


def joined_answers(answers: Sequence[ReasonerAnswer]) -> str:
    """All answers as one text, numbered when there are several."""
    if len(answers) == 1:
        return answers[0].text
    return "\n".join(f"({at}) {answer.text}" for at, answer in enumerate(answers, start=1))


def _notes(answers: Sequence[ReasonerAnswer], readings: Sequence[Reading], label: str) -> list[str]:
    notes = []
    unusable = [a for a, reading in zip(answers, readings, strict=True) if not reading.usable]
    refused = sum(reading.outcome == "refused" for reading in readings)
    if unusable:
        known = len(unusable) < len(answers)
        effect = "they are left out" if known else "the empty map does not mean no contact"
        how = f", {refused} of them a refusal" if refused else ""
        notes.append(
            f"{len(unusable)} of {len(answers)} answers about {label!r} said nothing about "
            f"contact{how}; {effect}; the first was {_shown(unusable[0].text)}"
        )
    cut = sum(not answer.finished for answer in answers)
    if cut:
        notes.append(
            f"{cut} of {len(answers)} answers about {label!r} were cut at the longest allowed "
            "length"
        )
    for words in dict.fromkeys(w for reading in readings for w in reading.open_sides):
        count = sum(words in reading.open_sides for reading in readings)
        notes.append(
            f"{count} of {len(answers)} answers about {label!r} did not say which {words}; left "
            "and right carry half the weight each"
        )
    return notes


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    if not flat:
        return "empty"
    return repr(flat if len(flat) <= SHOWN_CHARACTERS else flat[:SHOWN_CHARACTERS] + "…")
