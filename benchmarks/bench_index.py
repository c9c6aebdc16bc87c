"""Exact top 10 of many half-precision vectors on disk, against one plain product over that file.

Each side runs in a process of its own, so that peak memory is its own; the plain side is torch's
product of the mapped matrix with the query, in half precision as stored, and a top-k. The file is
warm in both cases.

python benchmarks/bench_index.py
python benchmarks/bench_index.py --rows 100000 --threads 1
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from object_retrieval.index import VectorIndex
from object_retrieval.index_files import VECTORS, IndexWriter

TOP = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=800_000)
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the vectors here, for the next run")
    parser.add_argument("--side", choices=("index", "plain"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        target = folder / f"vectors-{options.rows}-{options.dim}"
        write_vectors(target, options.rows, options.dim)
        options.folder = target
        report({side: run_side(side, options) for side in ("plain", "index")}, options)


def write_vectors(folder: Path, rows: int, dim: int) -> None:
    """Random rows of length 1, made once; a stopped run goes on."""
    if folder.exists():
        return
    with IndexWriter(folder, dim, f"random {rows} {dim}") as writer:
        for start in tqdm(range(writer.count, rows, 20_000), desc="vectors", unit="block"):
            generator = torch.Generator().manual_seed(start)
            block = torch.randn(min(20_000, rows - start), dim, generator=generator)
            names = [f"item {start + i}" for i in range(len(block))]
            writer.add(names, torch.nn.functional.normalize(block))


def run_side(side: str, options: argparse.Namespace) -> dict:
    """One side in its own process."""
    arguments = [sys.executable, __file__, "--side", side, "--folder", str(options.folder)]
    for name in ("rows", "dim", "repeats", "threads"):
        arguments += [f"--{name}", str(getattr(options, name))]
    return json.loads(subprocess.run(arguments, check=True, capture_output=True).stdout)


def measure(options: argparse.Namespace) -> dict:
    """Median seconds of one query, the rows found, and memory."""
    torch.set_num_threads(options.threads)
    base = peak_mb()
    search = index_search(options.folder) if options.side == "index" else plain(options.folder)
    generator = torch.Generator().manual_seed(1)
    queries = torch.randn(options.repeats + 1, options.dim, generator=generator)
    queries = torch.nn.functional.normalize(queries)
    found = [search(queries[0])]  # warms the file's pages
    seconds = []
    for query in queries[1:]:
        start = time.perf_counter()
        found.append(search(query))
        seconds.append(time.perf_counter() - start)
    result = {"seconds": statistics.median(seconds), "rows": found, "peak_mb": peak_mb()}
    if options.side == "index":
        start = time.perf_counter()
        VectorIndex(options.folder).search(queries[:1].repeat(16, 1), TOP)
        result["seconds_of_16"] = time.perf_counter() - start
    return result | {"base_mb": base}


def index_search(folder: Path) -> Callable[[torch.Tensor], list[int]]:
    index = VectorIndex(folder)
    return lambda query: index.search(query[None], TOP).rows[0].tolist()


def plain(folder: Path) -> Callable[[torch.Tensor], list[int]]:
    def search(query: torch.Tensor) -> list[int]:
        matrix = torch.from_numpy(np.load(folder / VECTORS, mmap_mode="c"))
        return (matrix @ query.half()).topk(TOP).indices.tolist()

    return search


def report(sides: dict[str, dict], options: argparse.Namespace) -> None:
    ours, theirs = sides["index"], sides["plain"]
    shared = [len(set(a) & set(b)) / TOP for a, b in zip(ours["rows"], theirs["rows"], strict=True)]
    print(f"{options.rows:,} x {options.dim} float16, {options.threads} threads, top {TOP}")
    for name, side in (("plain product", theirs), ("vector index", ours)):
        print(
            f"{name:14s} {1000 * side['seconds']:8.1f} ms   peak memory {side['peak_mb']:.0f} MB "
            f"(after loading torch {side['base_mb']:.0f} MB)"
        )
    print(f"ratio {ours['seconds'] / theirs['seconds']:.2f}   16 queries at once ", end="")
    print(f"{1000 * ours['seconds_of_16']:.0f} ms")
    print(f"rows shared with the plain answer, which rounds to half: {np.mean(shared):.1%}")


def peak_mb() -> float:
    """Peak resident memory, mapped pages included."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage: on Linux its peak is inherited from the process that started this one.
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)


if __name__ == "__main__":
    main()
