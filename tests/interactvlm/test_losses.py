"""Losses against golden values and gradients, and that a gradient flows through each."""

import pytest
import torch

from interactvlm import losses


def _check(golden_arrays, name, value, leaf, *, leaf_rows=None):
    expected = float(golden_arrays[name][0])
    assert value.item() == pytest.approx(expected, rel=2e-6, abs=1e-7)
    (gradient,) = torch.autograd.grad(value, leaf)
    wanted = torch.from_numpy(golden_arrays[f"{name}_gradient"])
    tolerance = 1e-3 * wanted.abs() + 5e-5 * wanted.abs().max()
    assert bool(((gradient - wanted).abs() <= tolerance).all())


@pytest.fixture(scope="module")
def arrays(golden):
    return golden.arrays("04_losses")


def _leaf(arrays, name):
    return torch.from_numpy(arrays[name]).requires_grad_()


MASK_CASES = {
    "focal_contact": lambda x, t, v: losses.focal_mask_loss(x, t, v),
    "focal_contact_alpha025": lambda x, t, v: losses.focal_mask_loss(x, t, v, alpha=0.25),
    "focal_flat": lambda x, t, v: losses.focal_mask_loss(x, t, v, pool_views=True),
    "dice_contact": lambda x, t, v: losses.dice_mask_loss(x, t, v),
    "dice_contact_scale1000": lambda x, t, v: losses.dice_mask_loss(x, t, v, smooth=1e-2),
    "dice_flat_no_ignore": lambda x, t, v: losses.dice_mask_loss(
        x, t.clamp(min=0), torch.ones_like(v), pool_views=True
    ),
}


@pytest.mark.parametrize("name", MASK_CASES)
def test_mask_losses_equal_golden(arrays, name):
    logits, target = _leaf(arrays, "logits"), torch.from_numpy(arrays["target"])
    _check(arrays, name, MASK_CASES[name](logits, target, target >= 0), logits)


HEAT_CASES = {
    "focal_affordance": losses.focal_heat_loss,
    "dice_affordance": losses.dice_heat_loss,
    "mse_affordance": losses.heat_square_loss,
}


@pytest.mark.parametrize("name", HEAT_CASES)
def test_heat_losses_equal_golden(arrays, name):
    probability, heat = _leaf(arrays, "probability"), torch.from_numpy(arrays["heat"])
    _check(arrays, name, HEAT_CASES[name](probability, heat, heat >= 0), probability)


def test_single_views_equal_golden(arrays):
    logits, target = torch.from_numpy(arrays["logits"]), torch.from_numpy(arrays["target"])
    for v in range(4):
        one = slice(v, v + 1)
        inputs = logits[one], target[one], target[one] >= 0
        focal, dice = losses.focal_mask_loss(*inputs), losses.dice_mask_loss(*inputs)
        assert focal.item() == pytest.approx(float(arrays[f"focal_contact_view{v}"][0]), rel=2e-6)
        assert dice.item() == pytest.approx(float(arrays[f"dice_contact_view{v}"][0]), rel=2e-6)


def test_vertex_losses_equal_golden(arrays):
    probability = _leaf(arrays, "vertex_probability")
    target = torch.from_numpy(arrays["vertex_target"])
    _check(arrays, "human_3d", losses.human_vertex_loss(probability, target), probability)
    one = losses.human_vertex_loss(probability[:1], target[:1])
    _check(arrays, "object_3d", one, probability)
    points = torch.from_numpy(arrays["point_target"])
    intended = losses.object_points_loss(probability, points)
    _check(arrays, "object_points_intended", intended, probability)


