"""A set of named vectors on disk: half precision, one matrix, written once, read by mapping.

A finished folder holds `vectors.npy` (float16, rows by dimensions), `names.txt` (a name per row)
and `index.json` (version, key, counts, hash of the names, longest row). It appears under its name
only when complete. Until then `FOLDER.part` holds the rows so far, and a writer with the same key
goes on from there. Knows files; searching is another module's.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from renders.cache import atomic_write
from renders.errors import AssetError, InputError

VERSION = "vectors-1"
VECTORS, NAMES, META = "vectors.npy", "names.txt", "index.json"
HEADER_BYTES = 128
"""Size of the header of a two-dimensional `.npy` file; NumPy pads it for any number of rows."""
LARGEST = 60_000.0
"""Largest magnitude of a stored number; half precision ends at 65,504."""
_ITEM_BYTES = 2


@dataclass(frozen=True)
class IndexInfo:
    """What `index.json` says."""

    key: str
    """What the vectors were made from: model and library. Another key means other vectors."""
    dim: int
    """Numbers per vector."""
    count: int = 0
    """Rows."""
    names_bytes: int = 0
    """Size of `names.txt`."""
    names_sha256: str = hashlib.sha256().hexdigest()
    """Of `names.txt`."""
    longest: float = 0.0
    """Largest length of a stored row."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the file."""
        return {"version": VERSION, **vars(self)}


def read_info(folder: Path, *, name: str = META) -> IndexInfo:
    """What a folder's `index.json` says.

    Raises:
        AssetError: missing, damaged or of another version.
    """
    path = folder / name
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        version = table.pop("version")
        if version == VERSION:
            return _checked(IndexInfo(**table))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise AssetError(
            f"vector index cannot be read ({error!r}); build it again: {str(path)!r}"
        ) from None
    raise AssetError(
        f"vector index is of version {version!r}, this package writes {VERSION!r}; build it "
        f"again: {str(path)!r}"
    )


def _checked(info: IndexInfo) -> IndexInfo:
    numbers = (info.dim, info.count, info.names_bytes)
    if not all(type(n) is int and n >= 0 for n in numbers) or not info.dim or not info.key:
        raise ValueError(f"impossible values in {info}")
    return info


class IndexWriter:
    """Writes an index block by block; a context manager that finishes when nothing was raised.

    Killed half way, it goes on with the same folder and key: `count` and `last_name` say which rows
    are safe, and the caller adds what comes after them. One process at a time: those that may meet
    hold a lock.
    """

    def __init__(self, folder: Path, dim: int, key: str) -> None:
        """Begins, or goes on with, an index.

        Raises:
            InputError: the folder exists already, or the dimension is not positive.
        """
        if dim < 1 or not key:
            raise InputError(f"an index needs a positive dimension and a key, got {dim}, {key!r}")
        self.folder = Path(folder)
        if self.folder.exists():
            raise InputError(f"there is something already; remove it first: {str(folder)!r}")
        self._part = self.folder.with_name(self.folder.name + ".part")
        self._info = self._resumed(IndexInfo(key, dim))
        self._part.mkdir(parents=True, exist_ok=True)
        self._vectors = open(self._part / VECTORS, "ab")  # noqa: SIM115 - closed by `close`
        self._names = open(self._part / NAMES, "ab")  # noqa: SIM115
        # Rows that came after the last safe state are written again.
        self._vectors.truncate(HEADER_BYTES + self.count * dim * _ITEM_BYTES)
        self._names.truncate(self._info.names_bytes)
        self._digest = hashlib.sha256()
        self.last_name: str | None = None
        """Name of the last row that is safely on disk."""
        with open(self._part / NAMES, "rb") as stream:
            for line in stream:
                self._digest.update(line)
                self.last_name = line.decode()[:-1]

    @property
    def count(self) -> int:
        """Rows that are safely on disk."""
        return self._info.count

    def _resumed(self, fresh: IndexInfo) -> IndexInfo:
        """The state of an earlier writer with the same key; `fresh` where there is none."""
        with contextlib.suppress(AssetError):
            info = read_info(self._part)
            sizes = (self._part / VECTORS, self._part / NAMES)
            needed = (HEADER_BYTES + info.count * info.dim * _ITEM_BYTES, info.names_bytes)
            whole = all(p.is_file() and p.stat().st_size >= n for p, n in zip(sizes, needed))  # noqa: B905
            if whole and (info.key, info.dim) == (fresh.key, fresh.dim):
                return info
        shutil.rmtree(self._part, ignore_errors=True)
        return fresh

    def add(self, names: Sequence[str], vectors: Float[Tensor, "rows dim"]) -> None:
        """Appends rows; when this returns they are safe.

        Raises:
            InputError: counts or dimension do not fit, a number is not finite or too large, or a
                name is empty or has a line break.
        """
        if vectors.shape != (len(names), self._info.dim):
            raise InputError(
                f"{len(names)} names and vectors of shape {tuple(vectors.shape)} do not fit an "
                f"index of {self._info.dim} numbers per row"
            )
        for name in names:
            if not name or name.splitlines() != [name]:
                raise InputError(f"names in an index are one line of text each, got {name!r}")
        # NaN compares false, hence not `> LARGEST`.
        if not bool((vectors.abs() <= LARGEST).all()):
            raise InputError(f"vectors hold numbers that are not finite or beyond {LARGEST:g}")
        rows = vectors.detach().cpu().half().numpy()
        text = "".join(f"{name}\n" for name in names).encode()
        self._vectors.write(rows.tobytes())
        self._names.write(text)
        self._digest.update(text)
        longest = float(np.linalg.norm(rows.astype(np.float32), axis=1).max(initial=0.0))
        self._info = replace(
            self._info,
            count=self.count + len(names),
            names_bytes=self._info.names_bytes + len(text),
            names_sha256=self._digest.hexdigest(),
            longest=max(self._info.longest, longest),
        )
        self._save_state()
        self.last_name = names[-1] if names else self.last_name

    def _save_state(self) -> None:
        for stream in (self._vectors, self._names):
            stream.flush()
            os.fsync(stream.fileno())
        with atomic_write(self._part / META) as temporary:
            temporary.write_text(json.dumps(self._info.to_dict(), indent=2) + "\n", "utf-8")

    def finish(self) -> IndexInfo:
        """Completes the files and gives the folder its name.

        When another writer was faster its index is kept; both have the same key and content.
        """
        self._save_state()
        self.close()
        with open(self._part / VECTORS, "rb+") as stream:
            shape = (self.count, self._info.dim)
            np.lib.format.write_array_header_1_0(
                stream, {"descr": "<f2", "fortran_order": False, "shape": shape}
            )
            if stream.tell() != HEADER_BYTES:
                raise AssetError(f"NumPy wrote a header of {stream.tell()} bytes, not 128")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.rename(self._part, self.folder)
        except OSError:
            if read_info(self.folder).key != self._info.key:
                raise
            shutil.rmtree(self._part, ignore_errors=True)
        return self._info

    def close(self) -> None:
        """Closes the files; what was added stays in the `.part` folder."""
        self._vectors.close()
        self._names.close()

    def __enter__(self) -> "IndexWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.close()
