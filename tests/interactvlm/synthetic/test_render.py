"""The picture maker: labels must be exact, pictures repeatable, and left must be left."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from human_recovery.anny_body import KEYPOINT_NAMES, AnnyBody
from human_recovery.parts import PART_NAMES, mirror_part
from interactvlm.synthetic.appearance import Appearance, Pattern, body_chart
from interactvlm.synthetic.backgrounds import KINDS, Background
from interactvlm.synthetic.lighting import Lights, ShadowMaps
from interactvlm.synthetic.render import (
    Occluder,
    PosedScene,
    Sensor,
    Style,
    pose_scene,
    pose_scenes,
    render_scene,
    sample_camera,
)
from interactvlm.synthetic.scene import PlacedObject, SceneState
from object_retrieval.procedural.objects import build_object
from renders.camera import Camera

SIZE = 96


@pytest.fixture(scope="module")
def body() -> AnnyBody:
    return AnnyBody("full")


def _state(*objects: PlacedObject) -> SceneState:
    return SceneState(
        phenotypes=np.full(6, 0.5, dtype=np.float32),
        bone_rotations=np.tile(np.eye(3, dtype=np.float32), (36, 1, 1)),
        left_curl=0.2,
        right_curl=0.2,
        translation_world=np.array([0.0, 0.0, 0.85], dtype=np.float32),
        objects=objects,
        seed=0,
    )


def _placed(category: str, x: float, y: float, *, touched: bool = False) -> PlacedObject:
    world_from_object = np.eye(4, dtype=np.float32)
    world_from_object[:2, 3] = x, y
    instance = build_object(category, np.random.default_rng(3))
    return PlacedObject(instance, world_from_object, "stand", "none", touched)


@pytest.fixture(scope="module")
def alone(body: AnnyBody) -> PosedScene:
    return pose_scene(_state(), body)


@pytest.fixture(scope="module")
def furnished(body: AnnyBody) -> PosedScene:
    return pose_scene(
        _state(_placed("table", 0.2, -0.9, touched=True), _placed("chair", -1, 0.3)), body
    )


def _camera(azimuth_deg: float, *, distance: float = 3.0, size: int = SIZE) -> Camera:
    """At chest height; azimuth 0 looks at the person's front, 90 at their left side."""
    angle = np.radians(azimuth_deg)
    eye = torch.tensor([distance * np.sin(angle), -distance * np.cos(angle), 1.2]).float()
    target, up = torch.tensor([0.0, 0.0, 0.9]), torch.tensor([0.0, 0.0, 1.0])
    return Camera.look_at(eye, target, up, 45.0, size, size)


def test_same_seed_gives_the_same_picture_and_another_seed_does_not(furnished: PosedScene):
    def picture(seed: int):
        rng = np.random.default_rng(seed)
        camera = sample_camera(
            furnished.framing_points(),
            rng,
            SIZE,
            facing_world=furnished.facing_world,
            obstacles_world=furnished.obstacle_points(),
        )
        return render_scene(furnished, camera, Style.random(rng))

    first, again, other = picture(5), picture(5), picture(6)
    for name in ("rgb", "instance_index", "part_index", "vertex_index", "depth_m", "keypoints_px"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.rgb != other.rgb).any()


def test_shapes_and_ranges(furnished: PosedScene):
    camera = replace(_camera(20.0), height_px=64)
    rendered = render_scene(furnished, camera, Style())
    assert rendered.rgb.shape == (64, SIZE, 3)
    assert rendered.instance_index.shape == rendered.depth_m.shape == (64, SIZE)
    assert set(np.unique(rendered.instance_index)) <= {0, 1, 2, 3}
    assert rendered.part_index.max() <= len(PART_NAMES)
    np.testing.assert_array_equal(rendered.part_index > 0, rendered.instance_index == 1)
    np.testing.assert_array_equal(rendered.depth_m > 0, rendered.instance_index > 0)
    body = rendered.vertex_index >= 0
    np.testing.assert_array_equal(body, rendered.instance_index == 1)
    camera_z = camera.to_camera(torch.from_numpy(furnished.vertices_world))[:, 2].numpy()
    away = np.abs(camera_z[rendered.vertex_index[body]] - rendered.depth_m[body])
    assert away.max() < 0.08  # no body triangle is larger
    assert rendered.keypoints_px.shape == (len(KEYPOINT_NAMES), 3)


