"""What every reasoner can do: look at a photo and answer a question in words.

Knows no contact and no body; a reasoner is not asked to understand its own answer.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PIL import Image

LONGEST_ANSWER = 8000
"""Characters of an answer that are kept and read."""


@dataclass(frozen=True)
class ReasonerAnswer:
    """One answer."""

    text: str
    """The words; may be empty."""
    finished: bool = True
    """False when the words were cut at the longest allowed answer."""


@runtime_checkable
class Reasoner(Protocol):
    """Anything that answers questions about a photo."""

    name: str
    """What is asked, for people: a folder, a hub id, or a model at an address. Holds no secret."""
    weights_sha256: str
    """Of the weights; empty when they lie elsewhere."""

    def ask(self, image: Image.Image, question: str, samples: int) -> list[ReasonerAnswer]:
        """`samples` answers to one question about an RGB photo; one sample is the most probable.

        Raises InteractVLMError with the fix when no answer can be had.
        """
        ...


def cleaned(text: str) -> str:
    """An answer every file encoding can hold: no control characters, no half characters."""
    kept = "".join(c for c in text[:LONGEST_ANSWER] if c in "\n\t" or c.isprintable() or c == " ")
    return kept.encode("utf-8", "ignore").decode("utf-8").strip()
