import pytest
import torch

from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh
from renders.rasterizer import rasterize, visible_pixels
from renders.shading import (
    PhongLight,
    nocs_colors,
    normals_as_colors,
    render_phong,
    to_uint8,
)
from tests.renders.plain import box, front_camera, sphere


def test_normals_as_colors_of_a_sphere():
    mesh = sphere(2)
    colors = normals_as_colors(mesh.vertices, mesh.faces)
    expected = (torch.nn.functional.normalize(mesh.vertices, dim=1) + 1) / 2
    torch.testing.assert_close(colors, expected, atol=0.02, rtol=0)


def test_nocs_colors_span_their_range_per_axis():
    colors = nocs_colors(torch.tensor([[0.0, 5.0, 1.0], [4.0, 5.0, 2.0], [1.0, 5.0, 3.0]]))
    expected = torch.tensor([[0.1, 0.1, 0.1], [0.9, 0.1, 0.5], [0.3, 0.1, 0.9]])
    torch.testing.assert_close(colors, expected)
    assert nocs_colors(torch.zeros(0, 3)).shape == (0, 3)


def test_phong_of_a_plate_seen_head_on():
    """Light and eye straight above the middle: all of ambient, diffuse and highlight."""
    plate = Mesh(
        torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]),
        torch.tensor([[0, 1, 2]]),
        torch.full((3, 3), 0.5),
    )
    camera = front_camera(9)
    image = render_phong(plate, camera, visible_pixels(plate, camera))
    torch.testing.assert_close(image[4, 4], torch.full((3,), 0.8 * 0.5 + 0.2))
    behind = render_phong(plate, camera, rasterize(plate, camera), PhongLight((0.0, 0.0, -3.0)))
    torch.testing.assert_close(behind[4, 4], torch.full((3,), 0.5 * 0.5))
    assert torch.equal(image[0, 0], torch.ones(3))


def test_no_highlight_where_the_light_is_behind_the_surface():
    """At a grazing angle the mirrored light points at the eye, yet the surface hides it."""
    plate = Mesh(
        torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]),
        torch.tensor([[0, 1, 2]]),
        torch.full((3, 3), 0.5),
    )
    eye, up = torch.tensor([-2.0, 0.0, 0.2]), torch.tensor([0.0, 1.0, 0.0])
    camera = Camera.look_at(eye, torch.zeros(3), up, 40.0, 9, 9)
    light = PhongLight((2.0, 0.0, -0.01))
    image = render_phong(plate, camera, rasterize(plate, camera), light)
    torch.testing.assert_close(image[4, 4], torch.full((3,), 0.5 * 0.5))


def test_phong_needs_colors():
    mesh = box((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match="colours"):
        render_phong(mesh, front_camera(8), rasterize(mesh, front_camera(8)))


def test_phong_is_differentiable_in_the_colors():
    mesh, camera = sphere(1), front_camera(12)
    colors = torch.rand(mesh.num_vertices, 3, requires_grad=True)
    fragments = rasterize(mesh, camera)
    render_phong(mesh.with_colors(colors), camera, fragments).sum().backward()
    assert colors.grad is not None
    assert (colors.grad[mesh.faces[fragments.face_index.max()]] > 0).all()


def test_to_uint8_truncates_and_clamps():
    values = torch.tensor([[0.999, 1.0, 1.2], [-0.5, 0.5, 1 / 255]])
    assert to_uint8(values).tolist() == [[254, 255, 255], [0, 127, 1]]
