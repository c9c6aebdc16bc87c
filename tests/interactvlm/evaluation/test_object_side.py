"""Measures of heat on objects: means over questions, and where the two sides' contacts lie."""

import numpy as np
import pytest
import torch

from interactvlm.evaluation.object_side import (
    ObjectQuestion,
    _apart,
    agreement,
    object_scores,
)
from interactvlm.metrics import affordance_scores


def _question(said: torch.Tensor, apart_m: float | None = None) -> ObjectQuestion:
    truth = torch.zeros(100)
    truth[:20] = 1.0
    return ObjectQuestion("chair", truth, {"model": said}, apart_m)


def test_scores_are_means_of_the_published_measures():
    questions = [_question(torch.linspace(1, 0, 100)), _question(torch.linspace(0, 1, 100))]
    each = [affordance_scores(q.said["model"], q.truth) for q in questions]
    scores = object_scores(questions, "model")
    assert scores["count"] == 2
    assert scores["sim"] == pytest.approx(np.mean([s.similarity for s in each]))
    assert scores["auc"] == pytest.approx(0.5)
    assert scores["mae"] == pytest.approx(np.mean([s.absolute_error for s in each]))


def test_a_denied_object_scores_nothing_but_still_counts():
    scores = object_scores([_question(torch.zeros(100))], "model")
    assert (scores["sim"], scores["auc"], scores["count"]) == (0.0, 0.5, 1)
    assert scores["mae"] == pytest.approx(0.2)


def test_distance_between_the_sides():
    body = np.zeros((3, 3))
    there = np.array([[0.1, 0, 0], [0.3, 0, 0]])
    assert _apart(body, there) == pytest.approx((0.1 + 0.2) / 2)
    assert _apart(body, there[:0]) is None
    assert _apart(body[:0], there) is None


def test_agreement_leaves_out_what_one_side_denied():
    some = torch.ones(100)
    found = agreement([_question(some, 0.02), _question(some, 0.04), _question(some, None)])
    assert found["distance_cm"] == pytest.approx(3.0)
    assert found["count"] == 2
    assert agreement([_question(some)]) == {"distance_cm": None, "count": 0}
