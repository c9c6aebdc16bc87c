"""A data set's folder: finding and reading its files, with one kind of error for all of them.

Knows files of any data set; knows the layout of none.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from interactvlm.data.pickled import load_npy, load_npz, load_pickle
from interactvlm.data.sources import DatasetSource
from interactvlm.errors import AssetError

SMPL_VERTICES = 6890
"""Of SMPL and SMPL+H, on which all published contact here is given."""


@dataclass(frozen=True)
class DataFolder:
    """The folder of one data set."""

    source: DatasetSource
    root: Path

    def fault(self, path: Path, problem: str, fix: str = "") -> AssetError:
        """The error for a file of this folder."""
        return self.source.fault(path, problem, fix)

    def file(self, *names: str) -> Path:
        """The first of these relative names that is a file. Raises AssetError naming them all."""
        for name in names:
            if (self.root / name).is_file():
                return self.root / name
        raise self.fault(self.root, f"lacks {' or '.join(map(repr, names))}")

    def locate(self, listed: str) -> Path:
        """Where a path that the publisher lists lies here, whatever folder he had it in.

        Leading folders are dropped until a file is found; where none is, the path as listed.
        """
        parts = [p for p in PurePosixPath(listed.replace("\\", "/")).parts if p not in ("/", ".")]
        for start in range(len(parts)):
            candidate = self.root.joinpath(*parts[start:])
            if ".." not in parts[start:] and candidate.is_file():
                return candidate
        return self.root.joinpath(*(part for part in parts if part != ".."))

    def lines(self, path: Path) -> list[str]:
        """Lines of a text file, without blank ones at its end."""
        try:
            return path.read_text(encoding="utf-8").rstrip().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise self.fault(path, f"file cannot be read ({error})") from None

    def json(self, path: Path) -> Any:
        """Content of a JSON file."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self.fault(path, f"file is not valid JSON ({error})") from None

    def pickle(self, path: Path) -> Any:
        """Content of a pickle or joblib file."""
        return load_pickle(path, self.source)

    def npy(self, path: Path) -> np.ndarray:
        """Array in a `.npy` file."""
        return load_npy(path, self.source)

    def npz(self, path: Path, *keys: str) -> dict[str, np.ndarray]:
        """The named arrays of a `.npz` file."""
        return load_npz(path, keys, self.source)

    def text_list(self, value: Any, path: Path) -> list[str]:
        """A list or array of file names as text."""
        items = value.tolist() if isinstance(value, np.ndarray) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(i, str) for i in items):
            raise self.fault(path, f"must hold a list of texts, found {_kind(value)}")
        return list(items)

    def table(self, value: Any, path: Path) -> dict[str, Any]:
        """A dictionary with text keys."""
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self.fault(path, f"must hold a dictionary of texts, found {_kind(value)}")
        return value

    def vertex_ids(self, value: Any, path: Path, where: str) -> Sequence[int]:
        """Vertex numbers of SMPL, in the publisher's order; may be empty."""
        ids = self._array(value, path, where).reshape(-1)
        if ids.size == 0:
            return ()
        if ids.dtype.kind not in "iu":
            raise self.fault(path, f"has vertices of {where} that are no list of whole numbers")
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= SMPL_VERTICES:
            raise self.fault(
                path, f"names vertices {low} to {high} for {where}, SMPL has 0 to 6889"
            )
        return tuple(ids.tolist())

    def contact_values(self, value: Any, path: Path, where: str) -> Bool[Tensor, "verts"]:
        """One number per SMPL vertex, not 0 where in contact, as a mask."""
        numbers = self._array(value, path, where)
        if numbers.size != SMPL_VERTICES or numbers.dtype.kind not in "biuf":
            raise self.fault(
                path, f"must give {SMPL_VERTICES} numbers for {where}, found {_kind(value)}"
            )
        if not np.isfinite(numbers).all():
            raise self.fault(path, f"has values for {where} that are not finite")
        return torch.from_numpy(numbers.reshape(-1) != 0)

    def _array(self, value: Any, path: Path, where: str) -> np.ndarray:
        """A list or array as an array; lists of unequal length make none."""
        try:
            return np.asarray(value)
        except ValueError as error:
            raise self.fault(
                path, f"has something for {where} that is no array ({error})"
            ) from None


def vertex_mask(ids: Sequence[int]) -> Bool[Tensor, "verts"]:
    """Mask over the vertices of SMPL."""
    mask = torch.zeros(SMPL_VERTICES, dtype=torch.bool)
    mask[torch.tensor(ids, dtype=torch.long)] = True
    return mask


def unique_keys(keys: Sequence[str]) -> list[str]:
    """The keys, repeated ones numbered from the second on, so that each names one sample."""
    seen: dict[str, int] = {}
    unique = []
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
        unique.append(key if seen[key] == 1 else f"{key}#{seen[key]}")
    return unique


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    size = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return f"{type(value).__name__}{size}"
