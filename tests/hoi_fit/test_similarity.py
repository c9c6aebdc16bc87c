"""Similarities: solving, inverting, and their limits."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hoi_fit.similarity import Similarity, solve_similarity
from renders.errors import InputError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_recovers_a_similarity(rng):
    wanted = Similarity(Rotation.random(random_state=0).as_matrix(), rng.normal(size=3), 1.7)
    source = rng.normal(size=(40, 3))
    found = solve_similarity(source, wanted.points(source), scale_bounds=(0.1, 10.0))
    np.testing.assert_allclose(found.rotation, wanted.rotation, atol=1e-12)
    np.testing.assert_allclose(found.translation_m, wanted.translation_m, atol=1e-12)
    assert found.scale == pytest.approx(1.7)


def test_rotation_is_that_of_scipy(rng):
    source, target, weight = rng.normal(size=(30, 3)), rng.normal(size=(30, 3)), rng.random(30)
    found = solve_similarity(source, target, weight)
    centred = [p - np.average(p, axis=0, weights=weight) for p in (source, target)]
    wanted, _ = Rotation.align_vectors(centred[1], centred[0], weights=weight)
    np.testing.assert_allclose(found.rotation, wanted.as_matrix(), atol=1e-9)


def test_a_mirrored_target_gives_no_reflection(rng):
    source = rng.normal(size=(30, 3))
    found = solve_similarity(source, source * [-1, 1, 1])
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


@pytest.mark.parametrize(("factor", "kept"), [(5.0, 1.2), (0.1, 0.8), (1.1, 1.1)])
def test_scale_stays_within_its_bounds(rng, factor, kept):
    source = rng.normal(size=(30, 3))
    found = solve_similarity(source, factor * source + 1, scale_bounds=(0.8, 1.2))
    assert found.scale == pytest.approx(kept)
    np.testing.assert_allclose(found.points(source.mean(0)[None])[0], factor * source.mean(0) + 1)


def test_pairs_without_weight_do_not_count(rng):
    source = rng.normal(size=(30, 3))
    target, weight = source + 2, np.ones(30)
    target[:5], weight[:5] = 100, 0
    np.testing.assert_allclose(solve_similarity(source, target, weight).translation_m, 2, atol=1e-9)


def test_the_inverse_undoes(rng):
    pose = Similarity(Rotation.random(random_state=1).as_matrix(), rng.normal(size=3), 0.4)
    points = rng.normal(size=(5, 3))
    np.testing.assert_allclose(pose.inverse().points(pose.points(points)), points, atol=1e-12)


@pytest.mark.parametrize("points", [np.zeros((4, 3)), np.arange(4)[:, None] * np.ones((1, 3))])
def test_degenerate_points_still_give_a_rotation(points):
    found = solve_similarity(points, points + 1, scale_bounds=(0.5, 2.0))
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(found.points(points), points + 1, atol=1e-9)


def test_wrong_input_is_one_sentence(rng):
    points = rng.normal(size=(4, 3))
    with pytest.raises(InputError, match="not enough finite"):
        solve_similarity(points, points, np.zeros(4))
    with pytest.raises(InputError, match="not enough finite"):
        solve_similarity(points, points * np.nan)
    with pytest.raises(InputError, match="scale bounds"):
        solve_similarity(points, points, scale_bounds=(0.0, 1.0))
