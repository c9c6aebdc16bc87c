"""Draws the samples of a recipe from its data sets, in order fixed by seed and step.

Source of the way of drawing (group by rate, then a data set evenly, then a sample evenly):
InteractVLM, training data. A sample that lacks what is to be learned is drawn again.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from interactvlm.data.registry import open_dataset
from interactvlm.data.sample import Dataset, Entry, Sample
from interactvlm.data.sources import SOURCES
from interactvlm.errors import AssetError
from interactvlm.training.recipes import DataPart, Recipe, Truth

TRIES = 100
"""Draws for one sample before a recipe's data are called unusable."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One sample and what of it is learned."""

    sample: Sample
    truth: Truth
    min_vertices: int
    """Corners of a pixel's face that must touch."""
    photo_mask: Bool[Tensor, "height width"] | None = None
    """Contact in the photo's own pixels, where that is what is learned."""


@dataclass(frozen=True, eq=False)
class OpenPart:
    """A part of a recipe with its data at hand."""

    part: DataPart
    dataset: Dataset
    usable: Sequence[int]
    """Places of samples whose photo, and photo mask where one is learned, is here."""
    mask_of: Callable[[Entry], Path]
    """Where the photo mask of a sample lies."""

    def read(self, index: int) -> Drawn | None:
        """The sample, or None when it lacks what is learned."""
        sample, truth = self.dataset[index], self.part.truth
        mask = None
        if truth == "photo":
            mask = _read_mask(self.mask_of(sample.entry))
            has = bool(mask.any())
        elif truth == "body":
            has = sample.body is not None and bool(sample.body.in_contact.any())
        elif truth == "object":
            has = sample.object is not None and bool((sample.object.heat > 0).any())
        else:
            has = bool(sample.turns)
        return Drawn(sample, truth, self.part.min_vertices, mask) if has else None


class RecipeSampler:
    """Endless batches of a recipe; the state is the step number, so a run resumes exactly."""

    def __init__(self, recipe: Recipe, root: Path | None, seed: int, *, skip_missing: bool) -> None:
        self.seed = seed
        self.rates = [group.rate for group in recipe.groups]
        self.groups = [
            [_open_part(part, root, skip_missing=skip_missing) for part in group.parts]
            for group in recipe.groups
        ]

    @property
    def notes(self) -> list[str]:
        """How many samples of which data set take part."""
        parts = [part for group in self.groups for part in group]
        return [
            f"{part.dataset.source.title} {part.part.split} ({part.part.truth}): "
            f"{len(part.usable)} of {len(part.dataset)} samples"
            for part in parts
        ]

    def draw(self, step: int, count: int) -> list[Drawn]:
        """The batch of a step. Raises AssetError when the data hold nothing to learn from."""
        rng = random.Random(f"{self.seed}/{step}")
        return [self._draw_one(rng) for _ in range(count)]

    def _draw_one(self, rng: random.Random) -> Drawn:
        (group,) = rng.choices(self.groups, self.rates)
        part = rng.choice(group)
        for _ in range(TRIES):
            drawn = part.read(rng.choice(part.usable))
            if drawn is not None:
                return drawn
        raise AssetError(
            f"none of {TRIES} samples drawn from {part.dataset!r} has what is learned from it "
            f"({part.part.truth}); compare the data with docs/datasets.md"
        )


def _open_part(part: DataPart, root: Path | None, *, skip_missing: bool) -> OpenPart:
    source = SOURCES[part.dataset]
    folder = source.folder(None if root is None else root / part.dataset)
    dataset = open_dataset(part.dataset, folder, part.split)

    def mask_of(entry: Entry) -> Path:
        return photo_mask_path(folder, part.split, entry)

    usable = [at for at, e in enumerate(dataset.entries) if e.image is not None]
    here = [at for at in usable if _there(dataset.entries[at].image)]
    if len(here) < len(usable) and not skip_missing:
        gone = next(e.image for e in dataset.entries if not _there(e.image))
        raise AssetError(
            f"{len(usable) - len(here)} of {len(usable)} photos of {source.title} {part.split} are "
            f"not here; get them from {source.site}, or leave those samples out with "
            f"--skip-missing; the first is {str(gone)!r}"
        )
    if part.truth == "photo":
        here = [at for at in here if mask_of(dataset.entries[at]).is_file()]
    if not here:
        what = "photo masks (contact_render_2d)" if part.truth == "photo" else "photos"
        raise source.fault(folder, f"{part.split} has no sample with its {what} here")
    return OpenPart(part, dataset, here, mask_of)


def photo_mask_path(root: Path, split: str, entry: Entry) -> Path:
    """The published mask of contact on the photo. Source: InteractVLM, 2D loader.

    No published script makes these files.
    """
    assert entry.image is not None
    name = Path("contact_render_2d", entry.label, f"{entry.image.stem}_contact_mask.png")
    inside = root / split / name
    return inside if inside.is_file() else root / name


def _read_mask(path: Path) -> Bool[Tensor, "height width"]:
    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.asarray(image.convert("L")) > 127)
    except (OSError, ValueError) as error:
        raise SOURCES["damon"].fault(path, f"photo mask cannot be read ({error})") from None


def _there(path: Path | None) -> bool:
    return path is not None and path.is_file()
