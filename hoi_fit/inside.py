"""Inside or outside of a surface, and the volume that two surfaces share.

Works for surfaces with holes and several parts, as scans and collected meshes are.
Source: Jacobson et al., "Robust inside-outside segmentation using generalized winding numbers",
2013; solid angle of a triangle: Van Oosterom and Strackee, 1983.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from renders.mesh import Mesh

_PAIRS_AT_ONCE = 1 << 22


def inside(points: Float[Tensor, "points 3"], mesh: Mesh) -> Bool[Tensor, "points"]:
    """Whether the surface winds around each point at least half."""
    if not len(points) or not mesh.num_faces:
        return torch.zeros(len(points), dtype=torch.bool)
    corners = mesh.vertices[mesh.faces.long()].double()
    step = max(1, _PAIRS_AT_ONCE // mesh.num_faces)
    parts = [_winding(chunk, corners) for chunk in points.double().split(step)]
    return torch.cat(parts).abs() >= 0.5


def shared_volume_m3(first: Mesh, second: Mesh, cell_m: float = 0.01) -> float:
    """Volume inside both, counted in cells of a grid over the part where their boxes overlap."""
    if not first.num_faces or not second.num_faces:
        return 0.0
    low = torch.maximum(first.vertices.amin(0), second.vertices.amin(0)).double()
    high = torch.minimum(first.vertices.amax(0), second.vertices.amax(0)).double()
    if bool((high <= low).any()):
        return 0.0
    count = ((high - low) / cell_m).ceil().long().clamp(min=1)
    axes = [low[k] + (torch.arange(int(count[k])) + 0.5) * cell_m for k in range(3)]
    centres = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 3)
    centres = centres[inside(centres, first)]
    return float(inside(centres, second).sum()) * cell_m**3


def _winding(
    points: Float[Tensor, "points 3"], corners: Float[Tensor, "faces 3 3"]
) -> Float[Tensor, "points"]:
    """How often the surface goes around each point."""
    a, b, c = (corners[None, :, k] - points[:, None] for k in range(3))
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    above = (a * torch.linalg.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(above, below).sum(1) / (2 * math.pi)
