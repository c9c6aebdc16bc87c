"""Where the search begins: turns upright and any way, placed by contact or by the mask's size."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from hoi_fit.icp import IcpSettings, contact_icp
from hoi_fit.problem import FitProblem, FitSettings
from hoi_fit.similarity import Similarity

CAMERA_FROM_UPRIGHT = np.diag([1.0, -1.0, -1.0])
"""Turns y up, z to the viewer into the camera's y down, z forward; a camera held level."""
_STILL = Rotation.identity()
_ICP_STEPS = 20
"""Of each start; what is left is done by render and compare."""


def first_poses(problem: FitProblem, settings: FitSettings) -> list[Similarity]:
    """Every start's turn as the mask has it and, with contact, as the contact has it."""
    turns = upright_turns(settings.yaw_starts)
    if settings.any_way_up:
        turns += tilted_turns()
    by_mask = [_placed_by_mask(problem, turn) for turn in turns]
    if not problem.has_contact:
        return by_mask
    assert problem.touched is not None and problem.touching is not None
    aligned = contact_icp(
        problem.touched, problem.touching, _placed_by_contact(problem, by_mask),
        IcpSettings(scale_bounds=settings.scale_bounds, iterations=_ICP_STEPS),
    )  # fmt: skip
    return [result.target_from_object for result in aligned] + by_mask


def upright_turns(count: int) -> list[Float[np.ndarray, "3 3"]]:
    """Turns about the vertical."""
    yaw = 2 * np.pi * np.arange(count) / count
    return [CAMERA_FROM_UPRIGHT @ Rotation.from_rotvec([0, a, 0]).as_matrix() for a in yaw]


def tilted_turns() -> list[Float[np.ndarray, "3 3"]]:
    """What a thing in a hand may be: those turns of a cube that do not leave it upright, each also
    after an eighth of a turn about the vertical."""
    eighth = Rotation.from_rotvec([0, np.pi / 4, 0])
    cube = [r for r in Rotation.create_group("O") if r.apply([0, 1, 0])[1] < 0.9]
    return [CAMERA_FROM_UPRIGHT @ (s * r).as_matrix() for r in cube for s in (_STILL, eighth)]


def _placed_by_mask(problem: FitProblem, rotation: np.ndarray) -> Similarity:
    """On the ray through the mask's middle, as far away as makes it as large as the mask."""
    rows, columns = problem.object_mask.nonzero().numpy().T + 0.5
    k = problem.camera.intrinsics.double().numpy()
    side_px = max(rows.max() - rows.min(), columns.max() - columns.min()) + 1
    middle_px = [(columns.max() + columns.min()) / 2, (rows.max() + rows.min()) / 2, 1.0]
    turned = problem.vertices_object.double().numpy() @ rotation.T
    seen = (turned.max(0) - turned.min(0))[:2].max()
    depth = (k[0, 0] + k[1, 1]) / 2 * seen / side_px
    place = depth * np.linalg.solve(k, middle_px)
    return Similarity(rotation, place - rotation @ problem.middle_object)


def _placed_by_contact(problem: FitProblem, poses: Sequence[Similarity]) -> list[Similarity]:
    """The same turns with the mean touched point at the mean touching point."""
    assert problem.touched is not None and problem.touching is not None
    there, here = (
        np.average(side.points, axis=0, weights=side.weight)
        for side in (problem.touching, problem.touched)
    )
    return [Similarity(p.rotation, there - p.rotation @ here) for p in poses]
