"""Poses people against objects: many small inverse-kinematics problems in one batch.

Each `SceneRecipe` says what touches what; Adam moves joint angles, the person's place and any
free object until anchors meet, feet stand, and nothing pokes through. Scenes that do not get
there are dropped, not kept half-right.
"""

from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.anny_body import AnnyBody
from interactvlm.synthetic.articulation import (
    Articulation,
    Pose,
    TouchPatches,
    build_articulation,
    build_patches,
    fast_body,
    hand_frame,
    torso_frame,
)
from interactvlm.synthetic.scene import Side
from object_retrieval.procedural.objects import ObjectInstance, pack_objects

FRAMES = ("world", "hand.L", "hand.R", "torso")
_PATCH_WIDTH = 24


@dataclass(frozen=True)
class Touch:
    """One body patch asked to meet one place of an object (or of the world, object = -1)."""

    patch: str
    object_index: int
    point: tuple[float, float, float]
    extent: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Half size of the region around `point` in which the patch may land freely, metres."""
    weight: float = 1.0
    surface: bool = True
    """Pull the whole patch onto the surface, not only its centre to the point."""
    tolerance_m: float = 0.035
    """A larger remaining distance of the patch to the surface rejects the scene."""


@dataclass(frozen=True)
class ObjectPlan:
    """An object of a scene before the pose is known."""

    instance: ObjectInstance
    frame: str
    """One of FRAMES: what the object moves with."""
    frame_from_object: Float[np.ndarray, "4 4"]
    interaction: str
    side: Side
    free: bool = False
    """Whether the solver may shift it (3 axes) and turn it about the vertical."""
    upright: float = 0.0
    """Weight that keeps the object's z axis vertical (for hand-held objects)."""


@dataclass(frozen=True)
class SceneRecipe:
    """What one scene asks for; the solver's input."""

    posture: str
    pose: Pose
    place_m: tuple[float, float, float]
    objects: tuple[ObjectPlan, ...]
    touches: tuple[Touch, ...]
    standing: tuple[bool, bool]
    """Whether the left and the right sole rest on the floor."""
    phenotypes: Float[np.ndarray, "6"]
    curl: tuple[float, float] = (0.15, 0.15)
    seed: int = 0


@dataclass(frozen=True)
class Solution:
    """The solved pose of one scene and how well it holds."""

    bone_rotations: Float[np.ndarray, "bones 3 3"]
    translation_m: Float[np.ndarray, "3"]
    world_from_object: Float[np.ndarray, "objects 4 4"]
    worst_touch_m: float
    worst_penetration_m: float
    accepted: bool
    reason: str


@dataclass(frozen=True)
class SolverConfig:
    """Numbers of the pose optimisation; distances in metres."""

    steps: int = 90
    rate: float = 0.05
    point_weight: float = 12.0
    surface_weight: float = 250.0
    penetration_weight: float = 2.0
    floor_weight: float = 200.0
    prior_weight: float = 0.35
    limit_weight: float = 10.0
    upright_weight: float = 0.3
    allowed_penetration_m: float = 0.06


