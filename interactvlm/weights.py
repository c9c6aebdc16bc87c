"""Model folders on disk: config.json, tokenizer.json, safetensors weights; nothing is unpickled.

Weights are one file, or several with an index that says which file holds which key. Knows files
and state dicts, not what a model computes.
"""

import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from interactvlm.errors import AssetError
from renders.cache import atomic_write

WEIGHTS_FILE = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth")
"""Suffixes of weight files that are pickles."""

_DTYPE_NAMES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int8: "I8",
}  # fmt: skip


@dataclass(frozen=True)
class TensorSpec:
    """What is known of a tensor before it is read."""

    shape: tuple[int, ...]
    """Sizes of its axes."""
    dtype: torch.dtype
    """Number type."""

    @property
    def num_bytes(self) -> int:
        """Size of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def load_weights(module: nn.Module, folder: Path) -> None:
    """Fills every parameter and buffer from the folder's safetensors files, or fails by name."""
    state = module.state_dict()
    files = fitting_files(state, folder)
    for key, value in stored_tensors(files):
        with torch.no_grad():
            state[key].copy_(value)


def fitting_files(state: Mapping[str, Tensor], folder: Path) -> dict[str, Path]:
    """The file of every weight of a state dict, whose tensors may be on the meta device.

    Raises AssetError naming a weight that is missing, unknown, twice there or wrongly shaped.
    """
    paths = weight_files(folder)
    shapes: dict[str, tuple[int, ...]] = {}
    files: dict[str, Path] = {}
    for path in paths:
        with _opened(path) as stored:
            found = {key: tuple(stored.get_slice(key).get_shape()) for key in stored.keys()}  # noqa: SIM118
        for key in found.keys() & shapes.keys():
            raise AssetError(f"weight {key!r} is in two files of the model: {str(path)!r}")
        shapes |= found
        files |= dict.fromkeys(found, path)
    where = paths[0] if len(paths) == 1 else folder
    _check_keys({key: tuple(value.shape) for key, value in state.items()}, shapes, where)
    return files


def stored_tensors(files: Mapping[str, Path]) -> Iterator[tuple[str, Tensor]]:
    """Weights by key, one in memory at a time; every file is opened once."""
    for path in sorted(set(files.values())):
        with _opened(path) as stored:
            for key in (key for key in files if files[key] == path):
                yield key, stored.get_tensor(key)


def stored_dtype(folder: Path, key: str) -> torch.dtype:
    """Number type of one weight of a folder; float32 when there is none of that name."""
    for path in weight_files(folder):
        with _opened(path) as stored:
            if key in stored.keys():  # noqa: SIM118
                return stored.get_tensor(key).dtype
    return torch.float32


def weight_files(folder: Path) -> list[Path]:
    """The folder's weights: one file, or those its index names, in the order of their names.

    Raises AssetError when a file is missing or the index is damaged.
    """
    single, index = folder / WEIGHTS_FILE, folder / WEIGHTS_INDEX
    if single.is_file():
        return [single]
    if index.is_file():
        paths = [folder / name for name in sorted(set(read_weight_map(index).values()))]
        for path in paths:
            if not path.is_file():
                raise AssetError(
                    f"{path.name!r}, which the index names, is not there; expected a file at "
                    f"{str(path)!r}"
                )
        return paths
    others = sorted(p.name for p in folder.glob("*") if p.suffix in PICKLES)
    hint = f"; {others} are pickles and are not read, convert them first" if others else ""
    raise AssetError(f"model weights not found; expected a file at {str(single)!r}{hint}")


def read_weight_map(index: Path) -> dict[str, str]:
    """File name by key, as an index lists them.

    Raises AssetError when the index is damaged or names a file outside its folder.
    """
    try:
        table = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        table = {str(key): str(name) for key, name in table.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(f"weight index cannot be read ({error!r}): {str(index)!r}") from None
    for key, name in table.items():
        if Path(name).name != name:
            raise AssetError(
                f"weight index names {name!r} for {key!r}; a plain file name is expected: "
                f"{str(index)!r}"
            )
    if not table:
        raise AssetError(f"weight index lists no weights: {str(index)!r}")
    return table


def save_weights(state: Mapping[str, Tensor], folder: Path) -> None:
    """Writes a state dict, complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    with atomic_write(folder / WEIGHTS_FILE) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})


def write_pieces(
    path: Path, specs: Mapping[str, TensorSpec], pieces: Callable[[str], Iterable[Tensor]]
) -> None:
    """Writes one safetensors file; `pieces(key)` gives the values of a tensor bit by bit.

    Never holds a whole tensor: the memory needed is that of one piece. Pieces follow each other
    in C order and have the type of the spec (float32, float16, bfloat16 or int8).
    Source: the format's description in the safetensors README.
    """
    # Wide numbers first: every tensor then begins at a multiple of its own number size.
    order = sorted(specs, key=lambda key: (-specs[key].dtype.itemsize, key))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for key in order:
        begin, end = end, end + specs[key].num_bytes
        header[key] = {
            "dtype": _DTYPE_NAMES[specs[key].dtype],
            "shape": list(specs[key].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for key in order:
            for piece in pieces(key):
                stream.write(piece.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
        stream.flush()
        os.fsync(stream.fileno())


def require_folder(path: Path) -> Path:
    """The folder itself. Raises AssetError when there is none."""
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise AssetError(f"model folder expected, found {found} at {str(path)!r}")
    return path


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file; its own errors and those of reading it as one AssetError."""
    try:
        with safe_open(path, framework="pt") as stored:
            yield stored
    except (SafetensorError, OSError) as error:
        raise AssetError(
            f"model weights are damaged or truncated ({error}); fetch them again: {str(path)!r}"
        ) from None


def _check_keys(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    missing = sorted(wanted.keys() - found.keys())
    unknown = sorted(found.keys() - wanted.keys())
    if missing or unknown:
        raise AssetError(
            f"model weights do not fit the config: {len(missing)} missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}: {str(path)!r}"
        )
    for key, shape in wanted.items():
        if found[key] != shape:
            raise AssetError(
                f"weight {key!r} has shape {found[key]}, the config asks for {shape}: {str(path)!r}"
            )