def test_a_person_alone_with_every_part(alone: PosedScene):
    rendered = render_scene(alone, _camera(0.0, size=192), Style())
    assert set(np.unique(rendered.instance_index)) == {0, 1}
    seen = {PART_NAMES[index - 1] for index in np.unique(rendered.part_index) if index}
    assert seen >= set(PART_NAMES) - {"buttocks"}
    assert len(alone.obstacle_points()) == 0


def test_nearer_things_cover_farther_ones(alone: PosedScene, furnished: PosedScene):
    camera = _camera(0.0)
    without, full = (render_scene(posed, camera, Style()) for posed in (alone, furnished))
    covered = (without.instance_index == 1) & (full.instance_index == 2)
    assert covered.sum() > 50, "the table stands before the legs"
    assert (full.depth_m[covered] < without.depth_m[covered]).all()
    both = (without.instance_index == 1) & (full.instance_index == 1)
    np.testing.assert_allclose(full.depth_m[both], without.depth_m[both], atol=1e-4)


@pytest.mark.parametrize("azimuth_deg", [0.0, 60.0, 180.0, -110.0])
def test_visible_keypoints_lie_on_the_person(furnished: PosedScene, azimuth_deg: float):
    rendered = render_scene(furnished, _camera(azimuth_deg, size=160), Style())
    visible = rendered.keypoints_px[rendered.keypoints_px[:, 2] > 0]
    assert len(visible) >= 5
    person = np.pad(rendered.instance_index == 1, 1)
    for x, y, _ in visible:
        row, column = int(y) + 1, int(x) + 1
        assert person[row - 1 : row + 2, column - 1 : column + 2].any()


def test_the_face_is_hidden_from_behind_and_the_legs_behind_a_table(
    alone: PosedScene, furnished: PosedScene
):
    def visible(posed: PosedScene, azimuth_deg: float) -> dict[str, bool]:
        rendered = render_scene(posed, _camera(azimuth_deg, size=160), Style())
        flags = rendered.keypoints_px[:, 2] > 0
        return dict(zip(KEYPOINT_NAMES, flags.tolist(), strict=True))

    front, back = visible(alone, 0.0), visible(alone, 180.0)
    for name in ("nose", "left_eye", "right_eye"):
        assert front[name] and not back[name]
    assert all(front[f"{side}_{joint}"] for side in ("left", "right")
               for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))  # fmt: skip
    behind_table = visible(furnished, 0.0)
    assert behind_table["nose"] and sum(behind_table.values()) < sum(front.values())


def test_the_persons_left_is_on_the_right_of_a_frontal_picture(alone: PosedScene):
    part = render_scene(alone, _camera(0.0), Style()).part_index
    columns = {side: np.nonzero(part == PART_NAMES.index(f"{side} hand") + 1)[1].mean()
               for side in ("left", "right")}  # fmt: skip
    assert columns["left"] > SIZE / 2 > columns["right"]
    np.testing.assert_allclose(alone.facing_world[:2], [0.0, -1.0], atol=0.05)


def test_mirrored_camera_gives_the_mirrored_labels(alone: PosedScene):
    """The rest pose is symmetric: seen from the other side, left and right swap."""
    mirror = [0] + [PART_NAMES.index(mirror_part(name)) + 1 for name in PART_NAMES]
    seen = render_scene(alone, _camera(40.0), Style()).part_index
    other = render_scene(alone, _camera(-40.0), Style()).part_index
    assert (np.array(mirror)[other[:, ::-1]] == seen).mean() > 0.98


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_backgrounds_fill_the_picture(kind: str, seed: int):
    background = Background.random(np.random.default_rng(seed), kind)
    backdrop = background.paint(_camera(70.0))
    assert np.isfinite(backdrop.rgb).all()
    assert backdrop.rgb.min() > -0.01 and backdrop.rgb.max() < 1.5
    if kind != "clutter":
        lower_row = backdrop.on_floor[-1]
        assert lower_row.mean() > 0.5
        assert np.abs(backdrop.floor_world[-1][lower_row]).max() < 10


