"""The Anny body: frame, differentiability, both resolutions alike, hands."""

import io
import subprocess
import sys
import time
from contextlib import redirect_stdout

import pytest
import roma
import torch
from safetensors import SafetensorError

from human_recovery import anny_body
from human_recovery.anny_body import FAST_BONE_NAMES, PHENOTYPE_NAMES, AnnyBody
from human_recovery.output import KEYPOINT_NAMES
from human_recovery.transfer import closest_surface_points, transfer_values
from renders.errors import AssetError, InputError


def _random_fast_rotations(batch: int, strength: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    vectors = strength * torch.randn(batch, len(FAST_BONE_NAMES), 3, generator=generator)
    # Bent far at many bones at once nobody is a person; the root is free.
    vectors[:, 1:] *= 0.4
    return roma.rotvec_to_rotmat(vectors)


def test_full_body_has_the_documented_size(full_body):
    assert full_body.faces.shape == (27420, 3)
    assert len(full_body.bone_names) == 104
    assert full_body.phenotype_names == PHENOTYPE_NAMES
    output = full_body(full_body.neutral_shape(2), full_body.rest_rotations(2), torch.zeros(2, 3))
    assert output.vertices.shape == (2, 13718, 3)
    assert output.vertices.dtype == torch.float32
    assert "13718" in repr(output)


def test_fast_body_has_the_documented_size(fast_body):
    assert fast_body.faces.shape == (2454, 3)
    assert fast_body.bone_names == FAST_BONE_NAMES
    assert set(FAST_BONE_NAMES) <= set(AnnyBody("full").bone_names)


@pytest.mark.parametrize("name", ["full_body", "fast_body"])
def test_frame_is_z_up_facing_minus_y_left_at_plus_x(name, request):
    body = request.getfixturevalue(name)
    output = body(body.neutral_shape(), body.rest_rotations(), torch.zeros(1, 3))
    points = dict(zip(KEYPOINT_NAMES, body.keypoints(output)[0], strict=True))
    assert points["nose"][2] > points["left_hip"][2] > points["left_heel"][2]
    assert points["nose"][1] < points["left_ear"][1]
    assert points["left_wrist"][0] > 0.2 > -0.2 > points["right_wrist"][0]
    assert output.bone_heads[0, 0].norm() < 0.05
    height = output.vertices[0, :, 2].max() - output.vertices[0, :, 2].min()
    assert 1.5 < height < 1.8


@pytest.mark.parametrize("name", ["full_body", "fast_body"])
def test_gradients_reach_shape_pose_and_translation(name, request):
    body = request.getfixturevalue(name)
    shape = body.neutral_shape(2).requires_grad_()
    rotations = body.rest_rotations(2).requires_grad_()
    translation = torch.zeros(2, 3, requires_grad=True)
    output = body(shape, rotations, translation)
    (body.keypoints(output) ** 2).sum().backward()
    for given in (shape, rotations, translation):
        assert given.grad is not None and given.grad.isfinite().all()
        assert given.grad.abs().sum() > 0


def test_translation_moves_everything_and_root_turns_about_the_pelvis(fast_body):
    shape, rotations = fast_body.neutral_shape(), fast_body.rest_rotations()
    step = torch.tensor([[1.0, -2.0, 0.5]])
    still = fast_body(shape, rotations, torch.zeros(1, 3))
    moved = fast_body(shape, rotations, step)
    torch.testing.assert_close(moved.vertices - step[:, None], still.vertices, atol=1e-6, rtol=0)
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, 0.9]))
    rotations[:, 0] = turn
    turned = fast_body(shape, rotations, torch.zeros(1, 3))
    pivot = still.bone_heads[:, :1]
    expected = (still.vertices - pivot) @ turn.T + pivot
    torch.testing.assert_close(turned.vertices, expected, atol=1e-5, rtol=0)


def test_a_bone_turns_about_the_models_axes(fast_body):
    """Raising the left upper arm by 48 degrees about the forward axis makes it level."""
    rotations = fast_body.rest_rotations()
    index = fast_body.bone_names.index("upperarm01.L")
    rotations[0, index] = roma.rotvec_to_rotmat(torch.tensor([0.0, -48.0, 0.0]).deg2rad())
    output = fast_body(fast_body.neutral_shape(), rotations, torch.zeros(1, 3))
    elbow = output.bone_heads[0, fast_body.bone_names.index("lowerarm01.L")]
    assert abs(elbow[2] - output.bone_heads[0, index, 2]) < 0.03


def test_full_and_fast_rig_pose_the_same_surface(full_body, fast_body):
    rest_full = full_body(full_body.neutral_shape(), full_body.rest_rotations(), torch.zeros(1, 3))
    rest_fast = fast_body(fast_body.neutral_shape(), fast_body.rest_rotations(), torch.zeros(1, 3))
    place = closest_surface_points(rest_fast.vertices[0], rest_full.vertices[0], full_body.faces)
    rotations = _random_fast_rotations(4)
    shape = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    full = full_body(shape, full_body.full_rotations(rotations), torch.zeros(4, 3))
    fast = fast_body(shape, rotations, torch.zeros(4, 3))
    expected = transfer_values(full.vertices, full_body.faces, *place)
    distance = (fast.vertices - expected).norm(dim=-1)
    assert distance.mean() < 0.003
    assert distance.max() < 0.012
    heads = full.bone_heads[:, [full_body.bone_names.index(name) for name in FAST_BONE_NAMES]]
    torch.testing.assert_close(fast.bone_heads, heads, atol=1e-3, rtol=0)
    gap = (full_body.keypoints(full) - fast_body.keypoints(fast)).norm(dim=-1)
    assert gap.max() < 0.012


