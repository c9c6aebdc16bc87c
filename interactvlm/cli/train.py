"""`interactvlm train`: trains a model on generated scenes."""

from typing import Any

EXAMPLES = """\
Needs the splits `train` and `val` of `interactvlm synth`. A stopped run goes on from its last
checkpoint when started again.

examples:
  interactvlm train --preset mini --data data/synthetic --out runs/mini
  interactvlm train --preset mini --device cpu --processes 2"""


def config_class() -> type:
    """What the command line is parsed into."""
    from interactvlm.training.config import TrainConfig

    return TrainConfig


def run(config: Any) -> int:
    """0 when the training is complete."""
    from interactvlm.cli.output import to_stdout
    from interactvlm.training.run import main

    folder = main(config)
    to_stdout(f"weights: {folder}")
    return 0
