"""Heat of a bold decoder is brought to the scale of its truth, and stays in order."""

import pytest
import torch

from interactvlm.heat import GAINS, SHIFTS, calibrate_heat, calibrated_heat


def test_order_stays_and_nothing_stays_nothing():
    heat = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0])
    told = calibrated_heat(heat, 2.0, -1.0)
    assert torch.equal(told.argsort(), heat.argsort())
    assert float(told[0]) == 0
    assert float(told[2]) == pytest.approx(float(torch.sigmoid(torch.tensor(-1.0))))
    assert bool(torch.isfinite(told).all())
    assert calibrated_heat(heat, 1.0, 0.0) is heat


def test_a_known_distortion_is_undone():
    torch.manual_seed(0)
    truth = [torch.rand(200).clamp(0.05, 0.95) for _ in range(6)]
    bold = [torch.sigmoid((torch.logit(t) + 1.0) / 1.5) for t in truth]
    gain, shift = calibrate_heat(list(zip(bold, truth, strict=True)))
    assert gain == pytest.approx(1.5, abs=0.26)
    assert shift == pytest.approx(-1.0, abs=0.26)
    assert gain in GAINS
    assert shift in SHIFTS


def test_what_is_right_already_is_left_alone():
    torch.manual_seed(1)
    truth = [torch.rand(100) for _ in range(4)]
    gain, shift = calibrate_heat([(t, t) for t in truth])
    errors = [(calibrated_heat(t, gain, shift) - t).abs().mean() for t in truth]
    assert float(torch.stack(errors).max()) < 0.05