def test_published_total_of_one_batch_equals_golden(arrays, golden):
    """Human + object mesh + affordance with their weights, the dead term left out."""
    from renders.lifting import PixelSurfaceMap, lift_human_logits, lift_object_logits

    lifting = golden.arrays("03_lifting")

    def surface(kind):
        return PixelSurfaceMap.from_dense(
            torch.from_numpy(lifting[f"{kind}_pixel_to_vertices"]).long(),
            torch.from_numpy(lifting[f"{kind}_barycentric"]),
            162,
        )

    human = torch.from_numpy(lifting["human_logits"][0]).requires_grad_()
    thing = torch.from_numpy(lifting["object_logits"]).requires_grad_()
    heat_map = torch.from_numpy(lifting["point_maps_probability"][0]).requires_grad_()
    targets = {
        n: torch.from_numpy(arrays[f"combined_{n}_target"]).float()
        for n in ("human", "object", "affordance", "human_vertex", "object_vertex")
    }
    human_valid, thing_valid = targets["human"] >= 0, targets["object"] >= 0
    heat, heat_valid = targets["affordance"], targets["affordance"] >= 0
    focal = losses.focal_mask_loss(human, targets["human"], human_valid)
    focal = focal + losses.focal_mask_loss(thing, targets["object"], thing_valid)
    focal = 2 * (focal + losses.focal_heat_loss(heat_map, heat, heat_valid)) / 3
    dice = losses.dice_mask_loss(human, targets["human"], human_valid)
    dice = dice + losses.dice_mask_loss(thing, targets["object"], thing_valid)
    dice = (dice + losses.dice_heat_loss(heat_map, heat, heat_valid)) / 3
    square = 2 * losses.heat_square_loss(heat_map, heat, heat_valid)
    human_3d = 3 * losses.human_vertex_loss(
        lift_human_logits(surface("human"), human)[None], targets["human_vertex"][None]
    )
    object_3d = 3 * losses.human_vertex_loss(
        lift_object_logits(surface("object"), thing)[None], targets["object_vertex"][None]
    )
    parts = {"focal": focal, "dice": dice, "mse": square, "human_3d": human_3d,
             "object_3d": object_3d}  # fmt: skip
    for name, value in parts.items():
        assert value.item() == pytest.approx(float(arrays[f"combined_{name}"][0]), rel=3e-6), name
    total = sum(parts.values())
    dead = float(arrays["combined_object_points"][0])
    assert total.item() + dead == pytest.approx(float(arrays["combined_total"][0]), rel=3e-6)
    gradients = torch.autograd.grad(total, (human, thing, heat_map))
    for name, got in zip(("human", "object", "affordance"), gradients, strict=True):
        wanted = torch.from_numpy(arrays[f"combined_{name}_gradient"])
        tolerance = 1e-3 * wanted.abs() + 5e-5 * wanted.abs().max()
        assert bool(((got - wanted).abs() <= tolerance).all()), name


def test_gradient_reaches_the_input_of_every_loss():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    target = (torch.rand(2, 4, 6, 6) > 0.5).float()
    valid = torch.rand(2, 4, 6, 6) > 0.2
    p = torch.rand(2, 30, requires_grad=True)
    vertices = (torch.rand(2, 30) > 0.5).float()
    logits = torch.randn(2, 5, 7, requires_grad=True)
    cases = [
        (losses.focal_mask_loss(x, target, valid), x),
        (losses.dice_mask_loss(x, target, valid), x),
        (losses.focal_heat_loss(x.sigmoid(), target, valid), x),
        (losses.dice_heat_loss(x.sigmoid(), target, valid), x),
        (losses.heat_square_loss(x.sigmoid(), target, valid), x),
        (losses.human_vertex_loss(p, vertices), p),
        (losses.object_vertex_loss(p, vertices), p),
        (losses.object_points_loss(p, vertices), p),
        (losses.token_cross_entropy(logits, torch.randint(0, 7, (2, 5))), logits),
    ]
    for value, leaf in cases:
        (gradient,) = torch.autograd.grad(value, leaf)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0


def test_degenerate_targets_stay_finite():
    x = torch.randn(1, 4, 3, 3, requires_grad=True)
    nothing = torch.zeros(1, 4, 3, 3)
    nowhere = torch.zeros(1, 4, 3, 3, dtype=torch.bool)
    assert losses.focal_mask_loss(x, nothing, nowhere).item() == 0
    assert losses.dice_mask_loss(x, nothing, ~nowhere).item() == 0
    unlabelled = torch.full((1, 3), -100)
    assert losses.token_cross_entropy(torch.randn(1, 3, 5), unlabelled).item() == 0


def test_wrong_shape_is_caught():
    with pytest.raises(Exception, match=r"[Tt]ype-check"):
        losses.human_vertex_loss(torch.rand(2, 5), torch.rand(2, 6))
