"""`interactvlm convert`: a released checkpoint becomes a model folder of this package."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

EXAMPLES = """\
Reads released InteractVLM and LISA checkpoints: one file or shards, pickles of tensors or
safetensors, with or without merged adapters. Nothing a pickle asks for is run. The photo tower is
that of openai/clip-vit-large-patch14, which has to be fetched on its own.

examples:
  interactvlm convert interactvlm-3d-hcontact-damon models/damon --clip clip-vit-large-patch14
  interactvlm convert LISA-7B-v1 models/lisa-7b --clip clip-vit-large-patch14 --dtype bf16
  interactvlm doctor --weights interactvlm-3d-hcontact-damon"""


@dataclass(frozen=True)
class ConvertOptions:
    """A released checkpoint in this package's layout."""

    source: tyro.conf.Positional[Path]
    """Folder of the release, or its weight file with config.json beside it."""
    target: tyro.conf.Positional[Path]
    """New model folder; appears when it is whole."""
    clip: Path | None = None
    """Folder of openai/clip-vit-large-patch14 with config.json and weights."""
    dtype: Literal["keep", "fp32", "bf16", "fp16", "int8"] = "keep"
    """Number type of the new weights; `keep` leaves each as it is, `int8` is for the matrices of
    the language model (all else bf16) and halves the memory."""
    force: bool = False
    """Replace a model folder that is already there."""


def config_class() -> type[ConvertOptions]:
    """What the command line is parsed into."""
    return ConvertOptions


def run(options: ConvertOptions) -> int:
    """0 when the new folder is there."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.checkpoints.convert import Conversion, convert

        job = Conversion(
            source=options.source,
            target=options.target,
            clip=options.clip,
            dtype=options.dtype,
            force=options.force,
        )
        found = convert(job)
    to_stdout(f"{found.title}\nweights: {options.target}")
    return 0
