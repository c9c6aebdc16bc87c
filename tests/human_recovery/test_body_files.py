"""Bodies of our own file and of pose regressors, in the true camera."""

import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from human_recovery import smpl_files
from human_recovery.body_files import read_body
from human_recovery.body_state import BodyInCamera, BodyState, camera_from_upright, save_body
from human_recovery.smpl_family import SmplBody
from human_recovery.smpl_files import SPECS
from renders.camera import Camera
from renders.errors import AssetError, InputError

from .conftest import stick_figure_arrays

WIDTH, HEIGHT = 640, 480
FOCAL = 620.0


def camera(focal: float = FOCAL, height: int = HEIGHT, width: int = WIDTH) -> Camera:
    k = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Camera(k, torch.eye(4), height, width)


def surface(count: int, seed: int = 0) -> np.ndarray:
    """Points like a body's, standing upright in a y-down frame."""
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 3)) * [0.5, 1.7, 0.35]
    return points.astype(np.float32)


@pytest.fixture
def tiny_models(monkeypatch, tmp_path):
    """Models of few vertices under the family's names, found by the environment variable."""
    for name in ("smpl", "smplh", "smplx"):
        arrays = stick_figure_arrays(SPECS[name].joint_names)
        spec = dataclasses.replace(SPECS[name], num_vertices=len(arrays["v_template"]))
        monkeypatch.setitem(SPECS, name, spec)
        (tmp_path / "models" / name).mkdir(parents=True)
        np.savez(tmp_path / "models" / name / f"{name.upper()}_NEUTRAL.npz", **arrays)
    monkeypatch.setenv(smpl_files.FOLDER_VARIABLE, str(tmp_path / "models"))


def pose_of(joints: int, people: int = 1, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (people, joints, 3)).astype(np.float32)


def matrices(vectors: np.ndarray) -> np.ndarray:
    return roma.rotvec_to_rotmat(torch.from_numpy(vectors)).numpy()


def parameters(joints: int = 23, people: int = 1, **more) -> dict[str, np.ndarray]:
    upright = np.tile([np.pi, 0.0, 0.0], (people, 1)).astype(np.float32)
    betas = np.random.default_rng(1).normal(size=(people, 10)).astype(np.float32)
    return {
        "global_orient": upright, "body_pose": pose_of(joints, people), "betas": betas,
        "transl": np.tile([0.1, -0.2, 4.0], (people, 1)).astype(np.float32),
        "focal_length": np.array(FOCAL), **more,
    }  # fmt: skip


def written(path: Path, fields: dict) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **fields)
    else:
        path.write_bytes(pickle.dumps(fields, protocol=2))
    return path


# Our own file


