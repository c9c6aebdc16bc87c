"""Runs a whole training: stages in order, weights saved where `--weights` finds them."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from interactvlm.errors import InputError
from interactvlm.training.config import TrainConfig
from renders.cache import atomic_write

TOKENS_PER_LOCALIZER_STEP = 12
"""Size of the token bank per localizer step; more than batch / epochs would ever revisit."""


def main(config: TrainConfig) -> Path:
    """Train and save; returns the folder of the weights (`OUT/weights`)."""
    config.out.mkdir(parents=True, exist_ok=True)
    _remember(config)
    if config.processes > 1:
        import torch.multiprocessing as processes

        processes.spawn(_picture_stages, args=(config,), nprocs=config.processes)
    return _finish(config)


def _picture_stages(rank: int, config: TrainConfig) -> None:
    """The data-parallel part: every process draws its own pictures."""
    if config.processes > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(config.processes),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(29500 + config.seed % 1000),
            "ACCELERATE_USE_CPU": "true" if config.device == "cpu" else "false",
        }  # fmt: skip
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // config.processes))
    from interactvlm.training.trainer import build_workspace, run_stage

    work = build_workspace(config)
    run_stage(work, "perception", config.perception_steps)
    run_stage(work, "language", config.language_steps)


def _finish(config: TrainConfig) -> Path:
    from interactvlm.training.localizer_stage import collect_tokens, train_localizer, train_view_encoder
    from interactvlm.training.trainer import build_workspace, run_stage
    from interactvlm.weights import save_weights

    work = build_workspace(config)
    run_stage(work, "perception", config.perception_steps)
    run_stage(work, "language", config.language_steps)
    train_view_encoder(work)
    count = TOKENS_PER_LOCALIZER_STEP * config.localizer_steps
    train_localizer(work, collect_tokens(work, count))
    folder = config.out / "weights"
    work.model.save_pretrained(folder)
    save_weights(work.objective.direct.state_dict(), config.out / "direct")
    return folder


def _remember(config: TrainConfig) -> None:
    """Write the config; refuse to continue a run that was started with another one."""
    path = config.out / "train.json"
    values: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    if path.is_file():
        before = json.loads(path.read_text())
        changed = sorted(k for k in values if k != "processes" and before.get(k) != values[k])
        if changed:
            raise InputError(
                f"the run in {str(config.out)!r} was started with other settings of {changed}; "
                f"choose another --out or delete it"
            )
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")
