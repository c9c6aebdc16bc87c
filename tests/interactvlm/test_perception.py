"""The photo tower: shapes, geometry of its windows, gradients of its losses."""

import numpy as np
import torch
from PIL import Image

from interactvlm.config import VisionConfig
from interactvlm.perception import (
    NUM_KEYPOINTS,
    PerceptionTower,
    _windows,
    facing_sign,
    soft_argmax,
)

CONFIG = VisionConfig(
    kind="perception", image_size_px=64, patch_px=16, width=32, depth=1, heads=4, mlp_width=32,
    options={"objects": 3, "fine": 8, "middle": 16},
)  # fmt: skip


def test_one_token_per_cell_keypoint_and_object():
    tower = PerceptionTower(CONFIG).eval()
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    tokens = tower(tower.preprocess([photo, photo]))
    assert tokens.shape == (2, tower.num_tokens, 32)
    torch.testing.assert_close(tokens[0], tokens[1])


def test_soft_argmax_finds_the_peak_at_the_cell_centre():
    logits = torch.full((1, 1, 8, 8), -50.0)
    logits[0, 0, 2, 5] = 50.0
    at, peak = soft_argmax(logits)
    torch.testing.assert_close(at[0, 0], torch.tensor([5.5, 2.5]))
    assert peak.item() > 0.99


def test_windows_sum_to_one_and_centre_on_the_keypoint():
    window = _windows(torch.tensor([[[24.0, 20.0]]]), 48)
    torch.testing.assert_close(window[:, :2].sum(-1), torch.ones(1, 2, 1), atol=1e-3, rtol=0)
    brightest = int(window[0, 0, 0].argmax())
    assert (brightest % 48, brightest // 48) in {(23, 19), (23, 20), (24, 19), (24, 20)}


def test_tokens_do_not_push_gradients_into_what_they_read():
    tower = PerceptionTower(CONFIG)
    seen = tower.perceive(torch.randn(2, 3, 64, 64))
    tower.tokens(seen).sum().backward()
    assert tower.keypoint_head.weight.grad is None
    assert tower.class_head.weight.grad is None
    assert tower.touch_head.weight.grad is None
    assert seen.keypoint_logits.shape[1] == NUM_KEYPOINTS


def _upright(width: float) -> torch.Tensor:
    """Shoulders above hips, the left ones to the right of the picture by `width`."""
    keypoints = torch.zeros(1, NUM_KEYPOINTS, 3)
    for row, (x, y) in {5: (width, 0), 6: (0, 0), 11: (width, 10), 12: (0, 10)}.items():
        keypoints[0, row, :2] = torch.tensor([x, float(y)])
    return keypoints


def test_facing_is_positive_in_front_and_negative_from_behind():
    assert facing_sign(_upright(5.0)).item() == 1
    assert facing_sign(_upright(-5.0)).item() == -1
    assert facing_sign(_upright(0.0)).item() == 0


def test_facing_does_not_depend_on_roll_or_size():
    keypoints = _upright(2.0)
    angle = torch.tensor(1.1)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    rolled = keypoints.clone()
    rolled[..., :2] = 3 * keypoints[..., :2] @ turn.T
    torch.testing.assert_close(facing_sign(rolled), facing_sign(keypoints))


def test_facing_of_collapsed_keypoints_is_a_number():
    assert facing_sign(torch.zeros(1, NUM_KEYPOINTS, 3)).item() == 0
