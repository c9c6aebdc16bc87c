"""Trains the picture encoder: pictures of library shapes first, then vectors that tell categories.

Pictures and steps depend on the seed only; a stopped run goes on where it was. Knows the library
through its interface.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from interactvlm.errors import InputError
from interactvlm.photo_job import checked_device
from interactvlm.retrieval_job import open_library
from interactvlm.retrieval_training.config import RetrievalTrainConfig
from interactvlm.retrieval_training.pictures import draw_picture
from interactvlm.retrieval_training.scene_crops import packed, scene_crops
from interactvlm.training.log import TrainingLog
from interactvlm.training.schedule import RunningAverage, build_optimizer, rate_factor
from object_retrieval.crops import GREY, square_crop
from object_retrieval.picture_encoder import (
    PictureEncoder,
    PictureEncoderConfig,
    save_encoder,
    to_pixels,
)
from object_retrieval.shape_library import ShapeLibrary
from renders.cache import atomic_write, content_key

_MASK_UNKNOWN = 0.2
"""Share of pictures whose mask is withheld: a crop alone must do."""
_ZOOM, _SHIFT = 0.2, 0.1
"""Largest logarithm of a zoom, and largest shift in half sides."""
_GROUP = 64
"""Shapes drawn between two notes of progress."""


@dataclass(frozen=True)
class PictureBank:
    """Crops with their surroundings and mask (0 or 255), several of each shape."""

    pictures: UInt8[np.ndarray, "shapes pictures side side 4"]
    category: Int[np.ndarray, "shapes"]


def train_on_library(config: RetrievalTrainConfig) -> Path:
    """Trains on the library that the settings name; returns the folder of the weights."""
    return train(config, open_library(config.library, variants=config.variants))


def train(config: RetrievalTrainConfig, library: ShapeLibrary) -> Path:
    """Draws, trains and saves; returns the folder of the weights.

    Raises:
        InputError: the library has fewer than two categories.
        ResourceError: the device is not there.
    """
    checked_device(config.device)
    categories = tuple(dict.fromkeys(item.category for item in library.items))
    if len(categories) < 2:
        raise InputError(f"the library must have at least two categories, found {categories}")
    shape = PictureEncoderConfig()
    banks = _banks(config, library, categories, shape.side_px)
    torch.manual_seed(config.seed)
    learner = Learner(PictureEncoder(shape), len(categories), config.pair_weight)
    log = _run(learner, banks, config)
    folder = config.out / "weights"
    save_encoder(learner.encoder, folder)
    note = {
        "settings": asdict(config), "library": library.key, "categories": len(categories),
        "shapes": [len(bank.category) for bank in banks], "last_terms": log,
    }  # fmt: skip
    with atomic_write(folder / "training.json") as temporary:
        temporary.write_text(json.dumps(note, indent=2, default=str) + "\n")
    return folder


def _banks(
    config: RetrievalTrainConfig, library: ShapeLibrary, categories: Sequence[str], side_px: int
) -> list[PictureBank]:
    """Pictures of bare shapes, and crops of scenes where there are any."""
    of_item = np.array([categories.index(item.category) for item in library.items])
    banks = [PictureBank(draw_pictures(config, library, side_px), of_item)]
    if config.scenes is not None:
        crops = scene_crops(
            config.scenes, categories, config.scene_objects, config.scene_pictures, side_px
        )
        banks.append(PictureBank(*crops))
    return banks


def draw_pictures(
    config: RetrievalTrainConfig, library: ShapeLibrary, side_px: int
) -> UInt8[np.ndarray, "shapes pictures side side 4"]:
    """Crops with their surroundings and mask (0 or 255), mapped from disk; drawn where missing."""
    shape = (len(library.items), config.pictures, side_px, side_px, 4)
    key = content_key("pictures-2", library.key, config.seed, *shape)[:16]
    path = config.out / f"pictures-{key}.npy"
    note = path.with_suffix(".done")
    done = int(note.read_text()) if note.is_file() and path.is_file() else 0
    config.out.mkdir(parents=True, exist_ok=True)
    mode = "r+" if done else "w+"
    stored = np.lib.format.open_memmap(path, mode=mode, dtype=np.uint8, shape=shape)
    items = library.items
    bar = tqdm(total=len(items), initial=done, desc="pictures", unit="shape")
    for start in range(done, len(items), _GROUP):
        group = range(start, min(start + _GROUP, len(items)))
        for index in group:
            mesh = library.mesh(items[index].name)
            for number in range(config.pictures):
                rng = np.random.default_rng([config.seed, index, number])
                crop = square_crop(draw_picture(mesh, rng), side_px, blank=False)
                stored[index, number] = packed(crop)
            bar.update()
        stored.flush()
        with atomic_write(note) as temporary:
            temporary.write_text(str(group.stop))
    bar.close()
    return stored


class Learner(nn.Module):
    """The encoder, a direction per category, and the loss."""

    def __init__(self, encoder: PictureEncoder, categories: int, pair_weight: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.directions = nn.Parameter(torch.randn(categories, encoder.config.dim))
        self.pair_weight = pair_weight

    def forward(
        self,
        pixels: Float[Tensor, "two shapes 4 side side"],
        category: Int[Tensor, "shapes"],
    ) -> dict[str, Tensor]:
        """Terms of the loss for two pictures of each shape.

        `category`: a picture lies nearest to the direction of its category. `pair`: it lies
        nearer to the other picture of its shape than to those of other shapes.
        """
        sharpness = self.encoder.config.sharpness
        vectors = self.encoder(pixels.flatten(0, 1))
        directions = functional.normalize(self.directions, dim=1)
        said = sharpness * vectors @ directions.T
        terms = {
            "category": functional.cross_entropy(said, category.repeat(2), label_smoothing=0.05)
        }
        first, second = vectors.view(2, -1, vectors.shape[1])
        alike = sharpness * first @ second.T
        own = torch.arange(len(alike), device=alike.device)
        pair = functional.cross_entropy(alike, own) + functional.cross_entropy(alike.T, own)
        terms["pair"] = self.pair_weight * pair / 2
        return terms


def _run(
    learner: Learner, banks: Sequence[PictureBank], config: RetrievalTrainConfig
) -> dict[str, float]:
    """All steps; leaves the averaged weights in the learner. Returns the last means."""
    device = torch.device(config.device)
    learner.to(device).train()
    optimizer = build_optimizer(learner, config.rate, config.weight_decay)
    average = RunningAverage(learner, config.average)
    path = config.out / "checkpoint.pt"
    start, last = _resume(path, learner, optimizer, average)
    log = TrainingLog(config.out, "retrieval", config.log_every, active=True)
    for step in tqdm(range(start, config.steps), initial=start, total=config.steps, desc="train"):
        rate = config.rate * rate_factor(step, config.steps, config.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng([config.seed, 1, step])
        pixels, category = build_batch(banks, config.batch, rng)
        terms = learner(pixels.to(device), category.to(device))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        average.update(learner)
        last = log.add(step + 1, {k: float(v.detach()) for k, v in terms.items()}, rate) or last
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(path, step + 1, last, learner, optimizer, average)
    learner.load_state_dict(average.state)
    return last


def build_batch(
    banks: Sequence[PictureBank], count: int, rng: np.random.Generator
) -> tuple[Float[Tensor, "two chosen 4 side side"], Int[Tensor, "chosen"]]:
    """Two varied pictures of each of `count` shapes, as many of each bank, and their categories."""
    share = -(-count // len(banks))
    drawn = [_drawn_pairs(bank, share, rng) for bank in banks]
    pixels = torch.cat([pair for pair, _ in drawn], dim=1)
    category = torch.cat([labels for _, labels in drawn])
    return pixels[:, :count], category[:count]


def _drawn_pairs(
    bank: PictureBank, count: int, rng: np.random.Generator
) -> tuple[Float[Tensor, "two chosen 4 side side"], Int[Tensor, "chosen"]]:
    """Mirrored, recoloured, the mask withheld of some."""
    pictures = bank.pictures
    shapes, numbers = pictures.shape[:2]
    chosen = rng.choice(shapes, size=count, replace=count > shapes)
    pairs = np.stack([rng.choice(numbers, size=2, replace=False) for _ in chosen], axis=1)
    stored = torch.from_numpy(pictures[chosen[None], pairs].reshape(-1, *pictures.shape[2:]))
    rows = len(stored)
    rgb, mask = _jittered(stored, rng)
    mirrored = torch.from_numpy(rng.random(rows) < 0.5)
    rgb[mirrored], mask[mirrored] = rgb[mirrored].flip(2), mask[mirrored].flip(2)
    order = np.stack(
        [rng.permutation(3) if rng.random() < 0.4 else np.arange(3) for _ in range(rows)]
    )
    rgb = rgb.gather(3, torch.from_numpy(order)[:, None, None].expand_as(rgb))
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (rows, 1, 1, 3))).float()
    shift = torch.from_numpy(rng.uniform(-20, 20, (rows, 1, 1, 1))).float()
    rgb = (rgb * gain + shift).clamp(0, 255)
    mask[torch.from_numpy(rng.random(rows) < _MASK_UNKNOWN)] = 1.0
    pixels = to_pixels(rgb, mask)
    return pixels.view(2, count, *pixels.shape[1:]), torch.from_numpy(bank.category[chosen])


def _jittered(
    stored: UInt8[Tensor, "rows side side 4"], rng: np.random.Generator
) -> tuple[Float[Tensor, "rows side side 3"], Float[Tensor, "rows side side"]]:
    """Colours and mask, a little larger, smaller or aside: masks of photos are never exact."""
    rows = len(stored)
    zoom = np.exp(rng.uniform(-_ZOOM, _ZOOM, rows))
    move = np.zeros((rows, 2, 3))
    move[:, 0, 0] = move[:, 1, 1] = zoom
    move[:, :, 2] = rng.uniform(-_SHIFT, _SHIFT, (rows, 2))
    # Beyond the edge lies what `square_crop` fills with: grey, and no object.
    blank = torch.tensor([GREY, GREY, GREY, 0.0]).view(4, 1, 1)
    values = stored.permute(0, 3, 1, 2).float() - blank
    grid = functional.affine_grid(
        torch.from_numpy(move).float(), list(values.shape), align_corners=False
    )
    moved = functional.grid_sample(values, grid, align_corners=False) + blank
    return moved[:, :3].permute(0, 2, 3, 1).clone(), (moved[:, 3] >= 128).float()


def _save(
    path: Path,
    step: int,
    last: dict[str, float],
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    average: RunningAverage,
) -> None:
    state = {
        "step": step, "last": last, "learner": learner.state_dict(),
        "optimizer": optimizer.state_dict(), "average": average.state_dict(),
    }  # fmt: skip
    with atomic_write(path) as temporary:
        torch.save(state, temporary)


def _resume(
    path: Path, learner: Learner, optimizer: torch.optim.Optimizer, average: RunningAverage
) -> tuple[int, dict[str, float]]:
    """The step to go on with; 0 without a checkpoint.

    Raises:
        InputError: the checkpoint is of other settings.
    """
    if not path.is_file():
        return 0, {}
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        learner.load_state_dict(state["learner"])
        average.load_state_dict(state["average"])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(
            f"the checkpoint there is of another library or other sizes ({reason}); choose "
            f"another --out: {str(path)!r}"
        ) from None
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["last"]
