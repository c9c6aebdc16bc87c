"""Poses recovered from masks and contacts that were drawn with a known pose."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from hoi_fit.energies import Poses, energies, find_partners
from hoi_fit.fit import fit_object
from hoi_fit.icp import OrientedPoints
from hoi_fit.problem import FitProblem, FitSettings
from hoi_fit.similarity import Similarity
from hoi_fit.starts import CAMERA_FROM_UPRIGHT
from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh
from renders.rasterizer import rasterize

SIZE_PX = 96
QUICK = FitSettings(stages=((48, 12, 25), (96, 3, 40)), yaw_starts=12, scale_bounds=(1.0, 1.0))


@pytest.fixture(scope="module")
def chair() -> trimesh.Trimesh:
    """A seat, a back and an armrest on one side only, y up: no symmetry."""
    parts = [
        trimesh.creation.box((0.5, 0.06, 0.45)),
        trimesh.creation.box((0.5, 0.5, 0.05)).apply_translation((0, 0.25, -0.2)),
        trimesh.creation.box((0.05, 0.25, 0.4)).apply_translation((0.25, 0.12, 0)),
    ]
    return trimesh.util.concatenate(parts)


def _camera() -> Camera:
    k = torch.tensor([[110.0, 0, SIZE_PX / 2], [0, 110.0, SIZE_PX / 2], [0, 0, 1]])
    return Camera(k, torch.eye(4), SIZE_PX, SIZE_PX)


def _vertices(mesh: trimesh.Trimesh) -> torch.Tensor:
    return torch.tensor(np.array(mesh.vertices), dtype=torch.float32)


def _mask(mesh: trimesh.Trimesh, pose: Similarity) -> torch.Tensor:
    placed = torch.from_numpy(pose.points(np.asarray(mesh.vertices))).float()
    faces = torch.tensor(np.array(mesh.faces))
    return rasterize(Mesh(placed, faces), _camera()).face_index >= 0


def _pose(yaw_deg: float, place=(0.1, 0.05, 2.0)) -> Similarity:
    turn = CAMERA_FROM_UPRIGHT @ Rotation.from_euler("y", yaw_deg, degrees=True).as_matrix()
    return Similarity(turn, np.array(place))


def _problem(mesh: trimesh.Trimesh, pose: Similarity, **more) -> FitProblem:
    faces = torch.tensor(np.array(mesh.faces))
    return FitProblem(_vertices(mesh), faces, _camera(), _mask(mesh, pose), **more)


def _contact(mesh: trimesh.Trimesh, pose: Similarity) -> dict[str, OrientedPoints]:
    """Somebody sits on the seat and leans on the back."""
    points, faces = trimesh.sample.sample_surface(mesh, 3000, seed=0)
    normals = mesh.face_normals[faces]
    seat = (normals[:, 1] > 0.9) & (np.abs(points[:, 1] - 0.03) < 0.01)
    back = (normals[:, 2] > 0.9) & (points[:, 1] > 0.1) & (points[:, 2] < -0.1)
    chosen = (seat | back) & (points[:, 0] < 0.2)
    points, normals = points[chosen], normals[chosen]
    weight = np.ones(len(points))
    body = pose.points(points + 0.002 * normals)
    return {
        "touched": OrientedPoints(points, normals, weight),
        "touching": OrientedPoints(body, -pose.directions(normals), weight),
    }


def _errors(found: Similarity, truth: Similarity) -> tuple[float, float]:
    turn = Rotation.from_matrix(found.rotation.T @ truth.rotation).magnitude()
    return np.degrees(turn), float(np.linalg.norm(found.translation_m - truth.translation_m))


@pytest.mark.parametrize("yaw_deg", [40.0, 200.0])
def test_contact_and_mask_give_the_pose(chair, yaw_deg):
    truth = _pose(yaw_deg)
    report = fit_object(_problem(chair, truth, **_contact(chair, truth)), QUICK)
    angle_deg, away_m = _errors(report.pose.camera_from_object, truth)
    assert angle_deg < 4
    assert away_m < 0.02
    assert report.contact_used
    assert report.contact_m < 0.01
    assert report.mask_iou > 0.9
    assert [h.score for h in report.hypotheses] == sorted(h.score for h in report.hypotheses)


def test_without_contact_the_silhouette_decides_and_the_report_says_so(chair):
    truth = _pose(35.0)
    report = fit_object(_problem(chair, truth), QUICK)
    assert not report.contact_used
    assert report.contact_m is None
    assert "silhouette" in report.notes[0]
    assert report.mask_iou > 0.85


def test_a_person_in_front_is_no_reason_to_shrink(chair):
    truth = _pose(30.0)
    whole = _problem(chair, truth)
    hidden = torch.zeros_like(whole.object_mask)
    hidden[:, : SIZE_PX // 2] = True
    seen = FitProblem(
        whole.vertices_object, whole.faces, whole.camera, whole.object_mask & ~hidden,
        ignored=hidden, **_contact(chair, truth),
    )  # fmt: skip
    angle_deg, away_m = _errors(fit_object(seen, QUICK).pose.camera_from_object, truth)
    assert angle_deg < 6
    assert away_m < 0.03


def test_scale_is_found_between_its_bounds(chair):
    truth = Similarity(_pose(40.0).rotation, np.array([0.1, 0.05, 2.0]), 1.2)
    settings = FitSettings(stages=((48, 12, 25), (96, 3, 60)), scale_bounds=(0.7, 1.4))
    report = fit_object(_problem(chair, truth, **_contact(chair, truth)), settings)
    assert report.pose.camera_from_object.scale == pytest.approx(1.2, abs=0.06)
    narrow = FitSettings(stages=((48, 6, 25),), scale_bounds=(0.95, 1.05))
    found = fit_object(_problem(chair, truth), narrow).pose.camera_from_object
    assert 0.95 <= found.scale <= 1.05


def test_energies_fall_and_stages_say_why_they_stopped(chair):
    truth = _pose(40.0)
    start = Similarity(truth.rotation, truth.translation_m + np.array([0.08, 0.0, 0.1]))
    report = fit_object(_problem(chair, truth), QUICK, starts=[start])
    rows = report.stages[0].energies
    assert rows[-1]["total"] < rows[0]["total"]
    assert rows[0].keys() == {"mask", "centroid", "size", "total", "gradient"}
    assert {stage.stopped for stage in report.stages} <= {"converged", "iterations"}


def test_an_object_behind_the_camera_is_brought_back(chair):
    truth = _pose(40.0)
    behind = Similarity(truth.rotation, truth.translation_m * [1, 1, -1])
    report = fit_object(_problem(chair, truth), QUICK, starts=[behind, truth])
    assert report.pose.camera_from_object.translation_m[2] > 1.5


def test_depth_with_nan_and_a_mask_that_covers_all(chair):
    truth = _pose(40.0)
    depth = torch.full((SIZE_PX, SIZE_PX), torch.nan)
    plain = fit_object(_problem(chair, truth), QUICK, starts=[truth])
    with_nan = fit_object(_problem(chair, truth, depth_m=depth), QUICK, starts=[truth])
    np.testing.assert_allclose(
        with_nan.pose.camera_from_object.translation_m,
        plain.pose.camera_from_object.translation_m, atol=1e-6,
    )  # fmt: skip
    everything = torch.ones(SIZE_PX, SIZE_PX, dtype=torch.bool)
    full = FitProblem(_vertices(chair), torch.tensor(np.array(chair.faces)), _camera(), everything)
    assert np.isfinite(fit_object(full, QUICK, starts=[truth]).pose.score)


def test_penetration_counts_what_lies_inside_the_body_only(chair):
    truth = _pose(40.0)
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.3)
    faces = torch.from_numpy(np.array(ball.faces))
    found = []
    for away_m in (0.0, 0.45, 2.0):
        place = truth.translation_m + np.array([away_m, 0.0, 0.0])
        body = Mesh(torch.from_numpy(ball.vertices + place).float(), faces)
        problem = _problem(chair, truth, body_mesh=body)
        with torch.no_grad():
            terms = energies(
                problem,
                Poses([truth], problem),
                find_partners(problem, Poses([truth], problem)),
                QUICK,
            )
        found.append(float(terms["penetration"]))
    assert found[0] > found[1] > 0
    assert found[2] == 0


def test_a_person_behind_the_object_does_not_hide_it(chair):
    truth = _pose(40.0)
    larger = Similarity(truth.rotation, truth.translation_m, 1.3)
    plain = _problem(chair, truth)
    quad = torch.tensor([[-9.0, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    costs = {}
    for away_m in (1.0, 9.0):
        body = Mesh(quad + torch.tensor([0.0, 0.0, away_m]), faces)
        problem = _problem(chair, truth, ignored=~plain.object_mask, body_mesh=body)
        poses = Poses([truth, larger], problem)
        with torch.no_grad():
            terms = energies(problem, poses, find_partners(problem, poses), QUICK)
        costs[away_m] = (terms["mask"][1] - terms["mask"][0]).item()
    # In front of it all may be hidden, behind it nothing is.
    assert costs[1.0] < 0.02 < 0.2 < costs[9.0]


def test_one_triangle_is_an_object_too():
    triangle = trimesh.Trimesh([[0, 0, 0], [0.6, 0, 0], [0.2, 0.5, 0.1]], [[0, 1, 2]])
    truth = _pose(0.0)
    report = fit_object(_problem(triangle, truth), QUICK, starts=[_pose(10.0)])
    assert report.mask_iou > 0.7


def test_nothing_to_fit_to_is_one_sentence(chair):
    vertices, faces = _vertices(chair), torch.tensor(np.array(chair.faces))
    empty = torch.zeros(SIZE_PX, SIZE_PX, dtype=torch.bool)
    with pytest.raises(InputError, match="mask is empty"):
        FitProblem(vertices, faces, _camera(), empty)
    with pytest.raises(InputError, match="the camera's image"):
        FitProblem(vertices, faces, _camera(), empty[:5])
    with pytest.raises(InputError, match="no faces"):
        FitProblem(vertices, faces[:0], _camera(), ~empty)
    with pytest.raises(InputError, match="not finite"):
        FitProblem(vertices * torch.nan, faces, _camera(), ~empty)


def test_a_start_in_the_plane_of_the_camera_stays_finite(chair):
    problem = _problem(chair, _pose(0.0))
    middle = problem.middle_object
    there = Similarity(CAMERA_FROM_UPRIGHT, -CAMERA_FROM_UPRIGHT @ middle)
    report = fit_object(problem, QUICK, [there])
    assert np.isfinite(report.pose.score)
    assert np.isfinite(report.pose.camera_from_object.translation_m).all()
    assert {stage.stopped for stage in report.stages} <= {"converged", "iterations"}


def test_numbers_that_stop_being_finite_end_the_search_with_the_best_before(chair, monkeypatch):
    calls = []

    def failing(problem, poses, partners, settings):
        calls.append(len(poses.turned))
        terms = energies(problem, poses, partners, settings)
        if len(calls) > 4:  # the fourth step of the first stage: one call chooses the starts
            terms["mask"] = terms["mask"] * torch.nan
        return terms

    monkeypatch.setattr("hoi_fit.fit.energies", failing)
    one_stage = FitSettings(stages=((48, 4, 20),), yaw_starts=12, any_way_up=False)
    report = fit_object(_problem(chair, _pose(20.0)), one_stage)
    assert (report.stages[0].stopped, report.stages[0].steps) == ("diverged", 3)
    assert (
        np.isfinite(report.pose.score)
        and np.isfinite(report.pose.camera_from_object.rotation).all()
    )
    assert all(np.isfinite(list(row.values())).all() for row in report.stages[0].energies)
    assert any("not finite" in note for note in report.notes)


def test_a_pose_that_is_never_finite_is_no_hypothesis(chair):
    problem = _problem(chair, _pose(20.0), depth_m=torch.full((SIZE_PX, SIZE_PX), 1e30))
    with pytest.raises(InputError, match="finite energy"):
        fit_object(problem, QUICK)
