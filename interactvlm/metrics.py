"""Numbers that say how good predicted contact is.

Contact metrics take `Bool` masks: thresholding is the caller's visible act, so a probability can
never be counted as a vertex. Distances are metres inside, centimetres where a name says so.
Knows nothing of models or datasets.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interactvlm.errors import InputError

DistanceToSet = Callable[[Bool[Tensor, "verts"]], Float[Tensor, "verts"]]
"""Geodesic distance in metres from every vertex to the nearest vertex of a non-empty set."""


@dataclass(frozen=True)
class ContactScores:
    """F1, precision and recall, one per sample. An empty prediction or target scores 0."""

    f1: Float[Tensor, "*batch"]
    precision: Float[Tensor, "*batch"]
    recall: Float[Tensor, "*batch"]


def contact_scores(
    predicted: Bool[Tensor, "*batch verts"], target: Bool[Tensor, "*batch verts"]
) -> ContactScores:
    """Scores of vertex masks, per sample. Source: DECO's and InteractVLM's scorer."""
    hits = (predicted & target).sum(-1).double()
    precision = _ratio(hits, predicted.sum(-1))
    recall = _ratio(hits, target.sum(-1))
    return ContactScores(_ratio(2 * precision * recall, precision + recall), precision, recall)


def contact_iou(
    predicted: Bool[Tensor, "*batch verts"], target: Bool[Tensor, "*batch verts"]
) -> Float[Tensor, "*batch"]:
    """Intersection over union of vertex masks, per sample; 1 where both are empty."""
    both, either = (predicted & target).sum(-1), (predicted | target).sum(-1)
    return torch.where(either > 0, both.double() / either.clamp(min=1), 1.0)


@dataclass(frozen=True)
class GeodesicError:
    """How far wrong vertices lie along the surface."""

    false_positive_m: float
    """Mean distance from predicted vertices to the target."""
    false_negative_m: float
    """Mean distance from target vertices to the prediction."""

    @property
    def false_positive_cm(self) -> float:
        """The number the literature reports."""
        return 100 * self.false_positive_m

    @property
    def false_negative_cm(self) -> float:
        """Its mirror."""
        return 100 * self.false_negative_m


def geodesic_error(
    predicted: Bool[Tensor, "verts"], target: Bool[Tensor, "verts"], distance_to: DistanceToSet
) -> GeodesicError:
    """Geodesic errors of one sample.

    An empty set stands for all vertices, on either side. Source: DECO; the published InteractVLM
    evaluation swaps the two arguments, this does not.
    """
    wanted = target if target.any() else torch.ones_like(target)
    given = predicted if predicted.any() else torch.ones_like(predicted)
    return GeodesicError(
        false_positive_m=float(distance_to(wanted)[given].double().mean()),
        false_negative_m=float(distance_to(given)[wanted].double().mean()),
    )


def distance_from_matrix(matrix_m: Float[Tensor, "verts verts"]) -> DistanceToSet:
    """Distances read from a dense matrix of geodesics."""
    return lambda members: matrix_m[:, members].amin(1)


def distance_on_topology(name: str) -> DistanceToSet:
    """Distances along a body's edges, for any topology without a matrix.

    Raises AssetError when there is no file of a body with these vertices.
    """
    from human_recovery.geodesic import distance_to_set
    from human_recovery.topology_map import topology_with_vertices_of

    topology = topology_with_vertices_of(name)
    return lambda members: distance_to_set(topology, members)


@dataclass(frozen=True, eq=False)
class ContactSample:
    """One (photo, label) pair of a test set."""

    image: str
    label: str
    predicted: Bool[Tensor, "verts"]
    target: Bool[Tensor, "verts"]


@dataclass(frozen=True)
class SetScores:
    """Scores over several samples; macro = mean over samples, micro = over all vertices."""

    count: int
    f1: float
    """Mean of the samples' F1."""
    precision: float
    """Mean of the samples' precision."""
    recall: float
    """Mean of the samples' recall."""
    precision_micro: float
    """Over all vertices of all samples, as the published per-label tables have it."""
    recall_micro: float
    """The same for recall."""


def set_scores(samples: Sequence[ContactSample]) -> SetScores:
    """Scores of a group of samples. Raises InputError for an empty group."""
    if not samples:
        raise InputError("no samples to score")
    predicted = torch.stack([s.predicted for s in samples])
    target = torch.stack([s.target for s in samples])
    each = contact_scores(predicted, target)
    pooled = contact_scores(predicted.reshape(-1), target.reshape(-1))
    return SetScores(
        count=len(samples),
        f1=float(each.f1.mean()),
        precision=float(each.precision.mean()),
        recall=float(each.recall.mean()),
        precision_micro=float(pooled.precision),
        recall_micro=float(pooled.recall),
    )