def test_an_occluder_hides_but_is_no_instance(alone: PosedScene):
    board = Occluder(0.5, 0.2, -0.1, 1.1, 0.5, (1.0, 0.0, 0.0))
    free = render_scene(alone, _camera(0.0), Style())
    hidden = render_scene(alone, _camera(0.0), Style(occluder=board))
    middle = slice(SIZE // 2 - 10, SIZE // 2 + 10)
    assert (free.instance_index[:, middle] == 1).any()
    assert not hidden.instance_index[:, middle].any()
    assert hidden.keypoints_px[:, 2].sum() < free.keypoints_px[:, 2].sum()
    assert not hidden.keypoints_px[KEYPOINT_NAMES.index("nose"), 2]


def test_cameras_frame_the_points_and_stay_above_the_floor(furnished: PosedScene):
    points = furnished.framing_points()
    frontal, inside = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        camera = sample_camera(points, rng, SIZE, facing_world=furnished.facing_world)
        eye = camera.position_world.numpy()
        assert eye[2] > 0.1
        pixels = camera.project(torch.from_numpy(points)).numpy()
        inside += bool(((pixels > -2) & (pixels < SIZE + 2)).all())
        toward = eye[:2] - points[:, :2].mean(axis=0)
        cosine = toward @ furnished.facing_world[:2] / np.linalg.norm(toward)
        frontal += cosine > np.cos(np.radians(75))
    assert 0.7 <= inside / 60 <= 0.97
    assert 0.5 <= frontal / 60 <= 0.85


def test_points_of_one_place_can_be_framed():
    camera = sample_camera(np.full((4, 3), 0.5, dtype=np.float32), np.random.default_rng(0), SIZE)
    assert torch.isfinite(camera.camera_from_world).all()


def test_shadow_falls_beside_a_plate_and_not_on_its_top():
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 60), np.linspace(-0.5, 0.5, 60)), -1)
    plate = np.insert(grid.reshape(-1, 2), 2, 1.0, axis=1).astype(np.float32)
    lights = Lights(key_direction=(0.6, 0.0, 0.8))
    maps = ShadowMaps(plate, lights)
    # Light from +x at 53 degrees: the shadow of a plate 1 m high lies 0.75 m towards -x.
    shadow, _ = maps.floor(np.array([[-0.75, 0.0], [0.6, 0.0], [9.0, 9.0]], dtype=np.float32))
    assert shadow[0] > 0.95 and shadow[1] < 0.05 and shadow[2] < 0.05
    up = np.array([[0.0, 0.0, 1.0]] * 2, dtype=np.float32)
    points = np.array([[0.0, 0.0, 1.0], [-0.35, 0.0, 0.5]], dtype=np.float32)
    on_top, below = maps.key_share(points, up)
    assert on_top > 0.95 and below < 0.05


def test_clothes_follow_the_limbs():
    chart = body_chart("anny")
    x, y, z, arm, leg, head = chart.coordinates.T
    assert 0.05 < chart.eye_m < 0.08
    assert abs(chart.eyes[0]) < 0.005 and z[head > 0].max() - chart.eyes[2] < 0.05
    assert np.corrcoef(np.abs(x[arm > 0.05]), arm[arm > 0.05])[0, 1] > 0.9
    assert np.corrcoef(y[leg > 0.05], leg[leg > 0.05])[0, 1] < -0.9
    red, blue = Pattern(first=(1.0, 0.0, 0.0)), Pattern(first=(0.0, 0.0, 1.0))
    look = Appearance(top=red, trousers=blue, sleeve=0.97, leg_end=0.97)
    colours = look.colour(chart, chart.coordinates)
    assert (colours[(arm > 0.1) & (arm < 0.9)] == (1, 0, 0)).all()
    assert (colours[(leg > 0.1) & (leg < 0.9)] == (0, 0, 1)).all()
    assert not (colours[arm > 1.0] == (1, 0, 0)).all(axis=1).any(), "hands are bare"


def test_posing_in_a_batch_equals_posing_one_by_one(body: AnnyBody, furnished: PosedScene):
    assert pose_scenes([], body) == []
    _, second = pose_scenes([_state(), furnished.state], body)
    np.testing.assert_allclose(second.vertices_world, furnished.vertices_world, atol=1e-5)
    np.testing.assert_array_equal(second.faces, furnished.faces)


def test_harsh_sensors_still_give_pictures(alone: PosedScene):
    sensor = Sensor(exposure=3.0, contrast=1.5, noise=0.1, blur_px=2.0, jpeg_quality=10)
    harsh = render_scene(alone, _camera(0.0), Style(sensor=sensor))
    assert harsh.rgb.dtype == np.uint8 and harsh.rgb.std() > 5
