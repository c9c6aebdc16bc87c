"""Contact of a surface as the points with normals that a fit aligns."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hoi_fit.icp import OrientedPoints
from renders.mesh import Mesh, PointCloud, vertex_normals

MOST_POINTS = 400
"""Points of one side; more make the search slower, not better."""


def contact_points(
    surface: Mesh | PointCloud,
    probability: Float[Tensor, "points"],
    threshold: float,
    most: int = MOST_POINTS,
) -> OrientedPoints | None:
    """Points in contact at or above the threshold, spread evenly; None where there is none.

    A cloud has no sides: its normals are zero, and place alone decides.
    """
    kept = contact_vertices(surface, probability, threshold, most)
    if not len(kept):
        return None
    points = surface.vertices if isinstance(surface, Mesh) else surface.points
    if isinstance(surface, Mesh):
        normals = vertex_normals(surface.vertices, surface.faces)
    else:
        normals = torch.zeros_like(points)
    return OrientedPoints(
        points[kept].double().numpy(), normals[kept].double().numpy(),
        probability[kept].double().numpy(),
    )  # fmt: skip


def contact_vertices(
    surface: Mesh | PointCloud,
    probability: Float[Tensor, "points"],
    threshold: float,
    most: int = MOST_POINTS,
) -> Int[Tensor, "kept"]:
    """Which points `contact_points` takes."""
    points = surface.vertices if isinstance(surface, Mesh) else surface.points
    touched = ((probability >= threshold) & (probability > 0)).nonzero().flatten()
    return touched[_spread(points[touched].double().numpy(), most)]


def surface_points(mesh: Mesh) -> OrientedPoints:
    """All vertices of a surface with normals, each counting one."""
    return OrientedPoints(
        mesh.vertices.double().numpy(),
        vertex_normals(mesh.vertices, mesh.faces).double().numpy(),
        np.ones(mesh.num_vertices),
    )


def _spread(points: Float[np.ndarray, "points 3"], most: int) -> Tensor:
    """Indices of at most so many points, one per cell of a grid that is just coarse enough."""
    if len(points) <= most:
        return torch.arange(len(points))
    low, extent = points.min(0), max(float(np.ptp(points, axis=0).max()), 1e-9)
    few, many = 1, 4096
    while few < many:  # the finest grid with no more than `most` filled cells
        cells = (few + many + 1) // 2
        filled = len(np.unique(((points - low) / extent * cells).astype(int), axis=0))
        few, many = (cells, many) if filled <= most else (few, cells - 1)
    cell = ((points - low) / extent * few).astype(int)
    return torch.from_numpy(np.sort(np.unique(cell, axis=0, return_index=True)[1]))
