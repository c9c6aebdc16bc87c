"""Approximate search by faiss, for sets of vectors too large to look at every one.

An extra: `pip install "interactvlm[faiss]"`. Exact search (`VectorIndex`) needs nothing and is the
default; it reads every vector once per query. Knows the files of a `VectorIndex` and adds one.
"""

import importlib
import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from object_retrieval.index import SearchResult, VectorIndex
from object_retrieval.index_files import VECTORS
from renders.cache import atomic_write
from renders.errors import InputError, ResourceError

_FILE = "faiss.index"
_TRAINED_ON = 100_000
_BLOCK = 65_536


def require_faiss() -> Any:
    """The faiss module. Raises ResourceError with the way to get it."""
    try:
        return importlib.import_module("faiss")
    except ImportError:
        raise ResourceError(
            "approximate search needs the extra 'faiss': pip install 'interactvlm[faiss]'; exact "
            "search needs nothing"
        ) from None


class FaissIndex:
    """Vectors of a `VectorIndex` in cells around centres; a query looks into some cells."""

    def __init__(self, index: VectorIndex, *, cells_searched: int = 32) -> None:
        """Opens the cells beside the vectors, or makes them, which takes minutes for millions.

        Raises:
            ResourceError: faiss is not installed.
            InputError: the index is empty, or no cell would be searched.
        """
        faiss = require_faiss()
        if not len(index) or cells_searched < 1:
            raise InputError(
                f"an index with vectors and at least one cell to search are needed, got "
                f"{len(index)} and {cells_searched}"
            )
        path = index.folder / _FILE
        if not path.is_file():
            with atomic_write(path) as temporary:
                faiss.write_index(_build(faiss, index), str(temporary))
        self._cells = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        self._cells.nprobe = cells_searched

    def search(self, queries: Float[Tensor, "queries dim"], top: int) -> SearchResult:
        """As `VectorIndex.search`, but a row may be missed; -1 where fewer were found."""
        scores, rows = self._cells.search(queries.float().numpy(), top)
        return SearchResult(torch.from_numpy(rows), torch.from_numpy(scores))


def _build(faiss: Any, index: VectorIndex) -> Any:
    """Half-precision cells by inner product; about as many as the root of the rows, times four."""
    stored = np.load(index.folder / VECTORS, mmap_mode="r")
    count = min(len(index), max(1, round(4 * math.sqrt(len(index)))))
    centres = faiss.IndexFlatIP(index.info.dim)
    kind = faiss.ScalarQuantizer.QT_fp16
    cells = faiss.IndexIVFScalarQuantizer(
        centres, index.info.dim, count, kind, faiss.METRIC_INNER_PRODUCT
    )
    step = max(1, len(index) // _TRAINED_ON)
    cells.train(np.ascontiguousarray(stored[::step], dtype=np.float32))
    for start in range(0, len(index), _BLOCK):
        cells.add(np.ascontiguousarray(stored[start : start + _BLOCK], dtype=np.float32))
    return cells