def semantic_scores(samples: Sequence[ContactSample]) -> dict[str, SetScores]:
    """Scores per label, labels in lower case and in order of first appearance."""
    groups: dict[str, list[ContactSample]] = defaultdict(list)
    for sample in samples:
        groups[sample.label.lower()].append(sample)
    return {label: set_scores(group) for label, group in groups.items()}


def weighted_f1(scores: Mapping[str, SetScores]) -> float:
    """Mean F1 over labels weighted by their sample counts."""
    total = sum(s.count for s in scores.values())
    return sum(s.count * s.f1 for s in scores.values()) / max(total, 1)


def binary_scores(samples: Sequence[ContactSample]) -> SetScores:
    """Scores per image after uniting the masks of its labels: contact with anything."""
    return set_scores(unite_labels(samples))


def unite_labels(samples: Sequence[ContactSample]) -> list[ContactSample]:
    """One sample per image: the union over its labels, of predictions and of targets."""
    groups: dict[str, list[ContactSample]] = defaultdict(list)
    for sample in samples:
        groups[sample.image].append(sample)
    return [
        ContactSample(
            image=image,
            label="",
            predicted=torch.stack([s.predicted for s in group]).any(0),
            target=torch.stack([s.target for s in group]).any(0),
        )
        for image, group in groups.items()
    ]


def false_contact_rate(samples: Sequence[ContactSample]) -> float:
    """Share of untouched (photo, label) pairs for which any contact was predicted; NaN if none."""
    untouched = [s for s in samples if not s.target.any()]
    if not untouched:
        return float("nan")
    return sum(bool(s.predicted.any()) for s in untouched) / len(untouched)


@dataclass(frozen=True)
class AffordanceScores:
    """Agreement of a soft prediction with a soft target on an object."""

    similarity: float
    """Histogram intersection (SIM)."""
    absolute_error: float
    """Mean absolute error (MAE)."""
    auc: float | None
    """Area under the ROC curve; None when the target is of one class."""
    aiou: float | None
    """IoU averaged over twenty thresholds; None as above."""


def affordance_scores(
    predicted: Float[Tensor, "points"], target: Float[Tensor, "points"], *, threshold: float = 0.5
) -> AffordanceScores:
    """Scores of one object. The target is positive at or above `threshold`. Source: IAGNet."""
    p, t = predicted.double().numpy(), target.double().numpy()
    similarity = np.minimum(p / (p.sum() + 1e-12), t / (t.sum() + 1e-12)).sum()
    positive = target.numpy() >= threshold
    mixed = bool(positive.any() and not positive.all())
    return AffordanceScores(
        similarity=float(similarity),
        absolute_error=float(np.abs(p - t).mean()),
        auc=_auc(p, positive) if mixed else None,
        aiou=_average_iou(p, positive) if mixed else None,
    )


@dataclass(frozen=True)
class MaskOverlap:
    """Two-dimensional overlap of one class, averaged over views."""

    intersection: float
    union: float
    iou: float
    """Mean IoU of the views (gIoU); a view where both are empty counts 1."""

    @property
    def pooled_iou(self) -> float:
        """Summed intersection over summed union (cIoU); 1 when both are empty."""
        return self.intersection / self.union if self.union else 1.0


def mask_overlap(
    predicted: Bool[Tensor, "views height width"],
    target: Bool[Tensor, "views height width"],
    valid: Bool[Tensor, "views height width"],
) -> MaskOverlap:
    """Overlap of masks on the valid pixels; give negated masks for the background class."""
    both = (predicted & target & valid).sum((1, 2)).double()
    either = ((predicted | target) & valid).sum((1, 2)).double()
    iou = torch.where(either > 0, both / either.clamp(min=1), 1.0)
    return MaskOverlap(float(both.mean()), float(either.mean()), float(iou.mean()))


def bootstrap_interval(
    values: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of the mean, resampling samples with replacement.

    Raises InputError for no values or NaN.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0 or not np.isfinite(data).all():
        raise InputError(f"need finite values to resample, got {data.size} with NaN or none")
    rng = np.random.default_rng(seed)
    means = np.array([data[rng.integers(0, data.size, data.size)].mean() for _ in range(resamples)])
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 where whole is 0."""
    return torch.where(whole > 0, part / torch.where(whole > 0, whole, 1), 0.0).double()


def _auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Mann-Whitney form; ties count half."""
    from scipy.stats import rankdata

    count = int(positive.sum())
    ranks = rankdata(score)[positive].sum() - count * (count + 1) / 2
    return float(ranks / (count * (positive.size - count)))


def _average_iou(score: np.ndarray, positive: np.ndarray) -> float:
    thresholds = np.linspace(0.0, 1.0, 20)
    taken = score[None] >= thresholds[:, None]
    both = (taken & positive).sum(1)
    either = (taken | positive).sum(1)
    return float((both / np.maximum(either, 1)).mean())
