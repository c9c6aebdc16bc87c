"""The published training recipes by name, as data: what is trained on what, how hard, how long.

Light enough for the command line's help. Knows numbers and names only; reads and trains nothing.
Source of every number not called ours: InteractVLM, training scripts and their defaults.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from interactvlm.config import Job, LoraConfig
from interactvlm.errors import InputError

RecipeName = Literal[
    "hcontact-damon", "hcontact-wScene", "oafford-lemon-piad", "hcontact-ocontact", "2d-hcontact"
]
Truth = Literal["body", "object", "photo", "words"]


@dataclass(frozen=True)
class DataPart:
    """One split of a data set, and what of its samples is learned."""

    dataset: str
    """Name of the data set, as `interactvlm evaluate` and `masks` have it."""
    split: str
    """Its split."""
    truth: Truth
    """`body` and `object`: contact on a surface; `photo`: a mask over the photo; `words`: answers
    without contact."""
    min_vertices: Literal[2, 3] = 3
    """Corners of a pixel's face that must touch; 2 is the corrected rule "mv2"."""

    @property
    def job(self) -> Job:
        """What its surfaces mark: PICO's meshes contact, scored points affordance."""
        if self.truth != "object":
            return "body"
        return "object" if self.dataset == "pico" else "affordance"


@dataclass(frozen=True)
class DataGroup:
    """Splits that share one sampling rate: a part is drawn evenly, then a sample of it."""

    rate: int
    """Drawn in proportion to this."""
    parts: tuple[DataPart, ...]
    """At least one."""


@dataclass(frozen=True)
class RecipeLosses:
    """Weights of the terms of the loss."""

    words: float = 1.0
    """Cross-entropy of the answers' tokens."""
    mask_focal: float = 2.0
    """Focal cross-entropy on the valid pixels of the views."""
    mask_dice: float = 1.0
    """Dice on the valid pixels of the views."""
    heat_square: float = 2.0
    """Squared error of affordance heat maps; the published code uses the focal term's weight."""
    body_vertices: float = 3.0
    """Contact lifted to the body, with its sparsity."""
    object_vertices: float = 3.0
    """Contact or affordance lifted to the object. On points the published term has no gradient
    by a mistake; here it has one."""


