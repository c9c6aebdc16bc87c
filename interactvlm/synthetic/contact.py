"""Exact contact of a posed body with the objects of its scene, on both surfaces."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from interactvlm.synthetic.scene import SceneState
from object_retrieval.procedural.objects import pack_objects
from renders.mesh import vertex_normals

CONTACT_DISTANCE_M = 0.02
"""A vertex touches an object when it is this close to its surface, or inside."""
MINIMUM_VERTICES = 12
"""Fewer touching vertices count as a graze, not as contact."""
OBJECT_POINTS = 1024
"""Points of an object's surface that carry heat."""
HEAT_FALLOFF_M = 0.03
"""Heat is 1 in contact and falls off around it as a Gaussian of this width."""
DEEPEST_M = 0.06
"""Behind its nearest vertex, but farther away than this, a point is not taken to be inside."""


def scene_contact(
    state: SceneState,
    vertices_world: Float[Tensor, "verts 3"],
    *,
    distance_m: float = CONTACT_DISTANCE_M,
) -> Bool[Tensor, "objects verts"]:
    """Which body vertices touch each object, by signed distance; grazes are cleared."""
    if not state.objects:
        return torch.zeros(0, len(vertices_world), dtype=torch.bool)
    shapes = pack_objects([placed.instance for placed in state.objects])
    poses = torch.stack(
        [torch.as_tensor(placed.world_from_object).float() for placed in state.objects]
    )
    rotation, origin = poses[:, :3, :3], poses[:, :3, 3]
    points_object = (vertices_world - origin[:, None]) @ rotation
    with torch.no_grad():
        touching = shapes.signed_distance(points_object) <= distance_m
    return touching & (touching.sum(1, keepdim=True) >= MINIMUM_VERTICES)


def object_heat(
    points_world: Float[np.ndarray, "points 3"],
    vertices_world: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
) -> Float[np.ndarray, "points"]:
    """How near the body is to points of an object: 1 where it touches or is inside, then less."""
    vertices = vertices_world.numpy()
    normals = vertex_normals(vertices_world, faces).numpy()
    away, nearest = KDTree(vertices).query(points_world)
    above = ((points_world - vertices[nearest]) * normals[nearest]).sum(1)
    away = np.where((above < 0) & (away < DEEPEST_M), 0.0, away)
    beyond = np.maximum(away - CONTACT_DISTANCE_M, 0.0) / HEAT_FALLOFF_M
    return np.exp(-0.5 * beyond**2).astype(np.float32)
