"""`interactvlm fit` on folders nobody would wish for: a finite pose and a note, or a sentence."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from hoi_fit.ground import Ground
from hoi_fit.problem import FitSettings
from human_recovery.body_state import load_body
from interactvlm.cli.main import main
from interactvlm.reconstruction import placing, scene_pictures
from interactvlm.reconstruction.job import run_reconstruct
from interactvlm.reconstruction.request import ReconstructRequest
from interactvlm.reconstruction.scene import Scene
from interactvlm.reconstruction.scene_folder import load_scene, save_scene
from renders.mesh import Mesh
from tests.interactvlm.reconstruction.chair_scene import SIDE_PX, as_mesh


@pytest.fixture
def quick(monkeypatch):
    """A short search and small pictures: what is asked is whether there is an end."""
    settings = partial(FitSettings, stages=((32, 4, 12),), yaw_starts=4, any_way_up=False)
    monkeypatch.setattr(placing, "FitSettings", settings)
    monkeypatch.setattr(scene_pictures, "_TILE_PX", 48)
    monkeypatch.setattr(scene_pictures, "_SMALLEST_PX", SIDE_PX)


def _mask(rows, columns) -> torch.Tensor:
    mask = torch.zeros(SIDE_PX, SIDE_PX, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


def _with_shape(scene: Scene, mesh: Mesh, heat=None) -> Scene:
    return replace(scene, candidates=(replace(scene.candidates[0], mesh=mesh, heat=heat),))


def _one_triangle(scene: Scene) -> Scene:
    corners = torch.tensor([[-0.3, 0.0, 0.0], [0.3, 0.0, 0.0], [0.0, 0.6, 0.0]])
    return _with_shape(scene, Mesh(corners, torch.tensor([[0, 1, 2]])))


def _touched_everywhere(scene: Scene) -> Scene:
    shape = scene.candidates[0]
    return _with_shape(scene, shape.mesh, torch.ones(shape.mesh.num_vertices))


def _moved_body(scene: Scene, away_m: float) -> Scene:
    vertices = scene.body.vertices_m + torch.tensor([0.0, 0.0, away_m])
    return replace(scene, body=replace(scene.body, vertices_m=vertices, state=None))


def _touched_behind(scene: Scene) -> Scene:
    """The body's hindmost points touch, three quarters of it being behind the camera."""
    moved = _moved_body(scene, -2.8)
    touched = torch.zeros_like(scene.contact.vertex_probability)
    touched[moved.body.vertices_m[:, 2].argsort()[:20]] = 1.0
    return replace(moved, contact=replace(scene.contact, vertex_probability=touched))


