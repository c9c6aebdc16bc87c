"""A lighter mesh of the same outline: what the fit draws of an object of any size.

Vertices of one cell of a grid become one, the cell is made coarser until few enough triangles are
left. Nothing is said about topology: a silhouette needs none.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from renders.mesh import Mesh

_FINEST_CELLS = 256
"""Cells along the longest side that the search begins with."""
_COARSER = 0.8


def light_mesh(mesh: Mesh, most_faces: int = 5000) -> Mesh:
    """The mesh itself where it is light enough, otherwise clustered to at most so many triangles.

    Colours are left out. Unused vertices are dropped.
    """
    vertices, faces = mesh.vertices, mesh.faces.long()
    cells = float(_FINEST_CELLS)
    kept_vertices, kept_faces = vertices, faces
    while len(kept_faces) > most_faces and cells >= 1:
        kept_vertices, kept_faces = _clustered(vertices, faces, cells)
        cells *= _COARSER
    used, faces_of_used = torch.unique(kept_faces, return_inverse=True)
    return Mesh(kept_vertices[used], faces_of_used)


def _clustered(
    vertices: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"], cells: float
) -> tuple[Float[Tensor, "cells 3"], Int[Tensor, "kept 3"]]:
    """Vertices of a cell as their mean; triangles with three cells, each once."""
    low, high = vertices.amin(0), vertices.amax(0)
    side = float((high - low).max()) / cells
    cell = ((vertices - low) / max(side, 1e-12)).floor().long()
    key, member = np.unique(cell.numpy(), axis=0, return_inverse=True)
    cluster = torch.from_numpy(member.reshape(-1))
    count = torch.bincount(cluster, minlength=len(key)).clamp(min=1)
    mean = vertices.new_zeros(len(key), 3).index_add_(0, cluster, vertices)
    mean = mean / count[:, None].to(mean)
    corner = cluster[faces]
    whole = (corner[:, 0] != corner[:, 1]) & (corner[:, 1] != corner[:, 2])
    corner = corner[whole & (corner[:, 0] != corner[:, 2])]
    first = np.unique(corner.sort(1).values.numpy(), axis=0, return_index=True)[1]
    return mean, corner[torch.from_numpy(np.sort(first))]
