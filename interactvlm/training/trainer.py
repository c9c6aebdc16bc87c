"""The stages of training: perception, language, view encoder, localizer.

Each stage is a loop over steps whose data depends on the seed and the step only, with one
checkpoint file per stage: a run that was killed continues as if it had not been.
"""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from human_recovery.topology import get_topology
from interactvlm.errors import InputError
from interactvlm.model import InteractVLM
from interactvlm.presets import preset
from interactvlm.synthetic.scene import AFFORDANCES
from interactvlm.synthetic.shards import SceneShards
from interactvlm.templates import AFFORDANCE_ANSWER, corpus
from interactvlm.tokens import Tokenizer
from interactvlm.training.config import TrainConfig
from interactvlm.training.data import SceneSampler
from interactvlm.training.log import TrainingLog
from interactvlm.training.objective import Objective, build_language_batch
from interactvlm.training.schedule import RunningAverage, build_optimizer, rate_factor
from object_retrieval.procedural.objects import CATEGORIES
from renders.cache import atomic_write

AVERAGE_EVERY = 4
"""Steps between updates of the running average."""

StageName = Literal["perception", "language", "views", "localizer"]


@dataclass(frozen=True)
class Workspace:
    """What all stages share."""

    config: TrainConfig
    accelerator: Any
    model: InteractVLM
    objective: Objective
    shards: SceneShards
    tower_sampler: SceneSampler
    """Of the scenes that teach the photo tower."""
    sampler: SceneSampler
    """Of the scenes that teach everything else."""


def build_model(config: TrainConfig, labels: tuple[str, ...] = CATEGORIES) -> InteractVLM:
    """A fresh model of the preset, its tokenizer trained on the templates and labels."""
    from human_recovery.parts import PART_NAMES

    shape = preset(config.preset)
    vision = replace(shape.vision, options={**shape.vision.options, "objects": len(labels)})
    local = replace(shape.localizer, feat_lift=config.feat_lift, prompt_mode=config.prompt_mode)
    shape = replace(
        shape, labels=labels, vision=vision, localizer=local,
        trained_for=("body", "object", "affordance"), affordances=AFFORDANCES,
        affordance_answer=AFFORDANCE_ANSWER,
    )  # fmt: skip
    tokenizer = Tokenizer.train(
        corpus(labels, PART_NAMES, AFFORDANCES),
        shape.tokens,
        vocab_size=shape.language.vocab_size,
    )
    return InteractVLM(shape, tokenizer)


def build_workspace(config: TrainConfig) -> Workspace:
    """Model, data and accelerator; deterministic by the config's seed."""
    from accelerate import Accelerator

    torch.manual_seed(config.seed)
    np.random.seed(config.seed)
    precision = "bf16" if config.precision == "bf16" else "no"
    accelerator = Accelerator(cpu=config.device == "cpu", mixed_precision=precision)
    model = build_model(config)
    if config.tower is not None:
        start_tower(model, config.tower)
    # On a CPU the fused attention kernel loses more in its backward pass than it saves.
    model.language.llama.set_attn_implementation("eager")
    shards = SceneShards(config.data / "train")
    topology = get_topology(model.config.topology)
    objective = Objective(model, topology.num_vertices, config.losses)
    objective.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    first, others = shards.scenes[: config.tower_scenes], shards.scenes[config.tower_scenes :]
    tower, sampler = (
        SceneSampler(
            shards, topology, model.config.labels, config.seed, scenes, config.about_objects
        )
        for scenes in (first, others or first)
    )
    return Workspace(config, accelerator, model, objective, shards, tower, sampler)


def start_tower(model: InteractVLM, folder: Path) -> None:
    """Give the model the photo tower of other weights. Raises InputError when it does not fit."""
    tower = InteractVLM.from_pretrained(folder, dtype=torch.float32).language.vision
    try:
        model.language.vision.load_state_dict(tower.state_dict())
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"the photo tower of {str(folder)!r} is of another shape than this preset's ({reason})"
        ) from None


