"""Values for vertices no view sees, from their neighbours on the surface.

Knows a surface and which of its vertices have a value; knows no views.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch import Tensor


@dataclass(frozen=True, eq=False)
class _Ring:
    """Vertices that take their value together."""

    receiver: Int[Tensor, "links"]
    giver: Int[Tensor, "links"]
    share: Float[Tensor, "links"]


@dataclass(frozen=True, eq=False)
class SurfaceFill:
    """How unseen vertices take their values: ring by ring, the mean of the known neighbours."""

    seen: Bool[Tensor, "verts"]
    """Vertices that keep their own value."""
    rings: tuple[_Ring, ...]
    """From the seen vertices outward."""
    filled: Bool[Tensor, "verts"]
    """Vertices that get a value from others; the rest of the unseen ones get 0."""

    @staticmethod
    def build(
        seen: Bool[Tensor, "verts"],
        faces: Int[Tensor, "faces 3"],
        vertices: Float[Tensor, "verts 3"] | None = None,
    ) -> "SurfaceFill":
        """Plans the filling once for a surface and its seen vertices.

        Parts of the surface without any seen vertex (an eyeball, a loose point) take the value of
        the seen vertex nearest in space when `vertices` are given, else they stay 0.
        """
        edges = _edges_into(~seen, faces.long())
        known, rings = seen.clone(), []
        while True:
            links = edges[known[edges[:, 1]]]
            if len(links) == 0:
                break
            rings.append(_ring(links, len(seen)))
            known[links[:, 0]] = True
            edges = edges[~known[edges[:, 0]]]
        left = (~known).nonzero().flatten()
        if vertices is not None and len(left) and bool(seen.any()):
            giver = _nearest_seen(vertices, seen, left)
            rings.append(_Ring(left, giver, torch.ones(len(left), device=left.device)))
            known[left] = True
        return SurfaceFill(seen, tuple(rings), known & ~seen)

    def apply(self, values: Float[Tensor, "*batch verts"]) -> Float[Tensor, "*batch verts"]:
        """`values` with every unseen vertex filled; differentiable."""
        result = torch.where(self.seen, values, 0.0).reshape(-1, len(self.seen))
        samples, size = result.shape
        offsets = torch.arange(samples, device=values.device)[:, None] * size
        flat = result.reshape(-1)
        for ring in self.rings:
            given = flat.index_select(0, (offsets + ring.giver).reshape(-1))
            given = (given.view(samples, -1) * ring.share.to(values.dtype)).reshape(-1)
            flat = flat.index_add(0, (offsets + ring.receiver).reshape(-1), given)
        return flat.view(values.shape)


def _edges_into(
    receiving: Bool[Tensor, "verts"], faces: Int[Tensor, "faces 3"]
) -> Int[Tensor, "edges 2"]:
    """Each edge into a receiving vertex once, as receiver and giver, in the order of both."""
    both = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = torch.cat([both, both.flip(1)])
    receiver, giver = both[receiving[both[:, 0]]].unbind(1)
    # One number per edge: sorting numbers is many times faster than sorting rows.
    size = len(receiving)
    key = torch.unique(receiver * size + giver)
    return torch.stack([key // size, key % size], dim=1) if size else both


def _ring(links: Int[Tensor, "links 2"], num_vertices: int) -> _Ring:
    receiver, giver = links.unbind(1)
    count = torch.bincount(receiver, minlength=num_vertices)
    return _Ring(receiver, giver, 1.0 / count[receiver].float())


def _nearest_seen(
    vertices: Float[Tensor, "verts 3"], seen: Bool[Tensor, "verts"], left: Int[Tensor, "left"]
) -> Int[Tensor, "left"]:
    """By a tree: all pairs of a large point cloud would be too many."""
    candidates = seen.nonzero().flatten()
    tree = KDTree(vertices[candidates].detach().cpu().numpy())
    _, nearest = tree.query(vertices[left].detach().cpu().numpy())
    return candidates[torch.from_numpy(nearest).to(candidates.device)]


def fill_unseen(
    values: Float[Tensor, "*batch verts"],
    seen: Bool[Tensor, "verts"],
    faces: Int[Tensor, "faces 3"],
    vertices: Float[Tensor, "verts 3"] | None = None,
) -> Float[Tensor, "*batch verts"]:
    """`values` with unseen vertices filled from their surface neighbours, ring by ring.

    For repeated use, build a `SurfaceFill` once. Our own addition: the published lift leaves
    unseen vertices at 0.
    """
    return SurfaceFill.build(seen, faces, vertices).apply(values)
