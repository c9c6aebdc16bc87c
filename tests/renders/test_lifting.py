import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from renders.errors import InputError
from renders.lifting import PixelSurfaceMap, lift_human_logits, lift_object_logits
from renders.mesh import PointCloud
from renders.points import splat
from renders.rasterizer import visible_pixels
from tests.renders.plain import front_camera, lift_plain, masks_plain, sphere


def sphere_map(size: int = 14) -> PixelSurfaceMap:
    """Two views of a small sphere; its back stays unseen in the first."""
    mesh = sphere(1)
    cameras = [front_camera(size), front_camera(size, distance=-2.0)]
    views = [visible_pixels(mesh, camera) for camera in cameras]
    return PixelSurfaceMap.from_visible(views, mesh.faces, mesh.num_vertices)


def hand_map() -> PixelSurfaceMap:
    """Two views of 1x2 pixels, four vertices; vertex 3 is never seen."""
    vertex = torch.tensor([[[[0, 1, 2], [0, 1, 2]]], [[[0, 1, 2], [-1, -1, -1]]]])
    weight = torch.tensor(
        [[[[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]], [[[0.0, 0.5, 0.5], [0.0, 0.0, 0.0]]]]
    )
    return PixelSurfaceMap.from_dense(vertex, weight, 4)


def test_hand_computed_lift():
    values = torch.tensor([[[0.2, 0.8]], [[1.0, float("nan")]]])
    surface = hand_map()
    first = (0.5 * 0.2 + 0.25 * 0.8) / 0.75
    expected = torch.tensor([first, (first + 1.0) / 2, (0.8 + 1.0) / 2, 0.0])
    torch.testing.assert_close(surface.lift(values), expected)
    second = (0.5 * 0.2 + 0.25 * 0.8 + 0.5 * 1.0) / 1.25
    expected = torch.tensor([first, second, (0.5 * 0.8 + 0.5 * 1.0) / 1.0, 0.0])
    torch.testing.assert_close(surface.lift(values, reduction="pixels"), expected)
    expected = torch.tensor([0.8, 0.9, 0.9, 0.0])
    torch.testing.assert_close(surface.lift(values, minimum=0.3), expected)
    assert surface.seen.tolist() == [True, True, True, False]
    assert surface.seen_by_views.tolist() == [1, 2, 2, 0]
    assert surface.valid.tolist() == [[[True, True]], [[True, False]]]


def test_minimum_is_strict():
    values = torch.full((2, 1, 2), 0.3)
    assert not hand_map().lift(values, minimum=0.3).any()


@pytest.mark.parametrize("minimum", [None, 0.4])
def test_lift_equals_plain_lift_including_gradients(minimum):
    surface = sphere_map()
    dense = (surface.vertex_of_pixel, surface.weight_of_pixel, surface.num_vertices)
    values = torch.rand(2, 14, 14, requires_grad=True)
    fast, plain = surface.lift(values, minimum=minimum), lift_plain(values, *dense, minimum)
    torch.testing.assert_close(fast, plain)
    upstream = torch.rand_like(fast)
    gradients = [torch.autograd.grad(out, values, upstream)[0] for out in (fast, plain)]
    torch.testing.assert_close(*gradients)


def test_soft_masks_equal_plain_including_gradients():
    surface = sphere_map()
    contact = torch.rand(surface.num_vertices, requires_grad=True)
    fast = surface.masks_from_vertices(contact, soft=True)
    plain = masks_plain(contact, surface.vertex_of_pixel, surface.weight_of_pixel)
    torch.testing.assert_close(fast, plain)
    upstream = torch.rand_like(fast)
    gradients = [torch.autograd.grad(out, contact, upstream)[0] for out in (fast, plain)]
    torch.testing.assert_close(*gradients)


def test_soft_masks_are_the_transpose_of_the_weighted_sum():
    surface = sphere_map()
    contact, image = torch.rand(surface.num_vertices), torch.rand(2, 14, 14)
    forward = (surface.masks_from_vertices(contact, soft=True) * image).sum()
    total = surface._scatter(surface._gather(image))[0].sum(0)
    torch.testing.assert_close(forward, (contact * total).sum())


def test_hard_masks_count_the_corners():
    surface = sphere_map()
    contact = (torch.arange(surface.num_vertices) % 3 == 0).float()
    corners = surface.vertex_of_pixel
    count = (contact[corners.clamp(min=0)] * (corners >= 0)).sum(-1)
    for least in (1, 2, 3):
        mask = surface.masks_from_vertices(contact, min_vertices=least)
        assert torch.equal(mask, (count >= least).float())
    with pytest.raises(InputError, match="min_vertices"):
        surface.masks_from_vertices(contact, min_vertices=4)


def test_batches_equal_single_samples():
    surface = sphere_map()
    values, contact = torch.rand(3, 2, 2, 14, 14), torch.rand(3, 2, surface.num_vertices)
    for options in ({}, {"minimum": 0.5}, {"reduction": "pixels"}):
        lifted = surface.lift(values, **options)
        assert lifted.shape == (3, 2, surface.num_vertices)
        torch.testing.assert_close(lifted[2, 1], surface.lift(values[2, 1], **options))
    for soft in (False, True):
        masks = surface.masks_from_vertices(contact, soft=soft)
        torch.testing.assert_close(
            masks[1, 0], surface.masks_from_vertices(contact[1, 0], soft=soft)
        )
    assert surface.lift(torch.zeros(0, 2, 14, 14)).shape == (0, surface.num_vertices)


@settings(max_examples=25)
@given(value=st.floats(0, 1, width=32))
def test_lifting_a_constant_gives_the_constant_where_seen(value):
    surface = hand_map()
    for reduction in ("views", "pixels"):
        lifted = surface.lift(torch.full((2, 1, 2), value), reduction=reduction)
        torch.testing.assert_close(lifted, torch.tensor([value] * 3 + [0.0]), atol=1e-6, rtol=0)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_lifting_follows_a_renumbering_of_the_vertices(seed):
    surface = sphere_map(8)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(surface.num_vertices, generator=generator)
    values = torch.rand(2, 8, 8, generator=generator)
    renumbered = PixelSurfaceMap(
        surface.pixel_index, order[surface.vertex_index], surface.weight,
        surface.num_vertices, 2, 8, 8,
    )  # fmt: skip
    lifted = surface.lift(values)
    assert float(lifted.min()) >= 0 and float(lifted.max()) <= 1
    torch.testing.assert_close(renumbered.lift(values)[order], lifted)


def test_masks_of_vertices_lift_back_to_them():
    surface = sphere_map(96)
    contact = (torch.rand(surface.num_vertices) > 0.5).float()
    lifted = surface.lift(surface.masks_from_vertices(contact, soft=True))
    error = (lifted - contact)[surface.seen].abs()
    assert float(error.mean()) < 0.35 and bool(
        ((lifted > 0.5) == (contact > 0.5)).float().mean() > 0.9
    )


def test_human_logits_beyond_the_clamp_have_no_gradient():
    logits = torch.tensor([[[50.0, 0.0]], [[-50.0, 0.0]]], requires_grad=True)
    lift_human_logits(hand_map(), logits).sum().backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[[False, True]], [[False, False]]]