class _Problem:
    """The tensors of one batch of recipes."""

    def __init__(
        self,
        recipes: list[SceneRecipe],
        body: AnnyBody,
        joints: Articulation,
        patches: TouchPatches,
    ) -> None:
        self.body, self.joints, self.patches = body, joints, patches
        self.key = torch.stack([joints.pack(r.pose) for r in recipes])
        self.place = torch.tensor([r.place_m for r in recipes])
        self.phenotypes = torch.tensor(np.stack([r.phenotypes for r in recipes])).float()
        self.standing = torch.tensor([r.standing for r in recipes])
        plans = [(i, p) for i, r in enumerate(recipes) for p in r.objects]
        self.scene_of_object = torch.tensor([i for i, _ in plans], dtype=torch.long)
        self.frame_of_object = torch.tensor([FRAMES.index(p.frame) for _, p in plans])
        self.local = torch.tensor(np.stack([p.frame_from_object for _, p in plans])).float()
        self.free = torch.tensor([float(p.free) for _, p in plans])
        self.upright = torch.tensor([p.upright for _, p in plans])
        self.shapes = pack_objects([p.instance for _, p in plans], ignore_parts=("strap",))
        first = np.concatenate([[0], np.cumsum([len(r.objects) for r in recipes])])
        touches = [(i, t) for i, r in enumerate(recipes) for t in r.touches]
        names = tuple(sorted({t.patch for _, t in touches}))
        groups = patches.padded(names, _PATCH_WIDTH)
        self.touch_scene = torch.tensor([i for i, _ in touches], dtype=torch.long)
        self.touch_vertices = groups[[names.index(t.patch) for _, t in touches]]
        self.touch_object = torch.tensor(
            [first[i] + t.object_index if t.object_index >= 0 else -1 for i, t in touches],
            dtype=torch.long,
        )
        self.touch_point = torch.tensor([t.point for _, t in touches])
        self.touch_extent = torch.tensor([t.extent for _, t in touches])
        self.touch_weight = torch.tensor([t.weight for _, t in touches])
        self.touch_surface = torch.tensor(
            [float(t.surface and t.object_index >= 0) for _, t in touches]
        )
        self.touch_tolerance = torch.tensor([t.tolerance_m for _, t in touches])
        self.soles = patches.padded(("sole.L", "sole.R"), _PATCH_WIDTH)

    def state(
        self, angles: Tensor, place: Tensor, shift: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Bone rotations, body vertices, world_from_object and each object's distances."""
        rotations = self.joints.rotations(angles)
        output = self.body(self.phenotypes, rotations, place)
        vertices = output.vertices
        frames = [torch.eye(4).expand(len(place), 4, 4)]
        for rotation, origin in (
            hand_frame(vertices, self.patches, "L"),
            hand_frame(vertices, self.patches, "R"),
            torso_frame(vertices, output.bone_heads, self.body.bone_names, self.patches),
        ):
            frames.append(_rigid(rotation, origin))
        stacked = torch.stack(frames, dim=1)[self.scene_of_object, self.frame_of_object]
        world_from_object = _shifted(stacked @ self.local, shift * self.free[:, None])
        points = vertices[self.scene_of_object]
        rotation, origin = world_from_object[:, :3, :3], world_from_object[:, :3, 3]
        points_object = (points - origin[:, None]) @ rotation
        return rotations, vertices, world_from_object, self.shapes.signed_distance(points_object)

    def touch_terms(
        self, vertices: Tensor, world_from_object: Tensor, distance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Per touch: distance of the patch's centre to its region; distances to the surface."""
        patch = vertices[self.touch_scene[:, None], self.touch_vertices]
        identity = torch.eye(4).expand(1, 4, 4)
        pose = torch.cat([world_from_object, identity])[self.touch_object]
        centre = ((patch.mean(1) - pose[:, :3, 3])[:, None] @ pose[:, :3, :3])[:, 0]
        gap = ((centre - self.touch_point).abs() - self.touch_extent).relu().norm(dim=1)
        on_object = self.touch_object.clamp(min=0)
        surface = distance[on_object[:, None], self.touch_vertices]
        return gap, surface * self.touch_surface[:, None]


def _rigid(
    rotation: Float[Tensor, "n 3 3"], origin: Float[Tensor, "n 3"]
) -> Float[Tensor, "n 4 4"]:
    matrix = torch.eye(4).repeat(len(origin), 1, 1)
    return torch.cat([torch.cat([rotation, origin[..., None]], dim=-1), matrix[:, 3:]], dim=1)


def _shifted(pose: Float[Tensor, "n 4 4"], shift: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4 4"]:
    """Turn about the vertical through the object's origin, then move."""
    zero = torch.zeros_like(shift[:, 3])
    turn = roma.rotvec_to_rotmat(torch.stack([zero, zero, shift[:, 3]], dim=1))
    return _rigid(turn @ pose[:, :3, :3], pose[:, :3, 3] + shift[:, :3])


def solve(recipes: list[SceneRecipe], config: SolverConfig | None = None) -> list[Solution]:
    """Pose every recipe of a batch. Deterministic; scenes do not influence one another."""
    if not recipes:
        return []
    config = config or SolverConfig()
    body = fast_body()
    joints, patches = _tools()
    problem = _Problem(recipes, body, joints, patches)
    angles = problem.key.clone().requires_grad_()
    place = problem.place.clone().requires_grad_()
    shift = torch.zeros(len(problem.scene_of_object), 4, requires_grad=True)
    optimizer = torch.optim.Adam(
        [
            {"params": [angles], "lr": config.rate},
            {"params": [place, shift], "lr": config.rate / 2},
        ],
        betas=(0.9, 0.95),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, 2.0 * (1 - step / config.steps)) + 0.02
    )
    for _ in range(config.steps):
        optimizer.zero_grad()
        _energy(problem, angles, place, shift, config).sum().backward()
        optimizer.step()
        schedule.step()
    return _judge(problem, recipes, angles.detach(), place.detach(), shift.detach(), config)


def _energy(
    problem: _Problem, angles: Tensor, place: Tensor, shift: Tensor, config: SolverConfig
) -> Float[Tensor, "scenes"]:
    _, vertices, world_from_object, distance = problem.state(angles, place, shift)
    gap, surface = problem.touch_terms(vertices, world_from_object, distance)
    scenes = len(angles)
    near = surface.clamp(-0.1, 0.15)
    touch = config.point_weight * torch.nn.functional.smooth_l1_loss(
        gap, torch.zeros_like(gap), beta=0.05, reduction="none"
    ) + config.surface_weight * near.square().mean(1)
    energy = angles.new_zeros(scenes).index_add(
        0, problem.touch_scene, touch * problem.touch_weight
    )
    poke = (-distance - 0.008).clamp(0, 0.1)
    energy = energy.index_add(0, problem.scene_of_object, config.penetration_weight * poke.sum(1))
    height = vertices[..., 2]
    energy = energy + config.floor_weight * 0.2 * (-height).relu().square().sum(1)
    soles = height[:, problem.soles].square().mean(-1)
    energy = energy + config.floor_weight * (soles * problem.standing).sum(1)
    both = problem.standing.all(1)
    support = vertices[:, problem.soles.flatten(), :2].mean(1)
    lean = (vertices[..., :2].mean(1) - support).norm(dim=1)
    energy = energy + 20 * (lean - 0.1).relu().square() * both
    stiffness = problem.joints.stiffness
    energy = energy + config.prior_weight * ((angles - problem.key).square() * stiffness).sum(1)
    energy = energy + config.limit_weight * problem.joints.limit_violation(angles)
    tilt = (1 - world_from_object[:, 2, 2]) * problem.upright * config.upright_weight
    energy = energy.index_add(0, problem.scene_of_object, tilt)
    return energy.index_add(0, problem.scene_of_object, 0.5 * shift[:, 3].square())


@torch.no_grad()
def _judge(
    problem: _Problem, recipes: list[SceneRecipe], angles: Tensor, place: Tensor, shift: Tensor,
    config: SolverConfig,
) -> list[Solution]:  # fmt: skip
    rotations, vertices, world_from_object, distance = problem.state(angles, place, shift)
    gap, surface = problem.touch_terms(vertices, world_from_object, distance)
    closest = surface.relu().mean(1)
    reach = torch.where(problem.touch_surface > 0, closest, gap) - problem.touch_tolerance
    depth = (-distance).amax(1)
    floor = (-vertices[..., 2]).amax(1)
    foot = (vertices[:, :, 2][:, problem.soles].abs().mean(-1) * problem.standing).amax(1)
    solutions = []
    for i in range(len(recipes)):
        mine = problem.scene_of_object == i
        worst_touch = (
            float(reach[problem.touch_scene == i].max())
            if (problem.touch_scene == i).any()
            else -1.0
        )
        worst_depth = float(depth[mine].max()) if mine.any() else 0.0
        reason = ""
        if not torch.isfinite(angles[i]).all():
            reason = "not finite"
        elif worst_touch > 0:
            reason = "touch not reached"
        elif worst_depth > config.allowed_penetration_m:
            reason = "penetration"
        elif float(floor[i]) > 0.05 or float(foot[i]) > 0.04:
            reason = "floor"
        solutions.append(
            Solution(
                rotations[i].numpy(),
                place[i].numpy(),
                world_from_object[mine].numpy(),
                worst_touch,
                worst_depth,
                not reason,
                reason,
            )
        )
    return solutions


_TOOLS: list[tuple[Articulation, TouchPatches]] = []


def _tools() -> tuple[Articulation, TouchPatches]:
    if not _TOOLS:
        body = fast_body()
        _TOOLS.append((build_articulation(body.bone_names), build_patches(body)))
    return _TOOLS[0]
