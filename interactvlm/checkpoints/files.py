"""Weight files as they are published: safetensors or pickles of tensors, one file or many.

Pickles are read by torch's weights-only reader: it builds tensors and runs nothing else that a
pickle asks for. Tensors are mapped from disk where the file allows it, so listing a checkpoint
costs no memory. Knows no key.
"""

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from interactvlm.errors import AssetError
from interactvlm.weights import PICKLES, WEIGHTS_FILE, WEIGHTS_INDEX, TensorSpec, read_weight_map

_SAFETENSORS = ".safetensors"
_LAYOUTS = (WEIGHTS_INDEX, WEIGHTS_FILE, "pytorch_model.bin.index.json", "pytorch_model.bin")
"""What holds a folder's weights, or lists the files that do; the first one found counts."""
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint, not read yet."""

    path: Path
    """The file it is in."""
    key: str
    """Its name there."""
    spec: TensorSpec
    """Its shape and number type."""


def list_tensors(source: Path) -> dict[str, Stored]:
    """Every tensor of a weight file, or of a folder's weights, by key.

    Raises AssetError when a file is missing, damaged, no table of tensors, or does not hold what
    the index says.
    """
    index, paths = weight_sources(source)
    stored: dict[str, Stored] = {}
    table = {} if index is None else read_weight_map(index)
    for path in paths:
        with open_tensors(path) as tensors:
            for key, value in tensors.items():
                if key in stored:
                    raise AssetError(f"key {key!r} is in two files: {str(path)!r}")
                if index is not None and table.pop(key, None) != path.name:
                    raise AssetError(
                        f"key {key!r} is not where {index.name!r} lists it: {str(path)!r}"
                    )
                stored[key] = Stored(path, key, TensorSpec(tuple(value.shape), value.dtype))
    for key, name in table.items():
        raise AssetError(f"key {key!r} is missing in {name!r}: {str(source)!r}")
    return stored


def weight_sources(source: Path) -> tuple[Path | None, list[Path]]:
    """The index, if there is one, and the weight files in the order of their names.

    Raises AssetError when there are none, several to choose from, or one is missing.
    """
    if source.is_file():
        return None, [source]
    names = folder_names(source)
    layout = next((name for name in _LAYOUTS if name in names), None)
    if layout is None:
        return None, [source / _only_weight_file(source, names)]
    if not layout.endswith(".json"):
        return None, [source / layout]
    listed = sorted(set(read_weight_map(source / layout).values()))
    for name in listed:
        if name not in names:
            raise AssetError(
                f"{name!r}, one of {len(listed)} files that {layout!r} lists, is not there; fetch "
                f"it: {str(source)!r}"
            )
    return source / layout, [source / name for name in listed]


def folder_names(folder: Path) -> list[str]:
    """Names in a folder. Raises AssetError when there is none or it cannot be read."""
    if not folder.exists():
        raise AssetError(f"checkpoint not found; expected a folder or a file at {str(folder)!r}")
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise AssetError(
            f"folder cannot be read ({error.strerror or error}): {str(folder)!r}"
        ) from None


@contextmanager
def open_tensors(path: Path) -> Iterator[Mapping[str, Tensor]]:
    """The tensors of one file by key, each read when it is asked for.

    Raises AssetError when the file is damaged or holds something other than named tensors.
    """
    _refuse_pointer(path)
    if path.suffix == _SAFETENSORS:
        with _open_safetensors(path) as tensors:
            yield tensors
    else:
        yield _unpickled(path)


class _Lazy(Mapping[str, Tensor]):
    """An open safetensors file as a table."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored
        self._keys = list(stored.keys())

    def __getitem__(self, key: str) -> Tensor:
        return self._stored.get_tensor(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Mapping[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as stored:
            yield _Lazy(stored)
    except SafetensorError as error:
        raise AssetError(f"{_DAMAGED} ({error}): {str(path)!r}") from None


_DAMAGED = "weight file is damaged or truncated, fetch it again"


def _unpickled(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a pickle, mapped from disk unless it is in the format of before 2020."""
    mapped = zipfile.is_zipfile(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters comes back as an error
            # Spelled out although it is the default: the promise of this file hangs on it.
            table = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        if asked is None:
            raise AssetError(
                f"{_DAMAGED}, or it is no table of tensors; nothing in it was run: {str(path)!r}"
            ) from None
        raise AssetError(
            f"pickle asks for {asked[1]!r}, which is no part of weights; it was refused, and "
            f"nothing in it was run: {str(path)!r}"
        ) from None
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged file may fail anywhere in the reader
        reason = str(error).strip().splitlines()[:1]
        raise AssetError(f"{_DAMAGED} ({''.join(reason)[:160]}): {str(path)!r}") from None
    return _checked_table(table, path)


def _checked_table(table: Any, path: Path) -> Mapping[str, Tensor]:
    if not isinstance(table, Mapping):
        raise AssetError(
            f"a table of named tensors is expected, found {type(table).__name__!r}: {str(path)!r}"
        )
    for key, value in table.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise AssetError(
                f"a table of named tensors is expected, entry {key!r} is of type "
                f"{type(value).__name__!r}: {str(path)!r}"
            )
        if value.layout != torch.strided or value.is_quantized:
            raise AssetError(f"tensor {key!r} is sparse or quantized: {str(path)!r}")
    return table


def _only_weight_file(folder: Path, names: list[str]) -> str:
    found = [name for name in names if Path(name).suffix in (*PICKLES, _SAFETENSORS)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise AssetError(
            f"no weights found; expected one of {list(_LAYOUTS)} or a .pth file: {str(folder)!r}"
        )
    shards = [name for name in found if re.search(r"-\d+-of-\d+\.", name)]
    if shards:
        raise AssetError(
            f"{len(shards)} shards without their index; fetch the file that ends in "
            f".index.json too: {str(folder)!r}"
        )
    raise AssetError(f"several weight files {found[:4]}; name one of them: {str(folder)!r}")


def _refuse_pointer(path: Path) -> None:
    try:
        with open(path, "rb") as stream:
            head = stream.read(len(_POINTER))
    except OSError as error:
        raise AssetError(f"weight file cannot be read ({error.strerror}): {str(path)!r}") from None
    if head == _POINTER:
        raise AssetError(
            f"this is a Git LFS pointer, not the weights; run `git lfs pull` there: {str(path)!r}"
        )
