"""Distances along a surface, in metres: over a sparse graph of its edges.

Besides the triangles' edges the graph has the unfolded diagonal across each pair of neighbouring
triangles, which brings the mean excess of a path from 8% down to 2% (measured on a sphere).
Separate pieces, such as eyeballs, are joined at their nearest vertices, so every distance is
finite. Knows meshes, and topologies by name; knows nothing of contact scores.
"""

from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sparse
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import KDTree
from torch import Tensor

from human_recovery.topology import BodyTopology
from renders.errors import InputError, ResourceError

_BRIDGE_SLACK = 1.5
"""Separate pieces are joined at all vertices within this factor of the smallest gap."""
_DENSE_VERTICES = 16_000
"""Largest body whose full distance matrix may be asked for (one gigabyte in float32)."""


def surface_edges(faces: Int[Tensor, "faces 3"]) -> Int[Tensor, "edges 2"]:
    """Each undirected edge of the triangles once, lower index first, sorted."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    return torch.unique(pairs[pairs[:, 0] != pairs[:, 1]], dim=0)


def surface_graph(
    vertices: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    *,
    diagonals: bool = True,
    bridge: bool = True,
) -> sparse.csr_matrix:
    """Symmetric sparse matrix of lengths in metres between neighbouring vertices.

    `diagonals` adds the straight way over two neighbouring triangles laid flat, where it stays
    inside them. `bridge` joins separate pieces to the largest one at their nearest vertices;
    without it distances between pieces are infinite.
    """
    points = vertices.detach().cpu().double().numpy()
    edges = surface_edges(faces.cpu()).numpy()
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    if diagonals and len(faces):
        across, across_lengths = _unfolded_diagonals(points, faces.cpu().numpy())
        edges = np.concatenate([edges, across])
        lengths = np.concatenate([lengths, across_lengths])
    graph = _symmetric(edges, lengths, len(points))
    return _bridged(graph, points) if bridge else graph


def geodesic_distances(
    vertices: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    sources: Int[Tensor, "sources"],
    limit: float = float("inf"),
) -> Float[Tensor, "sources verts"]:
    """Distance in metres from each source vertex to every vertex; infinite beyond `limit`.

    Raises:
        InputError: a source is not a vertex of the mesh.
    """
    _require_sources(sources, len(vertices))
    graph = surface_graph(vertices, faces)
    found = dijkstra(graph, directed=False, indices=sources.cpu().numpy(), limit=limit)
    return torch.from_numpy(found.astype(np.float32).reshape(len(sources), len(vertices)))


def distance_to_set(
    topology: BodyTopology, mask: Bool[Tensor, "verts"], limit: float = float("inf")
) -> Float[Tensor, "verts"]:
    """Distance along the canonical body from every vertex to the nearest vertex of a set, metres.

    Zero on the set; infinite everywhere when the set is empty, and beyond `limit`.

    Raises:
        InputError: the mask has another number of vertices than the topology.
    """
    if len(mask) != topology.num_vertices:
        raise InputError(
            f"a vertex set of {topology.name!r} has {topology.num_vertices} values, got {len(mask)}"
        )
    sources = torch.nonzero(mask.cpu()).flatten().numpy()
    if len(sources) == 0:
        return torch.full((topology.num_vertices,), float("inf"))
    graph = topology_graph(topology)
    found = dijkstra(graph, directed=False, indices=sources, limit=limit, min_only=True)
    return torch.from_numpy(found.astype(np.float32))


_GRAPHS: WeakKeyDictionary[BodyTopology, sparse.csr_matrix] = WeakKeyDictionary()


def topology_graph(topology: BodyTopology) -> sparse.csr_matrix:
    """The surface graph of a topology's canonical body, kept as long as the topology lives."""
    graph = _GRAPHS.get(topology)
    if graph is None:
        graph = surface_graph(topology.canonical_vertices, topology.faces)
        _GRAPHS[topology] = graph
    return graph


@lru_cache(maxsize=1)
def geodesic_matrix(topology: BodyTopology) -> Float[Tensor, "verts verts"]:
    """All distances at once: 190 MB for SMPL, 750 MB for Anny, minutes of work. Rarely needed.

    Raises:
        ResourceError: the body is too large for a dense matrix.
    """
    count = topology.num_vertices
    if count > _DENSE_VERTICES:
        raise ResourceError(
            f"a dense distance matrix of {count} vertices needs {4 * count * count / 1e9:.1f} GB, "
            f"allowed up to {_DENSE_VERTICES} vertices; use distance_to_set()"
        )
    matrix = np.empty((count, count), dtype=np.float32)
    for start in range(0, count, 512):
        rows = np.arange(start, min(start + 512, count))
        matrix[rows] = dijkstra(topology_graph(topology), directed=False, indices=rows)
    return torch.from_numpy(matrix)


