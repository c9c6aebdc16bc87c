"""From one triangle mesh to another: closest surface points and values carried over by them.

Knows nothing of bodies; both meshes must lie in the same frame and pose.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from renders.errors import InputError


def closest_surface_points(
    points: Float[Tensor, "points 3"],
    vertices: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
) -> tuple[Int[Tensor, "points"], Float[Tensor, "points 3"]]:
    """The face nearest to each point and the barycentric weights of the nearest place on it.

    Exact: every face whose bounding sphere reaches as near as the best candidate is looked at.
    Not differentiable.

    Raises:
        InputError: the mesh has no faces.
    """
    if len(faces) == 0:
        raise InputError("closest points need a mesh with faces, got 0 faces")
    query = points.detach().cpu().double().numpy()
    corners = vertices.detach().cpu().double().numpy()[faces.cpu().numpy()]
    centre = corners.mean(axis=1)
    radius = np.linalg.norm(corners - centre[:, None], axis=2).max()
    tree = KDTree(centre)
    near, _ = tree.query(query)
    reach = near + radius  # the nearest centre's distance bounds the answer from above
    candidates = tree.query_ball_point(query, reach * (1 + 1e-9))
    counts = np.array([len(found) for found in candidates], dtype=np.int64)
    point_index = np.repeat(np.arange(len(query)), counts)
    face_index = np.concatenate([np.sort(found) for found in candidates] or [[]]).astype(np.int64)
    weights = closest_barycentric(query[point_index], corners[face_index])
    nearest = (weights[..., None] * corners[face_index]).sum(axis=1)
    distance = np.linalg.norm(nearest - query[point_index], axis=1)
    order = np.lexsort((face_index, distance, point_index))
    first = order[np.unique(point_index[order], return_index=True)[1]]
    return (
        torch.from_numpy(face_index[first]),
        torch.from_numpy(weights[first]).to(points.dtype),
    )


def closest_barycentric(
    points: Float[np.ndarray, "pairs 3"], corners: Float[np.ndarray, "pairs 3 3"]
) -> Float[np.ndarray, "pairs 3"]:
    """Barycentric weights of the point of each triangle that is nearest to its partner point."""
    best = np.zeros((len(points), 3))
    best_distance = np.full(len(points), np.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        edge = corners[:, b] - corners[:, a]
        length2 = np.maximum((edge * edge).sum(1), 1e-30)
        t = np.clip(((points - corners[:, a]) * edge).sum(1) / length2, 0.0, 1.0)
        distance = np.linalg.norm(corners[:, a] + t[:, None] * edge - points, axis=1)
        better = np.less(distance, best_distance)
        best_distance = np.where(better, distance, best_distance)
        row = np.zeros((len(points), 3))
        row[:, a], row[:, b] = 1.0 - t, t
        best[better] = row[better]
    inside = _projected_barycentric(points, corners)
    return np.where(np.all(inside >= 0, axis=1, keepdims=True), inside, best)


def _projected_barycentric(
    points: Float[np.ndarray, "pairs 3"], corners: Float[np.ndarray, "pairs 3 3"]
) -> Float[np.ndarray, "pairs 3"]:
    """Barycentric weights of the point's foot on each triangle's plane; -1 for flat triangles."""
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    w = points - corners[:, 0]
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    determinant = uu * vv - uv * uv
    flat = determinant <= 1e-12 * np.maximum(uu * vv, 1e-300)
    safe = np.where(flat, 1.0, determinant)
    second, third = (vv * wu - uv * wv) / safe, (uu * wv - uv * wu) / safe
    weights = np.stack([1.0 - second - third, second, third], axis=1)
    return np.where(flat[:, None], -1.0, weights)


def transfer_values(
    values: Float[Tensor, "*batch verts channels"],
    faces: Int[Tensor, "faces 3"],
    face_index: Int[Tensor, "points"],
    barycentric: Float[Tensor, "points 3"],
) -> Float[Tensor, "*batch points channels"]:
    """Vertex values interpolated at surface points of `closest_surface_points`; differentiable."""
    corners = values[..., faces[face_index], :]
    return (corners * barycentric[:, :, None]).sum(dim=-2)
