"""Tables from answers: contact of bodies and of objects, overall and per class.

Definitions are those of the published evaluations without their faults: predictions are masks
before anything is counted, prediction and truth are never swapped, and a table says which mean it
holds. Knows no model, no data set and no file.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from interactvlm.evaluation.answers import BodyAnswer, ObjectAnswer
from interactvlm.metrics import (
    ContactSample,
    DistanceToSet,
    SetScores,
    bootstrap_interval,
    contact_scores,
    false_contact_rate,
    geodesic_error,
    semantic_scores,
    set_scores,
    unite_labels,
)

Table = dict[str, Any]

OBJECT_SCORES = ("similarity", "auc", "aiou", "absolute_error", "iou", "f1", "precision", "recall")
"""Scores of an object, in the order of the tables."""


def body_table(
    answers: Sequence[BodyAnswer],
    *,
    distance: DistanceToSet | None = None,
    category_of: Callable[[str], str | None] = lambda label: None,
    resamples: int = 2000,
) -> Table:
    """Per (photo, label) as `semantic`, per photo with all labels united as `binary`.

    `per_label` and `per_category` hold F1 as mean over samples and precision and recall both so
    and over all vertices (micro), which the published tables print. The published F1 "weighted" by
    the labels' sample counts is the mean over samples. Without `distance` there are no geodesics.
    """
    samples = [ContactSample(a.image, a.label, a.predicted, a.target) for a in answers]
    touched = [s for s in samples if s.target.any()]
    if not touched:
        return {"semantic": None, "binary": None, "untouched": len(samples)}
    untouched = len(samples) - len(touched)
    return {
        "semantic": _scored(touched, distance, resamples),
        "binary": _scored(unite_labels(touched), distance, resamples),
        "per_label": {
            name: asdict(scores) for name, scores in _by_count(semantic_scores(touched)).items()
        },
        "per_category": _categories(touched, category_of),
        "untouched": untouched,
        "untouched_false_contact": false_contact_rate(samples) if untouched else None,
    }


def object_table(answers: Sequence[ObjectAnswer], *, resamples: int = 2000) -> Table:
    """Means over objects, of each score over those for which it is defined; also per class."""
    if not answers:
        return {"all": None}
    by_label, by_affordance = defaultdict(list), defaultdict(list)
    for answer in answers:
        by_label[answer.label.lower()].append(answer)
        if answer.affordance:
            by_affordance[answer.affordance].append(answer)
    overall = _object_means(answers)
    overall["interval_95"] = {
        name: list(bootstrap_interval(values, resamples=resamples))
        for name in OBJECT_SCORES
        if (values := _defined(answers, name))
    }
    return {
        "all": overall,
        "per_label": {name: _object_means(group) for name, group in sorted(by_label.items())},
        "per_affordance": {n: _object_means(group) for n, group in sorted(by_affordance.items())},
    }


def _scored(
    samples: Sequence[ContactSample], distance: DistanceToSet | None, resamples: int
) -> Table:
    table: Table = asdict(set_scores(samples))
    each = contact_scores(
        torch.stack([s.predicted for s in samples]), torch.stack([s.target for s in samples])
    )
    table["f1_interval_95"] = list(bootstrap_interval(each.f1.tolist(), resamples=resamples))
    if distance is not None:
        errors = [geodesic_error(s.predicted, s.target, distance) for s in samples]
        wrong = [error.false_positive_cm for error in errors]
        table["geodesic_cm"] = sum(wrong) / len(wrong)
        table["geodesic_cm_interval_95"] = list(bootstrap_interval(wrong, resamples=resamples))
        missed = [error.false_negative_cm for error in errors]
        table["geodesic_false_negative_cm"] = sum(missed) / len(missed)
    return table


def _categories(
    samples: Sequence[ContactSample], category_of: Callable[[str], str | None]
) -> dict[str, Table]:
    groups: dict[str, list[ContactSample]] = defaultdict(list)
    for sample in samples:
        category = category_of(sample.label)
        if category is not None:
            groups[category].append(sample)
    scores = {name: set_scores(group) for name, group in groups.items()}
    return {name: asdict(found) for name, found in _by_count(scores).items()}


def _by_count(scores: Mapping[str, SetScores]) -> dict[str, SetScores]:
    """Most samples first, then by name."""
    return dict(sorted(scores.items(), key=lambda item: (-item[1].count, item[0])))


def _object_means(answers: Sequence[ObjectAnswer]) -> Table:
    table: Table = {"count": len(answers)}
    for name in OBJECT_SCORES:
        values = _defined(answers, name)
        table[name] = sum(values) / len(values) if values else None
    table["count_mixed"] = len(_defined(answers, "auc"))
    return table


def _defined(answers: Sequence[ObjectAnswer], name: str) -> list[float]:
    return [value for a in answers if (value := a.scores[name]) is not None]
