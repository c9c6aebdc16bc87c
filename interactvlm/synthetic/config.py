"""Settings of the synthetic data generator; light enough for the command line's help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from interactvlm.errors import InputError

DATA_VERSION = "scenes-3"
"""Part of every manifest: bump it when the same seed would give other scenes or other files."""


@dataclass(frozen=True)
class SynthConfig:
    """Generate posed people with objects, exact contacts and pictures."""

    out: Path = Path("data/synthetic")
    """Folder of the data set; the split becomes a sub-folder."""
    split: Literal["train", "val", "test", "test_unseen"] = "train"
    """`test` has unseen people, poses and object instances; `test_unseen` unseen categories."""
    count: int = 256
    """Scenes to keep; scenes whose pose does not converge are replaced by the next."""
    seed: int = 0
    """Seed of the whole split: same seed, same scenes."""
    views: int = 1
    """Pictures per scene, each with its own camera, clothes, light and background."""
    size_px: int = 128
    """Side of the square pictures."""
    workers: int = 1
    """Processes; more than one only helps with as many idle cores."""
    preview: bool = False
    """Draw a contact sheet picture (`preview.png`) of the first scenes."""

    def __post_init__(self) -> None:
        for name in ("count", "views", "size_px", "workers"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)!r}")
        if self.size_px % 16:
            raise InputError(f"size_px must be a multiple of 16, got {self.size_px}")
