import pytest
import torch

from renders.errors import InputError
from renders.mesh import (
    Mesh,
    PointCloud,
    face_normals,
    mesh_hash,
    points_hash,
    require_usable_mesh,
    vertex_normals,
)
from tests.renders.plain import box, sphere


def test_shape_checking_hook_is_on():
    with pytest.raises(Exception, match="Type-check"):
        vertex_normals(torch.zeros(3, 2), torch.zeros(1, 3, dtype=torch.long))


def test_sphere_normals_point_outward():
    mesh = sphere(2)
    outward = torch.nn.functional.normalize(mesh.vertices, dim=1)
    assert (vertex_normals(mesh.vertices, mesh.faces) * outward).sum(1).min() > 0.99
    centres = torch.nn.functional.normalize(mesh.vertices[mesh.faces].mean(1), dim=1)
    assert (face_normals(mesh.vertices, mesh.faces) * centres).sum(1).min() > 0.99


def test_normals_are_zero_without_area_or_faces():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]])
    line = torch.tensor([[0, 1, 2]])
    assert torch.equal(face_normals(vertices, line), torch.zeros(1, 3))
    assert torch.equal(vertex_normals(vertices, line), torch.zeros(4, 3))


def test_normals_of_millimetre_triangles_are_unit():
    mesh = box((0.0, 0.0, 0.0), (1e-4, 1e-4, 1e-4))
    lengths = face_normals(mesh.vertices, mesh.faces).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(12))


def test_hash_follows_content_and_not_storage():
    mesh = sphere(1)
    same = Mesh(mesh.vertices.clone().double(), mesh.faces.int())
    moved = Mesh(mesh.vertices + 1e-4, mesh.faces)
    flipped = Mesh(mesh.vertices, mesh.faces.flip(1))
    colored = mesh.with_colors(mesh.vertices)
    assert mesh_hash(mesh) == mesh_hash(same)
    assert len({mesh_hash(m) for m in (mesh, moved, flipped, colored)}) == 4
    cloud = PointCloud(mesh.vertices)
    assert points_hash(cloud) not in {
        mesh_hash(mesh),
        points_hash(PointCloud(mesh.vertices, mesh.vertices)),
    }


@pytest.mark.parametrize(
    ("vertices", "faces", "reason"),
    [
        ([[0.0, 0, 0], [1, 0, 0], [0, float("nan"), 0]], [[0, 1, 2]], "index 2"),
        ([[0.0, 0, 0], [1, 0, 0], [0, float("inf"), 0]], [[0, 1, 2]], "NaN or infinite"),
        ([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 3]], "3 vertices"),
        ([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, -1]], "-1"),
    ],
)
def test_unusable_meshes_are_rejected_by_name(vertices, faces, reason):
    with pytest.raises(InputError, match=reason):
        require_usable_mesh(Mesh(torch.tensor(vertices), torch.tensor(faces)))
