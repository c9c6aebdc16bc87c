"""Contact points of an object brought to those of a body."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from hoi_fit.icp import IcpSettings, OrientedPoints, contact_icp
from hoi_fit.similarity import Similarity
from renders.errors import InputError


@pytest.fixture(scope="module")
def seat():
    """Two patches of a bumpy ball: asymmetric, so that the pose is unique."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.3)
    direction = np.asarray(ball.vertices) / 0.3
    radius = 0.3 + 0.05 * np.sin(5 * direction[:, :1]) + 0.04 * np.cos(7 * direction[:, 1:2])
    shape = trimesh.Trimesh(direction * radius, ball.faces)
    chosen = (direction[:, 2] > 0.5) | (direction[:, 0] > 0.8)
    points, normals = np.asarray(shape.vertices)[chosen], np.asarray(shape.vertex_normals)[chosen]
    return OrientedPoints(points, normals, np.ones(len(points)))


def _body(seat: OrientedPoints, pose: Similarity, rng: np.random.Generator) -> OrientedPoints:
    """The touching side: other samples, a millimetre of noise, normals against the object's."""
    kept = rng.random(len(seat.points)) < 0.7
    points = pose.points(seat.points[kept]) + rng.normal(0, 0.001, (kept.sum(), 3))
    return OrientedPoints(points, -pose.directions(seat.normals[kept]), np.ones(kept.sum()))


def _off(pose: Similarity, degrees: float, metres: float, rng: np.random.Generator) -> Similarity:
    turn = Rotation.from_rotvec(np.radians(degrees) * _unit(rng)).as_matrix()
    return Similarity(turn @ pose.rotation, pose.translation_m + metres * _unit(rng), 1.0)


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def _angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(Rotation.from_matrix(a.T @ b).magnitude()))


def test_finds_the_pose_from_near(seat):
    rng = np.random.default_rng(0)
    truth = Similarity(Rotation.random(random_state=3).as_matrix(), np.array([0.2, -0.1, 2.0]))
    body = _body(seat, truth, rng)
    starts = [_off(truth, 15, 0.08, rng) for _ in range(4)]
    results = contact_icp(seat, body, starts)
    best = results[0]
    assert _angle_deg(best.target_from_object.rotation, truth.rotation) < 1.0
    assert np.linalg.norm(best.target_from_object.translation_m - truth.translation_m) < 0.005
    assert best.stopped == "converged"
    assert [r.distance_m for r in results] == sorted(r.distance_m for r in results)


def test_finds_the_scale_within_its_bounds(seat):
    rng = np.random.default_rng(1)
    truth = Similarity(Rotation.random(random_state=4).as_matrix(), np.array([0, 0, 2.0]), 1.15)
    body = _body(seat, truth, rng)
    settings = IcpSettings(scale_bounds=(0.8, 1.25), iterations=200)
    best = contact_icp(seat, body, [_off(truth, 10, 0.03, rng)], settings)[0]
    assert best.target_from_object.scale == pytest.approx(1.15, abs=0.02)
    fixed = contact_icp(seat, body, [_off(truth, 10, 0.03, rng)])[0]
    assert fixed.target_from_object.scale == 1.0
    assert fixed.distance_m > best.distance_m


def test_opposed_normals_decide_between_two_sides():
    """A thin board touched from below: the other side is as near, but faces the wrong way."""
    grid = np.stack(np.meshgrid(np.linspace(-0.2, 0.2, 15), np.linspace(-0.1, 0.1, 9)), -1)
    flat = np.concatenate([grid.reshape(-1, 2), np.zeros((135, 1))], axis=1)
    up = np.tile([0.0, 0.0, 1.0], (135, 1))
    above, below = (flat + np.array([0, 0, z]) for z in (0.005, -0.005))
    both = OrientedPoints(np.concatenate([above, below]), np.concatenate([up, -up]), np.ones(270))
    body = OrientedPoints(flat + np.array([0, 0, 1.0]), up, np.ones(135))  # it carries the board
    start = Similarity(np.eye(3), np.array([0.0, 0.0, 1.0]))
    found = contact_icp(both, body, [start])[0].target_from_object
    under = found.points(both.points[135:])[:, 2].mean()
    assert abs(under - 1.0) < 0.003


def test_outliers_pull_little(seat):
    rng = np.random.default_rng(2)
    truth = Similarity(np.eye(3), np.array([0.0, 0.0, 2.0]))
    body = _body(seat, truth, rng)
    stray = rng.normal(size=(60, 3)) * 0.1 + [0.8, 0.5, 2.0]
    dirty = OrientedPoints(
        np.concatenate([body.points, stray]), np.concatenate([body.normals, -stray]),
        np.ones(len(body.points) + 60),
    )  # fmt: skip
    found = contact_icp(seat, dirty, [_off(truth, 8, 0.03, rng)])[0].target_from_object
    assert np.linalg.norm(found.translation_m - truth.translation_m) < 0.02


def test_one_point_on_each_side_is_enough_to_place():
    one = OrientedPoints(np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]]), np.ones(1))
    there = OrientedPoints(np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.0, -1.0]]), np.ones(1))
    best = contact_icp(one, there, [Similarity.identity()])[0]
    np.testing.assert_allclose(best.target_from_object.translation_m, [1, 2, 3], atol=1e-9)
    assert best.distance_m < 1e-9


def test_contact_on_one_side_only_is_one_sentence(seat):
    nothing = OrientedPoints(seat.points, seat.normals, np.zeros(len(seat.points)))
    with pytest.raises(InputError, match="the object has no contact"):
        contact_icp(nothing, seat, [Similarity.identity()])
    with pytest.raises(InputError, match="the body has no contact"):
        contact_icp(seat, nothing, [Similarity.identity()])


def test_is_as_near_the_truth_as_open3d(seat, open3d):
    rng = np.random.default_rng(5)
    truth = Similarity(np.eye(3), np.array([0.0, 0.0, 0.5]))
    body, start = _body(seat, truth, rng), _off(truth, 6, 0.02, rng)
    clouds = []
    for points in (seat.points, body.points):
        clouds.append(open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points)))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = start.rotation, start.translation_m
    registration = open3d.pipelines.registration
    until = registration.ICPConvergenceCriteria(0.0, 0.0, 200)
    estimate = registration.TransformationEstimationPointToPoint()
    theirs = registration.registration_icp(*clouds, 0.1, matrix, estimate, until).transformation
    ours = contact_icp(seat, body, [start])[0].target_from_object
    off = [_angle_deg(truth.rotation, turn) for turn in (ours.rotation, theirs[:3, :3])]
    assert off[0] <= off[1] < 1.5  # theirs looks for partners one way only
    np.testing.assert_allclose(ours.translation_m, theirs[:3, 3], atol=0.003)