@dataclass(frozen=True)
class Recipe:
    """One published training; the defaults are common to all."""

    name: str
    """As on the command line."""
    groups: tuple[DataGroup, ...]
    """What is drawn how often."""
    part_dropout: float = 0.0
    """Share of body questions without body-part words."""
    joint: bool = False
    """Own contact tokens, and an attention over the views, for bodies and objects."""
    photo: bool = False
    """Contact on the photo instead of on canonical views."""
    lora: LoraConfig = field(default_factory=lambda: LoraConfig(rank=8, alpha=16.0, dropout=0.05))
    """Adapters on the language model's query and value projections."""
    rate: float = 3e-4
    """Peak learning rate of AdamW."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's averaging."""
    weight_decay: float = 0.0
    """AdamW's decay."""
    clip_norm: float = 1.0
    """Longest gradient."""
    warmup: int = 100
    """Steps from 0 to the peak rate; from there it falls linearly to 0."""
    steps: int = 15_000
    """30 epochs of 500 steps."""
    batch: int = 8
    """Samples per forward pass; published is 8 on each of four devices."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Number type of forward passes. What is learned is held in float32 in any case (ours)."""
    longest_text: int = 257
    """Token ids a conversation may have, the photo counting as one; the rest is cut."""
    losses: RecipeLosses = field(default_factory=RecipeLosses)
    """Weights of the loss terms."""

    def __post_init__(self) -> None:
        for name in ("rate", "steps", "batch", "warmup"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)!r}")

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What a model of this recipe can be asked to mark."""
        parts = [part for group in self.groups for part in group.parts]
        taught = {part.job for part in parts if part.truth != "words"}
        return tuple(job for job in get_args(Job) if job in taught)


_PIAD = DataPart("piad", "seen-train", "object")
_LEMON_OBJECTS = DataPart("3dir", "train", "object")
_LEMON_BODIES = DataPart("3dir", "train", "body")


def _words(*splits: str) -> tuple[DataPart, ...]:
    """HOI-VQA. The published mixes also hold LLaVA-Instruct-150k, which has no reader here."""
    return tuple(DataPart("hoi-vqa", split, "words") for split in splits)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "hcontact-damon",
            (DataGroup(1, (DataPart("damon", "train", "body", min_vertices=2),)),),
            part_dropout=0.5,
        ),
        Recipe(
            "hcontact-wScene",
            (
                DataGroup(9, (DataPart("damon", "train-scene", "body"), _LEMON_BODIES)),
                DataGroup(3, (DataPart("rich", "train", "body"),)),
                DataGroup(1, _words("damon", "lemon")),
            ),
        ),
        Recipe("oafford-lemon-piad", (DataGroup(1, (_PIAD, _LEMON_OBJECTS)),)),
        Recipe(
            "hcontact-ocontact",
            (
                DataGroup(9, (DataPart("damon", "train", "body"), _LEMON_BODIES)),
                DataGroup(9, (DataPart("pico", "train", "object"),)),
                DataGroup(5, (_PIAD, _LEMON_OBJECTS)),
                DataGroup(2, _words("damon", "lemon", "piad_seen")),
            ),
            joint=True,
        ),
        Recipe(
            "2d-hcontact",
            (DataGroup(1, (DataPart("damon", "train", "photo"),)),),
            part_dropout=1.0,
            photo=True,
        ),
    )
}
"""`hcontact-damon` is the corrected release "-fix". The recipe of `2d-hcontact` is not published:
data and question are told by the release, all numbers are the common ones (ours)."""


@dataclass(frozen=True)
class FinetuneConfig:
    """Fine-tune a full-size model by a published recipe; numbers left out are the recipe's."""

    recipe: RecipeName
    """Which training."""
    base: Path
    """Model folder of `interactvlm convert`: LISA or an InteractVLM release."""
    root: Path | None = None
    """Folder with one subfolder per data set. Without it: INTERACTVLM_DATASETS."""
    out: Path | None = None
    """Folder of checkpoint, log and final weights. Without it: runs/RECIPE."""
    steps: int | None = None
    """Optimiser steps."""
    batch: int | None = None
    """Samples per forward pass."""
    accumulate: int = 1
    """Forward passes per step; 4 with the recipe's batch equals four published devices."""
    rate: float | None = None
    """Peak learning rate."""
    warmup: int | None = None
    """Steps to the peak rate."""
    precision: Literal["bf16", "fp32"] | None = None
    """Number type of forward passes."""
    device: str = "auto"
    """`auto` takes a GPU where there is one; else cpu, cuda, cuda:1."""
    seed: int = 0
    """Seed of order, wording, dropout and new weights."""
    log_every: int = 50
    """Steps between rows of log.csv."""
    save_every: int = 500
    """Steps between checkpoints; a killed run resumes from the last one, exactly."""
    skip_missing: bool = False
    """Leave out samples whose photo is not here, and count them."""
    keep_objects: bool = False
    """Keep the views of objects in OUT/objects, about 17 MB each, instead of drawing them anew
    (about 2 s of one core) whenever they are drawn from the data."""

    def __post_init__(self) -> None:
        for name in ("accumulate", "log_every", "save_every"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)!r}")
        self.resolved()

    @property
    def out_folder(self) -> Path:
        """Folder of checkpoint, log and final weights."""
        return self.out if self.out is not None else Path("runs") / self.recipe

    def resolved(self) -> Recipe:
        """The recipe with the numbers given here. Raises InputError for an impossible one."""
        names = ("steps", "batch", "rate", "warmup", "precision")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(RECIPES[self.recipe], **given)


assert set(RECIPES) == set(get_args(RecipeName))
