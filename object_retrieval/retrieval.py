"""Shapes for an object of a photo: by its label, its picture, a scan of it, or several of these.

The answer is a list of candidates, not one: what an object is and how large it is stays open until
it is fitted. Every kind of evidence gives each shape a likelihood; they multiply. Categories count
alike, however many shapes they have. Knows libraries and back ends; knows no files and no photos.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from object_retrieval.backend import EmbeddingBackend, ObjectPicture, Surface, inability
from object_retrieval.descriptor_backend import DescriptorBackend
from object_retrieval.labels import LabelMatch, match_label
from object_retrieval.library_index import library_index
from object_retrieval.shape_library import CategorySize, ShapeItem, ShapeLibrary
from renders.errors import InputError

ROWS_IN_FULL = 100_000
"""Up to so many rows every one is weighed; of more only the best `ROWS_OF_MANY`."""
ROWS_OF_MANY = 4096
LABEL_TRUST = 0.9
"""Probability that a thing is of the category of its label, where the label only weighs."""
_LEAST_SPREAD = 0.12
"""Spread of sizes as a share of their mean, at least: measured sizes are rough."""
_SIZE_FLOOR = -12.0
"""Log-likelihood of a size that cannot be."""


@dataclass(frozen=True)
class Candidate:
    """One shape that may be the object."""

    item: ShapeItem
    """The library's entry: name, category, extent."""
    score: float
    """Probability of this shape among all of the library, by all that was asked."""
    similarity: float | None
    """Largest inner product with what was asked; None when only a label was."""
    category_prior: float
    """Probability of its category by the label alone; alike for all without a label."""
    category_probability: float
    """Probability of its category by all that was asked."""
    size_m: float | None
    """Mean largest extent of its category; None where the library knows no sizes of it."""
    size_spread_m: float | None
    """Standard deviation of that extent."""
    size_count: int
    """Shapes behind mean and spread."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        values: dict[str, Any] = {"name": self.item.name, "category": self.item.category}
        values |= {"source": self.item.source, "licence": self.item.licence}
        values["extent_m"] = [float(value) for value in self.item.extent_m]
        return values | {k: v for k, v in vars(self).items() if k != "item"}


@dataclass(frozen=True, eq=False)
class Question:
    """What is known of an object; at least one of label, image and surface."""

    label: str | None = None
    """What it is called."""
    image: UInt8[np.ndarray, "height width 3"] | None = None
    """A crop of it, or a photo with a mask."""
    mask: Bool[np.ndarray, "rows columns"] | None = None
    """The pixels of `image` that are the object."""
    surface: Surface | None = None
    """A mesh or points, z up; any place, turn about the vertical and unit, and parts suffice."""
    size_m: float | None = None
    """Its largest extent."""
    restrict: bool = True
    """Whether a label that names a category excludes the others, or only weighs."""

    def __post_init__(self) -> None:
        if self.label is None and self.image is None and self.surface is None:
            raise InputError("nothing to look for: give a label, a picture, or a mesh or points")
        if self.mask is not None and self.image is None:
            raise InputError("a mask was given without the picture that it belongs to")
        if self.size_m is not None and not (math.isfinite(self.size_m) and self.size_m > 0):
            raise InputError(f"size must be a positive number of metres, got {self.size_m!r}")


@dataclass(frozen=True)
class Backends:
    """Who embeds which kind of question."""

    shape: EmbeddingBackend = field(default_factory=DescriptorBackend)
    """For meshes and points."""
    image: EmbeddingBackend | None = None
    """For pictures; None where there are no weights."""
    text: EmbeddingBackend | None = None
    """For labels that name no category."""
    cache: Path | None = None
    """Folder of the library's vectors; None for the package's cache."""


@dataclass(frozen=True)
class Ranking:
    """Every shape of a library weighed against one question."""

    library: ShapeLibrary
    label: LabelMatch | None
    """How the label was understood."""
    scores: Float[Tensor, "items"]
    """Probabilities, summing to 1."""
    similarity: Float[Tensor, "items"] | None
    """Largest inner product per shape, of the picture or scan; -inf where too low to be found."""
    category_prior: dict[str, float]
    """By the label alone."""
    category_probability: dict[str, float]
    """By all that was asked."""

    def categories(self) -> list[str]:
        """Categories, likeliest first."""
        return sorted(self.category_probability, key=lambda c: -self.category_probability[c])

    def candidates(self, top: int) -> list[Candidate]:
        """The likeliest shapes; of equal ones those of the most usual size first."""
        items = self.library.items
        sizes = {c: known_size(self.library, c) for c in {item.category for item in items}}

        def odd(index: int) -> float:
            size = sizes[items[index].category]
            return 0.0 if size is None else abs(max(items[index].extent_m) - size.mean_m)

        order = sorted(range(len(items)), key=lambda i: (-float(self.scores[i]), odd(i), i))
        return [self._candidate(i, sizes) for i in order[:top] if float(self.scores[i]) > 0]

    def _candidate(self, index: int, sizes: Mapping[str, CategorySize | None]) -> Candidate:
        item = self.library.items[index]
        size = sizes[item.category]
        similarity = -math.inf if self.similarity is None else float(self.similarity[index])
        return Candidate(
            item=item,
            score=float(self.scores[index]),
            similarity=similarity if math.isfinite(similarity) else None,
            category_prior=self.category_prior[item.category],
            category_probability=self.category_probability[item.category],
            size_m=None if size is None else size.mean_m,
            size_spread_m=None if size is None else size.spread_m,
            size_count=0 if size is None else size.count,
        )


def known_size(library: ShapeLibrary, category: str) -> CategorySize | None:
    """The size of a category; None where the library knows none."""
    try:
        return library.size_prior(category)
    except InputError:
        return None


def retrieve(
    library: ShapeLibrary,
    *,
    label: str | None = None,
    image: UInt8[np.ndarray, "height width 3"] | None = None,
    mask: Bool[np.ndarray, "rows columns"] | None = None,
    surface: Surface | None = None,
    top: int = 5,
    backends: Backends | None = None,
) -> list[Candidate]:
    """The shapes of a library that an object may be, likeliest first.

    `label`, `image`, `mask` and `surface` as in `Question`; `rank` takes one with all its fields.
    Without `backends`: computed shape descriptors, and no pictures.

    Raises:
        InputError: nothing is asked, or what is asked is empty, degenerate or more than the back
            ends can do.
    """
    if top < 1:
        raise InputError(f"top must be at least 1, got {top}")
    question = Question(label=label, image=image, mask=mask, surface=surface)
    return rank(library, question, backends).candidates(top)


def rank(library: ShapeLibrary, question: Question, backends: Backends | None = None) -> Ranking:
    """Every shape of a library weighed. Raises InputError as `retrieve`."""
    if not library.items:
        raise InputError("the library holds no shapes; there is nothing to find")
    backends = Backends() if backends is None else backends
    match = None
    if question.label is not None:
        match = match_label(question.label, library.categories)
    if match is not None and match.category is None:
        likelihood = _text_evidence(library, match, backends)
    else:
        likelihood = _category_evidence(library, match, question.restrict)
    prior = _category_sums(library, likelihood)
    similarity = None
    for backend, vector in _embedded(question, backends):
        evidence, similarity = _evidence(library, backend, vector, backends)
        likelihood = likelihood + evidence
    if question.size_m is not None:
        likelihood = likelihood + _size_evidence(library, question.size_m)
    probability = _category_sums(library, likelihood)
    scores = likelihood.softmax(0).float()
    return Ranking(library, match, scores, similarity, prior, probability)


def _embedded(
    question: Question, backends: Backends
) -> list[tuple[EmbeddingBackend, Float[Tensor, "_"]]]:
    """The vector of each kind of evidence beside the label, and the back end that made it."""
    found: list[tuple[EmbeddingBackend, Tensor]] = []
    if question.image is not None:
        picture = ObjectPicture(question.image, question.mask)
        if backends.image is None:
            raise inability(backends.shape, "image")
        found.append((backends.image, backends.image.embed_images([picture])[0]))
    if question.surface is not None:
        found.append((backends.shape, backends.shape.embed_shapes([question.surface])[0]))
    return found


def _category_evidence(
    library: ShapeLibrary, match: LabelMatch | None, restrict: bool
) -> Float[Tensor, "items"]:
    """Log-prior of each shape: categories alike, or as a label that names one says."""
    counts = Counter(item.category for item in library.items)
    prior = dict.fromkeys(counts, 1 / len(counts))
    if match is not None and match.category is not None:
        if match.category not in counts:
            raise InputError(f"the library has no shape of its category {match.category!r}")
        trust = 1.0 if restrict or len(counts) == 1 else LABEL_TRUST
        prior = dict.fromkeys(counts, (1 - trust) / max(1, len(counts) - 1))
        prior[match.category] = trust
    logs = {c: math.log(p / counts[c]) if p > 0 else -math.inf for c, p in prior.items()}
    return _tensor(logs[item.category] for item in library.items)


def _text_evidence(
    library: ShapeLibrary, match: LabelMatch, backends: Backends
) -> Float[Tensor, "items"]:
    """Log-prior of each shape by a text that names no category."""
    if backends.text is None:
        raise InputError(f"{match.explain()}, and {inability(backends.shape, 'text')}")
    query = backends.text.embed_texts([match.label])[0]
    evidence, _ = _evidence(library, backends.text, query, backends)
    return evidence + _category_evidence(library, None, False)


def _category_sums(library: ShapeLibrary, likelihood: Float[Tensor, "items"]) -> dict[str, float]:
    """Probability of each category by the log-likelihoods of its shapes."""
    total = dict.fromkeys(library.categories, 0.0)
    for item, share in zip(library.items, likelihood.softmax(0).tolist(), strict=True):
        total[item.category] += share
    return total


def _evidence(
    library: ShapeLibrary,
    backend: EmbeddingBackend,
    query: Float[Tensor, "dim"],
    backends: Backends,
) -> tuple[Float[Tensor, "items"], Float[Tensor, "items"]]:
    """Log-likelihood and largest inner product of each shape.

    A shape with several vectors is as likely as the sum of what they say.
    """
    index = library_index(library, backend, folder=backends.cache)
    top = len(index) if len(index) <= ROWS_IN_FULL else ROWS_OF_MANY
    found = index.search(query[None], top)
    place = {item.name: at for at, item in enumerate(library.items)}
    item = torch.tensor([place[name] for name in index.names(found.rows[0])])
    scores = found.scores[0].double()
    best = torch.full((len(library.items),), -torch.inf, dtype=torch.float64)
    best = best.scatter_reduce(0, item, scores, "amax")
    # What was not looked at is no better than the worst that was.
    floor = float(scores[-1])
    weight = torch.zeros(len(best), dtype=torch.float64)
    weight.index_add_(0, item, ((scores - scores[0]) / backend.temperature).exp())
    unseen = math.exp((floor - float(scores[0])) / backend.temperature)
    return weight.clamp(min=max(unseen, 1e-300)).log(), best.float()


def _size_evidence(library: ShapeLibrary, size_m: float) -> Float[Tensor, "items"]:
    """Log-likelihood of a largest extent for each shape's category."""
    log = {}
    for category in {item.category for item in library.items}:
        size = known_size(library, category)
        if size is None:
            log[category] = 0.0
            continue
        spread = max(size.spread_m, _LEAST_SPREAD * size.mean_m)
        off = (size_m - size.mean_m) / max(spread, 1e-9)
        log[category] = max(-0.5 * off * off, _SIZE_FLOOR) - math.log(max(spread, 1e-9))
    return _tensor(log[item.category] for item in library.items)


def _tensor(values: Iterable[float]) -> Float[Tensor, "items"]:
    return torch.tensor(list(values), dtype=torch.float64)
