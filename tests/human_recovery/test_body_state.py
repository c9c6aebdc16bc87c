"""A body in the camera: its frame, rigid moves, Anny's two resolutions, and its file."""

import dataclasses

import numpy as np
import pytest
import roma
import torch

from human_recovery.body_state import (
    BodyInCamera,
    BodyState,
    camera_from_upright,
    load_body,
    save_body,
)
from human_recovery.output import KEYPOINT_NAMES
from renders.camera import Camera
from renders.errors import InputError

from .posed_people import random_person

NOSE, LEFT, RIGHT, HIP = (
    KEYPOINT_NAMES.index(name) for name in ("nose", "left_shoulder", "right_shoulder", "left_hip")
)


def camera() -> Camera:
    return Camera(torch.tensor([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), torch.eye(4), 480, 640)


def upright(body) -> BodyState:
    rotations = body.rest_rotations()[0]
    rotations[0] = camera_from_upright(body.up_axis)
    place = torch.tensor([0.2, 0.1, 3.0])
    return BodyState(body.topology_name, body.neutral_shape()[0], rotations, place)


@pytest.fixture(scope="module")
def person(fast_body):
    return random_person(fast_body, 1)


def in_camera(person, **more) -> BodyInCamera:
    return BodyInCamera("anny-fast", person.vertices_m, person.camera, **more)


def test_upright_stands_in_the_picture_and_faces_the_camera(fast_body):
    points = upright(fast_body).keypoints_camera(fast_body)
    pixels = camera().project(points)
    assert pixels[NOSE, 1] < pixels[HIP, 1] - 50  # the head above, rows count downwards
    assert pixels[LEFT, 0] > pixels[RIGHT, 0] + 20  # who faces the camera has the left at the right
    assert points[NOSE, 2] < points[3, 2]  # the nose nearer than the ear
    assert 2.8 < float(points[:, 2].mean()) < 3.2


def test_upright_of_the_smpl_family_is_the_same_turn():
    # y up, facing +z, left +x: up goes to -y of the camera, the face to -z, the left stays at +x.
    turn = camera_from_upright("y")
    torch.testing.assert_close(turn @ torch.tensor([0.0, 1, 0]), torch.tensor([0.0, -1, 0]))
    torch.testing.assert_close(turn @ torch.tensor([0.0, 0, 1]), torch.tensor([0.0, 0, -1]))
    for axis in ("y", "z"):
        assert float(torch.linalg.det(camera_from_upright(axis))) == pytest.approx(1.0)


def test_a_rigid_move_of_the_state_moves_every_vertex(fast_body, person):
    rotation = roma.rotvec_to_rotmat(torch.tensor([0.3, -0.5, 0.2]))
    shift = torch.tensor([0.4, -0.1, 0.7])
    moved = person.state.moved(rotation, shift, fast_body).vertices_camera(fast_body)
    wanted = person.vertices_m @ rotation.T + shift
    torch.testing.assert_close(moved, wanted, atol=1e-4, rtol=0)


def test_a_fast_state_poses_the_full_body(fast_body, full_body, person):
    fast = person.keypoints_m
    full = person.state.keypoints_camera(full_body)
    assert float((fast - full).norm(dim=1).max()) < 0.03
    assert person.state.vertices_camera(full_body).shape == (13718, 3)
    as_full = person.state.full(full_body)
    assert as_full.model == "anny" and len(as_full.bone_rotations) == 104
    torch.testing.assert_close(
        as_full.vertices_camera(full_body), person.state.vertices_camera(full_body)
    )
    fist = dataclasses.replace(person.state, hand_curl=(0.0, 1.0)).vertices_camera(full_body)
    changed = (fist - person.state.vertices_camera(full_body)).norm(dim=1) > 0.02
    parts = full_body.topology.part_of_vertex
    assert 100 < int(changed.sum()) < 3000
    assert len(parts[changed].unique()) == 1  # one hand


def test_a_state_of_another_model_is_refused(fast_body, full_body, person):
    as_full = person.state.full(full_body)
    with pytest.raises(InputError, match="'anny', not of 'anny-fast'"):
        as_full.vertices_camera(fast_body)
    longer = dataclasses.replace(person.state, shape=torch.zeros(10))
    with pytest.raises(InputError, match="10 shape numbers"):
        longer.vertices_camera(fast_body)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "mano"}, "unknown"),
        ({"translation_m": torch.tensor([0.0, torch.nan, 1.0])}, "finite"),
        ({"bone_rotations": torch.zeros(36, 3, 3)}, "rotation matrices"),
        ({"bone_rotations": -torch.eye(3).expand(36, 3, 3)}, "rotation matrices"),
        ({"model": "anny", "hand_curl": (0.1, 0.1)}, "finger bones"),
    ],
)
def test_states_that_cannot_be_are_refused(person, change, says):
    with pytest.raises(InputError, match=says):
        dataclasses.replace(person.state, **change)


