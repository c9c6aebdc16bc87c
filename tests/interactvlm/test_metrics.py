"""Metrics against golden numbers, axioms and degenerate masks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interactvlm import metrics
from interactvlm.errors import InputError
from interactvlm.metrics import ContactSample


@pytest.fixture(scope="module")
def arrays(golden):
    return golden.arrays("05_metrics")


def _masks(arrays, kind):
    predicted = torch.from_numpy(arrays[f"{kind}_prediction"]) >= 0.5
    return predicted, torch.from_numpy(arrays[f"{kind}_target"]) > 0


def test_contact_scores_equal_golden(arrays):
    scores = metrics.contact_scores(*_masks(arrays, "contact"))
    got = torch.stack([scores.f1, scores.precision, scores.recall], 1).numpy()
    np.testing.assert_allclose(got, arrays["contact_f1_precision_recall"], atol=1e-6)


def test_geodesic_equals_golden_in_the_right_order(arrays):
    distance = metrics.distance_from_matrix(torch.from_numpy(arrays["distance"]))
    rows = zip(*_masks(arrays, "contact"), strict=True)
    errors = [metrics.geodesic_error(p, t, distance) for p, t in rows]
    got = [(e.false_positive_m, e.false_negative_m) for e in errors]
    np.testing.assert_allclose(got, arrays["geodesic_correct_order"], atol=1e-6)
    swapped = [(b, a) for a, b in got]
    np.testing.assert_allclose(swapped, arrays["geodesic_as_called_binary"], atol=1e-6)
    assert errors[0].false_positive_cm == pytest.approx(100 * errors[0].false_positive_m)


def test_affordance_scores_equal_golden(arrays):
    wanted = arrays["affordance_sim_mae_auc_aiou_valid"]
    for i, row in enumerate(wanted):
        prediction = torch.from_numpy(arrays["affordance_prediction"][i])
        scores = metrics.affordance_scores(
            prediction, torch.from_numpy(arrays["affordance_target"][i])
        )
        assert (scores.auc is not None) == bool(row[4])
        got = (scores.similarity, scores.absolute_error, scores.auc or 0.0, scores.aiou or 0.0)
        np.testing.assert_allclose(got, row[:4], atol=1e-6)


def test_mask_overlap_equals_golden(arrays):
    target = torch.from_numpy(arrays["mask_target"])
    predicted = torch.from_numpy(arrays["mask_logits"]) > 0
    for index, (p, t) in enumerate([(~predicted, target == 0), (predicted, target == 1)]):
        overlap = metrics.mask_overlap(p, t, target >= 0)
        assert overlap.intersection == pytest.approx(float(arrays["mask_intersection"][index]))
        assert overlap.union == pytest.approx(float(arrays["mask_union"][index]))
        assert overlap.iou == pytest.approx(float(arrays["mask_accumulated_iou"][index]), abs=1e-6)


def _test_set(arrays):
    predicted, target = _masks(arrays, "set")
    names = zip(arrays["set_image"], arrays["set_object"], predicted, target, strict=True)
    return [ContactSample(str(i), str(o), p, t) for i, o, p, t in names]


def test_test_set_tables_equal_golden(arrays):
    samples = _test_set(arrays)
    scores = metrics.semantic_scores(samples)
    assert list(scores) == [str(n) for n in arrays["set_binary_object_names"]]
    got = [[s.count, s.f1, s.precision_micro, s.recall_micro] for s in scores.values()]
    np.testing.assert_allclose(got, arrays["set_binary_object_rows"][:, :4], atol=1e-6)
    f1 = float(arrays["set_binary_weighted_f1_geo"][0])
    assert metrics.weighted_f1(scores) == pytest.approx(f1, abs=1e-6)
    each = [metrics.set_scores([s]).f1 for s in samples]
    np.testing.assert_allclose(each, arrays["set_binary_f1_per_sample"], atol=1e-6)
    image = metrics.binary_scores(samples)
    np.testing.assert_allclose(
        [image.f1, image.precision_micro, image.recall_micro],
        arrays["set_binary_per_image"][:3],
        atol=1e-6,
    )


def test_false_negative_distance_of_the_test_set_equals_golden(arrays):
    distance = metrics.distance_from_matrix(torch.from_numpy(arrays["distance"]))
    got = [
        metrics.geodesic_error(s.predicted, s.target, distance).false_negative_m
        for s in _test_set(arrays)
    ]
    np.testing.assert_allclose(got, arrays["set_binary_geo_per_sample"], atol=1e-6)


mask = st.lists(st.booleans(), min_size=12, max_size=12).map(torch.tensor)


@settings(max_examples=50, deadline=None)
@given(mask, mask)
def test_scores_lie_in_the_unit_interval_and_swap_with_their_arguments(a, b):
    forth, back = metrics.contact_scores(a, b), metrics.contact_scores(b, a)
    for value in (forth.f1, forth.precision, forth.recall):
        assert 0 <= float(value) <= 1
    assert float(forth.precision) == float(back.recall)
    assert float(forth.f1) == pytest.approx(float(back.f1))


def test_a_probability_is_refused_where_a_mask_is_expected():
    with pytest.raises(Exception, match=r"[Tt]ype-check"):
        metrics.contact_scores(torch.rand(5), torch.ones(5, dtype=torch.bool))


def test_false_contact_rate_counts_untouched_pairs_only():
    no, yes = torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)
    samples = [
        ContactSample("a", "chair", yes, yes),
        ContactSample("a", "cup", yes, no),
        ContactSample("b", "cup", no, no),
    ]
    assert metrics.false_contact_rate(samples) == 0.5
    assert np.isnan(metrics.false_contact_rate(samples[:1]))


def test_bootstrap_interval_holds_the_mean_and_is_repeatable():
    values = list(np.random.default_rng(1).random(60))
    low, high = metrics.bootstrap_interval(values)
    assert low < np.mean(values) < high
    assert (low, high) == metrics.bootstrap_interval(values)
    with pytest.raises(InputError):
        metrics.bootstrap_interval([])
