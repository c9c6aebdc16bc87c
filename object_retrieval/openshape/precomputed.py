"""The published vectors of 800,000 Objaverse shapes as an index of this package.

Source: Hugging Face data set `OpenShape/openshape-objaverse-embeddings`, file `objaverse.pt`: a
table of `us` (Objaverse names) and `feats` (a vector each, in the space of vitg14). Knows that
file; the shapes themselves are Objaverse's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from object_retrieval.backend import unit_rows
from object_retrieval.index import VectorIndex
from object_retrieval.index_files import IndexWriter
from renders.errors import AssetError

KEY = "openshape-objaverse-embeddings"
_BLOCK = 10_240


def index_objaverse(features: Path, folder: Path) -> VectorIndex:
    """An index of the published vectors, scaled to length 1; a stopped run goes on.

    Raises:
        AssetError: the file is missing, damaged or holds something else.
        InputError: the folder exists already.
    """
    names, vectors = _read(Path(features))
    with IndexWriter(folder, vectors.shape[1], KEY) as writer:
        blocks = range(writer.count, len(names), _BLOCK)
        for start in tqdm(blocks, desc="index", unit="block"):
            rows = unit_rows(vectors[start : start + _BLOCK])
            writer.add(names[start : start + _BLOCK], rows)
    return VectorIndex(folder, key=KEY)


def _read(path: Path) -> tuple[list[str], Tensor]:
    if not path.is_file():
        raise AssetError(
            f"published vectors not found; fetch `objaverse.pt` of the data set "
            f"OpenShape/openshape-objaverse-embeddings, expected at {str(path)!r}"
        )
    table: Any
    try:
        table = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged file may fail anywhere in the reader
        reason = str(error).strip().splitlines()[:1]
        raise AssetError(
            f"published vectors are damaged or no table of tensors, and nothing in the file was "
            f"run ({''.join(reason)[:120]}): {str(path)!r}"
        ) from None
    names = list(table.get("us", ())) if isinstance(table, Mapping) else []
    vectors = table.get("feats") if isinstance(table, Mapping) else None
    if not isinstance(vectors, Tensor) or vectors.ndim != 2 or len(vectors) != len(names):
        raise AssetError(f"`us` and `feats` of equal length are expected in {str(path)!r}")
    return [str(name) for name in names], vectors