def test_object_rule_never_lowers_a_vertex():
    yes = torch.full((2, 1, 2), 3.0)
    mixed = yes.clone()
    mixed[0, 0, 1] = -9.0
    torch.testing.assert_close(
        lift_object_logits(hand_map(), mixed), lift_object_logits(hand_map(), yes)
    )
    assert not lift_object_logits(hand_map(), torch.full((2, 1, 2), -5.0)).any()


def test_half_precision_sums_in_single():
    surface = sphere_map()
    values = torch.rand(2, 14, 14)
    lifted = surface.lift(values.bfloat16())
    assert lifted.dtype == torch.float32
    torch.testing.assert_close(lifted, surface.lift(values.bfloat16().float()))


def test_dense_form_round_trips():
    surface = sphere_map()
    again = PixelSurfaceMap.from_dense(
        surface.vertex_of_pixel, surface.weight_of_pixel, surface.num_vertices
    )
    assert torch.equal(again.pixel_index, surface.pixel_index)
    assert torch.equal(again.vertex_index, surface.vertex_index)
    assert torch.equal(again.weight, surface.weight)


def test_point_map_takes_the_mean_of_each_points_pixels():
    points = torch.tensor([[0.3, 0, 0], [-0.3, 0, 0], [0, 0, 9.0]])
    cameras = [front_camera(20), front_camera(20, distance=-2.0)]
    views = [splat(PointCloud(points), camera, radius_ndc=0.2) for camera in cameras]
    surface = PixelSurfaceMap.from_points(views, 3)
    values = torch.rand(2, 20, 20)
    nearest = torch.stack([view.nearest_point() for view in views])
    means = [
        torch.stack([values[v][nearest[v] == i].mean() for v in range(2)]).mean() for i in (0, 1)
    ]
    lifted = surface.lift(values)
    torch.testing.assert_close(lifted[:2], torch.stack(means))
    assert surface.seen.tolist() == [True, True, True] or not surface.seen[2]
    mask = surface.masks_from_vertices(torch.tensor([1.0, 0.0, 0.0]), min_vertices=2)
    assert torch.equal(mask, (nearest == 0).float())


def test_nothing_seen_lifts_to_zero():
    surface = PixelSurfaceMap.from_dense(
        torch.full((2, 3, 3, 3), -1), torch.full((2, 3, 3, 3), -1.0), 5
    )
    assert not surface.lift(torch.rand(2, 3, 3)).any() and not surface.seen.any()
    assert not surface.masks_from_vertices(torch.ones(5)).any()


def test_wrong_sizes_are_rejected_with_both_sizes():
    with pytest.raises(InputError, match=r"\(2, 14, 14\).*\(2, 7, 7\)"):
        sphere_map().lift(torch.rand(2, 7, 7))
    with pytest.raises(InputError, match="one size"):
        mesh = sphere(1)
        views = [visible_pixels(mesh, front_camera(size)) for size in (8, 9)]
        PixelSurfaceMap.from_visible(views, mesh.faces, mesh.num_vertices)


@pytest.mark.gpu
def test_gpu_lifts_the_same():
    surface, values = sphere_map(), torch.rand(3, 2, 14, 14)
    there = surface.to("cuda").lift(values.cuda()).cpu()
    torch.testing.assert_close(there, surface.lift(values))
