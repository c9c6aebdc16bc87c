"""A released checkpoint written once in this package's layout, shard by shard.

Reads no more than one mapped file at a time and a few rows beside it; the new folder appears
under its name only when it is whole.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from tqdm import tqdm

from interactvlm.checkpoints.adapters import Factors, load_factors, merged_pieces
from interactvlm.checkpoints.files import Stored, open_tensors
from interactvlm.checkpoints.inspection import Inspection, inspect_released
from interactvlm.checkpoints.llama_tokenizer import load_llama_tokenizer
from interactvlm.config import CONFIG_FILE
from interactvlm.errors import AssetError, InputError, ResourceError
from interactvlm.int8 import MATRIX, quantize_rows
from interactvlm.tokens import TOKENIZER_FILE
from interactvlm.weights import WEIGHTS_FILE, WEIGHTS_INDEX, TensorSpec, write_pieces

PUBLISHED_CONFIG = "published_config.json"
"""The release's own config.json, kept for the record; nothing reads it."""
CLIP_HINT = "openai/clip-vit-large-patch14"

_DTYPES = {
    "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.bfloat16,
}  # fmt: skip
"""`int8` is for the matrices of the language model; this is the type of all else."""
_OWN_FILES = (CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE, WEIGHTS_INDEX, PUBLISHED_CONFIG)


@dataclass(frozen=True)
class Conversion:
    """What to convert, and how."""

    source: Path
    """Folder or weight file of a released checkpoint."""
    target: Path
    """New model folder."""
    clip: Path | None = None
    """Folder of the CLIP photo tower, which no release contains."""
    dtype: Literal["keep", "fp32", "bf16", "fp16", "int8"] = "keep"
    """Number type of the new weights; `int8` is that of the language model's matrices."""
    force: bool = False
    """Replace a model folder that is already there."""


def convert(job: Conversion) -> Inspection:
    """Checks everything, then writes config, tokenizer and weights.

    Raises:
        InputError: the source is of another kind, the target is taken, or a weight leaves fp16.
        AssetError: something of the source is missing, damaged or does not fit.
        ResourceError: the disk is too small.
    """
    source, target = job.source.expanduser(), job.target.expanduser().absolute()
    _require_free(target, source, force=job.force)
    found = inspect_released(source, None if job.clip is None else job.clip.expanduser())
    if job.clip is None:
        raise InputError(
            f"this is a {found.title}; it needs the photo tower, which no release contains: fetch "
            f"{CLIP_HINT!r} and name its folder with --clip"
        )
    plan = _plan(found, job.dtype)
    _require_space(target, sum(new.spec.num_bytes for new in plan.values()))
    folder = source.parent if source.is_file() else source
    tokenizer = load_llama_tokenizer(folder, found.config.tokens)
    rows = found.config.language.vocab_size
    if len(tokenizer) > rows:
        raise AssetError(
            f"the tokenizer has {len(tokenizer)} ids, the weights only {rows}: {str(folder)!r}"
        )
    with _fresh_folder(target) as fresh:
        found.config.save(fresh / CONFIG_FILE)
        tokenizer.save_file(fresh / TOKENIZER_FILE)
        shutil.copyfile(folder / CONFIG_FILE, fresh / PUBLISHED_CONFIG)
        _write_weights(found, plan, fresh)
    return found


@dataclass(frozen=True)
class _New:
    """One tensor to be written."""

    name: str
    """Of the weight it is made of."""
    spec: TensorSpec
    """Its shape and type."""
    part: Literal["whole", "values", "scales"] = "whole"
    """Which half of an 8-bit weight it is."""


def _plan(found: Inspection, dtype: str) -> dict[str, _New]:
    """Every new tensor by its key."""
    plan: dict[str, _New] = {}
    for name, stored in found.tensors.items():
        shape = stored.spec.shape
        matrix = MATRIX.fullmatch(name) if dtype == "int8" else None
        if matrix is None:
            plan[name] = _New(name, TensorSpec(shape, _DTYPES.get(dtype, stored.spec.dtype)))
            continue
        plan[f"{matrix[1]}.values"] = _New(name, TensorSpec(shape, torch.int8), "values")
        plan[f"{matrix[1]}.scales"] = _New(name, TensorSpec(shape[:1], torch.float32), "scales")
    return plan


def _write_weights(found: Inspection, plan: Mapping[str, _New], folder: Path) -> None:
    """One new file for each old one (the CLIP's among them), and their index."""
    by_path: dict[Path, list[str]] = {}
    for key, new in plan.items():
        by_path.setdefault(found.tensors[new.name].path, []).append(key)
    factors = load_factors(found.adapters)
    weight_map: dict[str, str] = {}
    total = sum(new.spec.num_bytes for new in plan.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc="writing weights") as bar:
        for number, (path, keys) in enumerate(by_path.items(), start=1):
            file = f"model-{number:05}-of-{len(by_path):05}.safetensors"
            with open_tensors(path) as tensors:
                shard = _Shard(found.tensors, tensors, factors, plan, bar)
                write_pieces(folder / file, {key: plan[key].spec for key in keys}, shard.pieces)
            weight_map |= dict.fromkeys(keys, file)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / WEIGHTS_INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, eq=False)
class _Shard:
    """One open file of the source."""

    stored: Mapping[str, Stored]
    tensors: Mapping[str, Tensor]
    factors: Mapping[str, Factors]
    plan: Mapping[str, _New]
    bar: tqdm

    def pieces(self, key: str) -> Iterable[Tensor]:
        """Values of one new tensor, rows at a time."""
        new = self.plan[key]
        old = self.stored[new.name].key
        dtype = new.spec.dtype if new.part == "whole" else torch.float32
        for piece in merged_pieces(self.tensors[old], self.factors.get(new.name), dtype, old):
            if new.part != "whole":
                values, scales = quantize_rows(piece)
                piece = values if new.part == "values" else scales
            yield piece
            self.bar.update(piece.numel() * new.spec.dtype.itemsize)


def _require_free(target: Path, source: Path, *, force: bool) -> None:
    """Raises InputError when writing would destroy something the caller did not name."""
    if not target.exists():
        return
    if target.resolve() == source.resolve():
        raise InputError(f"source and target are the same folder: {str(target)!r}")
    if not target.is_dir():
        raise InputError(f"target must be a folder, found a file at {str(target)!r}")
    names = sorted(path.name for path in target.iterdir())
    if names and not force:
        raise InputError(
            f"target holds {len(names)} files already; name another, or replace it with --force: "
            f"{str(target)!r}"
        )
    foreign = [name for name in names if name not in _OWN_FILES and not _is_own_shard(name)]
    if foreign:
        raise InputError(
            f"target holds {foreign[:3]}, which no conversion wrote; it is not replaced: "
            f"{str(target)!r}"
        )


def _is_own_shard(name: str) -> bool:
    return name.startswith("model-") and name.endswith(".safetensors")


def _require_space(target: Path, needed: int) -> None:
    above = next(p for p in target.parents if p.exists())
    free = shutil.disk_usage(above).free
    if free < needed:
        raise ResourceError(
            f"the new weights need {needed:,} bytes, only {free:,} are free: {str(above)!r}"
        )


@contextlib.contextmanager
def _fresh_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its place when the block ends well, else vanishes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".partial", dir=target.parent))
    try:
        yield fresh
        fresh.chmod(0o777 & ~_umask())
        if target.exists():
            # os.replace swaps no folder that holds files: the old one steps aside first.
            aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent)) / "old"
            target.rename(aside)
            os.replace(fresh, target)
            shutil.rmtree(aside.parent)
        else:
            os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
