"""Distances along surfaces, against SciPy on small meshes and against the sphere."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from human_recovery.geodesic import (
    distance_to_set,
    geodesic_distances,
    geodesic_matrix,
    surface_edges,
    surface_graph,
    topology_graph,
)
from human_recovery.topology import BodyTopology
from renders.errors import InputError


def _sphere(subdivisions: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    mesh = trimesh.creation.icosphere(subdivisions)
    return torch.tensor(np.array(mesh.vertices)).float(), torch.tensor(np.array(mesh.faces))


SQUARE = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
SQUARE_FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_edges_are_each_listed_once():
    assert surface_edges(SQUARE_FACES).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]]
    assert surface_edges(torch.zeros(0, 3, dtype=torch.long)).shape == (0, 2)


def test_plain_graph_equals_scipy_on_a_dense_matrix():
    vertices, faces = _sphere(1)
    dense = np.zeros((len(vertices), len(vertices)))
    for a, b, c in faces.tolist():
        for i, j in ((a, b), (b, c), (c, a)):
            dense[i, j] = dense[j, i] = float((vertices[i] - vertices[j]).norm())
    expected = dijkstra(csr_matrix(dense))
    found = dijkstra(surface_graph(vertices, faces, diagonals=False))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_diagonal_across_a_square_is_straight():
    distance = geodesic_distances(SQUARE, SQUARE_FACES, torch.tensor([1]))
    assert distance[0, 3] == pytest.approx(2**0.5)
    bent = SQUARE.clone()
    bent[1] = torch.tensor([0.5, 0.5, 0.5**0.5])  # folded up along the shared edge
    assert geodesic_distances(bent, SQUARE_FACES, torch.tensor([1]))[0, 3] == pytest.approx(2**0.5)


def test_no_diagonal_where_it_would_leave_the_triangles():
    arrow = torch.tensor([[0.0, 0, 0], [3, 1, 0], [0.5, 0, 0], [3, -1, 0]])
    faces = torch.tensor([[0, 2, 1], [0, 3, 2]])
    distance = geodesic_distances(arrow, faces, torch.tensor([1]))[0, 3]
    around = float((arrow[1] - arrow[2]).norm() + (arrow[2] - arrow[3]).norm())
    assert distance == pytest.approx(around, rel=1e-5)


def test_sphere_distances_are_arcs_within_five_per_cent():
    vertices, faces = _sphere(4)
    found = geodesic_distances(vertices, faces, torch.tensor([0, 17])).double()
    unit = vertices.double()
    arc = torch.arccos((unit[[0, 17]] @ unit.T).clamp(-1, 1))
    far = arc > 0.3
    ratio = found[far] / arc[far]
    assert ratio.min() > 0.995 and ratio.max() < 1.05
    assert ratio.mean() < 1.02


def test_limit_cuts_off():
    vertices, faces = _sphere(2)
    found = geodesic_distances(vertices, faces, torch.tensor([0]), limit=0.5)
    assert found.isinf().any() and found[found.isfinite()].max() <= 0.5


def test_separate_pieces_are_bridged_at_their_nearest_vertices():
    vertices, faces = _sphere(1)
    offset = torch.tensor([3.0, 0.0, 0.0])
    two = torch.cat([vertices, vertices + offset])
    both = torch.cat([faces, faces + len(vertices)])
    found = geodesic_distances(two, both, torch.tensor([0]))
    assert found.isfinite().all()
    gap = torch.cdist(vertices, vertices + offset).min()
    graph = surface_graph(two, both)
    bridges = graph[: len(vertices), len(vertices) :].data
    assert bridges.min() == pytest.approx(float(gap), rel=1e-5)
    assert bridges.max() <= 1.5 * float(gap) + 1e-6
    apart = dijkstra(surface_graph(two, both, bridge=False), indices=[0])
    assert np.isinf(apart[0, len(vertices) :]).all()


@pytest.mark.parametrize("count", [1, 3])
def test_mesh_without_faces_has_straight_bridges(count):
    points = torch.arange(3.0 * count).reshape(count, 3)
    found = geodesic_distances(points, torch.zeros(0, 3, dtype=torch.long), torch.tensor([0]))
    assert found.shape == (1, count) and found.isfinite().all()


def test_duplicate_vertices_and_flat_faces_do_no_harm():
    vertices = torch.cat([SQUARE, SQUARE[:1]])
    faces = torch.cat([SQUARE_FACES, torch.tensor([[0, 0, 1], [4, 1, 1]])])
    found = geodesic_distances(vertices, faces, torch.tensor([0]))
    assert found.isfinite().all() and found[0, 4] == 2.0


def test_sources_outside_are_refused():
    with pytest.raises(InputError, match=r"0\.\.3"):
        geodesic_distances(SQUARE, SQUARE_FACES, torch.tensor([4]))
    empty = torch.zeros(0, dtype=torch.long)
    assert geodesic_distances(SQUARE, SQUARE_FACES, empty).shape == (0, 4)


def test_distance_to_set_is_the_minimum_over_its_members(topology):
    mask = torch.zeros(topology.num_vertices, dtype=torch.bool)
    members = torch.tensor([3, 200, 1100])
    mask[members] = True
    each = geodesic_distances(topology.canonical_vertices, topology.faces, members)
    found = distance_to_set(topology, mask)
    torch.testing.assert_close(found, each.min(dim=0).values)
    assert (found[mask] == 0).all()
    assert found.isfinite().all()


def test_distances_on_the_body_are_bodily(topology):
    from_left = distance_to_set(topology, topology.part_mask("left hand"))
    to_right = from_left[topology.part_mask("right hand")].min()
    assert 1.0 < to_right < 1.6
    mirrored = distance_to_set(topology, topology.part_mask("right hand"))
    gap = (topology.mirrored(mirrored) - from_left).abs()
    assert gap.max() < 1e-3  # 4 cm when the tongue hung on a single bridge


def test_empty_set_is_infinitely_far(topology):
    nothing = torch.zeros(topology.num_vertices, dtype=torch.bool)
    assert distance_to_set(topology, nothing).isinf().all()


def test_mask_of_another_topology_is_refused(topology):
    with pytest.raises(InputError, match="got 7"):
        distance_to_set(topology, torch.zeros(7, dtype=torch.bool))


def test_graph_is_kept_and_dense_matrix_agrees():
    vertices, faces = _sphere(1)
    own = torch.arange(len(vertices))
    small = BodyTopology("anny", faces, vertices, torch.zeros_like(own), own)
    assert topology_graph(small) is topology_graph(small)
    matrix = geodesic_matrix(small)
    torch.testing.assert_close(matrix, geodesic_distances(vertices, faces, own))
    torch.testing.assert_close(matrix, matrix.T)
