"""Errors of placed objects: symmetric shapes, turns, chamfer distance."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from interactvlm.evaluation.pose_errors import chamfer_m, symmetry_of
from renders.mesh import Mesh

TURN = Rotation.from_euler("xyz", [20, 70, -10], degrees=True).as_matrix()


def _mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(
        torch.tensor(np.array(shape.vertices), dtype=torch.float32),
        torch.tensor(np.array(shape.faces)).long(),
    )


def _about(axis: str, angle_deg: float) -> np.ndarray:
    return Rotation.from_euler(axis, angle_deg, degrees=True).as_matrix()


def _chair() -> trimesh.Trimesh:
    return trimesh.util.concatenate(
        [
            trimesh.creation.box((0.5, 0.06, 0.45)),
            trimesh.creation.box((0.5, 0.5, 0.05)).apply_translation((0, 0.25, -0.2)),
            trimesh.creation.box((0.05, 0.25, 0.4)).apply_translation((0.25, 0.12, 0)),
        ]
    )


def test_a_ball_is_never_turned():
    ball = symmetry_of(_mesh(trimesh.creation.icosphere(subdivisions=4)))
    assert ball.round
    assert ball.turn_error_deg(TURN, np.eye(3)) == 0


def test_a_bottle_may_turn_about_its_axis_but_not_lie():
    profile = [(0, 0), (0.04, 0), (0.04, 0.15), (0.015, 0.2), (0.015, 0.26), (0, 0.26)]
    shape = trimesh.creation.revolve(np.array(profile), sections=48)
    shape.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
    bottle = symmetry_of(_mesh(shape))
    assert bottle.axis is not None
    assert bottle.turn_error_deg(TURN @ _about("y", 123), TURN) == pytest.approx(0, abs=1e-4)
    assert bottle.turn_error_deg(TURN @ _about("x", 25), TURN) == pytest.approx(25, abs=1e-3)
    assert bottle.turn_error_deg(TURN @ _about("x", 180), TURN) == pytest.approx(180, abs=1e-3)


def test_a_box_looks_the_same_after_half_turns():
    box = symmetry_of(_mesh(trimesh.creation.box((0.2, 0.5, 1.0))))
    assert len(box.turns) == 4
    assert box.turn_error_deg(TURN @ _about("z", 180), TURN) == pytest.approx(0, abs=1e-4)
    assert box.turn_error_deg(TURN @ _about("z", 90), TURN) == pytest.approx(90, abs=1e-3)


def test_a_chair_has_no_symmetry():
    chair = symmetry_of(_mesh(_chair()))
    assert len(chair.turns) == 1
    assert chair.turn_error_deg(_about("y", 180), np.eye(3)) == pytest.approx(180)


def test_chamfer_is_the_shift_of_a_far_shape_and_zero_for_the_same():
    chair = _mesh(_chair())
    assert chamfer_m(chair, chair) < 1e-6
    away = Mesh(chair.vertices + torch.tensor([10.0, 0, 0]), chair.faces)
    assert chamfer_m(chair, away) == pytest.approx(9.7, abs=0.3)
