"""From files to a result folder, by the command line and by hand; every refusal in one sentence."""

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image

from hoi_fit.ground import Ground
from interactvlm.cli.main import main
from interactvlm.errors import InputError
from interactvlm.photo import read_photo
from interactvlm.photo_job import Watch
from interactvlm.reconstruction.job import run_fit, run_reconstruct, scene_of_photo
from interactvlm.reconstruction.request import ReconstructRequest
from interactvlm.reconstruction.scene_folder import save_scene
from tests.interactvlm.reconstruction.chair_scene import chair

FILES = {
    "scene.glb", "overlay.png", "turntable.png", "object_pose.json", "fit.json", "report.html",
    "report.json", "camera.json", "body.npz", "object_mask.png", "person_mask.png", "contact.npz",
    "object_1.ply", "affordance_1.npz", "candidates.json", "photo.png", "provenance.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(scene, tmp_path_factory):
    """All files of the scene, its mesh as a user would bring it, and its first fit."""
    folder = tmp_path_factory.mktemp("scene")
    save_scene(folder, scene)
    mesh = chair()
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy()).export(folder / "chair.obj")
    return folder


def _request(folder, out, **more) -> ReconstructRequest:
    given = {
        "body": folder / "body.npz", "object_mask": str(folder / "object_mask.png"),
        "person_mask": str(folder / "person_mask.png"), "contact": folder / "contact.npz",
        "affordance": folder / "affordance_1.npz", "object_mesh": folder / "chair.obj",
        "camera": folder / "camera.json",
    }  # fmt: skip
    return ReconstructRequest(photo=folder / "photo.png", out=out, label="chair", **(given | more))


@pytest.fixture(scope="module")
def result(folder, tmp_path_factory):
    return run_reconstruct(_request(folder, tmp_path_factory.mktemp("out") / "result"))


@pytest.mark.slow
def test_files_alone_need_no_model_and_leave_a_whole_folder(result):
    assert {p.name for p in result.out.iterdir()} == FILES
    assert result.reconstruction.fit.contact_used
    assert result.reconstruction.fit.mask_iou > 0.8
    told = json.loads((result.out / "object_pose.json").read_text())
    rotation = np.array(told["camera_from_object"]["rotation"])
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert "scene.glb" in result.summary()


@pytest.mark.slow
def test_the_scene_opens_elsewhere_with_its_nodes(result):
    scene = trimesh.load(result.out / "scene.glb")
    assert {"human", "object"} <= set(scene.graph.nodes)
    thing = scene.geometry["object"]
    placed = result.reconstruction.object_mesh.vertices.numpy() * [1, -1, -1]
    assert np.allclose(thing.bounds, [placed.min(0), placed.max(0)], atol=1e-4)


@pytest.mark.slow
def test_pictures_show_something(result):
    overlay = np.asarray(Image.open(result.out / "overlay.png"))
    left, right = np.split(overlay, 2, axis=1)
    assert (left == left[0, 0]).all()
    assert (right != right[0, 0]).any()
    assert "Course of the fit" in (result.out / "report.html").read_text()


@pytest.mark.slow
def test_going_on_from_the_fit_gives_the_same_answer(result, folder):
    before = (result.out / "object_pose.json").read_text()
    request = ReconstructRequest(
        photo=folder / "photo.png", out=result.out, label="chair", begin="fit"
    )
    again = run_reconstruct(request)
    assert (result.out / "object_pose.json").read_text() == before
    by_hand = run_fit(result.out)
    there = by_hand.reconstruction.camera_from_object
    assert np.allclose(
        there.translation_m, again.reconstruction.camera_from_object.translation_m, atol=1e-6
    )


@pytest.mark.slow
def test_the_command_line_prints_json(folder, tmp_path, capsys):
    assert main(["fit", str(folder), "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["label"] == "chair"
    assert (tmp_path / "out" / "scene.glb").is_file()


def test_a_file_of_a_stage_that_is_left_out_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="--object-mask belongs to the stage 'inputs'"):
        run_reconstruct(_request(folder, tmp_path / "out", begin="contact"))


def test_the_floor_belongs_to_the_body_it_lies_under(folder, scene, tmp_path):
    out = tmp_path / "out"
    save_scene(out, replace(scene, ground=Ground((0.0, -1.0, 0.0), -0.9)))
    photo = read_photo(folder / "photo.png")

    def floor(begin, **more):
        request = _request(folder, out, begin=begin, **more)
        return scene_of_photo(request, photo, None, Watch()).ground

    assert floor("contact") == Ground((0.0, -1.0, 0.0), -0.9)
    assert floor("body") is None
    lowest = float(scene.body.vertices_m[:, 1].max())
    assert floor("body", ground=True).height_m == pytest.approx(-lowest, abs=1e-4)
    with pytest.raises(InputError, match="give --ground"):
        floor("inputs", pitch_deg=10.0)


def test_going_on_without_an_earlier_run_is_refused(folder, tmp_path):
    request = ReconstructRequest(
        photo=folder / "photo.png", out=tmp_path / "none", label="chair", begin="fit"
    )
    with pytest.raises(InputError, match="not found"):
        run_reconstruct(request)


def test_a_result_folder_that_is_a_file_is_refused(folder, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(InputError, match="found a file"):
        run_reconstruct(_request(folder, path))


def test_points_are_no_object_for_the_fit(folder, tmp_path):
    path = tmp_path / "points.xyz"
    np.savetxt(path, np.random.default_rng(0).normal(size=(50, 3)))
    with pytest.raises(InputError, match="triangles"):
        run_reconstruct(_request(folder, tmp_path / "out", object_mesh=path, affordance=None))


@pytest.mark.parametrize("verb", ["reconstruct", "fit"])
def test_help_and_a_missing_file_from_the_command_line(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert "examples:" in capsys.readouterr().out
    extra = ["--label", "chair"] if verb == "reconstruct" else []
    assert main([verb, "nowhere", *extra]) == 2
    assert "nowhere" in capsys.readouterr().err
