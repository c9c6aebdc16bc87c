"""Settings of training the picture encoder; light enough for the command line's help."""

from dataclasses import dataclass
from pathlib import Path

from interactvlm.errors import InputError


@dataclass(frozen=True)
class RetrievalTrainConfig:
    """Train the picture encoder on rendered shapes of the library."""

    out: Path = Path("runs/retrieval")
    """Folder of pictures, checkpoint, log and the final weights."""
    library: Path | None = None
    """Folder of shapes. Without it: the embedded library."""
    variants: int = 48
    """Shapes per category of the embedded library."""
    pictures: int = 12
    """Pictures per shape, each with its own camera, light, background and occlusion."""
    steps: int = 6000
    """Optimiser steps."""
    batch: int = 64
    """Shapes per step, two pictures each."""
    rate: float = 2e-3
    """Peak learning rate."""
    weight_decay: float = 0.02
    """Of matrices."""
    warmup: int = 200
    """Steps until the peak."""
    average: float = 0.998
    """Memory of the running average of the weights."""
    pair_weight: float = 0.3
    """Weight of telling a shape from others of the batch, beside telling its category."""
    save_every: int = 250
    """Steps between checkpoints."""
    log_every: int = 50
    """Steps between rows of log.csv."""
    seed: int = 0
    """Of pictures and training."""
    device: str = "cpu"
    """Where it is trained: cpu, cuda."""

    def __post_init__(self) -> None:
        for name in ("variants", "pictures", "steps", "batch", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        if self.pictures < 2:
            raise InputError(f"pictures must be at least 2, got {self.pictures}")
