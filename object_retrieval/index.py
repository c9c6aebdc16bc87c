"""Exact search for the vectors of largest inner product, in a matrix mapped from disk.

Every row is looked at. One or two queries are multiplied in half precision, as the rows are
stored, which reads each byte once and converts nothing; more queries share one conversion of each
block. Either way the rows that rounding leaves in question are computed again in double precision,
so the answer is that of exact arithmetic on the stored numbers. Memory is bounded: pages of a
block are given back before the next. Plain twin: in the tests.
"""

import mmap
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from object_retrieval.index_files import (
    HEADER_BYTES,
    NAMES,
    VECTORS,
    IndexInfo,
    read_info,
)
from renders.errors import AssetError, InputError

_HALF_ROUNDING, _HALF_TINY = 2.0**-11, 2.0**-25
"""Relative and absolute rounding error of half precision."""
_SINGLE_ROUNDING = 2.0**-24
_MAPPED_BYTES = 128 * 2**20
"""Rows mapped at a time when they are multiplied as they are."""
_CONVERTED_BYTES = 2**21
"""Rows converted at a time; their single precision twins still fit the cache."""
_FEW_QUERIES = 2
"""Up to so many, multiplying twice is cheaper than converting."""
_RESCORED_AT_ONCE = 4096


@dataclass(frozen=True)
class SearchResult:
    """The best rows of each query, best first; equal scores in the order of their rows."""

    rows: Int[Tensor, "queries found"]
    """Indices into the matrix."""
    scores: Float[Tensor, "queries found"]
    """Inner products."""


class VectorIndex:
    """A finished index, mapped from disk; safe to use from several processes."""

    def __init__(self, folder: Path, *, key: str | None = None) -> None:
        """Opens an index and checks that its files belong together.

        Raises:
            AssetError: a file is missing, damaged or truncated, or the key is another.
        """
        self.folder = Path(folder)
        self.info: IndexInfo = read_info(self.folder)
        if key is not None and key != self.info.key:
            raise AssetError(
                f"vector index was built with key {self.info.key!r}, {key!r} is needed; build it "
                f"again: {str(folder)!r}"
            )
        _require_whole(self.folder, self.info)

    def __len__(self) -> int:
        return self.info.count

    def __repr__(self) -> str:
        return f"VectorIndex({self.info.count:,} x {self.info.dim}, {str(self.folder)!r})"

    def names(self, rows: Int[Tensor, "rows"]) -> list[str]:
        """Names of some rows, in the order asked."""
        wanted = set(rows.tolist())
        found = {}
        with open(self.folder / NAMES, encoding="utf-8", newline="\n") as stream:
            for row, line in enumerate(stream):
                if row in wanted:
                    found[row] = line[:-1]
                    if len(found) == len(wanted):
                        break
        return [found[row] for row in rows.tolist()]

    def all_names(self) -> list[str]:
        """The name of every row."""
        return (self.folder / NAMES).read_text(encoding="utf-8").split("\n")[:-1]

    def search(self, queries: Float[Tensor, "queries dim"], top: int) -> SearchResult:
        """The `top` rows (or all, if fewer) of largest inner product with each query.

        Raises:
            InputError: the dimension is another, a query is not finite, or `top` is not positive.
        """
        if top < 1:
            raise InputError(f"top must be at least 1, got {top}")
        if queries.shape[1] != self.info.dim:
            raise InputError(
                f"queries have {queries.shape[1]} numbers, vectors of this index {self.info.dim}"
            )
        if not bool(torch.isfinite(queries).all()):
            raise InputError("a query holds numbers that are not finite")
        exact = queries.detach().cpu().double()
        top = min(top, len(self))
        if not top or not len(exact):
            empty = torch.zeros((len(exact), top))
            return SearchResult(empty.long(), empty)
        # Of length 1, so that no product overflows; a query of zeros stays one.
        unit = exact / exact.norm(dim=1, keepdim=True).clamp(min=1e-300)
        candidates = self._screen(unit, top)
        picked = [self._best(q, rows, top) for q, rows in zip(exact, candidates, strict=True)]
        return SearchResult(
            torch.stack([r for r, _ in picked]), torch.stack([s for _, s in picked])
        )

    def _screen(
        self, unit: Float[Tensor, "queries dim"], top: int
    ) -> list[Int[Tensor, "candidates"]]:
        """Rows that can be among the best `top`, whatever rounding did."""
        few = len(unit) <= _FEW_QUERIES and self.info.longest < 2**15
        how = _as_stored(unit, self.info) if few else _converted(unit, self.info)
        survivors = [_Survivors(top) for _ in unit]
        with _Rows(self.folder, self.info) as rows:
            for start, scores in _blocks(rows, how):
                for query, kept in enumerate(survivors):
                    kept.take(scores[query], start, how.error)
        return [kept.rows() for kept in survivors]

    def _best(
        self, query: Float[Tensor, "dim"], rows: Int[Tensor, "candidates"], top: int
    ) -> tuple[Int[Tensor, "found"], Float[Tensor, "found"]]:
        """The best of the candidates by their product in double precision."""
        scores = []
        with _Rows(self.folder, self.info) as mapped:
            for part in rows.split(_RESCORED_AT_ONCE):
                # Sums along rows, not a matrix product: equal rows then give equal sums.
                scores.append((mapped.matrix[part].double() * query).sum(1))
                mapped.give_back(0, self.info.count)
        score = torch.cat(scores)
        # The candidates are in the order of their rows, and the sort keeps that among equals.
        order = score.sort(descending=True, stable=True).indices[:top]
        return rows[order], score[order].float()