def test_curl_leads_the_fingertips_to_the_palm(full_body):
    amounts = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    rest = torch.eye(3).expand(5, len(FAST_BONE_NAMES), 3, 3)
    rotations = full_body.full_rotations(rest, amounts, 0.0)
    output = full_body(full_body.neutral_shape(5), rotations, torch.zeros(5, 3))
    heads = dict(zip(full_body.bone_names, output.bone_heads.unbind(1), strict=True))
    for end, shrinks in (("L", True), ("R", False)):
        palm = (heads[f"wrist.{end}"] + heads[f"finger3-1.{end}"]) / 2
        for finger in range(1, 6):
            distance = (heads[f"finger{finger}-3.{end}"] - palm).norm(dim=-1)
            if shrinks:
                assert (distance.diff() < 0).all()
                assert distance[-1] < 0.06
            else:
                assert distance.max() - distance.min() < 1e-5


def test_curl_is_mirror_exact_and_both_spellings_agree(full_body):
    rest = torch.eye(3).expand(1, len(FAST_BONE_NAMES), 3, 3)
    rotations = full_body.full_rotations(rest, 0.7, torch.tensor([0.7]))
    assert torch.equal(
        rotations, full_body.full_rotations(rest, hand_curl=torch.tensor([[0.7, 0.7]]))
    )
    output = full_body(full_body.neutral_shape(), rotations, torch.zeros(1, 3))
    mirrored = output.vertices[0] * torch.tensor([-1.0, 1.0, 1.0])
    partner = full_body.topology.symmetric_partner
    torch.testing.assert_close(mirrored, output.vertices[0, partner], atol=2e-3, rtol=0)


def test_curl_is_differentiable(full_body):
    amount = torch.tensor([0.4], requires_grad=True)
    turns = full_body.hand_curl("left", amount)
    assert len(turns) == 15
    sum(turn.sum() for turn in turns.values()).backward()
    assert amount.grad is not None and amount.grad.abs() > 0


@pytest.mark.parametrize(
    ("bones", "message"), [(104, "fast rig has 36"), (3, "fast rig has 36")], ids=["full", "three"]
)
def test_wrong_rig_is_refused_by_count(full_body, bones, message):
    with pytest.raises(InputError, match=message):
        full_body.full_rotations(torch.eye(3).expand(1, bones, 3, 3))
    with pytest.raises(InputError, match="104 bones"):
        full_body(full_body.neutral_shape(), torch.eye(3).expand(1, 36, 3, 3), torch.zeros(1, 3))


def test_fast_body_has_no_fingers(fast_body):
    with pytest.raises(InputError, match="full body"):
        fast_body.hand_curl("left", 1.0)
    with pytest.raises(InputError, match="full body"):
        fast_body.full_rotations(fast_body.rest_rotations())


def test_unknown_resolution_is_refused():
    with pytest.raises(Exception, match="huge"):
        AnnyBody("huge")  # pyright: ignore[reportArgumentType]


def test_empty_batch_gives_an_empty_batch(fast_body):
    output = fast_body(torch.zeros(0, 6), torch.zeros(0, 36, 3, 3), torch.zeros(0, 3))
    assert output.vertices.shape == (0, 1229, 3)


def test_building_prints_nothing(fast_body):
    printed = io.StringIO()
    with redirect_stdout(printed):
        AnnyBody("fast")
    assert printed.getvalue() == ""


def test_a_slow_build_says_so_once_and_stays_quiet(monkeypatch, capsys):
    monkeypatch.setattr(anny_body, "_SLOW_BUILD_S", 0.01)
    with anny_body._quiet_but_patient("full"):
        print("kernel banner")
        time.sleep(0.2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and "once" in captured.err


def test_a_damaged_cache_is_named(monkeypatch):
    def fails(**options):
        raise SafetensorError("incomplete metadata")

    monkeypatch.setattr("anny.Anny", fails)
    with pytest.raises(AssetError, match="delete the folder"):
        AnnyBody("fast")


def test_another_version_of_anny_is_refused(monkeypatch):
    class Other(torch.nn.Module):
        phenotype_labels = ("gender", "age")

    monkeypatch.setattr("anny.Anny", lambda **options: Other())
    with pytest.raises(AssetError, match="phenotypes"):
        AnnyBody("fast")


def test_a_cache_that_cannot_be_written_only_costs_time(monkeypatch, tmp_path, caplog, fast_body):
    (tmp_path / "file").touch()
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "file" / "below"))

    def refuses(self):
        raise PermissionError("read-only file system")

    monkeypatch.setattr("filelock.FileLock.acquire", refuses)
    body = AnnyBody("fast")
    assert torch.equal(body.keypoint_weights, fast_body.keypoint_weights)
    assert "cannot lock" in caplog.text and "could not be cached" in caplog.text


def test_package_import_is_light():
    code = (
        "import sys, human_recovery; "
        "print([m for m in ('anny', 'smplx', 'warp', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_wrong_shape_is_caught_by_the_type_checker(fast_body):
    with pytest.raises(Exception, match="phenotypes"):
        fast_body(torch.zeros(1, 5), fast_body.rest_rotations(), torch.zeros(1, 3))
