"""Fine-tunes a full-size model by a recipe: one loop, one checkpoint file, one model folder.

A step depends on seed and step number only, so a run that was killed goes on as if it had not
been. One process on one device; the last weights are kept (the published code keeps those with
the best teacher-forced score: measure with `interactvlm evaluate` instead).
"""

import csv
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from interactvlm.errors import AssetError, InputError, ResourceError
from interactvlm.job_settings import remember_settings
from interactvlm.model import InteractVLM
from interactvlm.photo_job import checked_device
from interactvlm.training.base_model import load_base, make_trainable
from interactvlm.training.log import TrainingLog
from interactvlm.training.recipe_data import RecipeSampler
from interactvlm.training.recipe_objective import RecipeObjective
from interactvlm.training.recipes import FinetuneConfig, Recipe
from interactvlm.training.schedule import linear_factor
from renders.cache import atomic_write

SETTINGS_FILE, CHECKPOINT_FILE = "recipe.json", "finetune.pt"
WEIGHTS_FOLDER, OBJECTS_FOLDER = "weights", "objects"


def main(config: FinetuneConfig) -> Path:
    """Train and save; returns the folder of the weights (`OUT/weights`), adapters merged.

    Raises:
        InputError: base and recipe do not fit, other settings than those the run began with, or a
            loss that is not finite.
        AssetError: data, base or body model are missing or malformed.
        ResourceError: the device's memory ran out.
    """
    recipe, out = config.resolved(), config.out_folder
    sampler = RecipeSampler(recipe, config.root, config.seed, skip_missing=config.skip_missing)
    torch.manual_seed(config.seed)
    model = load_base(config.base, recipe, _device(config.device))
    stored = model.token_projection.outer.weight.dtype
    remember_settings(
        out / SETTINGS_FILE,
        asdict(config) | {"recipe": asdict(recipe)},
        may_change=("root", "out", "device", "log_every", "save_every", "keep_objects"),
    )
    if recipe.precision == "fp32":
        model.float()
    learned = make_trainable(model)
    model.language.llama.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        _train(config, recipe, model, learned, sampler)
    except torch.OutOfMemoryError:
        raise ResourceError(
            f"the device's memory ran out at a batch of {recipe.batch}; start again with a smaller "
            f"--batch and a larger --accumulate in another --out"
        ) from None
    return _publish(config, recipe, model, stored, sampler.notes)


def _train(
    config: FinetuneConfig,
    recipe: Recipe,
    model: InteractVLM,
    learned: list[nn.Parameter],
    sampler: RecipeSampler,
) -> None:
    from tqdm import tqdm

    path = config.out_folder / CHECKPOINT_FILE
    optimizer = torch.optim.AdamW(
        learned, lr=recipe.rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )
    start = _resume(path, model, optimizer)
    objects = config.out_folder / OBJECTS_FOLDER if config.keep_objects else None
    objective = RecipeObjective(model, recipe, objects)
    log = TrainingLog(config.out_folder, recipe.name, config.log_every, active=True)
    model.train()
    steps = range(start, recipe.steps)
    bar = tqdm(steps, desc=recipe.name, total=recipe.steps, initial=start, mininterval=2.0)
    for step in bar:
        rate = recipe.rate * linear_factor(step, recipe.steps, recipe.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        terms = _accumulate(config, recipe, objective, sampler, step)
        torch.nn.utils.clip_grad_norm_(learned, recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        log.add(step + 1, terms, rate)
        if (step + 1) % config.save_every == 0 or step + 1 == recipe.steps:
            _save(path, step + 1, model, optimizer)


def _accumulate(
    config: FinetuneConfig,
    recipe: Recipe,
    objective: RecipeObjective,
    sampler: RecipeSampler,
    step: int,
) -> dict[str, float]:
    """Gradients of one step; returns its terms, means over the forward passes, and their sum."""
    sums: dict[str, float] = {}
    torch.manual_seed(config.seed * 1_000_003 + step)  # the adapters' dropout
    for part in range(config.accumulate):
        place = step * config.accumulate + part
        batch = sampler.draw(place, recipe.batch)
        terms = objective(batch, random.Random(f"{config.seed}/words/{place}"))
        loss = torch.stack(list(terms.values())).sum() / config.accumulate
        if not bool(loss.isfinite()):
            raise InputError(
                f"the loss of step {step + 1} is not finite; lower --rate or take --precision fp32 "
                f"in another --out"
            )
        loss.backward()
        for name, value in (*terms.items(), ("total", loss * config.accumulate)):
            sums[name] = sums.get(name, 0.0) + float(value.detach()) / config.accumulate
    return sums


def _learned_state(model: InteractVLM) -> dict[str, Tensor]:
    return {name: p.data for name, p in model.named_parameters() if p.requires_grad}


def _save(path: Path, step: int, model: InteractVLM, optimizer: torch.optim.AdamW) -> None:
    state = {"step": step, "learned": _learned_state(model), "optimizer": optimizer.state_dict()}
    with atomic_write(path) as temporary:
        torch.save(state, temporary)


def _resume(path: Path, model: InteractVLM, optimizer: torch.optim.AdamW) -> int:
    """The step to go on with; 0 without a checkpoint.

    Raises AssetError for a checkpoint that is damaged or of another model.
    """
    if not path.is_file():
        return 0
    try:
        stored: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        state = _learned_state(model)
        if {k: v.shape for k, v in state.items()} != {
            k: v.shape for k, v in stored["learned"].items()
        }:
            raise KeyError("other weights are learned there")
        for name, value in stored["learned"].items():
            state[name].copy_(value)
        optimizer.load_state_dict(stored["optimizer"])
        return int(stored["step"])
    except Exception as error:  # a damaged file may fail in any way
        raise AssetError(
            f"checkpoint cannot be read ({error}); delete it to begin anew: {str(path)!r}"
        ) from None


def _publish(
    config: FinetuneConfig, recipe: Recipe, model: InteractVLM, stored: torch.dtype,
    notes: list[str],
) -> Path:  # fmt: skip
    """A model folder as the others, in the base's number type, and a summary of the training."""
    folder = config.out_folder / WEIGHTS_FOLDER
    model.language.merge_lora()
    model.to(stored).eval().save_pretrained(folder)
    rows: list[dict[str, str]] = []
    log = config.out_folder / "log.csv"
    if log.is_file():  # a run shorter than --log-every has none
        with log.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    summary = {
        "recipe": asdict(recipe), "base": config.base, "seed": config.seed,
        "accumulate": config.accumulate, "data": notes, "torch": torch.__version__,
        "last_log_row": rows[-1:],
    }  # fmt: skip
    with atomic_write(folder / "training.json") as temporary:
        text = json.dumps(summary, indent=2, default=str)
        temporary.write_text(text + "\n", encoding="utf-8")
    return folder


def _device(asked: str) -> str:
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return checked_device(asked)
