import pytest
import torch

import renders.points
from renders.errors import InputError
from renders.mesh import PointCloud
from renders.points import composite, splat
from tests.renders.plain import front_camera, splat_plain


def dense(pixels):
    shape = (pixels.height_px * pixels.width_px, pixels.point_index.shape[1])
    index, distance = torch.full(shape, -1), torch.full(shape, -1.0)
    index[pixels.pixel_index] = pixels.point_index
    distance[pixels.pixel_index] = pixels.squared_distance
    image = (pixels.height_px, pixels.width_px, -1)
    return index.view(image), distance.view(image)


@pytest.mark.parametrize("chunk", [1 << 18, 50, 1])
def test_nearest_points_equal_plain(chunk, monkeypatch):
    monkeypatch.setattr(renders.points, "_FRAGMENTS_AT_ONCE", chunk)
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(60, 3, generator=generator) * 3 - 1.5
    points[:, 2] += 0.7
    camera = front_camera(21)
    assert (camera.to_camera(points)[:, 2] < 0).any()
    fast = splat(PointCloud(points), camera, radius_ndc=0.25, points_per_pixel=4)
    index, distance = dense(fast)
    plain_index, plain_distance = splat_plain(PointCloud(points), camera, 0.25, 4)
    assert torch.equal(index, plain_index)
    torch.testing.assert_close(distance, plain_distance, atol=1e-6, rtol=0)
    assert torch.equal(fast.nearest_point(), plain_index[..., 0])
    assert torch.equal(fast.covered, plain_index[..., 0] >= 0)
    assert (fast.pixel_index.diff() > 0).all()


def test_equal_depths_go_to_the_lower_index():
    cloud = PointCloud(torch.zeros(5, 3))
    pixels = splat(cloud, front_camera(9), radius_ndc=0.3, points_per_pixel=3)
    assert (pixels.point_index == torch.tensor([0, 1, 2])).all()


def test_composite_white_only_where_no_point_hits():
    camera = front_camera(15)
    cloud = PointCloud(torch.zeros(1, 3), torch.tensor([[0.2, 0.4, 0.6]]))
    pixels = splat(cloud, camera, radius_ndc=0.4)
    image = composite(pixels, cloud.colors)
    assert torch.equal(image[0, 0], torch.ones(3))
    torch.testing.assert_close(image[7, 7], cloud.colors[0])
    # Half way to the rim: alpha = 1 - d²/r², the rest is black.
    alpha = 1 - (2 * 2 / 15) ** 2 / 0.4**2
    torch.testing.assert_close(image[7, 9], cloud.colors[0] * alpha)


def test_composite_gradient_equals_hand_written():
    camera = front_camera(9)
    cloud = PointCloud(torch.tensor([[0.0, 0, 0], [0.05, 0, -0.1]]))
    pixels = splat(cloud, camera, radius_ndc=0.5)
    colors = torch.rand(2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(composite(pixels, colors)[4, 4].sum(), colors)
    index, distance = dense(pixels)
    first, second = (1 - distance[4, 4, :2] / 0.25).tolist()
    assert index[4, 4, :2].tolist() == [0, 1]
    expected = torch.tensor([[first], [(1 - first) * second]]).expand(2, 3)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    "points", [torch.zeros(0, 3), torch.tensor([[0.0, 0, 5.0]]), torch.tensor([[90.0, 0, 0]])]
)
def test_nothing_to_see_gives_white(points):
    pixels = splat(PointCloud(points), front_camera(8))
    assert not pixels.covered.any()
    assert torch.equal(composite(pixels, torch.zeros(len(points), 3)), torch.ones(8, 8, 3))


def test_unusable_arguments_are_rejected():
    with pytest.raises(InputError, match="NaN"):
        splat(PointCloud(torch.full((2, 3), torch.nan)), front_camera(8))
    with pytest.raises(InputError, match="positive"):
        splat(PointCloud(torch.zeros(1, 3)), front_camera(8), radius_ndc=0.0)
    with pytest.raises(InputError, match="positive"):
        splat(PointCloud(torch.zeros(1, 3)), front_camera(8), points_per_pixel=0)
