"""What a model said about each sample, kept in a file that a killed run leaves usable.

`answers.jsonl` has one line per answer, written as soon as a photo is done; `run.json` says what
was asked of which model, so that answers of two runs are never mixed. A line holds prediction and
truth, so every table can be made again without model or data set. Knows no model and no metric.
"""

import base64
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from interactvlm.errors import AssetError, InputError
from renders.cache import atomic_write

Kind = Literal["body", "object"]


@dataclass(frozen=True, eq=False)
class BodyAnswer:
    """Contact of the body with one label of one photo."""

    key: str
    label: str
    image: str
    predicted: Bool[Tensor, "verts"]
    """At or above the model's threshold, on the vertices of the truth."""
    target: Bool[Tensor, "verts"]
    words: str
    """The model's answer."""
    finished: bool
    """False when the answer was cut at its longest length."""
    known: bool
    """Whether the model was trained on this label."""
    kind: Literal["body"] = "body"


@dataclass(frozen=True)
class ObjectAnswer:
    """Contact or affordance on one object."""

    key: str
    label: str
    image: str
    affordance: str
    scores: dict[str, float | None]
    """By the names of the report; None where a score is not defined for this object."""
    words: str
    finished: bool
    known: bool
    kind: Literal["object"] = "object"


@dataclass(frozen=True)
class Failure:
    """A sample that could not be asked about; asked again when the run goes on."""

    key: str
    about: Kind
    reason: str
    kind: Literal["failure"] = "failure"


Answer = BodyAnswer | ObjectAnswer | Failure


class AnswerFile:
    """The answers in a folder; opened anew, it knows those of a run that was stopped.

    Raises:
        InputError: the folder holds answers of another run.
        AssetError: a line in the middle of the file is damaged.
    """

    def __init__(self, folder: Path, asked: dict[str, Any]) -> None:
        self.path = folder / "answers.jsonl"
        self._answers: dict[tuple[str, Kind], Answer] = {}
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder / "run.json", asked)
        if self.path.is_file():
            self._take_up()

    @property
    def answers(self) -> list[Answer]:
        """The latest answer per sample and kind, in the order first written."""
        return list(self._answers.values())

    def has(self, key: str, kind: Kind) -> bool:
        """Whether a sample is done; a failure is not."""
        return not isinstance(self._answers.get((key, kind), _UNASKED), Failure)

    def append(self, answers: Iterable[Answer]) -> None:
        """Adds the answers of one photo and has them on disk when it returns."""
        new = list(answers)
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(_to_json(answer)) + "\n" for answer in new)
            stream.flush()
            os.fsync(stream.fileno())
        self._answers |= {_place(answer): answer for answer in new}

    def _take_up(self) -> None:
        """Reads what is there; a last line that a kill cut short is removed."""
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                answer = _from_json(json.loads(line))
            except (ValueError, KeyError, TypeError, zlib.error) as error:
                raise AssetError(
                    f"line {number} of the answers is damaged ({error}); delete the file to ask "
                    f"everything again: {str(self.path)!r}"
                ) from None
            self._answers[_place(answer)] = answer


_UNASKED = Failure("", "body", "")


def _claim(path: Path, asked: dict[str, Any]) -> None:
    """Writes down what is asked, or checks that the same was asked before."""
    if not path.is_file():
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AssetError(f"file is not valid JSON ({error}); delete it: {str(path)!r}") from None
    wanted = json.loads(json.dumps(asked))
    other = [key for key in {**before, **wanted} if before.get(key) != wanted.get(key)]
    if other:
        told = "; ".join(f"{k} was {before.get(k)!r}, is {wanted.get(k)!r}" for k in sorted(other))
        raise InputError(
            f"the folder holds answers of another run ({told}); give another --out or delete it: "
            f"{str(path.parent)!r}"
        )


def _place(answer: Answer) -> tuple[str, Kind]:
    return answer.key, answer.about if isinstance(answer, Failure) else answer.kind


def _to_json(answer: Answer) -> dict[str, Any]:
    if not isinstance(answer, BodyAnswer):
        return asdict(answer)
    plain = {name: getattr(answer, name) for name in BodyAnswer.__dataclass_fields__}
    return plain | {
        "vertices": len(answer.target),
        "predicted": _packed(answer.predicted),
        "target": _packed(answer.target),
    }


def _from_json(content: dict[str, Any]) -> Answer:
    if content["kind"] == "object":
        return ObjectAnswer(**content)
    if content["kind"] == "failure":
        return Failure(**content)
    count = content.pop("vertices")
    masks: dict[str, Any] = {n: _unpacked(content[n], count) for n in ("predicted", "target")}
    return BodyAnswer(**(content | masks))


def _packed(mask: Bool[Tensor, "verts"]) -> str:
    """A mask as text: bits, deflated, in base 64."""
    return base64.b64encode(zlib.compress(np.packbits(mask.numpy()).tobytes())).decode("ascii")


def _unpacked(text: str, count: int) -> Bool[Tensor, "verts"]:
    bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    return torch.from_numpy(np.unpackbits(bits, count=count).astype(bool))