ENDS = {
    "floor under a thing in the hand": (
        lambda s: replace(s, ground=Ground((0.0, -1.0, 0.0), -0.9)), "floor was not used",
    ),
    "one pixel": (lambda s: replace(s, object_mask=_mask(40, 40)), "only 1 pixel"),
    "all borders": (
        lambda s: replace(s, object_mask=~_mask(slice(30, 60), slice(30, 60))), "edge of the photo",
    ),
    "one pixel left out": (lambda s: replace(s, object_mask=~_mask(0, 0)), "edge of the photo"),
    "mask far from the contact": (
        lambda s: replace(s, object_mask=_mask(slice(2, 12), slice(2, 12))), "hardly overlaps",
    ),
    "inside the person": (
        lambda s: replace(s, person_mask=s.person_mask | s.object_mask), "covers 100 %",
    ),
    "contact on the body only": (
        lambda s: _with_shape(s, s.candidates[0].mesh), "no contact was given on both sides",
    ),
    "heat everywhere": (_touched_everywhere, "nearly everywhere"),
    "one triangle": (_one_triangle, "only 1 triangle"),
    "half of the body behind the camera": (
        lambda s: _moved_body(s, -2.8), "of the body lies behind the camera",
    ),
    "one point of depth": (
        lambda s: replace(s, depth_m=torch.where(_mask(0, 0), 2.0, torch.nan)),
        "depth map knows nothing where the object is",
    ),
    "depth in millimetres": (
        lambda s: replace(s, depth_m=torch.full(s.object_mask.shape, 2400.0)),
        "depth must be in metres",
    ),
    "contact behind the camera": (_touched_behind, "of the object lies behind the camera"),
    "object as large as a house": (
        lambda s: _with_shape(s, Mesh(60 * s.candidates[0].mesh.vertices,
                                      s.candidates[0].mesh.faces)), "mesh must be in metres",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_it_comes_to_a_finite_end_and_says_what_is_odd(scene, tmp_path, capsys, quick, case):
    change, note = ENDS[case]
    save_scene(tmp_path / "in", change(scene))
    assert main(["fit", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    pose = told["camera_from_object"]
    assert np.isfinite([*np.ravel(pose["rotation"]), *pose["translation_m"], pose["scale"]]).all()
    assert np.isfinite(trimesh.load(tmp_path / "out" / "scene.glb").bounds).all()
    assert any(note in said for said in told["notes"]), told["notes"]


def _save_mask(path, mask):
    Image.fromarray(np.asarray(mask, np.uint8) * 255).save(path)


def _save_shape(folder, mesh: Mesh):
    shape = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
    shape.export(folder / "object_1.ply")


def _with_nan(mesh: Mesh) -> Mesh:
    vertices = mesh.vertices.clone()
    vertices[3, 1] = torch.nan
    return Mesh(vertices, mesh.faces)


def _camera(folder, **changes):
    path = folder / "camera.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _body_behind(folder, scene):
    path = folder / "body.npz"
    with np.load(path) as stored:
        fields = dict(stored)
    fields["vertices_camera_m"] = fields["vertices_camera_m"] - np.float32([0, 0, 9])
    np.savez(path, **fields)


def _points_only(folder, scene):
    vertices = scene.candidates[0].mesh.vertices.numpy()
    trimesh.PointCloud(vertices).export(folder / "object_1.ply")


REFUSED = {
    "object mask empty": (
        lambda f, s: _save_mask(f / "object_mask.png", _mask([], [])), "marks no pixel",
    ),
    "object mask everywhere": (
        lambda f, s: _save_mask(f / "object_mask.png", ~_mask([], [])), "marks every pixel",
    ),
    "person mask empty": (
        lambda f, s: _save_mask(f / "person_mask.png", _mask([], [])), "marks no pixel",
    ),
    "NaN vertices": (lambda f, s: _save_shape(f, _with_nan(s.candidates[0].mesh)), "NaN"),
    "no faces": (_points_only, "triangles"),
    "1e6 m": (
        lambda f, s: _save_shape(f, Mesh(1e6 * s.candidates[0].mesh.vertices,
                                         s.candidates[0].mesh.faces)), "m large",
    ),
    "1e-5 m": (
        lambda f, s: _save_shape(f, Mesh(1e-5 * s.candidates[0].mesh.vertices,
                                         s.candidates[0].mesh.faces)), "m large",
    ),
    "body behind the camera": (_body_behind, "the body lies behind the camera"),
    "focal length 0": (lambda f, s: _camera(f, fx=0.0), "positive fx"),
    "camera of another photo": (lambda f, s: _camera(f, width=2 * SIDE_PX), "another aspect"),
    "photo of one pixel": (lambda f, s: Image.new("RGB", (1, 1)).save(f / "photo.png"), "1x1 px"),
    "depth all NaN": (
        lambda f, s: np.save(f / "depth.npy", np.full((SIDE_PX, SIDE_PX), np.nan)), "no depth",
    ),
    "depth beyond all numbers": (
        lambda f, s: np.save(f / "depth.npy", np.full((SIDE_PX, SIDE_PX), 1e30)), "too large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_one_sentence(scene, tmp_path, capsys, quick, case):
    damage, reason = REFUSED[case]
    save_scene(tmp_path / "in", scene)
    damage(tmp_path / "in", scene)
    assert main(["fit", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert reason in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out" / "scene.glb").exists()


def test_the_joint_body_of_an_earlier_fit_goes_when_the_next_one_has_none(
    scene, tmp_path, capsys, quick
):
    save_scene(tmp_path, scene)
    (tmp_path / "body_joint.npz").write_text("of an earlier fit")
    assert main(["fit", str(tmp_path)]) == 0
    assert not (tmp_path / "body_joint.npz").exists()


def test_a_joint_search_that_meets_no_numbers_leaves_the_fit_and_says_so(
    scene, tmp_path, capsys, quick, monkeypatch
):
    monkeypatch.setattr("hoi_fit.joint.penetration", lambda *given: torch.full((1,), torch.nan))
    save_scene(tmp_path, scene)
    assert main(["fit", str(tmp_path), "--joint", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["together"]["stopped"] == "diverged"
    assert any("not finite" in note for note in told["notes"])
    assert np.allclose(load_body(tmp_path / "body_joint.npz").vertices_m, scene.body.vertices_m)


def test_files_of_the_result_folder_itself_may_be_given(scene, tmp_path, quick):
    (first,) = scene.candidates
    ball = trimesh.creation.icosphere(subdivisions=1, radius=0.3)
    other = replace(first, name="ball", mesh=as_mesh(ball), heat=None)
    save_scene(tmp_path, replace(scene, candidates=(other, first)))
    request = ReconstructRequest(
        photo=tmp_path / "photo.png", out=tmp_path, label="chair", camera=tmp_path / "camera.json",
        body=tmp_path / "body.npz", object_mask=str(tmp_path / "object_mask.png"),
        person_mask=str(tmp_path / "person_mask.png"), contact=tmp_path / "contact.npz",
        object_mesh=tmp_path / "object_2.ply", affordance=tmp_path / "affordance_2.npz",
    )  # fmt: skip
    used = run_reconstruct(request).reconstruction
    back = load_scene(tmp_path)
    assert used.fit.contact_used
    assert [c.name for c in back.candidates] == ["object_2.ply"]
    assert not (tmp_path / "object_2.ply").exists()
    assert torch.equal(back.contact.vertex_probability, scene.contact.vertex_probability)
    assert float(back.candidates[0].heat.max()) == 1.0