def _require_sources(sources: Int[Tensor, "sources"], count: int) -> None:
    if len(sources) and (int(sources.min()) < 0 or int(sources.max()) >= count):
        raise InputError(
            f"source vertices must lie in 0..{count - 1}, got {int(sources.min())} to "
            f"{int(sources.max())}"
        )


def _symmetric(
    edges: Int[np.ndarray, "edges 2"], lengths: Float[np.ndarray, "edges"], count: int
) -> sparse.csr_matrix:
    """Each pair in both directions with its shortest length.

    Coincident vertices keep a tiny length: a sparse graph reads zero as no edge.
    """
    low, high = edges.min(axis=1), edges.max(axis=1)
    order = np.lexsort((lengths, high, low))
    low, high, lengths = low[order], high[order], np.maximum(lengths[order], 1e-12)
    first = np.ones(len(low), dtype=bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    first &= low != high
    rows = np.concatenate([low[first], high[first]])
    columns = np.concatenate([high[first], low[first]])
    return sparse.csr_matrix((np.tile(lengths[first], 2), (rows, columns)), shape=(count, count))


def _unfolded_diagonals(
    points: Float[np.ndarray, "verts 3"], faces: Int[np.ndarray, "faces 3"]
) -> tuple[Int[np.ndarray, "diagonals 2"], Float[np.ndarray, "diagonals"]]:
    """Opposite corners of neighbouring triangles and their distance with both laid flat."""
    corners = np.concatenate([faces[:, [0, 1, 2]], faces[:, [1, 2, 0]], faces[:, [2, 0, 1]]])
    edge, opposite = np.sort(corners[:, :2], axis=1), corners[:, 2]
    order = np.lexsort((edge[:, 1], edge[:, 0]))
    edge, opposite = edge[order], opposite[order]
    shared = np.flatnonzero((edge[1:] == edge[:-1]).all(axis=1))
    start, end = points[edge[shared, 0]], points[edge[shared, 1]]
    along = end - start
    length = np.linalg.norm(along, axis=1)
    usable = length > 1e-9
    unit = along / np.maximum(length, 1e-9)[:, None]
    flat = []
    for corner in (opposite[shared], opposite[shared + 1]):
        offset = points[corner] - start
        forward = (offset * unit).sum(axis=1)
        flat.append((forward, np.linalg.norm(offset - forward[:, None] * unit, axis=1)))
    (x1, y1), (x2, y2) = flat
    # The straight way crosses the shared edge at this place along it.
    crossing = (x1 * y2 + x2 * y1) / np.maximum(y1 + y2, 1e-12)
    usable &= (crossing > 0) & (crossing < length) & (y1 + y2 > 1e-9)
    pairs = np.stack([opposite[shared], opposite[shared + 1]], axis=1)[usable]
    return pairs, np.hypot(x1 - x2, y1 + y2)[usable]


def _bridged(graph: sparse.csr_matrix, points: Float[np.ndarray, "verts 3"]) -> sparse.csr_matrix:
    """Joins every separate piece to the one grown so far, largest first, where nearest."""
    count, piece = connected_components(graph, directed=False)
    if count <= 1:
        return graph
    order = np.argsort(-np.bincount(piece), kind="stable")
    joined = piece == order[0]
    edges, lengths = [], []
    for index in order[1:]:
        inside, outside = np.flatnonzero(piece == index), np.flatnonzero(joined)
        found = KDTree(points[outside]).query(points[inside])
        distance, nearest = np.asarray(found[0]), np.asarray(found[1])
        # Not the nearest pair alone: a tongue on the middle line would lean on one cheek.
        close = distance <= _BRIDGE_SLACK * distance.min()
        edges.append(np.stack([inside[close], outside[nearest[close]]], axis=1))
        lengths.append(distance[close])
        joined |= piece == index
    extra = _symmetric(np.concatenate(edges), np.concatenate(lengths), len(points))
    return (graph + extra).tocsr()
