"""The affordance job on real point clouds and meshes; skipped where those are not."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from interactvlm import pictures
from interactvlm.affordance_job import AffordanceRequest, run_affordance
from interactvlm.generation import GeneratedAnswer

BAG = "IAGNet-NONCOMMERCIAL/Point_Test_Bag_1.txt"


@pytest.fixture
def model(tiny_model, monkeypatch, tmp_path):
    """A random model that was trained on objects, as far as its config tells."""
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pictures, "DRAWN_PX", 128)
    tiny_model.config = dataclasses.replace(tiny_model.config, trained_for=("affordance",))
    token = tiny_model.tokenizer.object_id
    answer = GeneratedAnswer((token,), {token: torch.ones(32)})
    monkeypatch.setattr("interactvlm.model.generate_answers", lambda *_: [answer])
    return tiny_model


@pytest.mark.parametrize(
    ("file", "points", "faces"),
    [
        (BAG, 2048, 0),
        ("lemon_3d-NONCOMMERCIAL/Backpack_object_demo.txt", 2048, 0),
        ("phosa-NONCOMMERCIAL/bicycle_01.obj", 497, 1000),
        ("trimesh/chair_model.obj", 3186, 12756),
        ("trimesh/points_cloudcompare.xyz", 101, 0),
        ("trimesh/teapot.stl", 480, 894),
        ("trimesh/cubevc.glb", 54, 48),
    ],
)
def test_a_real_photo_and_a_real_object(samples, model, tmp_path, file, points, faces):
    photo = samples / "IAGNet-NONCOMMERCIAL/Img_Test_Bag_lift_1.jpg"
    request = AffordanceRequest(photo, tmp_path / "out", ("bag",), object_file=samples / file)
    report = run_affordance(request, model).report
    assert (report["object"]["points"], report["object"]["faces"]) == (points, faces)
    with np.load(tmp_path / "out" / "affordance.npz", allow_pickle=False) as stored:
        assert stored["point_probability"].shape == (points,)
        assert np.isfinite(stored["points"]).all() and stored["faces"].shape == (faces, 3)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_points_are_those_of_the_data_set_reader(samples):
    from interactvlm.data.folder import DataFolder
    from interactvlm.data.piad import AFFORDANCES
    from interactvlm.data.point_files import PointFormat
    from interactvlm.data.sources import SOURCES
    from interactvlm.object_file import load_object

    form = PointFormat(DataFolder(SOURCES["piad"], samples), AFFORDANCES, identified=True)
    assert torch.equal(load_object(samples / BAG).points, form.read(samples / BAG).points)