def test_our_own_file_comes_back_unchanged(tmp_path, fast_body):
    rotations = fast_body.rest_rotations()[0]
    rotations[0] = camera_from_upright("z")
    state = BodyState("anny-fast", torch.full((6,), 0.5), rotations, torch.tensor([0.3, 0.0, 3.5]))
    vertices = state.vertices_camera(fast_body)
    spread = torch.full((23,), 0.05)
    body = BodyInCamera("anny-fast", vertices, camera(), state, spread, ("a note",))
    path = save_body(tmp_path / "body.npz", body)
    same = read_body(path, camera())
    assert torch.equal(same.vertices_m, vertices) and same.notes == ("a note",)
    # The same view with half the pixels is the same place.
    half = read_body(path, camera(FOCAL / 2, HEIGHT // 2, WIDTH // 2))
    assert torch.equal(half.vertices_m, vertices) and half.camera.width_px == WIDTH // 2
    # Another lens moves it along the view, and state and vertices stay one body.
    other = read_body(path, camera(2 * FOCAL))
    assert float(other.vertices_m[:, 2].mean()) == pytest.approx(7.0, rel=0.03)
    torch.testing.assert_close(
        other.state.vertices_camera(fast_body), other.vertices_m, atol=1e-3, rtol=0
    )
    assert torch.equal(other.joint_spread_m, spread)
    with pytest.raises(InputError, match="one person"):
        read_body(path, camera(), person=1)


# Vertices


def test_osx_vertices_leave_their_virtual_camera(tmp_path):
    boxes = np.array([[50.0, 40.0, 90.0, 120.0], [400.0, 60.0, 240.0, 320.0]], np.float32)
    people = np.stack([surface(10475), surface(10475, 1)])
    depth = np.array([40.0, 33.0], np.float32)
    people[..., 2] += depth[:, None]
    path = written(tmp_path / "osx_human2.npz", {"smpl_vertices": people, "bbox_2": boxes})
    for person in (0, 1):
        found = read_body(path, camera(), person)
        x, y, w, h = boxes[person]
        virtual = torch.tensor([5000 / 192 * w, 5000 / 256 * h])
        points = torch.from_numpy(people[person])
        centre = torch.tensor([96 / 192 * w + x, 128 / 256 * h + y])
        wanted = points[:, :2] / points[:, 2:] * virtual + centre
        away = (camera().project(found.vertices_m) - wanted).norm(dim=1)
        size = float((wanted.amax(0) - wanted.amin(0)).max())
        assert float(away.median()) < 0.02 * size
        assert float(away.max()) < 0.08 * size
        expected = depth[person] * FOCAL / float(virtual[0])
        assert float(found.vertices_m[:, 2].mean()) == pytest.approx(expected, rel=0.05)
        assert found.topology == "smplx" and found.state is None
        # The body's own size is kept.
        extent = found.vertices_m.std(0).norm() / points.std(0).norm()
        assert float(extent) == pytest.approx(1.0, abs=1e-4)
    assert "SMPL-X by its 10475 vertices" in found.notes[0]


def test_weak_perspective_vertices_fall_into_their_box(tmp_path):
    fields = {
        "pred_vertices": surface(6890)[None], "pred_cam": np.array([[0.9, 0.05, -0.1]]),
        "box_center": np.array([[450.0, 200.0]]), "box_size": np.array([300.0]),
    }  # fmt: skip
    found = read_body(written(tmp_path / "hmr.npz", fields), camera())
    points = torch.from_numpy(fields["pred_vertices"][0])
    per_m = 0.9 * 300 / 2
    wanted = (points[:, :2] + torch.tensor([0.05, -0.1])) * per_m + torch.tensor([450.0, 200.0])
    away = (camera().project(found.vertices_m) - wanted).norm(dim=1)
    assert float(away.median()) < 0.02 * 1.7 * per_m
    assert float(found.vertices_m[:, 2].mean()) == pytest.approx(FOCAL / per_m, rel=0.05)
    corners = {k: v for k, v in fields.items() if not k.startswith("box")}
    corners["bbox_xyxy"] = np.array([[300.0, 50.0, 600.0, 350.0]])
    same = read_body(written(tmp_path / "corners.npz", corners), camera())
    torch.testing.assert_close(same.vertices_m, found.vertices_m, atol=1e-3, rtol=0)


# Parameters


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
@pytest.mark.parametrize("joints", [21, 23])
def test_parameters_with_the_true_focal_length_stay_where_they_are(
    tmp_path, tiny_models, suffix, joints
):
    fields = parameters(joints)
    if joints == 21:
        fields |= {"expression": np.zeros((1, 10)), "left_hand_pose": pose_of(15)}
    found = read_body(written(tmp_path / f"p{suffix}", fields), camera())
    name = "smplx" if joints == 21 else "smpl"
    assert found.topology == name == found.state.model and found.notes == ()
    body = SmplBody(name)
    rotations = body.rest_rotations()
    rotations[0, 0] = torch.from_numpy(matrices(fields["global_orient"]))[0]
    rotations[0, 1 : joints + 1] = torch.from_numpy(matrices(fields["body_pose"]))[0]
    if joints == 21:
        rotations[0, 25:40] = torch.from_numpy(matrices(fields["left_hand_pose"]))[0]
    wanted = body(torch.from_numpy(fields["betas"]), rotations, torch.from_numpy(fields["transl"]))
    torch.testing.assert_close(found.vertices_m, wanted.vertices[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        found.state.vertices_camera(body), found.vertices_m, atol=1e-4, rtol=0
    )


def test_axis_angle_and_matrices_flat_or_not_are_one(tmp_path, tiny_models):
    plain = parameters()
    ways = [
        plain,
        plain | {"body_pose": plain["body_pose"].reshape(1, 69)},
        plain | {"body_pose": plain["body_pose"].ravel(), "transl": plain["transl"][0]},
        plain | {"body_pose": matrices(plain["body_pose"])},
        plain | {"body_pose": matrices(plain["body_pose"]).reshape(1, -1),
                 "global_orient": matrices(plain["global_orient"])[:, None]},
        {k: v for k, v in plain.items() if k not in ("body_pose", "global_orient")}
        | {"pose": np.concatenate([plain["global_orient"][:, None], plain["body_pose"]], 1)},
        {k: v for k, v in plain.items() if k != "betas"} | {"pred_betas": plain["betas"][0]},
    ]  # fmt: skip
    found = [
        read_body(written(tmp_path / f"{i}.npz", fields), camera()).vertices_m
        for i, fields in enumerate(ways)
    ]
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=2e-4, rtol=0)


def test_one_of_several_people_with_focal_length_and_principal_point_of_their_own(
    tmp_path, tiny_models
):
    fields = parameters(people=3, focal_length=np.array([500.0, FOCAL, 900.0]))
    fields["transl"][:, 0] = [-1.0, 0.3, 1.0]
    path = written(tmp_path / "three.npz", fields)
    found = read_body(path, camera(), 1)
    alone = {k: v[1:2] if np.ndim(v) else v for k, v in fields.items()}
    same = read_body(written(tmp_path / "one.npz", alone), camera())
    torch.testing.assert_close(found.vertices_m, same.vertices_m)
    assert read_body(path, camera(), 2).vertices_m[:, 2].mean() < 0.8 * 4
    with pytest.raises(InputError, match="the file holds 3 people"):
        read_body(path, camera(), 3)
    moved = read_body(
        written(tmp_path / "c.npz", alone | {"princpt": np.array([WIDTH / 2 + 62, HEIGHT / 2])}),
        camera(),
    )
    # 62 px to the right at f = 620 px are a tenth of the depth.
    shift = (moved.vertices_m - same.vertices_m).mean(0)
    assert float(shift[0]) == pytest.approx(0.4, abs=0.05)


def test_parameters_of_a_weak_perspective_keep_state_and_vertices_together(tmp_path, tiny_models):
    fields = parameters(
        pred_cam=np.array([[0.8, 0.1, 0.2]]),
        box_center=np.array([[150.0, 260.0]]),
        box_size=np.array([260.0]),
    )
    inside = {"pred_smpl_params": {k: fields.pop(k) for k in ("global_orient", "body_pose")}}
    found = read_body(written(tmp_path / "h.pkl", fields | inside), camera())
    depth = 2 * FOCAL / (0.8 * 260)  # the box says it, not `transl`
    assert float(found.vertices_m[:, 2].mean()) == pytest.approx(depth, rel=0.08)
    torch.testing.assert_close(
        found.state.vertices_camera(SmplBody("smpl")), found.vertices_m, atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"betas": None}, "need one of betas"),
        ({"transl": None}, "does not say where in the photo"),
        ({"focal_length": None}, "does not say where in the photo"),
        ({"focal_length": None, "pred_cam": np.ones((1, 3)), "bbox": np.ones((1, 4))},
         "'bbox_xyxy' or 'bbox_xywh'"),
        ({"focal_length": np.array(0.0)}, "positive"),
        ({"focal_length": np.ones(5)}, "focal_length"),
        ({"body_pose": np.zeros((1, 138))}, "numbers per person"),
        ({"body_pose": np.ones((1, 23, 3, 3))}, "no rotation matrices"),
        ({"body_pose": np.full((1, 69), np.nan)}, "finite"),
        ({"body_pose": np.zeros((1, 63))}, "SMPL.H and of SMPL-X; add a field 'model'"),
        ({"body_pose": np.zeros((1, 63)), "model": np.array("smpl")}, "the file says 'smpl'"),
        ({"transl": np.zeros((2, 3))}, "'transl' must have 3 numbers"),
        ({"pred_cam": np.array([[-1.0, 0, 0]]), "bbox_xywh": np.ones((1, 4))}, "scale"),
        ({"pred_cam": np.ones((1, 3)), "bbox_xywh": np.zeros((1, 4))}, "positive size"),
        ({"transl": np.array([[0.0, 0.0, -1.0]]), "focal_length": np.array(5000.0)}, "behind"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_said_in_one_sentence(tmp_path, tiny_models, change, says):
    fields = {k: v for k, v in (parameters() | change).items() if v is not None}
    path = written(tmp_path / "p.npz", fields)
    with pytest.raises(InputError, match=says) as error:
        read_body(path, camera())
    assert "p.npz" in str(error.value) and "\n" not in str(error.value)


def test_a_named_model_settles_what_joints_leave_open(tmp_path, tiny_models):
    fields = parameters(21, model=np.array("SMPL-X"), right_hand_pose=np.zeros((1, 12)))
    found = read_body(written(tmp_path / "p.npz", fields), camera())
    assert found.topology == "smplx"
    assert "right_hand_pose has 12 numbers" in found.notes[0]


def test_unknown_files_name_what_they_hold(tmp_path):
    path = written(tmp_path / "x.npz", {"contact": np.ones(3), "label": np.array("chair")})
    with pytest.raises(InputError, match="found 'contact', 'label'; expected ours"):
        read_body(path, camera())
    with pytest.raises(InputError, match="not found"):
        read_body(tmp_path / "none.pkl", camera())
    with pytest.raises(InputError, match=r"\.npz or \.pkl"):
        read_body(written(tmp_path / "y.pickle", {}).rename(tmp_path / "y.pt"), camera())
    with pytest.raises(InputError, match="found nothing"):
        read_body(written(tmp_path / "empty.pkl", {}), camera())


def test_nothing_in_a_pickle_is_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"body_pose": Evil()}))
    with pytest.raises(AssetError, match="refused"):
        read_body(path, camera())
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mmpose/test_mosh.npz", "does not say where in the photo"),
        ("lemon_3d-NONCOMMERCIAL/Backpack_human_demo.npz", "add a field 'model'"),
    ],
)
def test_real_files_without_a_camera_are_refused(name, says):
    beside = Path(__file__).parents[3] / "shared" / "samples"
    path = Path(os.environ.get("INTERACTVLM_SAMPLES") or beside) / name
    if not path.is_file():
        pytest.skip(f"real sample not found at {path}; set INTERACTVLM_SAMPLES")
    with pytest.raises(InputError, match=says):
        read_body(path, camera())
