"""Fewer triangles, the same outline."""

import pytest
import torch
import trimesh

from hoi_fit.light_mesh import light_mesh
from renders.mesh import Mesh


def _mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(shape.vertices, dtype=torch.float32), torch.tensor(shape.faces).long())


def test_a_light_mesh_is_left_alone():
    box = _mesh(trimesh.creation.box())
    light = light_mesh(box)
    assert torch.equal(light.vertices, box.vertices)
    assert torch.equal(light.faces, box.faces)


@pytest.mark.parametrize("most", [5000, 500, 60])
def test_a_heavy_mesh_gets_light_and_stays_where_it_is(most):
    ball = _mesh(trimesh.creation.icosphere(subdivisions=5))
    light = light_mesh(ball, most)
    assert 0 < light.num_faces <= most
    radius = light.vertices.norm(dim=1)
    assert float(radius.min()) > (0.97 if most > 100 else 0.8)
    assert float(radius.max()) < 1.0001
    assert int(light.faces.max()) == light.num_vertices - 1


def test_unused_vertices_are_dropped_and_an_empty_mesh_stays_empty():
    vertices = torch.cat([torch.eye(3), torch.full((1, 3), 9.0)])
    light = light_mesh(Mesh(vertices, torch.tensor([[0, 1, 2]])))
    assert light.num_vertices == 3
    nothing = light_mesh(Mesh(vertices, torch.zeros(0, 3, dtype=torch.long)))
    assert nothing.num_faces == 0


def test_what_is_smaller_than_a_cell_disappears_instead_of_never_ending():
    dust = trimesh.util.concatenate(
        [trimesh.creation.box((1e-4,) * 3).apply_translation((i / 100, 0, 0)) for i in range(100)]
    )
    assert light_mesh(_mesh(dust), 10).num_faces <= 10
