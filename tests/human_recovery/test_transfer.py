"""Closest surface points, against brute force."""

import pytest
import torch

from human_recovery.transfer import closest_surface_points, transfer_values
from renders.errors import InputError

TRIANGLE = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
FACE = torch.tensor([[0, 1, 2]])


@pytest.mark.parametrize(
    ("point", "nearest"),
    [
        ([0.2, 0.2, 5.0], [0.2, 0.2, 0.0]),
        ([-1.0, -1.0, 0.0], [0.0, 0.0, 0.0]),
        ([0.5, -2.0, 1.0], [0.5, 0.0, 0.0]),
        ([1.0, 1.0, 0.0], [0.5, 0.5, 0.0]),
        ([4.0, -1.0, 0.0], [1.0, 0.0, 0.0]),
    ],
    ids=["inside", "corner", "edge", "long edge", "other corner"],
)
def test_one_triangle(point, nearest):
    face, weights = closest_surface_points(torch.tensor([point]), TRIANGLE, FACE)
    assert face.tolist() == [0]
    torch.testing.assert_close(weights @ TRIANGLE, torch.tensor([nearest]))


def test_equals_a_dense_sampling_of_all_faces():
    generator = torch.Generator().manual_seed(0)
    vertices = torch.rand(40, 3, generator=generator)
    faces = torch.randint(0, 40, (60, 3), generator=generator)
    points = 2 * torch.rand(25, 3, generator=generator) - 0.5
    face, weights = closest_surface_points(points, vertices, faces)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(25))
    found = (transfer_values(vertices, faces, face, weights) - points).norm(dim=1)
    grid = torch.rand(4000, 3, generator=generator).add(1e-6).log().neg()
    samples = (grid / grid.sum(1, keepdim=True)) @ vertices[faces]
    sampled = torch.cdist(points, samples.reshape(-1, 3)).min(dim=1).values
    assert (found <= sampled + 1e-5).all()
    assert (sampled - found).max() < 0.03


def test_flat_faces_and_no_points():
    line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 0, 0]])
    _, weights = closest_surface_points(torch.tensor([[0.25, 1.0, 0.0]]), line, FACE)
    torch.testing.assert_close(weights @ line, torch.tensor([[0.25, 0.0, 0.0]]))
    face, weights = closest_surface_points(torch.zeros(0, 3), TRIANGLE, FACE)
    assert len(face) == 0 and weights.shape == (0, 3)


def test_mesh_without_faces_is_refused():
    with pytest.raises(InputError, match="0 faces"):
        closest_surface_points(torch.zeros(1, 3), TRIANGLE, torch.zeros(0, 3, dtype=torch.long))
