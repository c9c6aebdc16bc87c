"""Learning rates, parameter groups and the running average of the weights."""

import math
from typing import Any

import torch
from torch import Tensor, nn


def rate_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def linear_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up, then linear down to 0 at `total`. Source: InteractVLM, training schedule."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (total - step) / max(1, total - warmup))


def build_optimizer(module: nn.Module, rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices only."""
    matrices = [p for p in module.parameters() if p.requires_grad and p.ndim >= 2]
    vectors = [p for p in module.parameters() if p.requires_grad and p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


class RunningAverage:
    """Exponential average of a module's floating-point state, with a short memory at first."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """One step; whole numbers (counters) are copied."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value.detach().to(self.state[key]), 1 - decay)
            else:
                self.state[key].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.updates = int(values["updates"])
        stored: dict[str, Tensor] = values["state"]
        for key, value in stored.items():
            self.state[key].copy_(value)
