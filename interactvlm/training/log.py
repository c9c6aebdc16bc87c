"""Training logs: a CSV that survives a kill, TensorBoard where it is installed, a progress bar."""

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class TrainingLog:
    """Collects loss terms and writes their means every `every` steps; silent on other ranks."""

    def __init__(self, folder: Path, stage: str, every: int, *, active: bool) -> None:
        self.path = folder / "log.csv"
        self.stage, self.every, self.active = stage, every, active
        self._sums: dict[str, float] = {}
        self._count = 0
        self._start = time.monotonic()
        self._board: Any = _board(folder / "tensorboard") if active else None

    def add(self, step: int, terms: Mapping[str, float], rate: float) -> dict[str, float] | None:
        """Take one step's terms; returns the means when a row was written."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if self._count < self.every or not self.active:
            return None
        means = {name: value / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        self._write(step, means, rate)
        return means

    def _write(self, step: int, means: dict[str, float], rate: float) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(["stage", "step", "seconds", "rate", "terms"])
            terms = " ".join(f"{name}={value:.5g}" for name, value in means.items())
            writer.writerow(
                [self.stage, step, f"{time.monotonic() - self._start:.1f}", f"{rate:.3g}", terms]
            )
        if self._board is not None:
            for name, value in means.items():
                self._board.add_scalar(f"{self.stage}/{name}", value, step)


def _board(folder: Path) -> Any:
    """TensorBoard's writer, or None where the `train` extra is not installed (the CSV remains)."""
    import importlib.util

    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
