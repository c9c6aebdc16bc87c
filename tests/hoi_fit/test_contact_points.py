"""Contact of a surface as points with normals."""

import numpy as np
import torch
import trimesh

from hoi_fit.contact_points import contact_points, surface_points
from renders.mesh import Mesh, PointCloud


def _ball() -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=4)
    return Mesh(
        torch.tensor(np.array(shape.vertices), dtype=torch.float32),
        torch.tensor(np.array(shape.faces)).long(),
    )


def test_points_at_or_above_the_threshold_with_outward_normals():
    ball = _ball()
    probability = ball.vertices[:, 1].clamp(min=0)
    found = contact_points(ball, probability, 0.6, most=10_000)
    assert len(found.points) == int((probability >= 0.6).sum())
    assert found.points[:, 1].min() >= 0.599
    assert (found.points * found.normals).sum(1).min() > 0.99
    assert np.allclose(found.weight, found.points[:, 1], atol=1e-6)


def test_many_points_are_thinned_evenly():
    ball = _ball()
    found = contact_points(ball, torch.ones(ball.num_vertices), 0.5, most=100)
    assert 40 < len(found.points) <= 100
    # Even: every octant keeps some.
    assert len(np.unique(found.points > 0, axis=0)) == 8


def test_nothing_in_contact_is_none_and_zero_never_counts():
    ball = _ball()
    nothing = torch.zeros(ball.num_vertices)
    assert contact_points(ball, nothing, 0.5) is None
    assert contact_points(ball, nothing, 0.0) is None


def test_points_without_triangles_have_no_side():
    cloud = PointCloud(_ball().vertices)
    found = contact_points(cloud, torch.ones(cloud.num_points), 0.5)
    assert not found.normals.any()


def test_points_in_one_place_end():
    cloud = PointCloud(torch.zeros(1000, 3))
    assert len(contact_points(cloud, torch.ones(1000), 0.5, most=10).points) == 1


def test_the_whole_surface_counts_one_each():
    whole = surface_points(_ball())
    assert whole.weight.min() == whole.weight.max() == 1.0
