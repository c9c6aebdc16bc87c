"""Shapes for an object of a photo: by its label, its picture, a scan of it, or several of these.

The answer is a list of candidates, not one: what an object is and how large it is stays open until
it is fitted. Every kind of evidence gives each shape a likelihood; they multiply. Categories count
alike, however many shapes they have. Knows libraries and back ends; knows no files and no photos.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
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
        values = {"name": self.item.name, "category": self.item.category}
        values |= {"source": self.item.source, "licence": self.item.licence}
        values["extent_m"] = [float(value) for value in self.item.extent_m]
        return values | {k: v for k, v in vars(self).items() if k != "item"}


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
    size_m: float | None = None,
    restrict: bool = True,
    backends: Backends | None = None,
) -> list[Candidate]:
    """The shapes of a library that an object may be, likeliest first.

    Args:
        label: what the object is called. A category, plural or synonym restricts the answer to
            that category, or only weighs when `restrict` is off; other words need a text back end.
        image: a crop of the object, or a photo with a mask.
        mask: the pixels of `image` that are the object.
        surface: a mesh or points, z up, any place, turn about the vertical, unit; parts suffice.
        top: candidates wanted.
        size_m: largest extent, where it is known.
        backends: who embeds; without it computed shape descriptors, and no pictures.

    Raises:
        InputError: nothing is asked, or what is asked is empty, degenerate or more than the back
            ends can do.
    """
    if top < 1:
        raise InputError(f"top must be at least 1, got {top}")
    ranking = rank(
        library, label=label, image=image, mask=mask, surface=surface, size_m=size_m,
        restrict=restrict, backends=backends,
    )  # fmt: skip
    return ranking.candidates(top)


def rank(
    library: ShapeLibrary,
    *,
    label: str | None = None,
    image: UInt8[np.ndarray, "height width 3"] | None = None,
    mask: Bool[np.ndarray, "rows columns"] | None = None,
    surface: Surface | None = None,
    size_m: float | None = None,
    restrict: bool = True,
    backends: Backends | None = None,
) -> Ranking:
    """Every shape of a library weighed; arguments and errors as `retrieve`."""
    if label is None and image is None and surface is None:
        raise InputError("nothing to look for: give a label, a picture, or a mesh or points")
    if mask is not None and image is None:
        raise InputError("a mask was given without the picture that it belongs to")
    if not library.items:
        raise InputError("the library holds no shapes; there is nothing to find")
    backends = Backends() if backends is None else backends
    match, prior, logits = _label_evidence(library, label, restrict, backends)
    likelihood = logits
    similarity = None
    for backend, embed in _questions(image, mask, surface, backends):
        evidence, similarity = _evidence(library, backend, embed()[0], backends)
        likelihood = likelihood + evidence
    if size_m is not None:
        likelihood = likelihood + _size_evidence(library, size_m)
    scores = likelihood.softmax(0)
    probability = dict.fromkeys(library.categories, 0.0)
    for item, score in zip(library.items, scores.tolist(), strict=True):
        probability[item.category] += score
    return Ranking(library, match, scores.float(), similarity, prior, probability)


def _questions(
    image: UInt8[np.ndarray, "height width 3"] | None,
    mask: Bool[np.ndarray, "rows columns"] | None,
    surface: Surface | None,
    backends: Backends,
) -> list[tuple[EmbeddingBackend, Callable[[], Float[Tensor, "one dim"]]]]:
    """The back end of each kind of evidence, and how it embeds it."""
    questions: list[tuple[EmbeddingBackend, Callable[[], Tensor]]] = []
    if image is not None:
        picture = ObjectPicture(image, mask)
        if backends.image is None:
            raise inability(backends.shape, "image")
        questions.append((backends.image, partial(backends.image.embed_images, [picture])))
    if surface is not None:
        questions.append((backends.shape, partial(backends.shape.embed_shapes, [surface])))
    return questions


def _label_evidence(
    library: ShapeLibrary, label: str | None, restrict: bool, backends: Backends
) -> tuple[LabelMatch | None, dict[str, float], Float[Tensor, "items"]]:
    """How a label is understood, the prior of each category, and the log-prior of each shape."""
    categories = list(library.categories)
    counts = {c: sum(item.category == c for item in library.items) for c in categories}
    match = None if label is None else match_label(label, categories)
    if match is not None and match.category is None:
        if backends.text is None:
            reason = inability(backends.shape, "text")
            raise InputError(f"{match.explain()}, and {reason}")
        query = backends.text.embed_texts([match.label])[0]
        shares, _ = _evidence(library, backends.text, query, backends)
        balanced = shares - _tensor(math.log(counts[item.category]) for item in library.items)
        scores = balanced.softmax(0).tolist()
        prior = dict.fromkeys(categories, 0.0)
        for item, score in zip(library.items, scores, strict=True):
            prior[item.category] += score
        return match, prior, balanced
    prior = dict.fromkeys(categories, 1 / len(categories))
    if match is not None and match.category is not None:
        trust = 1.0 if restrict or len(categories) == 1 else LABEL_TRUST
        prior = dict.fromkeys(categories, (1 - trust) / max(1, len(categories) - 1))
        prior[match.category] = trust
    if not any(prior[c] > 0 and counts[c] for c in categories):
        raise InputError(f"the library has no shape of category {match and match.category!r}")
    logs = {
        c: math.log(p / counts[c]) if p > 0 and counts[c] else -math.inf for c, p in prior.items()
    }
    return match, prior, _tensor(logs[item.category] for item in library.items)


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
    if not (math.isfinite(size_m) and size_m > 0):
        raise InputError(f"size must be a positive number of metres, got {size_m!r}")
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
