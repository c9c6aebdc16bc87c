"""What one knows about contact without looking: mean training contact per label and interaction.

`label_mean` is the baseline a model must beat; `interaction_oracle` (mean of the same label,
interaction and side, all given) is what a model that only understood the action would reach.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interactvlm.errors import AssetError
from interactvlm.synthetic.shards import SceneShards
from renders.cache import atomic_write


@dataclass(frozen=True)
class ContactPriors:
    """Mean contact by key; keys are `label` and `label/interaction/side`."""

    mean: dict[str, Float[Tensor, "verts"]]

    def label(self, label: str) -> Float[Tensor, "verts"]:
        """Mean training contact of a label over all scenes where it was touched."""
        return self._get(label)

    def interaction(self, label: str, interaction: str, side: str) -> Float[Tensor, "verts"]:
        """Mean training contact of one way to touch a label; the label's mean if never trained."""
        key = f"{label}/{interaction}/{side}"
        return self.mean[key] if key in self.mean else self._get(label)

    def _get(self, key: str) -> Float[Tensor, "verts"]:
        if key in self.mean:
            return self.mean[key]
        return torch.zeros_like(next(iter(self.mean.values())))

    def save(self, path: Path) -> None:
        """One byte per vertex and key, compressed."""
        write_means(path, self.mean)

    @staticmethod
    def load(path: Path) -> "ContactPriors":
        """Inverse of `save`. Raises AssetError when the file is missing or damaged."""
        return ContactPriors(read_means(path))


def write_means(path: Path, mean: dict[str, Float[Tensor, "values"]]) -> None:
    """Shares by key, one byte each, compressed."""
    arrays = {k: (v * 255).round().to(torch.uint8).numpy() for k, v in mean.items()}
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_means(path: Path) -> dict[str, Float[Tensor, "values"]]:
    """Inverse of `write_means`. Raises AssetError when the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {k: torch.from_numpy(stored[k]).float() / 255 for k in stored.files}
    except (OSError, ValueError) as error:
        raise AssetError(f"priors cannot be read ({error}): {str(path)!r}") from None


def measure_priors(shards: SceneShards) -> ContactPriors:
    """Means over the touched objects of a split."""
    total: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(shards.num_vertices))
    count: dict[str, int] = defaultdict(int)
    for scene in shards.scenes:
        for record, contact in zip(scene.objects, shards.contact(scene), strict=True):
            if not record.touched:
                continue
            for key in (record.label, f"{record.label}/{record.interaction}/{record.side}"):
                total[key] += contact
                count[key] += 1
    return ContactPriors({k: torch.from_numpy(total[k] / count[k]).float() for k in sorted(total)})
