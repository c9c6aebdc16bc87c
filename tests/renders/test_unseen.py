import torch

from renders.unseen import SurfaceFill, fill_unseen
from tests.renders.plain import sphere

STRIP = torch.tensor([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]])


def test_rings_take_the_mean_of_their_known_neighbours():
    seen = torch.tensor([True, True, False, False, False, False])
    values = torch.tensor([0.2, 0.6, 9.0, 9.0, 9.0, 9.0])
    # Vertex 2 touches 0 and 1, vertex 3 touches 1; both are in the first ring.
    # Then 4 touches 2 and 3, and 5 touches 3 (and 4, not known yet).
    expected = torch.tensor([0.2, 0.6, 0.4, 0.6, 0.5, 0.6])
    torch.testing.assert_close(fill_unseen(values, seen, STRIP), expected)


def test_gradient_goes_to_the_givers_only():
    seen = torch.tensor([True, True, False, False, False, False])
    values = torch.rand(6, requires_grad=True)
    fill_unseen(values, seen, STRIP)[4].backward()
    assert values.grad is not None
    # Vertex 4 is the mean of 2 = (0 + 1) / 2 and 3 = 1.
    torch.testing.assert_close(values.grad, torch.tensor([0.25, 0.75, 0, 0, 0, 0]))


def test_parts_without_any_seen_vertex_take_the_nearest_in_space():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [6, 0, 0], [5, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    seen = torch.tensor([True, True, True, False, False, False])
    values = torch.tensor([0.1, 0.7, 0.3, 0.0, 0.0, 0.0])
    assert fill_unseen(values, seen, faces)[3:].tolist() == [0, 0, 0]
    near = SurfaceFill.build(seen, faces, vertices)
    torch.testing.assert_close(near.apply(values)[3:], torch.full((3,), 0.7))
    assert near.filled.tolist() == [False, False, False, True, True, True]


def test_nothing_seen_or_everything_seen():
    values = torch.rand(2, 6)
    none, everything = torch.zeros(6, dtype=torch.bool), torch.ones(6, dtype=torch.bool)
    assert not fill_unseen(values, none, STRIP, torch.rand(6, 3)).any()
    assert torch.equal(fill_unseen(values, everything, STRIP), values)


def test_batches_and_smoothness_on_a_sphere():
    mesh = sphere(2)
    seen = mesh.vertices[:, 2] > -0.2
    values = torch.stack([torch.ones(mesh.num_vertices), mesh.vertices[:, 0]])
    filled = fill_unseen(values, seen, mesh.faces)
    torch.testing.assert_close(filled[0], torch.ones(mesh.num_vertices))
    assert float(filled[1].abs().max()) <= 0.5
    torch.testing.assert_close(filled[1], fill_unseen(values[1], seen, mesh.faces))
    assert torch.equal(filled[:, seen], values[:, seen])
