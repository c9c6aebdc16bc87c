"""People in random poses before a camera, and the keypoints a detector would find.

Poses come from plain bone rotations, not from the angles, axes or means that the fit searches in.
"""

import math
from dataclasses import dataclass

import roma
import torch

from human_recovery.anny_body import FAST_BONE_NAMES, AnnyBody
from human_recovery.body_state import BodyState, camera_from_upright
from human_recovery.keypoint_files import Keypoints2D
from renders.camera import Camera

SIZE_PX = 512
HIPS = [11, 12]

_ELBOW = torch.tensor([-0.743, -0.047, -0.667])
_POSES: dict[str, dict[str, tuple[float, float, float]]] = {
    "stand": {"upperarm01.L": (0, 33, 0), "upperarm01.R": (0, -33, 0)},
    "sit": {
        "upperarm01.L": (-20, 30, 0), "upperarm01.R": (-25, -30, 0),
        "upperleg01.L": (-80, 0, -8), "upperleg01.R": (-80, 0, 8),
        "lowerleg01.L": (82, 0, 0), "lowerleg01.R": (75, 0, 0),
    },
    "step": {
        "upperarm01.L": (0, 33, 0), "upperarm01.R": (-30, -20, 0),
        "upperleg01.R": (-55, 0, 0), "lowerleg01.R": (60, 0, 0),
    },
    "push": {
        "root": (10, 0, 0), "upperarm01.L": (-45, 30, 0), "upperarm01.R": (-45, -30, 0),
        "upperleg01.L": (-25, 0, 0), "lowerleg01.L": (15, 0, 0), "upperleg01.R": (12, 0, 0),
    },
    "reach": {"upperarm01.L": (0, 30, 0), "upperarm01.R": (-90, -10, 20)},
    "crouch": {
        "spine05": (20, 0, 0), "spine03": (15, 0, 0),
        "upperarm01.L": (-40, 20, 0), "upperarm01.R": (-40, -20, 0),
        "upperleg01.L": (-95, 0, -15), "upperleg01.R": (-90, 0, 15),
        "lowerleg01.L": (110, 0, 0), "lowerleg01.R": (105, 0, 0),
    },
}  # fmt: skip
_JITTER_DEG = {"spine": 4.0, "neck": 5.0, "head": 10.0, "clavicle": 4.0, "upperarm01": 22.0,
               "upperleg01": 10.0, "foot": 6.0, "wrist": 10.0}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """The truth, and what is seen of it."""

    state: BodyState
    camera: Camera
    keypoints: Keypoints2D
    keypoints_m: torch.Tensor
    vertices_m: torch.Tensor


def random_person(body: AnnyBody, seed: int, *, noise_px: float = 2.0) -> Person:
    """Somebody of random build and pose, turned any way, filling most of the picture's height."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator)

    pose = list(_POSES.values())[seed % len(_POSES)]
    vectors = torch.zeros(len(FAST_BONE_NAMES), 3)
    for index, bone in enumerate(FAST_BONE_NAMES):
        spread = next((s for name, s in _JITTER_DEG.items() if bone.startswith(name)), 0.0)
        vectors[index] = torch.tensor(pose.get(bone, (0.0, 0.0, 0.0))) + spread * normal(3)
        if bone.startswith("lowerarm01"):
            mirror = torch.tensor([1.0, -1.0, -1.0]) if bone.endswith("R") else torch.ones(3)
            vectors[index] += (10 + 60 * torch.rand(1, generator=generator)) * _ELBOW * mirror
        if bone.startswith("lowerleg01"):
            vectors[index, 0] = (vectors[index, 0] + 8 * normal(1)[0]).clamp(min=0)
    rotations = roma.rotvec_to_rotmat(vectors * math.pi / 180)
    yaw, pitch = 2 * math.pi * torch.rand(1, generator=generator).item(), 0.2 * normal(1).item()
    facing = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, yaw]))
    tilted = roma.rotvec_to_rotmat(torch.tensor([pitch, 0.0, 0.0]))
    rotations[0] = tilted @ camera_from_upright("z") @ facing @ rotations[0]
    phenotypes = torch.rand(6, generator=generator)
    phenotypes[1] = 0.5 + 0.1 * phenotypes[1]
    phenotypes[4] = 0.4 + 0.2 * phenotypes[4]  # adults of 1.4 to 2.0 m
    focal = 450.0 + 300.0 * torch.rand(1, generator=generator).item()
    intrinsics = torch.tensor([[focal, 0, SIZE_PX / 2], [0, focal, SIZE_PX / 2], [0, 0, 1]])
    camera = Camera(intrinsics, torch.eye(4), SIZE_PX, SIZE_PX)
    place = torch.tensor([0.25 * normal(1).item(), 0.0, focal * 1.75 / (0.75 * SIZE_PX)])
    state = BodyState("anny-fast", phenotypes, rotations, place)
    with torch.no_grad():
        vertices = state.vertices_camera(body)
        middle = (vertices.amin(0) + vertices.amax(0))[1] / 2
        place[1] -= middle  # feet and head both inside
        state = BodyState("anny-fast", phenotypes, rotations, place)
        output = state.output(body)
        keypoints_m = body.keypoints(output)[0]
    pixels = camera.project(keypoints_m) + noise_px * normal(23, 2)
    return Person(
        state, camera, Keypoints2D(pixels, torch.ones(23)), keypoints_m, output.vertices[0]
    )  # fmt: skip


def aligned_error_m(found_m: torch.Tensor, truth_m: torch.Tensor) -> torch.Tensor:
    """Distance of each keypoint with the middle of the hips laid together."""
    found_m = found_m - found_m[HIPS].mean(0)
    return (found_m - (truth_m - truth_m[HIPS].mean(0))).norm(dim=1)
