"""`interactvlm synth`: generates a split of the synthetic data set."""

from typing import Any

EXAMPLES = """\
A stopped run goes on where it was when started again.

examples:
  interactvlm synth --split test --count 16 --out scenes --preview
  interactvlm synth --split train --count 8000 --views 2 --workers 8"""


def config_class() -> type:
    """What the command line is parsed into."""
    from interactvlm.synthetic.config import SynthConfig

    return SynthConfig


def run(config: Any) -> int:
    """0 when the split is complete."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.synthetic.dataset import generate

        folder = generate(config)
    to_stdout(f"{config.count} scenes: {folder}")
    if config.preview:
        to_stdout(f"preview: {folder / 'preview.png'}")
    return 0
