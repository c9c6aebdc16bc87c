import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from renders.camera import Camera, camera_from_pytorch3d, intrinsics_from_fov
from renders.errors import InputError
from tests.renders.plain import front_camera

coordinate = st.floats(-3, 3, allow_nan=False, width=32)
triple = st.tuples(coordinate, coordinate, coordinate)


@st.composite
def cameras(draw) -> Camera:
    """A camera 1 to 5 m from the origin, not looking along its up vector."""
    azimuth = draw(st.floats(0, 2 * math.pi))
    elevation = draw(st.floats(-1.4, 1.4))
    distance = draw(st.floats(1, 5))
    eye = distance * torch.tensor(
        [
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
            math.cos(elevation) * math.cos(azimuth),
        ]
    )
    height, width = draw(st.integers(1, 64)), draw(st.integers(1, 64))
    fov = draw(st.floats(20, 120))
    up = torch.tensor([0.0, 1.0, 0.0])
    return Camera.look_at(eye, torch.zeros(3), up, fov, height, width)


@settings(max_examples=40)
@given(camera=cameras(), point=triple)
def test_to_world_undoes_to_camera(camera, point):
    world = torch.tensor([point], dtype=torch.float64)
    torch.testing.assert_close(camera.to_world(camera.to_camera(world)), world, atol=1e-5, rtol=0)


@settings(max_examples=40)
@given(camera=cameras(), u=st.floats(-1, 2), v=st.floats(-1, 2), depth=st.floats(0.1, 10))
def test_project_undoes_unproject(camera, u, v, depth):
    size = torch.tensor([camera.width_px, camera.height_px], dtype=torch.float64)
    pixels = torch.tensor([[u, v]]).double() * size
    world = camera.unproject(pixels, torch.tensor([depth], dtype=torch.float64))
    torch.testing.assert_close(camera.project(world), pixels, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        camera.to_camera(world)[:, 2], torch.tensor([depth]).double(), atol=1e-5, rtol=0
    )


@settings(max_examples=40)
@given(camera=cameras())
def test_camera_is_rigid_right_handed_and_sees_its_target(camera):
    rotation = camera.camera_from_world[:3, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)
    assert torch.linalg.det(rotation) > 0
    middle = torch.tensor([[camera.width_px / 2, camera.height_px / 2]])
    torch.testing.assert_close(camera.project(torch.zeros(1, 3)), middle, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        camera.to_camera(camera.position_world), torch.zeros(3), atol=1e-5, rtol=0
    )


@settings(max_examples=25)
@given(camera=cameras(), point=triple, height=st.integers(1, 99), width=st.integers(1, 99))
def test_resizing_keeps_relative_position(camera, point, height, width):
    world = torch.tensor([point])
    if float(camera.to_camera(world)[0, 2]) < 0.1:
        return
    old = torch.tensor([camera.width_px, camera.height_px])
    moved = camera.resized(height, width).project(world) / torch.tensor([width, height])
    torch.testing.assert_close(moved, camera.project(world) / old, atol=1e-3, rtol=1e-4)


def test_axes_x_right_y_down_z_forward():
    camera = front_camera(48, distance=2.0)
    points = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]])
    (right, _), (_, up), _ = (camera.project(points) - 24).tolist()
    assert right > 0 and up < 0
    assert camera.to_camera(points[2])[2] == pytest.approx(1.9)


def test_points_behind_the_camera_have_no_pixel():
    pixels = front_camera().project(torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]))
    assert torch.isnan(pixels[0]).all() and torch.isfinite(pixels[1]).all()


def test_vertical_field_of_view_spans_the_height():
    intrinsics = intrinsics_from_fov(60.0, 100, 300)
    assert intrinsics[1, 1] == pytest.approx(50 * math.sqrt(3))
    assert intrinsics[0, 0] == intrinsics[1, 1]
    assert intrinsics[:2, 2].tolist() == [150, 50]


def test_published_camera_centre_and_shift():
    camera = camera_from_pytorch3d(2.0, 45.0, 315.0)
    expected = torch.tensor([-1.0, math.sqrt(2), 1.0])
    torch.testing.assert_close(camera.position_world, expected, atol=1e-6, rtol=0)
    shifted = camera_from_pytorch3d(2.0, 45.0, 315.0, shift_x=0.2, shift_y=0.3)
    # Their x is left and y is up; ours right and down.
    difference = shifted.camera_from_world[:3, 3] - camera.camera_from_world[:3, 3]
    torch.testing.assert_close(difference, torch.tensor([-0.2, -0.3, 0.0]), atol=1e-6, rtol=0)


def test_unusable_cameras_are_rejected():
    eye, up = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    with pytest.raises(InputError, match="up"):
        Camera.look_at(eye, torch.zeros(3), up, 60.0, 8, 8)
    with pytest.raises(InputError, match="differ"):
        Camera.look_at(eye, eye, up, 60.0, 8, 8)
    with pytest.raises(InputError, match="elevation"):
        camera_from_pytorch3d(2.0, 90.0, 0.0)
    with pytest.raises(InputError, match="distance"):
        camera_from_pytorch3d(0.0, 0.0, 0.0)
    with pytest.raises(InputError, match="field of view"):
        intrinsics_from_fov(180.0, 8, 8)
    with pytest.raises(InputError, match="at least 1x1"):
        front_camera(0)
    with pytest.raises(InputError, match="finite"):
        Camera(torch.eye(3) * torch.nan, torch.eye(4), 4, 4)
    with pytest.raises(InputError, match="focal"):
        Camera(-torch.eye(3), torch.eye(4), 4, 4)
