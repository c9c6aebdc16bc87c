"""Where a fit begins: how a person may stand, sit or lie in the photo, by the torso alone.

Shoulders, hips and face are nearly rigid, so many turns of them can be tried and improved without
posing a body. Left and right come with the keypoints' names; a flat torso still leaves two answers,
leaning to the camera or away from it, and both are kept.
"""

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.body_energies import FitSpace, Starts, starts_at
from human_recovery.body_placement import translation_to_pixels
from human_recovery.body_priors import SITTING_DEG
from human_recovery.body_state import camera_from_upright
from human_recovery.output import KEYPOINT_NAMES

_TORSO = (*range(7), 11, 12)
"""Face, shoulders and hips in `KEYPOINT_NAMES`."""
_FACE_WEIGHT = 0.4
"""Of face points: the neck bends."""
_YAWS, _ROLLS_DEG, _PITCHES_DEG = 12, (0.0, 90.0, 180.0, 270.0), (-50.0, 0.0, 50.0)
_STEPS, _RATE = 30, 0.1
_APART_RAD = math.radians(25.0)
_ROBUST = 30.0


def first_starts(space: FitSpace, count: int) -> Starts:
    """`count` starts, unlike one another, the likelier first; half stand, half sit."""
    seen, prior = space.evidence, space.prior
    postures = [prior.posture({}), prior.posture(SITTING_DEG)]
    points = _torso_points(space)
    used = [i for i in _TORSO if float(seen.weight[i]) > 0]
    if len(used) < 3:
        used = [i for i in range(len(KEYPOINT_NAMES)) if float(seen.weight[i]) > 0]
    weight = seen.weight[used] * torch.tensor(
        [_FACE_WEIGHT if i < 5 else 1.0 for i in used], device=seen.weight.device
    )
    turned = _turns(space)
    rotation, translation, energy = _placed(space, points[used], used, weight, turned)
    roots = _unlike(rotation, energy, -(-count // len(postures)))
    index = roots.repeat_interleave(len(postures))[:count]
    angles = torch.stack(postures * len(roots))[:count]
    return starts_at(rotation[index], translation[index], angles)


@torch.no_grad()
def _torso_points(space: FitSpace) -> Float[Tensor, "23 3"]:
    """Keypoints of the usual pose in the model's own frame."""
    prior, model = space.prior, space.model
    shape = prior.shape_mean if space.fixed_shape is None else space.fixed_shape
    rotations = prior.rotations(prior.mean_rad[None])
    output = model(shape[None], rotations, torch.zeros(1, 3, device=shape.device))
    return model.keypoints(output)[0]


def _turns(space: FitSpace) -> Float[Tensor, "turns 3 3"]:
    """Root rotations: turned about the body's vertical, then leant, then rolled in the picture."""
    upright = camera_from_upright(space.model.up_axis)
    vertical = torch.tensor([0.0, 1.0, 0.0] if space.model.up_axis == "y" else [0.0, 0.0, 1.0])

    def about(axis: Tensor, angles_deg: list[float]) -> Tensor:
        radians = torch.tensor(angles_deg) * math.pi / 180
        return roma.rotvec_to_rotmat(radians[:, None] * axis)

    yaws = about(vertical, [360.0 * k / _YAWS for k in range(_YAWS)])
    pitches = about(torch.tensor([1.0, 0.0, 0.0]), list(_PITCHES_DEG))
    rolls = about(torch.tensor([0.0, 0.0, 1.0]), list(_ROLLS_DEG))
    leant = rolls[:, None] @ pitches[None, :] @ upright
    return (leant[:, :, None] @ yaws).reshape(-1, 3, 3).to(space.prior.mean_rad.device)


def _placed(
    space: FitSpace,
    points: Float[Tensor, "points 3"],
    used: list[int],
    weight: Float[Tensor, "points"],
    turns: Float[Tensor, "turns 3 3"],
) -> tuple[Float[Tensor, "turns 3 3"], Float[Tensor, "turns 3"], Float[Tensor, "turns"]]:
    """Root rotations and places after some steps, and what the torso still costs."""
    seen = space.evidence
    wanted = seen.points_px[used]
    turned = torch.einsum("tij,kj->tki", turns, points)
    place = translation_to_pixels(turned, wanted, weight, seen.camera)
    begin = starts_at(turns, place, turns.new_zeros(len(turns), 0))
    numbers = turns.new_zeros(len(turns), 6, requires_grad=True)
    optimizer = torch.optim.Adam([numbers], lr=_RATE)

    def at() -> tuple[Tensor, Tensor]:
        rotation = roma.rotvec_to_rotmat(numbers[:, :3]) @ begin.rotation
        depth = begin.depth_m * (0.3 * numbers[:, 5]).exp()
        ray = begin.ray + space.ray_unit * numbers[:, 3:5]
        return rotation, torch.cat([ray, torch.ones_like(ray[:, :1])], 1) * depth[:, None]

    def cost() -> Tensor:
        rotation, translation = at()
        there = torch.einsum("tij,kj->tki", rotation, points) + translation[:, None]
        squared = ((space.project(there) - wanted) / seen.noise_px).square().sum(-1)
        behind = (0.1 - there[..., 2]).relu().sum(1)
        return (squared / (1 + squared / _ROBUST**2)) @ weight + 100 * behind

    for _ in range(_STEPS):
        optimizer.zero_grad()
        cost().sum().backward()
        optimizer.step()
    with torch.no_grad():
        return *at(), cost()


def _unlike(
    rotation: Float[Tensor, "turns 3 3"], energy: Float[Tensor, "turns"], count: int
) -> Tensor:
    """Indices of the least energies among rotations that differ; the next best fill up."""
    order = energy.nan_to_num(torch.inf).argsort(stable=True).tolist()
    chosen: list[int] = []
    for index in order:
        if len(chosen) == count:
            break
        away = [float(roma.rotmat_geodesic_distance(rotation[index], rotation[k])) for k in chosen]
        if all(angle > _APART_RAD for angle in away):
            chosen.append(index)
    chosen += [index for index in order if index not in chosen][: count - len(chosen)]
    return torch.tensor(chosen, device=rotation.device)
