"""Left and right on a surface: which vertex is the mirror image of which.

Knows vertices only. The mirror plane is x = 0.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

_CANDIDATES = 12


def mirror_partners(vertices: Float[Tensor, "verts 3"]) -> Int[Tensor, "verts"]:
    """The vertex at the mirror image of each vertex; its own index on the mirror plane.

    Always an involution (partner of partner = self). Nearly symmetric meshes are matched pair by
    pair, nearest pairs first; a vertex nothing is left for is its own partner.
    """
    points = vertices.detach().cpu().double().numpy()
    count = len(points)
    partner = np.full(count, -1, dtype=np.int64)
    if count == 0:
        return torch.from_numpy(partner)
    neighbours = min(_CANDIDATES, count)
    distance, index = KDTree(points).query(points * (-1.0, 1.0, 1.0), k=neighbours)
    distance, index = distance.reshape(count, neighbours), index.reshape(count, neighbours)
    first = np.repeat(np.arange(count), neighbours)
    _match(partner, first, index.ravel(), distance.ravel())
    left = np.flatnonzero(partner < 0)
    if len(left):
        mirrored = points[left] * (-1.0, 1.0, 1.0)
        apart = np.linalg.norm(mirrored[:, None] - points[left][None], axis=2)
        rows, columns = np.meshgrid(left, left, indexing="ij")
        _match(partner, rows.ravel(), columns.ravel(), apart.ravel())
    return torch.from_numpy(np.where(partner < 0, np.arange(count), partner))


def _match(
    partner: Int[np.ndarray, "verts"],
    first: Int[np.ndarray, "pairs"],
    second: Int[np.ndarray, "pairs"],
    distance: Float[np.ndarray, "pairs"],
) -> None:
    """Pairs up free vertices, nearest first; ties go to lower indices. Writes into `partner`."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    # Equal up to rounding counts as equal, so that the same mesh gives the same pairs everywhere.
    for at in np.lexsort((high, low, np.round(distance, 9))):
        a, b = int(first[at]), int(second[at])
        if partner[a] < 0 and partner[b] < 0:
            partner[a], partner[b] = b, a


def symmetric_labels(
    labels: Int[Tensor, "verts"],
    vertices: Float[Tensor, "verts 3"],
    partner: Int[Tensor, "verts"],
    mirrored_label: Int[Tensor, "labels"],
    midline_label: int,
) -> Int[Tensor, "verts"]:
    """Labels made exactly mirror-symmetric: the left half (larger x) decides for its partner.

    A vertex that is its own partner and carries a sided label gets `midline_label`.
    """
    own = torch.arange(len(labels), device=labels.device)
    x = vertices[:, 0]
    follows = (x < x[partner]) | ((x == x[partner]) & (own > partner))
    result = torch.where(follows, mirrored_label[labels[partner]], labels)
    sided = mirrored_label[result] != result
    return torch.where((partner == own) & sided, midline_label, result)
