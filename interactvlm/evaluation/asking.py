"""Asks a model about the samples of one photo and measures each answer.

Answers are generated: the model is given a photo and a label, never any of the truth. Knows
samples and models; writes no files.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from PIL import Image
from torch import Tensor

from human_recovery.topology_map import TopologyMap, topology_map
from interactvlm.config import InteractVLMConfig
from interactvlm.data.sample import Dataset, Sample
from interactvlm.errors import AssetError, InputError
from interactvlm.evaluation.answers import Answer, BodyAnswer, Failure, Kind, ObjectAnswer
from interactvlm.metrics import affordance_scores, contact_iou, contact_scores
from interactvlm.photo import read_photo
from interactvlm.questions import ObjectJob
from interactvlm.results import ContactMap

HEAT_THRESHOLD = 0.5
"""An object's point counts as touched at or above this. Source: IAGNet, LEMON."""


@runtime_checkable
class BenchmarkModel(Protocol):
    """What of a model an evaluation uses."""

    config: InteractVLMConfig

    def predict_contact(
        self, image: Any, labels: Sequence[str] = ("",), *, known_only: bool = True
    ) -> list[ContactMap]:
        """Contact of the body with each label."""
        ...

    def predict_affordance(
        self,
        image: Any,
        label: str,
        surface: Any,
        *,
        ask: ObjectJob | None = None,
        known_only: bool = True,
    ) -> ContactMap:
        """Contact or affordance on an object's mesh or points."""
        ...


@dataclass
class Interview:
    """A model and a data set, ready for questions about one photo after the other."""

    model: BenchmarkModel
    dataset: Dataset
    _bridges: dict[str, TopologyMap] = field(default_factory=dict, init=False)

    def ask(self, wanted: Sequence[tuple[int, Kind]]) -> list[Answer]:
        """Answers about samples of one photo; a photo that cannot be read fails all of them.

        Raises AssetError when the truth of a sample is malformed: that is no fault of the model.
        """
        samples = {index: self.dataset[index] for index, _ in wanted}
        about = {
            kind: [samples[index] for index, asked in wanted if asked == kind]
            for kind in ("body", "object")
        }
        bodies = [sample for sample in about["body"] if sample.body is not None]
        objects = [sample for sample in about["object"] if sample.object is not None]
        path = next(iter(samples.values())).entry.image
        assert path is not None
        try:
            photo = read_photo(path).image
        except InputError as error:
            reason = str(error)
            return [
                *(Failure(s.entry.key, "body", reason) for s in bodies),
                *(Failure(s.entry.key, "object", reason) for s in objects),
            ]
        return [*self._body_answers(photo, bodies), *self._object_answers(photo, objects)]

    def bridge(self, topology: str) -> TopologyMap:
        """The way from the model's vertices to those of a truth, found once.

        Raises AssetError naming the body model file that is needed and how to get it.
        """
        if topology not in self._bridges:
            own = self.model.config.topology
            try:
                self._bridges[topology] = topology_map(own, topology)
            except AssetError as error:
                raise AssetError(
                    f"the model answers on the body {own!r} and the data set's truth is on "
                    f"{topology!r}: {error}"
                ) from None
        return self._bridges[topology]

    @property
    def bridges(self) -> list[TopologyMap]:
        """Every way used so far."""
        return list(self._bridges.values())

    def spelled(self, label: str) -> tuple[str, bool]:
        """A label as the model is asked about it, and whether it was trained on it.

        A model with a fixed vocabulary gets its own spelling; an open one the publisher's, in
        lower case, as such models were trained.
        """
        known = {_plain(name): name for name in self.model.config.labels}
        if not known:
            return label.lower(), True
        plain = _plain(label)
        return (known[plain], True) if plain in known else (plain, False)

    def _body_answers(self, photo: Image.Image, samples: Sequence[Sample]) -> Iterator[BodyAnswer]:
        if not samples:
            return
        labels = [self.spelled(sample.entry.label) for sample in samples]
        maps = self.model.predict_contact(photo, [name for name, _ in labels], known_only=False)
        for sample, (_, known), contact in zip(samples, labels, maps, strict=True):
            assert sample.body is not None
            values = self.bridge(sample.body.topology).apply(_finite(contact))
            yield BodyAnswer(
                key=sample.entry.key,
                label=sample.entry.label,
                image=_photo_name(sample),
                predicted=values >= contact.threshold,
                target=sample.body.in_contact,
                words=contact.answer,
                finished=contact.finished,
                known=known,
            )

    def _object_answers(
        self, photo: Image.Image, samples: Sequence[Sample]
    ) -> Iterator[ObjectAnswer]:
        for sample in samples:
            assert sample.object is not None
            name, known = self.spelled(sample.entry.label)
            # Truth without an affordance is contact; weights that know both must be asked for it.
            touch = not sample.entry.affordance and "object" in self.model.config.trained_for
            contact = self.model.predict_affordance(
                photo,
                name,
                sample.object.surface,
                ask="object" if touch else None,
                known_only=False,
            )
            yield ObjectAnswer(
                key=sample.entry.key,
                label=sample.entry.label,
                image=_photo_name(sample),
                affordance=sample.entry.affordance,
                scores=object_scores(_finite(contact), sample.object.heat, contact.threshold),
                words=contact.answer,
                finished=contact.finished,
                known=known,
            )


def object_scores(predicted: Tensor, target: Tensor, threshold: float) -> dict[str, float | None]:
    """All scores of one object; `threshold` is the model's and only for those of masks."""
    soft = affordance_scores(predicted, target, threshold=HEAT_THRESHOLD)
    found, true = predicted >= threshold, target >= HEAT_THRESHOLD
    hard = contact_scores(found, true)
    return {
        "similarity": soft.similarity, "auc": soft.auc, "aiou": soft.aiou,
        "absolute_error": soft.absolute_error, "iou": float(contact_iou(found, true)),
        "f1": float(hard.f1), "precision": float(hard.precision), "recall": float(hard.recall),
    }  # fmt: skip


def _photo_name(sample: Sample) -> str:
    """What names a photo on every machine: its last folders and its file."""
    assert sample.entry.image is not None
    return "/".join(sample.entry.image.parts[-3:])


def _finite(contact: ContactMap) -> Tensor:
    """A map's probabilities. Raises AssetError for NaN, which would count as no contact."""
    if not bool(contact.vertex_probability.isfinite().all()):
        raise AssetError(
            f"the model answered NaN about {contact.label!r}; its weights are damaged or its "
            "precision is too low"
        )
    return contact.vertex_probability


def _plain(label: str) -> str:
    """Words in lower case: "StorageFurniture" and "storage_furniture" read the same."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).replace("_", " ")
    return " ".join(spaced.lower().split())
