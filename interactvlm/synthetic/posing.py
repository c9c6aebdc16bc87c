"""From scene states to surfaces: the full body and all objects as one triangle soup per scene.

Posed once, drawn by many cameras. Knows no cameras, colours of clothes or light.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32, Int64

from human_recovery.anny_body import AnnyBody
from interactvlm.synthetic.scene import SceneState
from renders.mesh import vertex_normals

PERSON = 1
"""Instance index of the person; objects follow from 2, in the scene's order."""
_CASTERS_PER_M2 = 3500.0
_CASTERS_RANGE = (300, 12000)


@dataclass(frozen=True)
class PosedScene:
    """Surfaces of one scene in the world (z up, metres). Faces: the body's first, then objects'."""

    state: SceneState
    vertices_world: Float32[np.ndarray, "verts 3"]
    """Body vertices, then the objects' vertices."""
    faces: Int64[np.ndarray, "faces 3"]
    num_body_vertices: int
    num_body_faces: int
    instance_of_face: Int64[np.ndarray, " faces"]
    """1 the person, 2.. the objects."""
    corner_normals: Float32[np.ndarray, "faces corners=3 3"]
    """Shading normals: smooth on the body and on rounded object parts, sharp at edges."""
    object_colours: Float32[np.ndarray, "object_faces 3"]
    """Display colour of each object face."""
    caster_points: Float32[np.ndarray, "casters 3"]
    """Points spread densely over all surfaces, for shadows."""
    instance_of_caster: Int64[np.ndarray, " casters"]
    """Instance each of them lies on."""
    keypoints_world: Float32[np.ndarray, "23 3"]
    """In the order of `human_recovery.anny_body.KEYPOINT_NAMES`."""
    facing_world: Float32[np.ndarray, "3"]
    """Unit direction the chest looks."""

    def framing_points(self) -> Float32[np.ndarray, "points 3"]:
        """A sparse cover of the person and the touched objects: what a photographer frames."""
        wanted = [np.arange(0, self.num_body_vertices, 20)]
        for index, placed in enumerate(self.state.objects):
            if placed.touched:
                corners = self.faces[self.instance_of_face == PERSON + 1 + index]
                wanted.append(np.unique(corners))
        return self.vertices_world[np.concatenate(wanted)]

    def obstacle_points(self) -> Float32[np.ndarray, "points 3"]:
        """Points on the objects the person does not touch: what should not block the view."""
        untouched = [
            PERSON + 1 + index
            for index, placed in enumerate(self.state.objects)
            if not placed.touched
        ]
        return self.caster_points[np.isin(self.instance_of_caster, untouched)][::4]

    def __repr__(self) -> str:
        return (
            f"PosedScene({len(self.vertices_world)} vertices, {len(self.faces)} faces, "
            f"{len(self.state.objects)} objects)"
        )


def pose_scene(state: SceneState, body: AnnyBody) -> PosedScene:
    """One scene; see `pose_scenes`."""
    return pose_scenes([state], body)[0]


def pose_scenes(states: Sequence[SceneState], body: AnnyBody) -> list[PosedScene]:
    """Poses the full body for all states in one batch and places their objects.

    `body` must be the full-resolution body. Sixteen at a time is about the fastest on a CPU.
    """
    if not states:
        return []
    fast_rotations = torch.from_numpy(np.stack([state.bone_rotations for state in states]))
    curls = torch.tensor([[state.left_curl, state.right_curl] for state in states])
    with torch.no_grad():
        output = body(
            torch.from_numpy(np.stack([state.phenotypes for state in states])),
            body.full_rotations(fast_rotations, hand_curl=curls),
            torch.from_numpy(np.stack([state.translation_world for state in states])),
        )
        keypoints = body.keypoints(output)
    body_faces = body.faces.long()
    return [
        _assemble(state, vertices, body_faces, points.numpy())
        for state, vertices, points in zip(states, output.vertices, keypoints, strict=True)
    ]


