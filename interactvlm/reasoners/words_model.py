"""A reasoner in words behind the interface of the whole model: photo and labels in, maps out.

Knows what to ask and what to do with the answers; which model answers is another module's.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from human_recovery.topology import get_topology
from interactvlm.errors import ResourceError
from interactvlm.reasoners.interface import Reasoner, ReasonerAnswer, cleaned
from interactvlm.reasoners.options import ReasonerOptions
from interactvlm.reasoners.question import QUESTION, contact_question, plain_label, shown_photo
from interactvlm.reasoners.reading import read_answer
from interactvlm.reasoners.words_to_contact import THRESHOLD, contact_from_answers
from interactvlm.results import ContactMap


@dataclass(frozen=True)
class WordsConfig:
    """What config.json says of a result that a reasoner in words gave."""

    reasoner: str
    """What was asked: folder, hub id, or model and address."""
    samples: int = 1
    """Answers per question."""
    topology: str = "anny"
    """Body surface the contact lives on."""
    threshold: float = THRESHOLD
    """A vertex is in contact at or above this probability."""
    question: str = QUESTION
    """The question, with a place for the label."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class WordsModel:
    """Contact of the body by asking a reasoner; open vocabulary."""

    def __init__(self, reasoner: Reasoner, *, samples: int = 1, topology: str = "anny") -> None:
        self.reasoner = reasoner
        self.config = WordsConfig(reasoner.name, samples, topology)

    def known_label(self, label: str) -> str:
        """The label in one spelling; InputError when it is too long to be one."""
        return plain_label(label)

    def predict_contact(
        self,
        image: Image.Image,
        labels: Sequence[str] = ("",),
        *,
        box_xyxy_px: Sequence[int | float] | None = None,
    ) -> list[ContactMap]:
        """Contact of the body with each label, in the order given; "" asks for any object.

        Raises:
            InputError: an unusable photo, box or label.
            ResourceError: the reasoner cannot be reached, or said nothing usable about any label.
        """
        photo = shown_photo(image, box_xyxy_px)
        topology = get_topology(self.config.topology)
        maps, usable = [], False
        for label in map(plain_label, labels):
            told = self.reasoner.ask(photo, contact_question(label), self.config.samples)
            answers = [ReasonerAnswer(cleaned(a.text), a.finished) for a in told]
            readings = [read_answer(answer.text, label) for answer in answers]
            usable = usable or any(reading.usable for reading in readings)
            maps.append(contact_from_answers(answers, readings, label, topology))
        if maps and not usable:
            raise ResourceError(
                f"the reasoner gave no usable answer: {maps[0].notes[0]}; ask again with more "
                f"--samples or another model: {self.reasoner.name!r}"
            )
        return maps


def load_words_model(options: ReasonerOptions, device: str = "cpu") -> WordsModel:
    """The chosen reasoner, loaded.

    Raises:
        AssetError: a local model's files are missing, damaged or of a kind that cannot be asked.
        ResourceError: memory does not suffice.
    """
    if options.url:
        from interactvlm.reasoners.endpoint import EndpointReasoner

        return WordsModel(EndpointReasoner(options), samples=options.samples)
    from interactvlm.reasoners.local import LocalReasoner

    local = LocalReasoner.load(options.source, offline=options.offline, device=device)
    return WordsModel(local, samples=options.samples)
