"""Inside, outside and shared volume of shapes whose volume is known."""

import numpy as np
import pytest
import torch
import trimesh

from hoi_fit.shared_volume import inside_cells, shared_volume_m3
from renders.mesh import Mesh


def _mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(
        torch.tensor(np.array(shape.vertices), dtype=torch.float32),
        torch.tensor(np.array(shape.faces)).long(),
    )


def _box(size: float, *, at=(0.0, 0.0, 0.0)) -> trimesh.Trimesh:
    return trimesh.creation.box((size,) * 3).apply_translation(at)


def test_cells_of_a_ball_are_those_near_its_middle():
    ball = _mesh(trimesh.creation.icosphere(subdivisions=3))
    low, cell = torch.tensor([-1.25, -1.2, -1.3]).double(), 0.1
    found = inside_cells(ball, low, torch.tensor([24, 25, 26]), cell)
    axes = [low[k] + (torch.arange(n) + 0.5) * cell for k, n in enumerate(found.shape)]
    away = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).norm(dim=-1)
    sure = (away - 1).abs() > 0.03
    assert torch.equal(found[sure], (away < 1)[sure])


def test_volume_agrees_with_trimesh():
    shape = trimesh.creation.torus(0.3, 0.1)
    whole = shared_volume_m3(_mesh(shape), _mesh(_box(2.0)), 0.01)
    assert whole == pytest.approx(shape.volume, rel=0.03)


def test_two_boxes_share_what_they_overlap():
    first, second = _mesh(_box(0.2)), _mesh(_box(0.2, at=(0.1, 0.0, 0.05)))
    assert shared_volume_m3(first, second, 0.005) == pytest.approx(0.1 * 0.2 * 0.15, rel=0.05)
    assert shared_volume_m3(first, _mesh(_box(0.2, at=(0.5, 0, 0)))) == 0.0


def test_a_hole_does_not_empty_a_ball():
    shape = trimesh.creation.icosphere(subdivisions=3, radius=0.2)
    middle = shape.triangles_center
    shape.update_faces(middle[:, 2] < 0.19)
    assert not shape.is_watertight
    full = 4 / 3 * np.pi * 0.2**3
    assert shared_volume_m3(_mesh(shape), _mesh(_box(1.0))) == pytest.approx(full, rel=0.05)


def test_inside_out_and_overlapping_parts_count_once():
    shape = _box(0.2)
    shape.invert()
    assert shared_volume_m3(_mesh(shape), _mesh(_box(1.0))) == pytest.approx(0.008, rel=0.02)
    twice = trimesh.util.concatenate([_box(0.2), _box(0.2, at=(0.1, 0, 0))])
    assert shared_volume_m3(_mesh(twice), _mesh(_box(1.0))) == pytest.approx(0.012, rel=0.02)


def test_nothing_shares_nothing():
    nothing = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long))
    assert shared_volume_m3(_mesh(_box(1.0)), nothing) == 0.0
    flat = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    assert shared_volume_m3(_mesh(_box(3.0)), flat) == pytest.approx(0.0, abs=1e-9)
