"""Losses of the photo tower against plain loops."""

import pytest
import torch
from torch.nn import functional

from interactvlm.perception import NUM_KEYPOINTS, NUM_PARTS, Perception
from interactvlm.training.config import LossWeights
from interactvlm.training.data import PictureBatch
from interactvlm.training.objective import (
    contact_loss,
    decision_loss,
    heat_loss,
    perception_losses,
)

CELLS, CLASSES = 12, 1 + NUM_PARTS + 3


@pytest.fixture
def seen():
    generator = torch.Generator().manual_seed(0)

    def maps(channels: int) -> torch.Tensor:
        return torch.randn(2, channels, CELLS, CELLS, generator=generator)

    return Perception(
        maps(4), maps(4)[..., :6, :6], maps(4)[..., :3, :3], maps(NUM_KEYPOINTS), maps(CLASSES),
        maps(3), torch.zeros(2), maps(NUM_PARTS),
    )  # fmt: skip


@pytest.fixture
def batch():
    """Picture 0: a cup of one cell and a sofa of 100; picture 1: nothing but background."""
    object_at = torch.zeros(2, CELLS, CELLS, dtype=torch.long)
    object_at[0, :10, :10], object_at[0, 11, 11] = 1, 2
    classes = torch.where(object_at > 0, NUM_PARTS + object_at, 0)
    touched_by = torch.zeros(2, 2, NUM_PARTS)
    touched_by[0, 0, 2] = touched_by[0, 1, 7] = 1
    return PictureBatch(
        torch.zeros(2, 4 * CELLS, 4 * CELLS, 3, dtype=torch.uint8), classes,
        torch.zeros(2, NUM_KEYPOINTS, 3), torch.zeros(2, 3, CELLS, CELLS),
        torch.zeros(2, CELLS, CELLS, dtype=torch.bool), object_at, touched_by, (),
    )  # fmt: skip


def test_every_object_has_one_vote_on_its_touch(seen, batch):
    losses = LossWeights(touch=1.0)
    expected = []
    for place, cells in ((0, batch.object_at[0] == 1), (1, batch.object_at[0] == 2)):
        logits = seen.touch_logits[0, :, cells]
        truth = batch.touched_by[0, place][:, None].expand_as(logits)
        wrong = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        expected.append(wrong.sum(0).mean())
    actual = perception_losses(seen, batch, losses)["touch"]
    torch.testing.assert_close(actual, torch.stack(expected).mean())


def test_a_cell_of_a_small_object_weighs_more(seen, batch):
    wrong = functional.cross_entropy(seen.class_logits, batch.classes, reduction="none")
    weight = torch.full((2, CELLS, CELLS), 0.4)
    weight[batch.object_at == 1] = 1.0  # 100 cells: as every pixel
    weight[batch.object_at == 2] = 8.0  # one cell: root of 64
    expected = (wrong * weight).sum() / weight.sum()
    actual = perception_losses(seen, batch, LossWeights(classes=1.0))["classes"]
    torch.testing.assert_close(actual, expected)


def test_pictures_without_objects_have_no_touch_loss(seen, batch):
    empty = PictureBatch(
        batch.rgb, batch.classes, batch.keypoints, batch.surface, batch.on_body,
        torch.zeros_like(batch.object_at), torch.zeros(2, 0, NUM_PARTS), (),
    )  # fmt: skip
    terms = perception_losses(seen, empty, LossWeights())
    assert terms["touch"] == 0
    assert all(term.isfinite() for term in terms.values())


def test_the_decision_is_the_probability_of_the_denying_words():
    logits = torch.randn(5, 20, generator=torch.Generator().manual_seed(0))
    touched = torch.tensor([True, False, True, False, False])
    denied = logits.softmax(1)[:, [3, 7]].sum(1)
    expected = functional.binary_cross_entropy(denied, (~touched).float())
    torch.testing.assert_close(decision_loss(logits, touched, (3, 7)), expected)


def test_contact_loss_falls_with_better_logits_and_bears_empty_truth():
    contact = torch.zeros(3, 50)
    contact[0, :5] = contact[1, 20:30] = 1
    losses = [contact_loss(k * (2 * contact - 1), contact).item() for k in (0.0, 1.0, 5.0)]
    assert losses[0] > losses[1] > losses[2]
    assert contact_loss(torch.zeros(2, 50), torch.zeros(2, 50)).isfinite()


def test_heat_is_judged_where_the_object_is():
    heat, filled = torch.zeros(2, 8), torch.zeros(2, 8, dtype=torch.bool)
    filled[0, :4], filled[1, 2:] = True, True
    heat[0, 1], heat[1, 5] = 1.0, 0.5
    logits = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    elsewhere = torch.where(filled, logits, logits + 30)
    torch.testing.assert_close(heat_loss(logits, heat, filled), heat_loss(elsewhere, heat, filled))
    right = torch.where(heat == 1, 20.0, -20.0)
    assert heat_loss(right[:1], heat[:1], filled[:1]) < 1e-3
    assert heat_loss(-right[:1], heat[:1], filled[:1]) > 10


def test_an_untouched_object_wants_no_heat():
    filled = torch.ones(1, 8, dtype=torch.bool)
    cold, hot = torch.full((1, 8), -20.0), torch.full((1, 8), 20.0)
    assert heat_loss(cold, torch.zeros(1, 8), filled) < 1e-2
    assert heat_loss(hot, torch.zeros(1, 8), filled) > 10
