"""Settings of training; light enough for the command line's help."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from interactvlm.errors import InputError


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the training loss."""

    words: float = 1.0
    """Token cross-entropy of the answers."""
    decision: float = 1.0
    """Whether the answer begins as one about contact or as one that there is none. 0 leaves it to
    the loss of all words, where it is one word of twenty."""
    mask_focal: float = 2.0
    """Focal-weighted binary cross-entropy on the valid pixels of the views."""
    mask_dice: float = 1.0
    """Dice on the valid pixels of the views."""
    vertex: float = 3.0
    """3D focal loss and sparsity on the lifted vertices."""
    vertex_dice: float = 1.0
    """Dice on the lifted vertices: what F1 measures."""
    keypoints: float = 1.0
    """Heat maps of the photo tower."""
    classes: float = 1.0
    """Part and object segmentation of the photo tower."""
    surface: float = 1.0
    """Canonical place of the body pixels, as the photo tower sees them."""
    facing: float = 0.5
    """Front or back, as the photo tower sees it."""
    touch: float = 0.4
    """Which body parts touch an object, as the photo tower sees it at every pixel of the object."""
    object_token: float = 1.0
    """Heat on a coarse grid, from the object's contact token; prepares it for its decoder."""
    object_heat: float = 1.0
    """Dice, squared and focal error of the heat on the object's views."""
    direct: float = 1.0
    """Per-vertex head on the contact token; prepares the token before the decoder learns."""


@dataclass(frozen=True)
class TrainConfig:
    """Train InteractVLM on generated scenes: see, then speak, then localize."""

    preset: Literal["mini"] = "mini"
    """Which model to build."""
    data: Path = Path("data/synthetic")
    """Folder with the `train` and `val` splits made by `interactvlm synth`."""
    out: Path = Path("runs/mini")
    """Folder of checkpoints, logs and the final weights."""
    tower: Path | None = None
    """Folder of weights whose photo tower is where the tower starts; without it from scratch."""
    perception_steps: int = 12000
    """Steps in which only the photo tower learns."""
    tower_scenes: int = 3072
    """Only the first so many scenes teach the photo tower. The later stages learn on the others,
    where there are any: the tower is surer of scenes it learnt from than of a user's photo."""
    language_steps: int = 3000
    """Steps in which language model and token projection learn to read the frozen tower."""
    view_steps: int = 400
    """Steps that teach the view encoder where on the body or object a pixel lies; it is frozen
    afterwards."""
    localizer_steps: int = 2000
    """Steps in which FeatLift and the mask decoder learn on the finished tokens."""
    batch: int = 24
    """Pictures per step and process."""
    queries: int = 48
    """Questions per step and process in the language stage."""
    localizer_batch: int = 32
    """Contact tokens per step in the localizer stage."""
    rate: float = 1.2e-3
    """Peak learning rate of tower and language model."""
    localizer_rate: float = 1e-3
    """Peak learning rate of FeatLift and the mask decoder."""
    weight_decay: float = 0.02
    """AdamW's decay on matrices."""
    warmup: int = 200
    """Steps to the peak rate."""
    average: float = 0.999
    """Decay of the running average of the weights that is saved; 0 saves the last weights."""
    part_dropout: float = 0.3
    """Share of answers without body-part words."""
    absent: float = 0.2
    """Share of pictures with an extra question about an object that is not there."""
    about_objects: float = 0.4
    """How often a question about the body has a sister about the object."""
    object_surfaces: int = 1500
    """Objects whose views the object decoder learns on; each takes a megabyte of memory."""
    object_batch: int = 8
    """Objects per step in the localizer stage."""
    precision: Literal["fp32", "bf16"] = "bf16"
    """Number type of forward passes."""
    device: Literal["auto", "cpu"] = "auto"
    """`auto` takes a GPU where there is one; `cpu` never does."""
    processes: int = 1
    """Data-parallel processes. On a CPU two of one thread each beat one of two threads."""
    seed: int = 0
    """Seed of weights, order and augmentation."""
    log_every: int = 50
    """Steps between rows of log.csv."""
    save_every: int = 500
    """Steps between checkpoints; a killed run resumes from the last one, exactly."""
    losses: LossWeights = field(default_factory=LossWeights)
    """Weights of the loss terms."""
    feat_lift: Literal["none", "simple", "view_index", "featlift"] = "featlift"
    """Ablation: how a token becomes one vector per view."""
    prompt_mode: Literal["all_views", "own_view"] = "own_view"
    """Ablation: whether a view sees all lifted vectors or its own."""

    def __post_init__(self) -> None:
        sizes = (
            "batch",
            "queries",
            "localizer_batch",
            "tower_scenes",
            "object_batch",
            "log_every",
            "save_every",
        )
        for name in sizes:
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)!r}")
        shares = (self.part_dropout, self.absent, self.about_objects)
        if not all(0 <= share <= 1 for share in shares):
            raise InputError("part_dropout, absent and about_objects are shares between 0 and 1")