class _Survivors:
    """Rows of one query that may still be among the best."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._best = torch.zeros(0)
        self._bound = -torch.inf
        self._found: list[tuple[Tensor, Tensor]] = []

    def take(self, scores: Float[Tensor, "rows"], start: int, error: float) -> None:
        """Adds a block whose scores are within `error` of the truth."""
        # Most blocks hold no row above the bound: then nothing is sorted.
        if float(scores.max()) < self._bound:
            return
        near = (scores >= self._bound).nonzero().flatten()
        values = scores[near]
        self._found.append((near + start, values))
        best = torch.cat([self._best, values])
        self._best = best.topk(min(self._top, len(best))).values
        if len(self._best) == self._top:
            # Both sides may be off by the error: what lies further below cannot belong here.
            self._bound = float(self._best[-1]) - 2 * error

    def rows(self) -> Int[Tensor, "candidates"]:
        """The rows above the final bound, ascending."""
        rows, scores = (torch.cat(column) for column in zip(*self._found, strict=True))
        return rows[scores >= self._bound]


class _Rows:
    """The stored matrix, mapped; pages can be given back."""

    def __init__(self, folder: Path, info: IndexInfo) -> None:
        self._stream = open(folder / VECTORS, "rb")  # noqa: SIM115 - closed by `__exit__`
        # Not copy on write: systems refuse such a map of a file larger than their memory.
        self._map = mmap.mmap(self._stream.fileno(), 0, access=mmap.ACCESS_READ)
        values = np.frombuffer(self._map, np.float16, info.count * info.dim, HEADER_BYTES)
        with warnings.catch_warnings():
            # Torch warns that this memory must not be written; nothing writes.
            warnings.simplefilter("ignore")
            self.matrix = torch.from_numpy(values).view(info.count, info.dim)
        self._row_bytes = 2 * info.dim

    def give_back(self, start: int, stop: int) -> None:
        """Lets the system drop the pages of these rows from this process."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return  # Windows trims the working set by itself
        first = (HEADER_BYTES + start * self._row_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
        end = HEADER_BYTES + stop * self._row_bytes
        self._map.madvise(mmap.MADV_DONTNEED, first, end - first)

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *_: object) -> None:
        # The map itself closes with its last tensor.
        self._stream.close()


@dataclass(frozen=True)
class _Multiplication:
    """One way to multiply stored rows with all queries."""

    scores: Callable[[Float[Tensor, "rows dim"]], Float[Tensor, "queries rows"]]
    """Of one block of rows."""
    error: float
    """How far a score may be from the truth."""
    block_bytes: int
    """Size of a block, all threads together."""


def _as_stored(unit: Float[Tensor, "queries dim"], info: IndexInfo) -> _Multiplication:
    """In half precision.

    The error: the query is rounded to half, the products are summed in single precision, and the
    sum is rounded to half.
    """
    half = unit.half()
    lost = float((unit - half.double()).norm(dim=1).amax())
    summing = (info.dim + 1) * _SINGLE_ROUNDING * (1 + lost)
    error = (lost + summing + _HALF_ROUNDING) * info.longest + _HALF_TINY
    return _Multiplication(
        lambda block: torch.stack([torch.mv(block, query) for query in half]).float(),
        error,
        _MAPPED_BYTES,
    )


def _converted(unit: Float[Tensor, "queries dim"], info: IndexInfo) -> _Multiplication:
    """In single precision, every block converted once for all queries."""
    queries = unit.float().T.contiguous()
    error = (info.dim + 3) * _SINGLE_ROUNDING * info.longest
    return _Multiplication(
        lambda block: torch.mm(block.float(), queries).T, error, _CONVERTED_BYTES
    )


def _blocks(rows: _Rows, how: _Multiplication) -> Iterator[tuple[int, Tensor]]:
    """First row and scores of every block, in order.

    Blocks are spread over as many threads as torch may use, because torch multiplies a matrix of
    half precision with a vector on one. The caller's thread count is left as it was.
    """
    threads = torch.get_num_threads()
    count, dim = rows.matrix.shape
    step = max(1, how.block_bytes // (2 * dim * threads))
    starts = range(0, count, step)

    def scores(start: int) -> Tensor:
        stop = min(start + step, count)
        found = how.scores(rows.matrix[start:stop])
        rows.give_back(start, stop)
        return found

    try:
        torch.set_num_threads(1)  # the caller's own small sums must not wait for a busy core
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from zip(starts, pool.map(scores, starts), strict=True)
    finally:
        # A new worker's own setting is also torch's default for threads to come: put it back.
        torch.set_num_threads(threads)


def _require_whole(folder: Path, info: IndexInfo) -> None:
    """Sizes and the matrix' own header must be what `index.json` says."""
    for name, size in (
        (VECTORS, HEADER_BYTES + info.count * info.dim * 2),
        (NAMES, info.names_bytes),
    ):
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            raise AssetError(
                f"vector index is damaged: {name!r} should have {size:,} bytes, found "
                f"{'no file' if found is None else f'{found:,}'}; build it again: {str(path)!r}"
            )
    try:
        stored = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise AssetError(f"vector index is damaged ({error}): {str(folder)!r}") from None
    if (stored.shape, stored.dtype) != ((info.count, info.dim), np.dtype("<f2")):
        raise AssetError(
            f"vector index holds {stored.dtype} of shape {stored.shape}, float16 of shape "
            f"{(info.count, info.dim)} is expected; build it again: {str(folder)!r}"
        )