def run_stage(work: Workspace, stage: StageName, steps: int, frozen: tuple[str, ...] = ()) -> None:
    """One picture stage; leaves the averaged weights in the objective and a finished checkpoint."""
    config, accelerator = work.config, work.accelerator
    path = config.out / f"{stage}.pt"
    if _restore_finished(work.objective, path, steps):
        return
    work.objective.train()
    _set_trainable(work.objective, stage)
    optimizer = build_optimizer(work.objective, config.rate, config.weight_decay)
    average = RunningAverage(work.objective, config.average**AVERAGE_EVERY)
    start = _resume(path, work.objective, optimizer, average)
    module, prepared = work.objective.to(accelerator.device), accelerator.prepare(optimizer)
    learned = [p for p in module.parameters() if p.requires_grad]
    speaking = stage == "language"
    batches = (work.sampler if speaking else work.tower_sampler).batches(
        config.batch,
        start,
        with_queries=speaking,
        absent=config.absent,
        rank=accelerator.process_index,
    )
    log = TrainingLog(config.out, stage, config.log_every, active=accelerator.is_main_process)
    for step in progress(range(start, steps), stage, steps, accelerator.is_main_process):
        factor = rate_factor(step, steps, config.warmup)
        for group in prepared.param_groups:
            group["lr"] = config.rate * factor
        batch = next(batches)
        language = None
        if speaking:
            rng = random.Random(f"{config.seed}/{accelerator.process_index}/{step}")
            language = build_language_batch(
                work.model, batch, rng, config.queries, config.part_dropout
            )
        with accelerator.autocast():
            terms = module(batch, language)
        loss = torch.stack(list(terms.values())).sum()
        accelerator.backward(loss)
        _average_gradients(learned, accelerator)
        accelerator.clip_grad_norm_(learned, 1.0)
        prepared.step()
        prepared.zero_grad(set_to_none=True)
        if accelerator.is_main_process:
            if (step + 1) % AVERAGE_EVERY == 0 or step + 1 == steps:
                average.update(work.objective)
            log.add(
                step + 1, {k: float(v.detach()) for k, v in terms.items()}, config.rate * factor
            )
            if (step + 1) % config.save_every == 0 and step + 1 < steps:
                _save(path, step + 1, steps, work.objective, prepared, average)
    if accelerator.is_main_process:
        _save(path, steps, steps, work.objective, prepared, average)
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    _restore_finished(work.objective, path, steps)


def _average_gradients(parameters: list[nn.Parameter], accelerator: Any) -> None:
    """Mean over processes in one transfer, after the backward pass: both want the same cores."""
    if accelerator.num_processes == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    mean = accelerator.reduce(torch.cat([g.reshape(-1) for g in gradients]), reduction="mean")
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view(gradient.shape))


def _set_trainable(objective: Objective, stage: StageName) -> None:
    """Only what a stage uses gets gradients, so that data-parallel wrapping finds all of them."""
    for parameter in objective.parameters():
        parameter.requires_grad_(False)
    vision = objective.model.language.vision
    if stage == "perception":
        for module in vision.trunk():
            module.requires_grad_(True)
        vision.place.requires_grad_(True)
        return
    for module in (
        objective.model.language,
        objective.model.token_projection,
        objective.token_head,
        objective.object_head,
        objective.direct,
    ):
        module.requires_grad_(True)
    vision.place.requires_grad_(False)
    for module in vision.trunk():
        module.requires_grad_(False).eval()  # batch statistics are frozen with the weights


def _resume(path: Path, module: nn.Module, optimizer: Any, average: RunningAverage) -> int:
    if not path.is_file():
        return 0
    stored = torch.load(path, weights_only=True)
    module.load_state_dict(stored["module"])
    optimizer.load_state_dict(stored["optimizer"])
    average.load_state_dict(stored["average"])
    return int(stored["step"])


def _save(
    path: Path, step: int, steps: int, module: nn.Module, optimizer: Any, average: RunningAverage
) -> None:
    state = {
        "step": step, "steps": steps, "module": module.state_dict(),
        "optimizer": optimizer.state_dict(), "average": average.state_dict(),
    }  # fmt: skip
    with atomic_write(path) as temporary:
        torch.save(state, temporary)


def _restore_finished(module: nn.Module, path: Path, steps: int) -> bool:
    """Load the averaged weights of a stage that has run to its end."""
    if not path.is_file():
        return False
    stored = torch.load(path, weights_only=True)
    if int(stored["step"]) < steps:
        return False
    module.load_state_dict(stored["average"]["state"])
    return True


def progress(steps: range, stage: str, total: int, active: bool) -> Any:
    """A bar over steps, silent where not `active`."""
    from tqdm import tqdm

    return tqdm(
        steps, desc=stage, total=total, initial=steps.start, disable=not active, mininterval=2.0
    )
