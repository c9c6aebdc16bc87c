"""A scene's folder: written, read, replaced by hand, damaged."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from interactvlm.errors import InputError
from interactvlm.object_file import fine_mesh
from interactvlm.reconstruction.candidate_files import heat_of
from interactvlm.reconstruction.scene import stands_upright
from interactvlm.reconstruction.scene_folder import contact_of, load_scene, save_scene
from interactvlm.results import save_contact_npz
from renders.mesh import Mesh
from tests.interactvlm.reconstruction.chair_scene import chair


def test_everything_comes_back(scene, tmp_path):
    depth = torch.full(tuple(scene.object_mask.shape), 2.5)
    save_scene(tmp_path, replace(scene, depth_m=depth))
    back = load_scene(tmp_path)
    assert back.label == "chair"
    assert back.notes == scene.notes
    assert torch.equal(back.object_mask, scene.object_mask)
    assert torch.equal(back.person_mask, scene.person_mask)
    assert torch.allclose(back.body.vertices_m, scene.body.vertices_m)
    assert torch.equal(back.contact.vertex_probability, scene.contact.vertex_probability)
    assert torch.allclose(back.camera.intrinsics, scene.camera.intrinsics)
    assert torch.equal(back.depth_m, depth)
    (shape,), (first,) = back.candidates, scene.candidates
    assert torch.allclose(shape.mesh.vertices, first.mesh.vertices, atol=1e-6)
    assert torch.equal(shape.mesh.faces, first.mesh.faces)
    assert torch.equal(shape.heat, first.heat)
    assert (shape.name, shape.source, shape.size_spread) == ("chair.obj", "file", 0.1)


def test_what_was_not_said_stays_unsaid(scene, tmp_path):
    silent = replace(
        scene, contact=None, person_mask=None,
        candidates=(replace(scene.candidates[0], heat=None),),
    )  # fmt: skip
    save_scene(tmp_path, silent)
    back = load_scene(tmp_path)
    assert back.contact is None
    assert back.person_mask is None
    assert back.depth_m is None
    assert back.candidates[0].heat is None


def test_a_folder_put_together_by_hand(scene, tmp_path):
    save_scene(tmp_path, scene)
    (tmp_path / "candidates.json").unlink()
    (tmp_path / "object_1.ply").unlink()
    (tmp_path / "affordance_1.npz").rename(tmp_path / "affordance.npz")
    mesh = chair()
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy()).export(tmp_path / "object.obj")
    back = load_scene(tmp_path)
    assert back.candidates[0].name == "object.obj"
    assert float(back.candidates[0].heat.max()) == 1.0
    (tmp_path / "object.obj").unlink()
    with pytest.raises(InputError, match="object mesh"):
        load_scene(tmp_path)


@pytest.mark.parametrize("name", ["photo.png", "camera.json", "body.npz", "object_mask.png"])
def test_a_missing_file_is_named(scene, tmp_path, name):
    save_scene(tmp_path, scene)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name.split(".")[0]):
        load_scene(tmp_path)


def test_a_damaged_list_of_candidates_and_no_folder(scene, tmp_path):
    save_scene(tmp_path, scene)
    (tmp_path / "candidates.json").write_text(json.dumps({"label": "chair"}))
    with pytest.raises(InputError, match="candidates"):
        load_scene(tmp_path)
    with pytest.raises(InputError, match="not found"):
        load_scene(tmp_path / "nowhere")


def test_the_label_chooses_among_contact_maps(scene, tmp_path):
    path = tmp_path / "contact.npz"
    other = replace(scene.contact, label="cup")
    save_contact_npz(path, [other, scene.contact])
    assert contact_of(path, "chair", "anny-fast").label == "chair"
    with pytest.raises(InputError, match="'cup', 'chair'"):
        contact_of(path, "table", "anny-fast")
    save_contact_npz(path, [other])
    assert contact_of(path, "table", "anny-fast").label == "cup"


def test_heat_of_another_object_is_refused(scene, tmp_path):
    path = tmp_path / "affordance.npz"
    points = scene.candidates[0].mesh.vertices
    value = np.linspace(0, 1, len(points), dtype=np.float32)
    np.savez(path, points=points.numpy(), point_probability=value)
    assert np.allclose(heat_of(path, points).numpy(), value)
    # A mesh in millimetres was brought to metres.
    assert np.allclose(heat_of(path, points / 1000).numpy(), value)
    with pytest.raises(InputError, match="another object"):
        heat_of(path, points + 100.0)
    np.savez(path, points=points.numpy(), point_probability=value[:-1])
    with pytest.raises(InputError, match="points"):
        heat_of(path, points)
    np.savez(path, points=points.numpy(), point_probability=value * np.nan)
    with pytest.raises(InputError, match="finite"):
        heat_of(path, points)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be read"):
        heat_of(path, points)


def test_large_flat_sides_get_vertices_and_fine_meshes_stay():
    coarse = chair()
    fine = fine_mesh(coarse, edge_share=0.1)
    corners = fine.vertices[fine.faces]
    longest = (corners - corners.roll(1, dims=1)).norm(dim=2).max()
    extent = (coarse.vertices.amax(0) - coarse.vertices.amin(0)).max()
    assert float(longest) <= 0.1 * float(extent) + 1e-6
    assert fine_mesh(coarse, most_faces=10).num_faces == coarse.num_faces
    nothing = Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.long))
    assert fine_mesh(nothing).num_faces == 0


def test_large_things_stand_and_things_in_hands_lie_any_way():
    large = Mesh(2 * chair().vertices, chair().faces)
    assert stands_upright("chair", large)
    assert not stands_upright("umbrella", large)
    assert not stands_upright("cup", chair())
