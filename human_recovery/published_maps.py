"""The publisher's own maps between SMPL, SMPL+H and SMPL-X, from the person's own files.

They come with SMPL-X as "model transfer" (and with DECO's data). Two layouts are in use: key
`matrix` (target vertices, source vertices), and key `mtx`, which has a second half of columns for
the source's normals that nobody uses. Read as every pickle here: nothing in it is run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sparse

from human_recovery.array_pickle import load_array_pickle
from human_recovery.pickle_stand_ins import sparse_rows
from human_recovery.smpl_files import SPECS, file_fault, model_folder
from renders.errors import AssetError

SITE = "https://smpl-x.is.tue.mpg.de"
"""Where the files are, under "model transfer"."""
FOLDERS = ("", "transfer", "model_transfer", "transfer_data", "conversions", "smplx")
"""Places below the folder of body models where people keep them."""
_SUM_TOLERANCE = 0.02
"""How far a row may sum from one: the weights were stored rounded."""
_SMALLEST_WEIGHT = 1e-6
"""Smaller weights are rounding of a dense matrix."""


@dataclass(frozen=True, eq=False)
class PublishedMap:
    """One file, and its matrix (target vertices, source vertices) with rows that sum to one."""

    path: Path
    matrix: sparse.csr_matrix


def find_published_map(source: str, target: str, folder: str | Path | None = None) -> Path | None:
    """The person's file for a pair of names, or none."""
    root = model_folder(folder)
    if root is None:
        return None
    for below in FOLDERS:
        for name in _names(source, target):
            if (root / below / name).is_file():
                return root / below / name
    return None


def _names(source: str, target: str) -> Iterator[str]:
    """Published file names; SMPL and SMPL+H number the same vertices, so each serves for both."""
    if "smplx" not in (source, target):
        return
    family = ("smpl", "smplh")
    for first in family if source in family else (source,):
        for second in family if target in family else (target,):
            yield f"{first}_to_{second}.pkl"
            yield f"{first}2{second}_deftrafo_setup.pkl"


def read_published_map(
    source: str, target: str, folder: str | Path | None = None
) -> PublishedMap | None:
    """The publisher's map between two topologies; none where the person has no such file.

    Raises:
        AssetError: the file is there and is not such a map.
    """
    path = find_published_map(source, target, folder)
    if path is None:
        return None
    shape = SPECS[target].num_vertices, SPECS[source].num_vertices
    fault = file_fault(path)
    if fault:
        raise _fault(path, f"it {fault}")
    content = load_array_pickle(path)
    key = next((key for key in ("matrix", "mtx") if key in content), None)
    if key is None:
        raise _fault(path, f"it has neither 'matrix' nor 'mtx', but {sorted(content)}")
    try:
        matrix = sparse.csr_matrix(sparse_rows(content[key]), dtype=np.float64)
    except ValueError as error:
        raise _fault(path, f"its {key!r} is unusable: {error}") from error
    if key == "mtx" and matrix.shape == (shape[0], 2 * shape[1]):
        matrix = sparse.csr_matrix(matrix[:, : shape[1]])
    if matrix.shape != shape:
        raise _fault(path, f"its {key!r} has the shape {matrix.shape}, expected {shape}")
    return PublishedMap(path, _with_rows_of_one(matrix, path))


def _with_rows_of_one(matrix: sparse.csr_matrix, path: Path) -> sparse.csr_matrix:
    matrix.data[np.abs(matrix.data) < _SMALLEST_WEIGHT] = 0.0
    matrix.eliminate_zeros()
    total = np.asarray(matrix.sum(axis=1)).ravel()
    wrong = np.flatnonzero(~(np.abs(total - 1) <= _SUM_TOLERANCE))
    if len(wrong):
        raise _fault(
            path,
            f"the weights of {len(wrong)} vertices do not sum to one, the first is vertex "
            f"{wrong[0]} with {total[wrong[0]]:.3f}",
        )
    return sparse.csr_matrix(sparse.diags(1 / total) @ matrix)


def _fault(path: Path, what: str) -> AssetError:
    return AssetError(
        f"published vertex map cannot be used, {what}; get it again at {SITE} (model transfer), or "
        f"remove it to have a map made from the body files: {path}"
    )
