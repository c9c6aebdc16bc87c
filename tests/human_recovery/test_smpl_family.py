"""SMPL, SMPL+H and SMPL-X through tiny model files in the publishers' formats."""

import dataclasses
import os
import pickle

import numpy as np
import pytest
import roma
import scipy.sparse
import torch

from human_recovery import smpl_family, smpl_files
from human_recovery.body_model import BodyModel, load_body_model
from human_recovery.output import KEYPOINT_NAMES
from human_recovery.parts import PART_NAMES, mirror_part
from human_recovery.smpl_family import SmplBody
from human_recovery.smpl_files import SPECS, find_model_file
from human_recovery.topology import get_topology
from renders.errors import AssetError, InputError

from .conftest import stick_figure_arrays
from .old_pickles import chumpy_value, importable_chumpy, python2_pickle, select_of

FAMILY = ("smpl", "smplh", "smplx")


@pytest.fixture
def tiny_specs(monkeypatch):
    """The family with as many vertices as the tiny files have, instead of thousands."""
    monkeypatch.delenv(smpl_files.FOLDER_VARIABLE, raising=False)
    for name in FAMILY:
        spec = SPECS[name]
        count = len(stick_figure_arrays(spec.joint_names)["v_template"])
        monkeypatch.setitem(SPECS, name, dataclasses.replace(spec, num_vertices=count))


@pytest.fixture
def folder(tiny_specs, tmp_path):
    for name in FAMILY:
        (tmp_path / name).mkdir()
        arrays = stick_figure_arrays(SPECS[name].joint_names)
        np.savez(tmp_path / name / f"{name.upper()}_NEUTRAL.npz", **arrays)
    return tmp_path


def _write_pickle(path, content, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))


@pytest.mark.parametrize("name", FAMILY)
def test_model_poses_like_its_joints_say(folder, name):
    body = load_body_model(name, folder)
    assert isinstance(body, BodyModel) and body.up_axis == "y"
    rotations = body.rest_rotations(2)
    knee = body.bone_names.index("left_knee")
    rotations[1, knee] = roma.rotvec_to_rotmat(torch.tensor([1.0, 0.0, 0.0]))
    step = torch.tensor([[0.0, 0, 0], [1, 2, 3]])
    output = body(body.neutral_shape(2), rotations, step)
    ankle = body.bone_names.index("left_ankle")
    shin = output.bone_heads[:, ankle] - output.bone_heads[:, knee]
    torch.testing.assert_close(rotations[1, knee] @ shin[0], shin[1], atol=1e-4, rtol=0)
    moved = output.bone_heads[1, 0] - output.bone_heads[0, 0]
    torch.testing.assert_close(moved, step[1], atol=1e-5, rtol=0)


def test_gradients_reach_every_input(folder):
    body = SmplBody("smplh", folder)
    given = (
        body.neutral_shape().requires_grad_(),
        body.rest_rotations().requires_grad_(),
        torch.zeros(1, 3, requires_grad=True),
    )
    (body(*given).vertices ** 2).sum().backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in given)


@pytest.mark.parametrize("name", FAMILY)
def test_topology_is_vitruvian_with_fifteen_mirrored_parts(folder, name):
    topology = get_topology(name, folder)
    count = topology.num_vertices
    assert topology.name == name and count == SPECS[name].num_vertices
    partner = topology.symmetric_partner
    assert torch.equal(partner[partner], torch.arange(count))
    assert torch.equal(
        topology.part_of_vertex[partner],
        torch.tensor(
            [PART_NAMES.index(mirror_part(PART_NAMES[i])) for i in topology.part_of_vertex]
        ),
    )
    named = {PART_NAMES[i] for i in topology.part_of_vertex.tolist()}
    assert named | {"buttocks"} == set(PART_NAMES)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        thigh = topology.canonical_vertices[topology.part_mask(f"{side} thigh")].mean(0)
        leg = topology.canonical_vertices[topology.part_mask(f"{side} leg")].mean(0)
        along = leg - thigh
        angle = torch.rad2deg(torch.atan2(sign * along[0], -along[1]))
        # Thirty degrees on top of the template's own leg direction.
        template = torch.rad2deg(torch.atan2(torch.tensor(0.01), torch.tensor(0.4)))
        assert angle == pytest.approx(30 + float(template), abs=0.5)
    assert get_topology(name, folder) is topology


def test_folder_comes_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv(smpl_files.FOLDER_VARIABLE, str(folder))
    assert find_model_file("smplx") == folder / "smplx" / "SMPLX_NEUTRAL.npz"
    assert SmplBody("smplx").path.parent.name == "smplx"


