"""Exact contact of a posed body with the objects of its scene."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interactvlm.synthetic.scene import SceneState
from object_retrieval.procedural.objects import pack_objects

CONTACT_DISTANCE_M = 0.02
"""A vertex touches an object when it is this close to its surface, or inside."""
MINIMUM_VERTICES = 12
"""Fewer touching vertices count as a graze, not as contact."""


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
