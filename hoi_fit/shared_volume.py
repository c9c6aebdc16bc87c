"""The volume that two surfaces share, counted in the cells of a grid.

A cell is inside where lines through it enter the surface oftener than they leave it; two of three
directions decide, so that surfaces with holes have an inside too. Overlapping parts count once.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from renders.mesh import Mesh

_OFF_CENTRE = 1e-4
"""Lines run this share of a cell beside its middle: not through corners of regular shapes."""


def shared_volume_m3(first: Mesh, second: Mesh, cell_m: float = 0.01) -> float:
    """Volume inside both, in cells of the part where their boxes overlap."""
    if not first.num_faces or not second.num_faces:
        return 0.0
    low = torch.maximum(first.vertices.amin(0), second.vertices.amin(0)).double()
    high = torch.minimum(first.vertices.amax(0), second.vertices.amax(0)).double()
    if bool((high <= low).any()):
        return 0.0
    shape = ((high - low) / cell_m).ceil().long().clamp(min=1)
    both = inside_cells(first, low, shape, cell_m) & inside_cells(second, low, shape, cell_m)
    return float(both.sum()) * cell_m**3


def inside_cells(
    mesh: Mesh, low: Float[Tensor, "3"], shape: Int[Tensor, "3"], cell_m: float
) -> Bool[Tensor, "x y z"]:
    """Whether the middle of each cell of a grid lies inside; `low` is the grid's corner."""
    corners = (mesh.vertices.double()[mesh.faces.long()] - low) / cell_m
    votes = torch.zeros(tuple(shape.tolist()), dtype=torch.long)
    for axis in range(3):
        order = [axis, (axis + 1) % 3, (axis + 2) % 3]
        along = _inside_along_first(corners[..., order], shape[order])
        votes += along.permute([order.index(k) for k in range(3)])
    return votes >= 2


def _inside_along_first(
    corners: Float[Tensor, "faces 3 3"], shape: Int[Tensor, "3"]
) -> Bool[Tensor, "a b c"]:
    """Lines along the first axis; corners in units of cells."""
    depth, rows, columns = shape.tolist()
    b, c = corners[..., 1], corners[..., 2]
    across = (b[:, 1] - b[:, 0]) * (c[:, 2] - c[:, 0]) - (b[:, 2] - b[:, 0]) * (c[:, 1] - c[:, 0])
    # The line of cell i stands at i + 0.5.
    first = torch.stack([b.amin(1), c.amin(1)], 1).sub(0.5).ceil().clamp(min=0).long()
    last = torch.stack([b.amax(1), c.amax(1)], 1).sub(0.5).floor().long()
    size = (torch.minimum(last, shape[1:] - 1) - first + 1).clamp(min=0)
    count = torch.where(across.abs() > 0, size.prod(1), 0)
    face = torch.repeat_interleave(torch.arange(len(corners)), count)
    step = torch.arange(len(face)) - (count.cumsum(0) - count)[face]
    row = first[face, 0] + torch.div(step, size[face, 1].clamp(min=1), rounding_mode="floor")
    column = first[face, 1] + step % size[face, 1].clamp(min=1)
    y, z = row + 0.5 + _OFF_CENTRE, column + 0.5 + 2 * _OFF_CENTRE
    weight = []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        area = (b[face, j] - b[face, i]) * (z - c[face, i])
        weight.append((area - (y - b[face, i]) * (c[face, j] - c[face, i])) / across[face])
    met = torch.stack(weight, 1)
    hit = (met >= 0).all(1)
    height = (met * corners[face, :, 0]).sum(1)[hit]
    # A cell whose middle lies before the crossing has it ahead.
    ahead = (height - 0.5).ceil().clamp(0, depth).long()
    turns = torch.zeros(depth + 1, rows, columns)
    sign = across[face][hit].sign().float()
    turns.index_put_((ahead, row[hit], column[hit]), sign, accumulate=True)
    # Crossings that lie ahead of cell k are those counted in k + 1 and beyond.
    ahead_of = turns.flip(0).cumsum(0).flip(0)
    # A line that enters oftener than it leaves went through a hole and says nothing.
    return (ahead_of[1:].abs() >= 0.5) & (ahead_of[0].abs() < 0.5)
