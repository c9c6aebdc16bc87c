"""Body and object meet, and what the camera saw of the body stays."""

import numpy as np
import pytest
import torch

from hoi_fit.contact_points import contact_points, contact_vertices
from hoi_fit.energies import penetration
from hoi_fit.joint import JointSettings, fit_together
from hoi_fit.problem import FitProblem
from hoi_fit.similarity import Similarity
from human_recovery.anny_body import AnnyBody
from renders.errors import InputError
from tests.interactvlm.reconstruction.chair_scene import TRUTH, build_scene


@pytest.fixture(scope="module")
def told():
    scene = build_scene()
    (shape,) = scene.candidates
    said = scene.contact.vertex_probability
    problem = FitProblem(
        shape.mesh.vertices, shape.mesh.faces, scene.camera, scene.object_mask,
        ignored=scene.person_mask,
        touched=contact_points(shape.mesh, shape.heat, 0.5),
        touching=contact_points(scene.body_mesh, said, 0.5),
    )  # fmt: skip
    return scene, problem, contact_vertices(scene.body_mesh, said, 0.5).numpy()


def test_contact_closes_and_the_body_stays_in_the_picture(told):
    scene, problem, touching = told
    model = AnnyBody("fast")
    away = Similarity(TRUTH.rotation, TRUTH.translation_m - np.array([0, 0, 0.25]), TRUTH.scale)
    met = fit_together(problem, away, scene.body.state, model, touching, JointSettings(steps=40))
    before, after = met.contact_m
    assert after < 0.8 * before
    moved = met.state.vertices_camera(model)
    k = scene.camera.intrinsics
    pixels = [(v / v[:, 2:] @ k.T)[:, :2] for v in (moved, scene.body.vertices_m)]
    assert float((pixels[0] - pixels[1]).norm(dim=1).mean()) < 2.0
    assert met.steps == len(met.energies)
    assert met.energies[-1]["total"] < met.energies[0]["total"]


def test_a_body_that_touches_already_hardly_moves(told):
    scene, problem, touching = told
    met = fit_together(
        problem, TRUTH, scene.body.state, AnnyBody("fast"), touching, JointSettings(steps=20)
    )
    shift = (met.state.translation_m - scene.body.state.translation_m).norm()
    assert float(shift) < 0.1
    assert np.linalg.norm(met.pose.translation_m - TRUTH.translation_m) < 0.1


def test_without_contact_or_with_other_vertices_it_is_refused(told):
    scene, problem, touching = told
    silent = FitProblem(problem.vertices_object, problem.faces, problem.camera, problem.object_mask)
    with pytest.raises(InputError, match="no contact"):
        fit_together(silent, TRUTH, scene.body.state, AnnyBody("fast"), touching)
    with pytest.raises(InputError, match="touching points"):
        fit_together(problem, TRUTH, scene.body.state, AnnyBody("fast"), touching[:-1])
    assert torch.isfinite(scene.body.vertices_m).all()


@pytest.mark.parametrize("good_steps", [0, 3])
def test_numbers_that_stop_being_finite_end_it_with_the_best_before(told, monkeypatch, good_steps):
    scene, problem, touching = told
    calls = []

    def failing(*given):
        calls.append(1)
        return penetration(*given) * (1.0 if len(calls) <= good_steps else torch.nan)

    monkeypatch.setattr("hoi_fit.joint.penetration", failing)
    met = fit_together(problem, TRUTH, scene.body.state, AnnyBody("fast"), touching)
    assert (met.stopped, met.steps) == ("diverged", good_steps)
    assert np.isfinite(met.contact_m).all() and min(met.contact_m) > 0
    assert np.isfinite(met.pose.translation_m).all()
    assert torch.isfinite(met.state.translation_m).all()
    assert all(np.isfinite(list(row.values())).all() for row in met.energies)
