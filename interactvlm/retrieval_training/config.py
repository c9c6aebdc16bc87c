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
    scenes: Path | None = None
    """Folder of a `train` split made by `interactvlm synth`: half of every batch is cut out of
    its pictures. Without it all pictures are of bare shapes."""
    scene_objects: int = 6000
    """Objects of these scenes."""
    scene_pictures: int = 4
    """Crops of each of them."""
    steps: int = 8000
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
        least = {"pictures": 2, "scene_pictures": 2}
        for name in ("variants", "pictures", "scene_objects", "scene_pictures", "steps", "batch",
                     "save_every", "log_every"):  # fmt: skip
            value = getattr(self, name)
            if value < least.get(name, 1):
                raise InputError(f"{name} must be at least {least.get(name, 1)}, got {value!r}")
