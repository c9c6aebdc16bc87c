"""The table of joints: the same words bend Anny and the SMPL family the same way."""

import math

import numpy as np
import pytest
import torch

from human_recovery import smpl_files
from human_recovery.anny_topology import y_up_from_anny
from human_recovery.body_priors import SITTING_DEG, body_prior
from human_recovery.smpl_family import SmplBody
from human_recovery.smpl_files import SPECS

from .stick_body import write_stick_body


@pytest.fixture(params=["anny-fast", "smplx", "smpl"])
def model(request, fast_body, tmp_path, monkeypatch):
    if request.param == "anny-fast":
        return fast_body
    write_stick_body(tmp_path, request.param, monkeypatch)
    monkeypatch.setenv(smpl_files.FOLDER_VARIABLE, str(tmp_path))
    return SmplBody(request.param)


def heads(model, prior, change: dict[str, float]) -> dict[str, np.ndarray]:
    """Joint places, y up and facing +z, of the rest pose with some angles in degrees."""
    angles = torch.zeros(1, len(prior.names))
    for name, value in change.items():
        angles[0, prior.names.index(name)] = math.radians(value)
    output = model(model.neutral_shape(), prior.rotations(angles), torch.zeros(1, 3))
    places = output.bone_heads[0]
    places = y_up_from_anny(places) if model.up_axis == "z" else places
    return dict(zip(model.bone_names, places.detach().numpy(), strict=True))


def bone(model, joint: str, side: str) -> str:
    anny = {"knee": "lowerleg01", "ankle": "foot", "elbow": "lowerarm01", "wrist": "wrist"}
    if model.up_axis == "z":
        return f"{anny[joint]}.{side}"
    return f"{'left' if side == 'L' else 'right'}_{joint}"


@pytest.mark.parametrize("side", ["L", "R"])
@pytest.mark.parametrize(
    ("angle", "joint", "axis", "sign"),
    [
        ("hip.{}:0", "knee", 2, -1),  # bending the hip by more than 0 takes the knee back
        ("knee.{}:0", "ankle", 2, -1),  # bending the knee takes the ankle back
        ("shoulder.{}:1", "elbow", 1, -1),  # leaning lowers the arm
        ("elbow.{}:0", "wrist", 2, 1),  # bending the elbow takes the wrist to the front
    ],
)
def test_joints_bend_as_people_do(model, angle, joint, axis, sign, side):
    prior = body_prior(model)
    rest, bent = (heads(model, prior, {angle.format(side): value}) for value in (0.0, 40.0))
    moved = (bent[bone(model, joint, side)] - rest[bone(model, joint, side)])[axis]
    assert sign * moved > 0.05
    other = bone(model, joint, "R" if side == "L" else "L")
    np.testing.assert_allclose(bent[other], rest[other], atol=1e-5)


def test_left_and_right_mirror_one_another(model):
    prior = body_prior(model)
    angles = {"shoulder.{}:0": -30.0, "shoulder.{}:1": 25.0, "elbow.{}:0": 50.0, "hip.{}:1": 15.0}
    places = heads(model, prior, {k.format(s): v for k, v in angles.items() for s in "LR"})
    for joint in ("elbow", "wrist", "knee", "ankle"):
        left, right = (places[bone(model, joint, side)] for side in "LR")
        np.testing.assert_allclose(left * [-1, 1, 1], right, atol=2e-3)


def test_sitting_is_a_start_with_knees_in_front(model):
    prior = body_prior(model)
    numbers = prior.posture(SITTING_DEG)
    angles = prior.mean_rad + prior.std_rad * numbers
    changed = {name for name, number in zip(prior.names, numbers, strict=True) if number != 0}
    assert changed == {"hip.L:0", "hip.R:0", "knee.L:0", "knee.R:0"}
    bends = dict(zip(prior.names, torch.rad2deg(angles).tolist(), strict=True))
    places = heads(model, prior, {name: bends[name] for name in changed})
    rest = heads(model, prior, {})
    knee, ankle = bone(model, "knee", "L"), bone(model, "ankle", "L")
    assert places[knee][2] - rest[knee][2] > 0.25
    assert places[ankle][1] < places[knee][1] - 0.2


def test_limits_cost_nothing_within_and_more_beyond(model):
    prior = body_prior(model)
    mean, shape = prior.mean_rad[None], prior.shape_mean[None]
    assert float(prior.beyond_limits(mean, shape)) == 0.0
    beyond = [
        float(prior.beyond_limits(mean + (prior.high_rad - mean) + math.radians(d), shape))
        for d in (5.0, 10.0)
    ]
    assert beyond[0] == pytest.approx(len(prior.names), rel=1e-3)
    assert beyond[1] == pytest.approx(4 * beyond[0], rel=1e-3)
    assert float(prior.beyond_limits(mean, prior.shape_high[None] + prior.shape_std)) > 5
    assert bool((prior.low_rad < prior.mean_rad).all() and (prior.mean_rad < prior.high_rad).all())


def test_every_joint_is_a_bone_of_the_model(model):
    prior = body_prior(model)
    moved = prior.bone_from_angle.abs().sum((0, 2)) > 0
    assert not moved[0]  # the root is moved apart
    assert len(SPECS) == 3 and int(moved.sum()) >= 19


@torch.no_grad()
def test_adults_are_as_tall_as_adults_are(fast_body):
    prior = body_prior(fast_body)
    generator = torch.Generator().manual_seed(0)
    drawn = prior.shape_mean + prior.shape_std * torch.randn(200, 6, generator=generator)
    rest = fast_body(drawn.clamp(0, 1), fast_body.rest_rotations(200), torch.zeros(200, 3))
    height = rest.vertices[..., 2].amax(1) - rest.vertices[..., 2].amin(1)
    assert float(height.mean()) == pytest.approx(1.69, abs=0.04)
    assert 0.08 < float(height.std()) < 0.14
