"""Bodies taken out of virtual cameras: where they stand in the true one, what moves in pixels."""

import pytest
import torch

from human_recovery.body_placement import place_on_pixels, translation_to_pixels
from renders.camera import Camera
from renders.errors import InputError

WIDTH, HEIGHT = 800, 600


def camera(focal: float) -> Camera:
    k = torch.tensor([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]])
    return Camera(k, torch.eye(4), HEIGHT, WIDTH)


def somebody(count: int = 600) -> torch.Tensor:
    """Points of a body's size, more to one side than to the other, around the origin."""
    generator = torch.Generator().manual_seed(5)
    points = (torch.rand(count, 3, generator=generator) - 0.5) * torch.tensor([0.5, 1.7, 0.35])
    points[: count // 4, 2] -= 0.3 * (points[: count // 4, 1] > 0)  # thighs towards the camera
    return points


def seen(points: torch.Tensor, focal: float, centre: tuple[float, float]) -> torch.Tensor:
    return points[:, :2] / points[:, 2:] * focal + torch.tensor(centre)


def test_the_same_camera_gives_the_same_place():
    points = somebody() + torch.tensor([0.4, -0.2, 3.0])
    there = place_on_pixels(points, seen(points, 700.0, (400.0, 300.0)), camera(700.0))
    torch.testing.assert_close(there.rotation, torch.eye(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(there.shift_m, torch.zeros(3), atol=1e-3, rtol=0)
    assert there.worst_px < 0.02


def test_a_shift_is_found_in_closed_form_for_many_bodies_at_once():
    points = torch.stack([somebody(23), somebody(46)[23:]])
    shifts = torch.tensor([[0.3, 0.1, 4.0], [0.3, 0.1, 4.0]])
    pixels = camera(500.0).project(points[0] + shifts[0])
    weight = torch.ones(23)
    weight[3] = 0.0
    pixels[3] = 1e4  # does not count
    found = translation_to_pixels(points, pixels, weight, camera(500.0))
    torch.testing.assert_close(found[0], shifts[0], atol=1e-3, rtol=0)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("focal", [450.0, 700.0, 1200.0])
@pytest.mark.parametrize("x_px", [0.0, 250.0])
def test_a_focal_length_of_5000_becomes_depth(focal, x_px):
    depth_m = 3.0
    virtual = 5000.0 / 192 * 150
    # On the axis of its own crop, wherever that lies in the photo.
    points = somebody() + torch.tensor([0.0, 0.0, depth_m * virtual / focal])
    wanted = seen(points, virtual, (WIDTH / 2 + x_px, HEIGHT / 2 - 30))
    there = place_on_pixels(points, wanted, camera(focal))
    placed = points @ there.rotation.T + there.shift_m
    assert float(placed[:, 2].mean()) == pytest.approx(depth_m, rel=0.15 * x_px / focal + 0.03)
    size_px = float((wanted.amax(0) - wanted.amin(0)).max())
    assert there.median_px < 0.03 * size_px
    assert there.worst_px < 0.12 * size_px
    away = (camera(focal).project(placed) - wanted).norm(dim=1)
    assert float(away.median()) == pytest.approx(there.median_px, rel=0.2)


def test_turning_towards_the_viewer_keeps_what_a_shift_alone_shears():
    virtual, focal = 4000.0, 450.0
    points = somebody() + torch.tensor([0.0, 0.0, 3.0 * virtual / focal])
    wanted = seen(points, virtual, (WIDTH / 2 + 300.0, HEIGHT / 2))
    there = place_on_pixels(points, wanted, camera(focal))
    shift = translation_to_pixels(points[None], wanted, torch.ones(len(points)), camera(focal))[0]
    sheared = (camera(focal).project(points + shift) - wanted).norm(dim=1)
    assert there.median_px < 0.8 * float(sheared.median())
    # What was seen along the crop's axis is seen along the true ray: turned by its angle.
    forward = there.rotation @ torch.tensor([0.0, 0.0, 1.0])
    assert float(forward[0]) > 0.2


def test_close_by_it_is_not_exact_and_says_so():
    far, near = (
        place_on_pixels(points, seen(points, 4000.0, (400.0, 300.0)), camera(500.0)).worst_px
        for points in (
            somebody() + torch.tensor([0.0, 0.0, 5.0 * 8]),
            somebody() + torch.tensor([0.0, 0.0, 1.2 * 8]),
        )
    )
    # As a share of the body's size, which is 4.2 times larger close by.
    assert near / 4.2 > 2.5 * far


def test_points_without_extent_or_number_are_refused():
    points = somebody()
    with pytest.raises(InputError, match="one place"):
        place_on_pixels(points, torch.full((len(points), 2), 50.0), camera(500.0))
    with pytest.raises(InputError, match="finite"):
        place_on_pixels(points * torch.nan, torch.rand(len(points), 2), camera(500.0))