@pytest.mark.parametrize("known", [True, False])
def test_a_file_gives_back_what_was_saved(tmp_path, person, known):
    state = dataclasses.replace(person.state, hand_curl=(0.25, 1.0)) if known else None
    spread = torch.linspace(0, 0.2, 23) if known else None
    body = in_camera(person, state=state, joint_spread_m=spread, notes=("one", "zwei ß"))
    path = save_body(tmp_path / "a b" / "body.npz", body)
    found = load_body(path)
    assert torch.equal(found.vertices_m, body.vertices_m)
    assert found.topology == "anny-fast" and found.notes == ("one", "zwei ß")
    assert torch.equal(found.camera.intrinsics, body.camera.intrinsics)
    assert (found.camera.height_px, found.camera.width_px) == (512, 512)
    if known:
        assert torch.equal(found.state.bone_rotations, state.bone_rotations)
        assert torch.equal(found.state.shape, state.shape)
        assert torch.equal(found.state.translation_m, state.translation_m)
        assert found.state.hand_curl == (0.25, 1.0) and found.state.model == "anny-fast"
        assert torch.equal(found.joint_spread_m, spread)
    else:
        assert found.state is None and found.joint_spread_m is None
    with np.load(path, allow_pickle=False) as stored:  # plain arrays only
        assert all(stored[name].dtype.kind in "fiuU" for name in stored.files)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"topology": None}, "lacks 'topology'"),
        ({"topology": "horse"}, "'horse' is unknown"),
        ({"topology": "anny"}, "has 13718 vertices, found 1229"),
        ({"version": 2}, "up to 1"),
        ({"image_size_px": [0, 10]}, "at least 1x1"),
        ({"intrinsics_px": np.zeros((3, 3))}, "must be positive"),
        ({"intrinsics_px": np.zeros(4)}, "damaged"),
        ({"vertices_camera_m": np.full((1229, 3), np.nan)}, "finite"),
        ({"bone_rotations": np.zeros((36, 9))}, "rotation matrices"),
        ({"translation_m": np.zeros(2)}, "damaged"),
        ({"shape": None}, "lacks 'shape'"),
    ],
)
def test_a_file_with_a_fault_is_named_with_it(tmp_path, person, change, says):
    path = save_body(tmp_path / "body.npz", in_camera(person, state=person.state))
    with np.load(path) as stored:
        fields = {name: stored[name] for name in stored.files} | change
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    with pytest.raises(InputError, match=says) as error:
        load_body(path)
    assert "body.npz" in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_none_are_named(tmp_path, person):
    with pytest.raises(InputError, match="not found"):
        load_body(tmp_path / "none.npz")
    whole = save_body(tmp_path / "body.npz", in_camera(person)).read_bytes()
    for content in (b"", b"no zip", whole[: len(whole) // 2]):
        (tmp_path / "half.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"half\.npz"):
            load_body(tmp_path / "half.npz")
    np.savez(tmp_path / "objects.npz", topology=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        load_body(tmp_path / "objects.npz")


def test_the_camera_is_the_world(person):
    pose = torch.eye(4)
    pose[0, 3] = 1.0
    posed = dataclasses.replace(person.camera, camera_from_world=pose)
    with pytest.raises(InputError, match="identity"):
        dataclasses.replace(in_camera(person), camera=posed)
