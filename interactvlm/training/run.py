"""Runs a whole training: stages in order, weights saved where `--weights` finds them."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from interactvlm.job_settings import remember_settings
from interactvlm.training.config import TrainConfig
from renders.cache import atomic_write

TOKENS_PER_LOCALIZER_STEP = 12
"""Size of the token bank per localizer step; more than batch / epochs would ever revisit."""


OBJECT_TOKENS_PER_SURFACE = 4
"""Questions per object whose views are kept: several pictures of each."""


def main(config: TrainConfig) -> Path:
    """Train and save; returns the folder of the weights (`OUT/weights`)."""
    config.out.mkdir(parents=True, exist_ok=True)
    remember_settings(config.out / "train.json", asdict(config), may_change=("processes",))
    if config.processes > 1:
        from torch.multiprocessing.spawn import spawn

        # Read when a process starts: setting torch's threads later leaves the OpenMP pool of the
        # backward pass at all cores, and every step takes twice as long.
        os.environ.setdefault("OMP_NUM_THREADS", str(_threads(config)))
        spawn(_picture_stages, args=(config,), nprocs=config.processes)
    return _finish(config)


def _picture_stages(rank: int, config: TrainConfig) -> None:
    """The data-parallel part: every process draws its own pictures."""
    if config.processes > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(config.processes),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(29500 + config.seed % 1000),
            "ACCELERATE_USE_CPU": "true" if config.device == "cpu" else "false",
        }  # fmt: skip
        torch.set_num_threads(_threads(config))
    from interactvlm.training.trainer import build_workspace, run_stage

    work = build_workspace(config)
    run_stage(work, "perception", config.perception_steps)
    run_stage(work, "language", config.language_steps)


def _threads(config: TrainConfig) -> int:
    """Cores of one of the processes."""
    return max(1, (os.cpu_count() or 1) // config.processes)


def _finish(config: TrainConfig) -> Path:
    from interactvlm.training.localizer_stage import train_localizer, train_view_encoder
    from interactvlm.training.token_banks import collect_object_tokens, collect_tokens
    from interactvlm.training.trainer import build_workspace, run_stage

    work = build_workspace(config)
    run_stage(work, "perception", config.perception_steps)
    run_stage(work, "language", config.language_steps)
    train_view_encoder(work)
    count = TOKENS_PER_LOCALIZER_STEP * config.localizer_steps
    bank = collect_tokens(work, count)
    objects = collect_object_tokens(work, OBJECT_TOKENS_PER_SURFACE * config.object_surfaces)
    train_localizer(work, bank, objects)
    return _publish(work)


def _publish(work: Any) -> Path:
    """Weights, baselines and thresholds fixed on `val`: everything `evaluate` and users need."""
    from dataclasses import replace

    from interactvlm.evaluation.config import EvaluateConfig
    from interactvlm.evaluation.object_priors import measure_object_priors
    from interactvlm.evaluation.object_side import ask_objects
    from interactvlm.evaluation.priors import measure_priors
    from interactvlm.evaluation.synthetic import ask_all, calibrate
    from interactvlm.generation import NEVER_REFUSES
    from interactvlm.heat import calibrate_heat
    from interactvlm.synthetic.shards import SceneShards
    from interactvlm.weights import save_weights

    config, model = work.config, work.model.eval()
    model.config = replace(model.config, no_contact_bias=NEVER_REFUSES)  # to measure every answer
    folder = config.out / "weights"
    model.save_pretrained(folder)
    direct = {k: v.half() for k, v in work.objective.direct.state_dict().items()}
    save_weights(direct, folder / "direct")
    measure_priors(work.shards).save(folder / "priors.npz")
    measure_object_priors(work.shards).save(folder / "object_priors.npz")
    shards = SceneShards(config.data / "val")
    asked = EvaluateConfig(split="val", data=config.data, count=len(shards.scenes))
    thresholds = calibrate(list(ask_all(model, folder, shards, asked)))
    with atomic_write(folder / "calibration.json") as temporary:
        temporary.write_text(json.dumps(asdict(thresholds), indent=2) + "\n")
    model.config = replace(
        model.config, threshold=thresholds.model, no_contact_bias=thresholds.no_contact_bias
    )
    things = ask_objects(model, folder, shards, asked)  # answered as readily as users will have it
    gain, shift = calibrate_heat([(q.said["model"], q.truth) for q in things])
    model.config = replace(model.config, heat_gain=gain, heat_shift=shift)
    model.save_pretrained(folder)
    with atomic_write(folder / "training.json") as temporary:
        temporary.write_text(json.dumps(_summary(work), indent=2) + "\n")
    return folder


def _summary(work: Any) -> dict[str, Any]:
    """Command, seed, data version and the last logged losses of every stage."""
    import csv

    from interactvlm.synthetic.config import DATA_VERSION

    with (work.config.out / "log.csv").open(encoding="utf-8") as stream:
        last = {row["stage"]: row for row in csv.DictReader(stream)}
    return {
        "config": json.loads(json.dumps(asdict(work.config), default=str)),
        "data": {
            "version": DATA_VERSION, "scenes": len(work.shards.scenes), "seed": work.shards.seed,
        },
        "torch": torch.__version__,
        "last_log_row_of_stage": last,
    }  # fmt: skip
