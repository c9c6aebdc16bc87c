"""A scene's folder with files replaced by hand, damaged, or left by an earlier run."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hoi_fit.ground import Ground
from human_recovery.topology_map import topology_map
from interactvlm.body_transfer import on_topology
from interactvlm.errors import InputError
from interactvlm.reconstruction.scene_folder import contact_of, load_scene, save_scene
from interactvlm.results import ContactMap, save_contact_npz
from tests.interactvlm.reconstruction.chair_scene import SIDE_PX


@pytest.fixture
def folder(scene, tmp_path):
    save_scene(tmp_path, scene)
    return tmp_path


def _contact(topology, count, label="chair") -> ContactMap:
    return ContactMap(torch.zeros(count), topology, label, 0.5, torch.ones(count).bool())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.ones((SIDE_PX, 2 * SIDE_PX), np.float32), "another aspect"),
        (np.ones((2, 3, 4, 5), np.float32), r"found \(2, 3, 4, 5\)"),
        (np.full((SIDE_PX, SIDE_PX), np.nan, np.float32), "knows no depth"),
        (b"1.0 2.0 3.0", "cannot be read"),
        (pickle.dumps({"depth": 1}), "cannot be read"),
    ],
    ids=["aspect", "axes", "nan", "text", "pickle"],
)
def test_depth_that_is_no_depth_of_the_photo_is_told(folder, content, reason):
    path = folder / "depth.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    with pytest.raises(InputError, match=f"{reason}.*depth.npy"):
        load_scene(folder)


def test_a_depth_of_another_size_is_scaled_and_unknown_depth_stays_unknown(folder):
    depth = np.full((2 * SIDE_PX, 2 * SIDE_PX), 3.25, np.float32)
    depth[0] = 0.0
    np.save(folder / "depth.npy", depth)
    back = load_scene(folder)
    assert back.depth_m.shape == (SIDE_PX, SIDE_PX)
    assert float(back.depth_m[-1, -1]) == 3.25
    assert any("depth map" in note and "scaled" in note for note in back.notes)
    save_scene(folder, replace(back, depth_m=back.depth_m.index_fill(0, torch.tensor([0]), np.nan)))
    assert load_scene(folder).depth_m[0].isnan().all()


def test_the_photo_of_the_last_run_goes_before_another_one_of_the_user(folder, scene):
    Image.new("RGB", (16, 16)).save(folder / "photo.jpg")
    assert load_scene(folder).photo.size == scene.photo.size


def test_a_camera_and_masks_of_another_size_meet_at_the_size_of_the_photo(folder, scene):
    told = json.loads((folder / "camera.json").read_text())
    (folder / "camera.json").write_text(json.dumps({key: 2 * told[key] for key in told}))
    assert torch.allclose(load_scene(folder).camera.intrinsics, scene.camera.intrinsics)


def test_a_photo_that_is_worked_on_scaled_down_has_its_camera_and_masks_at_that_size(
    folder, scene, monkeypatch
):
    monkeypatch.setattr("interactvlm.photo.WORKING_PIXELS", SIDE_PX * SIDE_PX // 4)
    back = load_scene(folder)
    assert back.photo.size == (back.camera.width_px, back.camera.height_px) == (SIDE_PX // 2,) * 2
    assert tuple(back.object_mask.shape) == (SIDE_PX // 2,) * 2
    assert torch.allclose(back.body.vertices_m, scene.body.vertices_m)
    assert any("to bound memory" in note for note in back.notes)


def test_a_body_of_a_common_regressor_is_read(folder, scene):
    """HMR 2.0 tells vertices, a place and the focal length of its own camera."""
    vertices = np.random.default_rng(0).normal(size=(6890, 3)).astype(np.float32) * 0.3
    np.savez(
        folder / "body.npz",
        pred_vertices=vertices,
        pred_cam_t=np.array([0.0, 0.0, 4.0], np.float32),
        focal_length=np.array([110.0, 110.0], np.float32),
        princpt=np.array([SIDE_PX / 2, SIDE_PX / 2], np.float32),
    )
    (folder / "contact.npz").unlink()
    body = load_scene(folder).body
    assert body.topology == "smpl"
    assert torch.allclose(body.camera.intrinsics, scene.camera.intrinsics)
    assert float((body.vertices_m - torch.from_numpy(vertices))[:, 2].mean()) > 1.0


@pytest.mark.parametrize("fault", ["gone", "pickle", "unknown"])
def test_a_body_that_is_none_is_told(folder, fault):
    path = folder / "body.npz"
    path.unlink()
    if fault == "pickle":
        np.savez(path, vertices_camera_m=np.array([{"a": 1}], dtype=object))
    elif fault == "unknown":
        np.savez(path, knees=np.zeros(2))
    with pytest.raises(InputError, match="body.npz"):
        load_scene(folder)


def test_contact_on_another_body_is_carried_over(folder, scene):
    on_anny = topology_map("anny-fast", "anny").apply(scene.contact.vertex_probability)
    there = ContactMap(on_anny, "anny", "chair", 0.5, torch.ones(len(on_anny)).bool())
    save_contact_npz(folder / "contact.npz", [there])
    back = load_scene(folder).contact
    assert back.topology == "anny-fast"
    assert back.vertex_probability.shape == scene.contact.vertex_probability.shape
    assert set(back.mask().nonzero().flatten().tolist()) & set(
        scene.contact.mask().nonzero().flatten().tolist()
    )
    assert on_topology(scene.contact, "anny-fast") is scene.contact


@pytest.mark.parametrize(
    ("topology", "count", "reason"),
    [
        ("anny-fast", 5, "1229 vertices, and has 5"),
        ("anny", 1229, "13718 vertices, and has 1229"),
        ("smpl", 6889, "6890 vertices, and has 6889"),
        ("object", 1229, "object's own mesh"),
        ("teapot", 1229, "'teapot' is unknown"),
    ],
)
def test_contact_on_no_such_body_is_told(folder, topology, count, reason):
    save_contact_npz(folder / "contact.npz", [_contact(topology, count)])
    with pytest.raises(InputError, match=f"{reason}.*contact.npz"):
        load_scene(folder)


def test_a_contact_file_without_maps_is_told(folder):
    path = folder / "contact.npz"
    np.savez(
        path, vertex_probability=np.zeros((0, 1229), np.float32), labels=np.array([], dtype=str),
        topology="anny-fast", threshold=0.5, seen=np.ones(1229, bool),
    )  # fmt: skip
    with pytest.raises(InputError, match="none at all"):
        contact_of(path, "chair", "anny-fast")


GONE = object()


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("mesh", 3, "file inside the folder"),
        ("mesh", GONE, "found nothing"),
        ("mesh", "../object_1.ply", "file inside the folder"),
        ("mesh", "/etc/object_1.ply", "file inside the folder"),
        ("heat", "a/../../affordance_1.npz", "file inside the folder or null"),
        ("heat", GONE, "found nothing"),
        ("heat", False, "file inside the folder or null"),
        ("size_spread", "wide", "number from 0 to 100"),
        ("size_spread", 1e8, "number from 0 to 100"),
        ("size_spread", True, "number from 0 to 100"),
        ("size_spread", float("nan"), "number from 0 to 100"),
        ("score", None, "number from 0 to 100"),
        ("score", 10**400, "number from 0 to 100"),
        ("upright", "no", "true or false"),
        ("affordance", ["sit"], "a text"),
        ("name", None, "a text"),
    ],
)
def test_an_entry_of_the_list_that_makes_no_sense_is_told(folder, key, value, wanted):
    path = folder / "candidates.json"
    listed = json.loads(path.read_text())
    entry = listed["candidates"][0]
    if value is GONE:
        del entry[key]
    else:
        entry[key] = value
    path.write_text(json.dumps(listed))
    with pytest.raises(InputError, match=f"shape 1 .*{wanted}.*candidates.json") as told:
        load_scene(folder)
    assert repr(key) in str(told.value)


@pytest.mark.parametrize(
    "content",
    [
        "[]", "{", "", '{"label": "chair", "notes": [], "candidates": []}',
        '{"label": 1, "notes": [], "candidates": [{}]}',
        '{"label": "", "notes": "none", "candidates": [{}]}',
        '{"label": "", "notes": [], "candidates": ["object_1.ply"]}',
    ],
)  # fmt: skip
def test_a_list_of_shapes_that_is_none_is_told(folder, content):
    (folder / "candidates.json").write_text(content)
    with pytest.raises(InputError, match="candidates.json"):
        load_scene(folder)


@pytest.mark.parametrize("name", ["object_1.ply", "affordance_1.npz"])
def test_a_listed_file_that_is_gone_is_told(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"not found.*{name}"):
        load_scene(folder)


def test_a_heat_file_that_is_no_archive_after_all_is_told(folder):
    for content in (b"", b"PK\x03\x04 and no more", pickle.dumps([1, 2])):
        (folder / "affordance_1.npz").write_bytes(content)
        with pytest.raises(InputError, match="affordance_1.npz"):
            load_scene(folder)
    np.save(folder / "affordance_1.npy", np.zeros(3))
    (folder / "affordance_1.npy").rename(folder / "affordance_1.npz")
    with pytest.raises(InputError, match="affordance_1.npz"):
        load_scene(folder)
    np.savez(folder / "affordance_1.npz", points=np.zeros((4, 2)), point_probability=np.zeros(4))
    with pytest.raises(InputError, match=r"\(4, 2\).*affordance_1.npz"):
        load_scene(folder)


def test_what_an_earlier_scene_left_is_not_read_back(folder, scene):
    (first,) = scene.candidates
    full = replace(
        scene, depth_m=torch.ones(scene.object_mask.shape), candidates=(first, first, first)
    )
    save_scene(folder, full)
    for name in ("body_joint.npz", "object_17.ply"):
        (folder / name).write_text("of an earlier run")
    own = {"object.obj", "object_2_mine.ply", "object_02.ply", "my_contact.npz", "depth.npz"}
    for name in own:
        (folder / name).write_text("of the user")
    poor = replace(
        scene, contact=None, person_mask=None, candidates=(first, replace(first, heat=None))
    )
    save_scene(folder, poor)
    assert {p.name for p in folder.iterdir()} - own == {
        "photo.png", "camera.json", "body.npz", "object_mask.png", "candidates.json",
        "object_1.ply", "affordance_1.npz", "object_2.ply",
    }  # fmt: skip
    assert all((folder / name).read_text() == "of the user" for name in own)
    back = load_scene(folder)
    assert (back.contact, back.person_mask, back.depth_m) == (None, None, None)
    assert [c.heat is None for c in back.candidates] == [False, True]


def test_what_was_read_from_the_same_folder_is_there_again(folder, scene):
    save_scene(folder, load_scene(folder))
    back = load_scene(folder)
    assert torch.equal(back.contact.vertex_probability, scene.contact.vertex_probability)
    assert torch.equal(back.person_mask, scene.person_mask)
    assert back.notes == scene.notes


def test_a_scene_whose_writing_broke_off_is_no_scene(folder, scene, monkeypatch):
    def broken(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("interactvlm.reconstruction.scene_folder.save_body", broken)
    with pytest.raises(OSError, match="No space"):
        save_scene(folder, scene)
    with pytest.raises(InputError, match="candidates.json"):
        load_scene(folder)


def test_a_floor_is_kept_and_one_that_is_none_is_told(folder, scene):
    ground = Ground((0.0, -1.0, 0.0), -0.9)
    save_scene(folder, replace(scene, ground=ground))
    assert load_scene(folder).ground == ground
    for content in ("{}", '{"up_camera": [0, -2, 0], "height_m": 0}', "no json", "[]"):
        (folder / "ground.json").write_text(content)
        with pytest.raises(InputError, match="ground.json"):
            load_scene(folder)
    save_scene(folder, scene)
    assert not (folder / "ground.json").exists() and load_scene(folder).ground is None
