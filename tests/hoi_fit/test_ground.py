"""The floor: where it lies under a person, and what it asks of an object that stands on it."""

import numpy as np
import pytest
import torch
import trimesh

from hoi_fit.energies import Poses, energies, find_partners
from hoi_fit.ground import Ground, ground_under
from hoi_fit.problem import FitProblem, FitSettings
from hoi_fit.similarity import Similarity
from hoi_fit.starts import CAMERA_FROM_UPRIGHT
from renders.camera import Camera
from renders.errors import InputError

LEVEL = (0.0, -1.0, 0.0)


def _terms(ground, poses):
    box = trimesh.creation.box((0.4, 1.0, 0.4))
    camera = Camera(torch.tensor([[60.0, 0, 32], [0, 60, 32], [0, 0, 1]]), torch.eye(4), 64, 64)
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[20:44, 28:36] = True
    problem = FitProblem(
        torch.tensor(box.vertices).float(), torch.tensor(box.faces), camera, mask, ground=ground
    )
    moving = Poses(poses, problem)
    return energies(problem, moving, find_partners(problem, moving), FitSettings())


def test_the_floor_lies_under_the_lowest_point():
    points = np.array([[0.0, 0.8, 2.0], [0.1, -0.5, 2.5]])
    assert ground_under(points, 0.0) == Ground((-0.0, -1.0, -0.0), -0.8)
    # A camera that looks straight down has the floor at the greatest depth.
    below = ground_under(points, 90.0)
    assert below.height_m == pytest.approx(-2.5) and below.up_camera[2] == pytest.approx(-1.0)


def test_tilted_and_floating_things_cost_and_their_gradient_points_home():
    def turned(angle):
        about_x = trimesh.transformations.rotation_matrix(angle, (1, 0, 0))[:3, :3]
        return CAMERA_FROM_UPRIGHT @ about_x

    place = np.array([0.0, 0.3, 3.0])  # the box reaches 0.5 m further down
    ground = Ground(LEVEL, -0.8)
    poses = [
        Similarity(turned(0.0), place), Similarity(turned(0.3), place),
        Similarity(turned(np.pi), place), Similarity(turned(0.0), place - [0, 0.2, 0]),
        Similarity(turned(0.0), place - [0, -0.2, 0]),
    ]  # fmt: skip
    upright, away = (_terms(ground, poses)[name].tolist() for name in ("upright", "ground"))
    assert upright[0] == pytest.approx(0, abs=1e-6) and upright[0] < upright[1] < upright[2]
    assert upright[3] == pytest.approx(0, abs=1e-6)
    assert away[0] == pytest.approx(0, abs=1e-6)
    assert away[3] == pytest.approx(away[4], rel=1e-4) and away[3] > 0.1


def test_without_a_floor_nothing_is_asked():
    assert not {"upright", "ground"} & set(_terms(None, [Similarity(np.eye(3), np.zeros(3) + 3)]))


@pytest.mark.parametrize("up, height", [((0, -2.0, 0), 0.0), (LEVEL, float("nan"))])
def test_a_floor_that_is_none_is_refused(up, height):
    with pytest.raises(InputError, match="floor"):
        Ground(tuple(map(float, up)), height)
