"""Metrics against scikit-learn, SciPy and plain loops, and against cases computed by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path

from interactvlm import metrics
from interactvlm.metrics import ContactSample

CASES = range(12)


def random_case(seed, size=400):
    """Mask, mask, soft prediction with ties, soft target."""
    rng = np.random.default_rng(seed)
    soft = np.round(rng.random(size), 1).astype(np.float32)
    target = np.clip(rng.normal(0.3, 0.3, size), 0, 1).astype(np.float32)
    masks = rng.random((2, size)) < rng.uniform(0.05, 0.6, (2, 1))
    return *masks, soft, target


@pytest.mark.parametrize("seed", CASES)
def test_masks_against_scikit_learn(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    predicted, target, _, _ = random_case(seed)
    scores = metrics.contact_scores(torch.from_numpy(predicted), torch.from_numpy(target))
    precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
        target, predicted, average="binary", zero_division=0
    )
    got = [float(scores.precision), float(scores.recall), float(scores.f1)]
    np.testing.assert_allclose(got, [precision, recall, f1], atol=1e-12)
    iou = float(metrics.contact_iou(torch.from_numpy(predicted), torch.from_numpy(target)))
    assert iou == pytest.approx(sklearn.jaccard_score(target, predicted), abs=1e-12)
    assert float(scores.f1) == pytest.approx(2 * iou / (1 + iou))


@pytest.mark.parametrize("seed", CASES)
def test_affordance_against_scikit_learn_and_loops(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    _, _, soft, target = random_case(seed)
    scores = metrics.affordance_scores(torch.from_numpy(soft), torch.from_numpy(target))
    positive = target >= 0.5
    assert scores.auc == pytest.approx(sklearn.roc_auc_score(positive, soft), abs=1e-12)
    assert scores.absolute_error == pytest.approx(
        sklearn.mean_absolute_error(target, soft), abs=1e-7
    )
    ious = [sklearn.jaccard_score(positive, soft >= at) for at in np.linspace(0, 1, 20)]
    assert scores.aiou == pytest.approx(np.mean(ious), abs=1e-12)
    shares = [
        min(p / soft.astype(float).sum(), t / target.astype(float).sum())
        for p, t in zip(soft.astype(float), target.astype(float), strict=True)
    ]
    assert scores.similarity == pytest.approx(math.fsum(shares), abs=1e-9)


def test_affordance_by_hand():
    predicted, target = torch.tensor([0.8, 0.2, 0.0, 0.6]), torch.tensor([1.0, 0.0, 0.0, 0.25])
    scores = metrics.affordance_scores(predicted, target)
    assert scores.similarity == pytest.approx(0.5 + 0.2)  # min(.5, .8) + min(.375, .2)
    assert scores.absolute_error == pytest.approx((0.2 + 0.2 + 0.0 + 0.35) / 4)
    assert scores.auc == 1.0
    # At threshold 0 all four points are taken, up to 3/19 < 0.2 three, up to 11/19 < 0.6 two, up
    # to 15/19 < 0.8 one, then none.
    assert scores.aiou == pytest.approx((1 / 4 + 3 / 3 + 8 / 2 + 4 / 1) / 20)
    flat = metrics.affordance_scores(predicted, torch.zeros(4))
    assert flat.auc is None and flat.aiou is None and flat.similarity == 0.0


@pytest.mark.parametrize(
    ("predicted", "target", "f1", "iou"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], 0.5, 1 / 3),
        ([1, 1, 1, 1], [1, 0, 0, 0], 0.4, 0.25),
        ([0, 0, 0, 0], [1, 0, 0, 0], 0.0, 0.0),
        ([0, 0, 0, 0], [0, 0, 0, 0], 0.0, 1.0),
    ],
)
def test_masks_by_hand(predicted, target, f1, iou):
    p, t = torch.tensor(predicted).bool(), torch.tensor(target).bool()
    assert float(metrics.contact_scores(p, t).f1) == pytest.approx(f1)
    assert float(metrics.contact_iou(p, t)) == pytest.approx(iou)


@pytest.mark.parametrize("seed", CASES)
def test_geodesic_against_shortest_paths_and_loops(seed):
    rng = np.random.default_rng(seed)
    points = rng.random((30, 3))
    near = np.linalg.norm(points[:, None] - points, axis=2)
    near[near > 0.6] = 0
    matrix = shortest_path(csr_matrix(near), directed=False)
    assert np.isfinite(matrix).all()
    predicted, target, _, _ = random_case(seed, size=30)
    found = metrics.geodesic_error(
        torch.from_numpy(predicted),
        torch.from_numpy(target),
        metrics.distance_from_matrix(torch.from_numpy(matrix.astype(np.float32))),
    )
    rows, columns = np.flatnonzero(predicted), np.flatnonzero(target)
    rows = rows if len(rows) else np.arange(30)
    columns = columns if len(columns) else np.arange(30)
    forth = np.mean([min(matrix[i, j] for j in columns) for i in rows])
    back = np.mean([min(matrix[i, j] for i in rows) for j in columns])
    assert found.false_positive_m == pytest.approx(forth, abs=1e-6)
    assert found.false_negative_m == pytest.approx(back, abs=1e-6)


def test_geodesic_on_a_line_by_hand():
    """Five vertices 10 cm apart; truth is vertex 0, prediction vertices 0 and 3."""
    steps = torch.arange(5.0)
    matrix = 0.1 * (steps[:, None] - steps).abs()
    predicted, target = torch.tensor([1, 0, 0, 1, 0]).bool(), torch.tensor([1, 0, 0, 0, 0]).bool()
    error = metrics.geodesic_error(predicted, target, metrics.distance_from_matrix(matrix))
    assert error.false_positive_cm == pytest.approx(15.0, abs=1e-4)
    assert error.false_negative_cm == pytest.approx(0.0)


def test_geodesic_of_an_exact_prediction_is_zero_and_grows_with_a_shift():
    steps = torch.arange(40.0)
    distance = metrics.distance_from_matrix(0.01 * (steps[:, None] - steps).abs())
    target = torch.zeros(40, dtype=torch.bool)
    target[10:15] = True
    errors = [
        metrics.geodesic_error(target.roll(shift), target, distance).false_positive_m
        for shift in range(0, 20, 5)
    ]
    assert errors[0] == 0 and errors == sorted(errors) and errors[-1] > 0.1


def test_sets_of_samples_against_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    samples = []
    for seed in range(9):
        predicted, target, _, _ = random_case(seed, size=50)
        samples.append(
            ContactSample(
                f"photo {seed // 3}", "cup" if seed % 2 else "chair",
                torch.from_numpy(predicted), torch.from_numpy(target),
            )
        )  # fmt: skip
    both = np.stack([s.target for s in samples]), np.stack([s.predicted for s in samples])
    scores = metrics.set_scores(samples)
    assert scores.f1 == pytest.approx(sklearn.f1_score(*both, average="samples"))
    assert scores.precision_micro == pytest.approx(sklearn.precision_score(*both, average="micro"))
    assert scores.recall_micro == pytest.approx(sklearn.recall_score(*both, average="micro"))
    united = [[s for s in samples if s.image == f"photo {i}"] for i in range(3)]
    wanted = [
        sklearn.f1_score(
            np.any([s.target.numpy() for s in g], 0), np.any([s.predicted.numpy() for s in g], 0)
        )
        for g in united
    ]
    assert metrics.binary_scores(samples).f1 == pytest.approx(np.mean(wanted))
    labels = metrics.semantic_scores(samples)
    counted = [(len(g), np.mean([_f1(s, sklearn) for s in g])) for g in _by_label(samples)]
    assert metrics.weighted_f1(labels) == pytest.approx(sum(n * f for n, f in counted) / 9)


def _by_label(samples):
    return [[s for s in samples if s.label == label] for label in ("chair", "cup")]


def _f1(sample, sklearn):
    return sklearn.f1_score(sample.target, sample.predicted)


def test_bootstrap_interval_covers_what_the_normal_law_says():
    values = np.random.default_rng(0).normal(0.6, 0.2, 400).clip(0, 1)
    low, high = metrics.bootstrap_interval(values.tolist(), resamples=4000)
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.003)
    assert high == pytest.approx(values.mean() + half, abs=0.003)
    assert metrics.bootstrap_interval([0.5] * 5) == (0.5, 0.5)
