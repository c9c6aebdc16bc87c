"""A tiny split, generated once: determinism, resume, exactness of what is stored."""

import json

import numpy as np
import pytest
import torch
import trimesh

from interactvlm.errors import AssetError, InputError
from interactvlm.synthetic.config import SynthConfig
from interactvlm.synthetic.contact import OBJECT_POINTS, object_heat, scene_contact
from interactvlm.synthetic.dataset import full_body, generate, generate_scenes
from interactvlm.synthetic.posing import pose_scene
from interactvlm.synthetic.scene import AFFORDANCES
from interactvlm.synthetic.shards import SceneShards
from interactvlm.synthetic.stored_scene import stored_state


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    config = SynthConfig(
        out=tmp_path_factory.mktemp("scenes"), split="val", count=5, views=2, size_px=96
    )
    generate(config)
    return config


def test_shapes_and_counts(tiny):
    shards = SceneShards(tiny.out / "val")
    assert len(shards.scenes) == 5
    assert shards.size_px == 96
    for scene in shards.scenes:
        assert len(scene.pictures) == 2
        contact = shards.contact(scene)
        assert contact.shape == (len(scene.objects), 13718)
        assert [bool(row.any()) for row in contact] == [o.touched for o in scene.objects]


def test_both_sides_agree_on_what_touches(tiny):
    shards = SceneShards(tiny.out / "val")
    for scene in shards.scenes:
        details, contact = shards.details(scene), shards.contact(scene)
        body = pose_scene(stored_state(details), full_body())
        points, heat = shards.object_points(scene), shards.object_heat(scene)
        assert points.shape == (len(scene.objects), OBJECT_POINTS, 3)
        for at, record in enumerate(scene.objects):
            assert record.affordance in (AFFORDANCES if record.touched else ("",))
            assert (heat[at].max() > 0) == record.touched
            if not record.touched:
                continue
            pose = np.array(details["objects"][at]["world_from_object"])
            hot = points[at][heat[at] > 0.9] @ pose[:3, :3].T + pose[:3, 3]
            touching = body.vertices_world[: body.num_body_vertices][contact[at]]
            apart = np.linalg.norm(touching[:, None] - hot[None], axis=2)
            assert apart.min(0).max() < 0.1  # no hot point far from the touching skin
            assert np.median(apart.min(1)) < 0.06


def test_heat_falls_off_around_a_ball():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.2)
    vertices = torch.tensor(np.array(ball.vertices), dtype=torch.float32)
    away = np.array([-0.05, 0.0, 0.019, 0.05, 0.08, 0.2], np.float32)
    points = np.stack([0.2 + away, 0 * away, 0 * away], axis=1)
    heat = object_heat(points, vertices, torch.tensor(np.array(ball.faces)))
    np.testing.assert_allclose(heat[:3], 1.0, atol=1e-3)
    np.testing.assert_allclose(heat[3], np.exp(-0.5), atol=0.02)
    assert (np.diff(heat[2:]) < 0).all()
    assert heat[5] < 1e-6


def test_pictures_show_the_person_and_keypoints_lie_on_it(tiny):
    shards = SceneShards(tiny.out / "val")
    for scene in shards.scenes:
        picture = shards.picture(scene)
        assert picture.rgb.std() > 5
        assert (picture.instance == 1).sum() > 50
        assert ((picture.part > 0) == (picture.instance == 1)).all()
        x, y, _ = picture.keypoints_px[picture.keypoints_px[:, 2] > 0].T
        inside = (x >= 0) & (x < 96) & (y >= 0) & (y < 96)
        assert inside.mean() > 0.5


def test_generating_again_is_bit_equal_and_a_finished_split_is_left_alone(tiny, tmp_path):
    again = SynthConfig(out=tmp_path, split="val", count=5, views=2, size_px=96)
    generate(again)
    for name in ("rgb", "contact", "keypoints", "depth", "object_points", "object_heat"):
        first = np.load(tiny.out / "val" / "shard-00000" / f"{name}.npy")
        np.testing.assert_array_equal(
            first, np.load(tmp_path / "val" / "shard-00000" / f"{name}.npy")
        )
    stamp = (tmp_path / "val" / "shard-00000" / "manifest.json").stat().st_mtime_ns
    generate(again)
    assert (tmp_path / "val" / "shard-00000" / "manifest.json").stat().st_mtime_ns == stamp


def test_a_half_written_shard_is_not_read(tiny, tmp_path):
    (tmp_path / "val" / "shard-00000.77.tmp").mkdir(parents=True)
    with pytest.raises(AssetError, match="interactvlm synth"):
        SceneShards(tmp_path / "val")


def test_another_version_is_refused(tiny, tmp_path):
    import shutil

    shutil.copytree(tiny.out / "val", tmp_path / "val")
    path = tmp_path / "val" / "shard-00000" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "scenes-0"}))
    with pytest.raises(AssetError, match="scenes-0"):
        _ = SceneShards(tmp_path / "val").scenes


def test_contact_is_distance_to_the_surface():
    scene = generate_scenes("val", 0, 0, 1)[0]
    vertices = torch.from_numpy(scene.posed.vertices_world[: scene.posed.num_body_vertices])
    strict = scene_contact(scene.state, vertices, distance_m=0.005)
    loose = scene_contact(scene.state, vertices, distance_m=0.05)
    contact = torch.from_numpy(scene.contact)
    assert (strict <= contact).all()
    assert (contact <= loose).all()
    placed = scene.state.objects[0]
    pose = torch.from_numpy(placed.world_from_object)
    local = (vertices - pose[:3, 3]) @ pose[:3, :3]
    distance = placed.instance.signed_distance(local)
    if contact[0].any():
        assert distance[contact[0]].max() <= 0.02 + 1e-6


@pytest.mark.parametrize("bad", [{"count": 0}, {"views": -1}, {"size_px": 100}, {"workers": 0}])
def test_bad_settings_are_one_sentence(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        SynthConfig(**bad)


def test_preview_is_a_picture(tiny):
    from PIL import Image

    from interactvlm.synthetic.preview import draw_preview

    path = draw_preview(tiny.out / "val", tiny.out / "preview.png", count=2)
    with Image.open(path) as image:
        assert image.width > 400
        assert np.asarray(image).std() > 10
