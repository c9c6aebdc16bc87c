"""What one knows about heat on an object without looking: the mean over training, per label."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from interactvlm.evaluation.priors import read_means, write_means
from interactvlm.object_file import y_up
from interactvlm.synthetic.shards import SceneShards
from interactvlm.training.object_grid import cell_of, heat_grid

CELLS = 12
"""Cells along each axis of the normalised frame."""


@dataclass(frozen=True)
class ObjectPriors:
    """Mean heat per label on a grid of the canonical frame, 0 where no training object was."""

    mean: dict[str, Float[Tensor, "cells"]]
    """`CELLS` cubed values per label."""

    def heat(self, label: str, points_y_up: Float[Tensor, "points 3"]) -> Float[Tensor, "points"]:
        """The label's mean heat at an object's points; the mean of all labels if never trained."""
        if label in self.mean:
            grid = self.mean[label]
        else:
            grid = torch.stack(list(self.mean.values())).mean(0)
        return grid[cell_of(points_y_up, CELLS)]

    def save(self, path: Path) -> None:
        """One byte per cell and label, compressed."""
        write_means(path, self.mean)

    @staticmethod
    def load(path: Path) -> "ObjectPriors":
        """Inverse of `save`. Raises AssetError when the file is missing or damaged."""
        return ObjectPriors(read_means(path))


def measure_object_priors(shards: SceneShards) -> ObjectPriors:
    """Means over the touched objects of a split."""
    total: dict[str, Tensor] = defaultdict(lambda: torch.zeros(CELLS**3))
    count: dict[str, Tensor] = defaultdict(lambda: torch.zeros(CELLS**3))
    for scene in shards.scenes:
        shapes = zip(
            scene.objects, shards.object_points(scene), shards.object_heat(scene), strict=True
        )
        for record, points, heat in shapes:
            if record.touched:
                grid = heat_grid(y_up(torch.from_numpy(points), "z"), torch.from_numpy(heat), CELLS)
                total[record.label] += grid.heat.flatten()
                count[record.label] += grid.filled.flatten()
    return ObjectPriors({k: total[k] / count[k].clamp(min=1) for k in sorted(total)})
