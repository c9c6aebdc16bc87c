"""Settings of the evaluation; light enough for the command line's help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from interactvlm.errors import InputError


@dataclass(frozen=True)
class EvaluateConfig:
    """Measure contact on generated scenes with known truth; answers are generated, never given."""

    split: Literal["val", "test", "test_unseen"] = "test"
    """`test`: unseen people, poses and instances; `test_unseen`: unseen categories."""
    data: Path = Path("data/synthetic")
    """Folder of the data set; the split is generated there when it is missing."""
    count: int = 512
    """Scenes to evaluate."""
    seed: int = 0
    """Seed of the generated split."""
    weights: Path | None = None
    """Folder of the model; the shipped miniature model when left out."""
    json: Path | None = None
    """Write the numbers to this file."""
    shuffle_images: bool = False
    """Control: every question is asked about another scene's photo."""
    geodesic: bool = True
    """Also measure distances along the surface (about a minute more)."""

    def __post_init__(self) -> None:
        if self.count <= 1:
            raise InputError(f"count must be at least 2, got {self.count}")
