"""Heat of an object on a coarse grid of its canonical frame: what every object has in common.

Objects have surfaces of their own, so nothing can be said per vertex about all of them; per cell of
the normalised frame (NOCS) it can. Teaches the object's contact token before its decoder learns,
and holds mean heat per label, the baseline to beat.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from renders.canonical import normalize_object_points
from renders.mesh import PointCloud


@dataclass(frozen=True)
class HeatGrid:
    """Heat per cell of the unit ball's box, y up, front towards +z."""

    heat: Float[Tensor, "cells cells cells"]
    """Largest heat of the cell's points; axes x, y, z."""
    filled: Bool[Tensor, "cells cells cells"]
    """Cells that hold any point."""

    def mirrored(self) -> "HeatGrid":
        """Left and right exchanged."""
        return HeatGrid(self.heat.flip(0), self.filled.flip(0))


def heat_grid(
    points_y_up: Float[Tensor, "points 3"], heat: Float[Tensor, "points"], cells: int
) -> HeatGrid:
    """The grid of one object."""
    index = cell_of(points_y_up, cells)
    grid = torch.zeros(cells**3).scatter_reduce(0, index, heat, "amax")
    filled = torch.zeros(cells**3, dtype=torch.bool)
    filled[index] = True
    return HeatGrid(grid.view(cells, cells, cells), filled.view(cells, cells, cells))


def cell_of(points_y_up: Float[Tensor, "points 3"], cells: int) -> Int[Tensor, "points"]:
    """Flat index of each point's cell after the points were brought into the unit ball."""
    unit = normalize_object_points(PointCloud(points_y_up)).points
    x, y, z = ((unit + 1) / 2 * cells).long().clamp(0, cells - 1).unbind(1)
    return (x * cells + y) * cells + z