@pytest.mark.parametrize(
    "file_name",
    [
        "SMPL_NEUTRAL.npz",
        "smpl/SMPL_NEUTRAL.pkl",
        "smpl/neutral/model.npz",
        "smpl/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl",
        "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
    ],
)
def test_other_published_places_are_found(tmp_path, file_name):
    path = tmp_path / file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert find_model_file("smpl", tmp_path) == path


@pytest.mark.parametrize("protocol", [2, 4])
def test_plain_pickle_gives_the_same_body_as_npz(tiny_specs, folder, tmp_path, protocol):
    arrays = dict(stick_figure_arrays(SPECS["smpl"].joint_names))
    arrays["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
    arrays["bs_type"] = "lrotmin"
    other = tmp_path / "pickled"
    _write_pickle(other / "smpl" / "SMPL_NEUTRAL.pkl", arrays, protocol)
    from_npz, from_pickle = SmplBody("smpl", folder), SmplBody("smpl", other)
    for (key, a), (_, b) in zip(from_npz.named_buffers(), from_pickle.named_buffers(), strict=True):
        assert torch.equal(a, b), key


def test_old_pickle_of_python_2_with_chumpy_values_gives_the_same_body(folder, tmp_path):
    arrays = dict(stick_figure_arrays(SPECS["smpl"].joint_names))
    with importable_chumpy() as chumpy:
        wider = np.concatenate(
            [arrays["shapedirs"], np.ones((*arrays["weights"].shape[:1], 3, 2))], 2
        )
        arrays["shapedirs"] = select_of(chumpy, wider, arrays["shapedirs"].shape[2])
        arrays["posedirs"] = chumpy_value(chumpy.Ch, x=arrays["posedirs"])
        arrays["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
        arrays["v_posed"] = chumpy_value(chumpy.add, a=arrays["posedirs"], b=arrays["posedirs"])
        old = tmp_path / "old" / "smpl" / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"
        old.parent.mkdir(parents=True)
        old.write_bytes(python2_pickle(arrays))
    from_npz, from_pickle = SmplBody("smpl", folder), SmplBody("smpl", tmp_path / "old")
    for (key, a), (_, b) in zip(from_npz.named_buffers(), from_pickle.named_buffers(), strict=True):
        assert torch.equal(a, b), key


def test_chumpy_expression_that_is_needed_is_refused_with_advice(tiny_specs, tmp_path):
    arrays = dict(stick_figure_arrays(SPECS["smpl"].joint_names))
    with importable_chumpy() as chumpy:
        arrays["shapedirs"] = chumpy_value(chumpy.add, a=1, b=2)
        (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(python2_pickle(arrays))
    with pytest.raises(AssetError, match=r"'shapedirs'.*chumpy's 'add'.*clean_ch\.py"):
        SmplBody("smpl", tmp_path)


class _Runs:
    """A pickle that runs a command when read the naive way."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_pickle_with_code_is_refused_and_not_run(tiny_specs, tmp_path):
    marker = tmp_path / "ran"
    arrays = dict(stick_figure_arrays(SPECS["smpl"].joint_names), extra=_Runs(marker))
    _write_pickle(tmp_path / "smpl" / "SMPL_NEUTRAL.pkl", arrays)
    with pytest.raises(AssetError, match=rf"{os.name}\.system.*nothing in them is run"):
        SmplBody("smpl", tmp_path)
    assert not marker.exists()


def test_sparse_matrix_with_indices_outside_is_refused(tiny_specs, tmp_path):
    arrays = dict(stick_figure_arrays(SPECS["smpl"].joint_names))
    matrix = scipy.sparse.csc_matrix(arrays["J_regressor"])
    matrix.indices = matrix.indices + 10_000
    arrays["J_regressor"] = matrix
    _write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", arrays)
    with pytest.raises(AssetError, match="J_regressor"):
        SmplBody("smpl", tmp_path)


def _broken(key, change):
    arrays = stick_figure_arrays(SPECS["smplx"].joint_names)
    arrays[key] = change(arrays[key])
    return arrays


def _with_nan(value):
    value = value.copy()
    value.flat[5] = np.nan
    return value


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("v_template", lambda v: v[:-1], "v_template of shape"),
        ("v_template", _with_nan, "not finite"),
        ("weights", lambda v: v[:, :-1], "weights of shape"),
        ("posedirs", lambda v: v[..., :-9], "posedirs of shape"),
        ("shapedirs", lambda v: v[0], "shapedirs of shape"),
        ("f", lambda v: v + 100_000, "no faces or such that name no vertex"),
        ("f", lambda v: v[:0], "no faces"),
        ("f", lambda v: v[:, :2], "f of shape"),
        ("v_template", lambda v: v[0, 0], "v_template of shape"),
        ("shapedirs", _with_nan, "shapedirs that are not finite"),
        ("weights", lambda v: v.astype(str), "unusable 'weights'.*not numbers"),
        ("kintree_table", lambda v: v[:, ::-1], "wrong order"),
        ("J_regressor", lambda v: v.astype(object), "'J_regressor' is a pickled object"),
    ],
)
def test_malformed_file_is_refused_by_key(tiny_specs, tmp_path, key, change, message):
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **_broken(key, change))
    with pytest.raises(AssetError, match=message):
        SmplBody("smplx", tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"  \n<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04 cut", "zip archive|cannot be read"),
        (b"\x80\x04.", "no .npz archive|damaged"),
    ],
    ids=["empty", "page", "pointer", "gzip", "cut zip", "cut pickle"],
)
@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
def test_file_that_is_something_else_is_named_for_what_it_is(
    tiny_specs, tmp_path, content, reason, suffix
):
    (tmp_path / f"SMPL_NEUTRAL{suffix}").write_bytes(content)
    with pytest.raises(AssetError, match=rf"({reason}).*SMPL_NEUTRAL") as caught:
        SmplBody("smpl", tmp_path)
    assert "again" in str(caught.value) or "unpack" in str(caught.value)


def test_a_folder_in_place_of_a_file_is_not_found(tiny_specs, tmp_path):
    (tmp_path / "SMPL_NEUTRAL.npz").mkdir()
    with pytest.raises(AssetError, match="not found"):
        SmplBody("smpl", tmp_path)


def test_a_truncated_npz_is_refused(folder):
    path = folder / "smpl" / "SMPL_NEUTRAL.npz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AssetError, match=r"cannot be read.*SMPL_NEUTRAL"):
        SmplBody("smpl", folder)


def test_missing_key_is_named(tiny_specs, tmp_path):
    arrays = stick_figure_arrays(SPECS["smpl"].joint_names)
    del arrays["posedirs"]
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **arrays)
    with pytest.raises(AssetError, match="lacks posedirs"):
        SmplBody("smpl", tmp_path)


def test_file_of_another_model_is_refused(tiny_specs, tmp_path):
    arrays = stick_figure_arrays(SPECS["smplx"].joint_names)
    np.savez(tmp_path / "SMPLH_NEUTRAL.npz", **arrays)
    with pytest.raises(AssetError, match=r"SMPL\+H has v_template.*is a model of SMPL-X"):
        SmplBody("smplh", tmp_path)


@pytest.mark.parametrize("name", FAMILY)
def test_absent_file_says_what_where_and_the_way_out(tmp_path, monkeypatch, name):
    monkeypatch.delenv(smpl_files.FOLDER_VARIABLE, raising=False)
    for given in (None, tmp_path):
        with pytest.raises(AssetError) as caught:
            load_body_model(name, given)
        message = str(caught.value)
        assert f"{name.upper()}_NEUTRAL.npz" in message and "tue.mpg.de" in message
        assert "anny" in message


def test_bad_arguments_are_refused(folder):
    with pytest.raises(InputError, match="gender 'other'"):
        SmplBody("smpl", folder, gender="other")
    with pytest.raises(InputError, match="'star'"):
        load_body_model("star")
    with pytest.raises(InputError, match=r"1\.\.12"):
        SmplBody("smpl", folder, num_betas=13)
    body = SmplBody("smpl", folder)
    with pytest.raises(InputError, match="24 joints"):
        body(body.neutral_shape(), torch.eye(3).expand(1, 55, 3, 3), torch.zeros(1, 3))


@pytest.mark.parametrize("name", FAMILY)
def test_every_keypoint_has_a_joint_or_landmark(name):
    from smplx.vertex_ids import vertex_ids

    landmarks = vertex_ids[SPECS[name].landmarks]
    for point in KEYPOINT_NAMES:
        if point not in SPECS[name].joint_names or "eye" in point:
            assert landmarks[smpl_family._landmark_key(point)] < SPECS[name].num_vertices


def test_joint_names_are_those_of_the_smplx_package():
    from smplx.joint_names import JOINT_NAMES, SMPLH_JOINT_NAMES

    assert tuple(SMPLH_JOINT_NAMES[:52]) == SPECS["smplh"].joint_names
    ours = [name.removesuffix("_smplhf") for name in JOINT_NAMES[:55]]
    assert tuple(ours) == SPECS["smplx"].joint_names


def test_anny_comes_from_the_same_factory(fast_body):
    body = load_body_model("anny-fast")
    assert isinstance(body, BodyModel) and body.topology_name == "anny-fast"
    assert body.up_axis == "z"
