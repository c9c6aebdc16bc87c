"""Heat on objects, brought to the scale of its truth.

Dice makes a decoder bold; two numbers fixed on validation data undo it. Order, and with it AUC,
stays as it is.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_SURE = 1e-4
"""Nearer to 0 or 1 no heat is taken to be."""
GAINS = tuple(float(g) for g in np.linspace(0.5, 3.0, 11))
SHIFTS = tuple(float(s) for s in np.linspace(-3.0, 1.0, 17))


def calibrated_heat(
    heat: Float[Tensor, "*batch points"], gain: float, shift: float
) -> Float[Tensor, "*batch points"]:
    """Heat whose logits were multiplied and shifted; 0 (not seen, not said) stays 0."""
    if (gain, shift) == (1.0, 0.0):
        return heat
    told = torch.logit(heat, eps=_SURE) * gain + shift
    return torch.where(heat > 0, told.sigmoid(), torch.zeros_like(heat))


def calibrate_heat(
    pairs: Sequence[tuple[Float[Tensor, "points"], Float[Tensor, "points"]]],
) -> tuple[float, float]:
    """Gain and shift for pairs of said and true heat: the largest mean similarity less error."""
    best, chosen = -np.inf, (1.0, 0.0)
    for gain in GAINS:
        for shift in SHIFTS:
            value = float(
                np.mean(
                    [_worth(calibrated_heat(said, gain, shift), truth) for said, truth in pairs]
                )
            )
            if value > best:
                best, chosen = value, (gain, shift)
    return chosen


def _worth(said: Float[Tensor, "points"], truth: Float[Tensor, "points"]) -> float:
    """Similarity less mean absolute error; see `affordance_scores`."""
    shares = (said / (said.sum() + 1e-12), truth / (truth.sum() + 1e-12))
    return float(torch.minimum(*shares).sum() - (said - truth).abs().mean())