def _assemble(
    state: SceneState,
    body_vertices: torch.Tensor,
    body_faces: torch.Tensor,
    keypoints_world: Float32[np.ndarray, "23 3"],
) -> PosedScene:
    normals = vertex_normals(body_vertices, body_faces)
    vertices = [body_vertices.numpy()]
    faces = [body_faces.numpy()]
    corner_normals = [normals[body_faces].numpy()]
    instances = [np.full(len(body_faces), PERSON, dtype=np.int64)]
    casters = [body_vertices.numpy(), body_vertices[body_faces].mean(dim=1).numpy()]
    colours = [np.zeros((0, 3), dtype=np.float32)]
    start = len(body_vertices)
    for index, placed in enumerate(state.objects):
        mesh, _, colour_of_face = placed.instance.mesh()
        pose = placed.world_from_object
        placed_vertices = mesh.vertices.numpy() @ pose[:3, :3].T + pose[:3, 3]
        object_faces = mesh.faces.numpy().astype(np.int64)
        vertices.append(placed_vertices)
        faces.append(object_faces + start)
        corner_normals.append(_creased_normals(placed_vertices, object_faces))
        instances.append(np.full(len(object_faces), PERSON + 1 + index, dtype=np.int64))
        casters.append(_spread_points(placed_vertices, object_faces))
        colours.append(colour_of_face.numpy())
        start += len(placed_vertices)
    return PosedScene(
        state=state,
        vertices_world=np.concatenate(vertices).astype(np.float32),
        faces=np.concatenate(faces),
        num_body_vertices=len(body_vertices),
        num_body_faces=len(body_faces),
        instance_of_face=np.concatenate(instances),
        corner_normals=np.concatenate(corner_normals).astype(np.float32),
        object_colours=np.concatenate(colours).astype(np.float32),
        caster_points=np.concatenate(casters).astype(np.float32),
        instance_of_caster=np.repeat(
            np.maximum(np.arange(len(casters)), PERSON), [len(points) for points in casters]
        ),
        keypoints_world=keypoints_world,
        facing_world=_facing(keypoints_world),
    )


def _facing(keypoints_world: Float32[np.ndarray, "23 3"]) -> Float32[np.ndarray, "3"]:
    """Across (right to left) times up: the way the chest looks."""
    left_shoulder, right_shoulder, left_hip, right_hip = keypoints_world[[5, 6, 11, 12]]
    across = left_shoulder - right_shoulder + left_hip - right_hip
    up = left_shoulder + right_shoulder - left_hip - right_hip
    facing = np.cross(across, up)
    return (facing / max(float(np.linalg.norm(facing)), 1e-9)).astype(np.float32)


def _creased_normals(
    vertices: Float32[np.ndarray, "verts 3"],
    faces: Int64[np.ndarray, "faces 3"],
    crease_deg: float = 40.0,
) -> Float32[np.ndarray, "faces corners=3 3"]:
    """A normal per face corner: the mean over neighbours that turn less than `crease_deg`."""
    edges = vertices[faces[:, 1:]] - vertices[faces[:, :1]]
    area_normals = np.cross(edges[:, 0], edges[:, 1])
    length = np.linalg.norm(area_normals, axis=1, keepdims=True)
    unit = area_normals / np.maximum(length, 1e-12)
    # All pairs of face corners that share a vertex, from corners sorted by vertex.
    corner_vertex = faces.ravel()
    order = np.argsort(corner_vertex, kind="stable")
    valence = np.bincount(corner_vertex, minlength=len(vertices))
    first = np.cumsum(valence) - valence
    pairs_of_corner = valence[corner_vertex[order]]
    mine = np.repeat(np.arange(len(order)), pairs_of_corner)
    within = np.arange(len(mine)) - np.repeat(
        np.cumsum(pairs_of_corner) - pairs_of_corner, pairs_of_corner
    )
    other = first[corner_vertex[order[mine]]] + within
    face_mine, face_other = order[mine] // 3, order[other] // 3
    smooth = (unit[face_mine] * unit[face_other]).sum(axis=1) > np.cos(np.radians(crease_deg))
    total = np.zeros((len(corner_vertex), 3))
    for axis in range(3):
        total[:, axis] = np.bincount(
            order[mine[smooth]],
            weights=area_normals[face_other[smooth], axis],
            minlength=len(corner_vertex),
        )
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return total.reshape(-1, 3, 3).astype(np.float32)


@lru_cache(maxsize=1)
def _unit_draws() -> Float32[np.ndarray, "draws 3"]:
    return np.random.default_rng(0).random((_CASTERS_RANGE[1], 3)).astype(np.float32)


def _spread_points(
    vertices: Float32[np.ndarray, "verts 3"], faces: Int64[np.ndarray, "faces 3"]
) -> Float32[np.ndarray, "points 3"]:
    """Points uniform over the surface, always the same for the same surface."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = 0.5 * np.linalg.norm(normals, axis=1)
    total = float(area.sum())
    if total <= 0:
        return np.zeros((0, 3), dtype=np.float32)
    count = int(np.clip(total * _CASTERS_PER_M2, *_CASTERS_RANGE))
    draws = _unit_draws()[:count]
    # Stratified over the total area: even cover with few points.
    place = (np.arange(count) + draws[:, 0]) / count * total
    face = np.minimum(np.searchsorted(np.cumsum(area), place), len(faces) - 1)
    root = np.sqrt(draws[:, 1:2])
    side = draws[:, 2:3]
    a, b, c = corners[face].transpose(1, 0, 2)
    return ((1 - root) * a + root * (1 - side) * b + root * side * c).astype(np.float32)
