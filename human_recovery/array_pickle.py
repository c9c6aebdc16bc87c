"""Reads pickled dictionaries of arrays without running anything else that a pickle may hold.

Body models are published as pickles. A pickle can call any function; here only NumPy arrays and
SciPy sparse matrices can be made, everything else is refused by name.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse

from renders.errors import AssetError

_CHUMPY_ADVICE = (
    "it is an old chumpy pickle, which cannot be read without running its code; convert it once "
    "with tools/clean_ch.py of the smplx package's repository, or use the publisher's .npz file"
)


class RefusedPickle(pickle.UnpicklingError):
    """A pickle asks for something that is not an array."""


class ArrayUnpickler(pickle.Unpickler):
    """Makes arrays, sparse matrices and plain values; raises RefusedPickle for all else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        found = allowed_global(module_name, global_name)
        if found is None:
            raise RefusedPickle(f"{module_name}.{global_name}")
        return found


def allowed_global(module: str, name: str) -> Any:
    """Our own object for a name a harmless pickle may use; never an import of what it asks."""
    if module.startswith(("numpy.core", "numpy._core")):
        known = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
        return {"_reconstruct": known[0], "scalar": known[1], "_frombuffer": _from_buffer}.get(name)
    if module == "numpy":
        return {"ndarray": np.ndarray, "dtype": np.dtype}.get(name)
    if module.startswith("scipy.sparse"):
        return {
            "csc_matrix": sparse.csc_matrix,
            "csr_matrix": sparse.csr_matrix,
        }.get(name)
    return {
        ("_codecs", "encode"): _latin1_bytes,
        ("__builtin__", "bytes"): _no_bytes,
        ("copy_reg", "_reconstructor"): _new_sparse,
        ("copyreg", "_reconstructor"): _new_sparse,
        ("__builtin__", "object"): object,
        ("builtins", "object"): object,
    }.get((module, name))


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """How pickles of protocol 5 hold arrays of numbers; NumPy refuses objects in a buffer."""
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes into old pickles."""
    if encoding not in ("latin1", "latin-1"):
        raise RefusedPickle(f"_codecs.encode with {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How Python 3 writes the content of an empty array into old pickles."""
    return b""


def _new_sparse(kind: type, base: type, state: object) -> Any:
    """An empty sparse matrix, filled by the pickle afterwards, as Python 2 wrote them."""
    if base is not object or state is not None or not issubclass(kind, sparse.spmatrix):
        raise RefusedPickle(f"copy_reg._reconstructor of {kind.__name__}")
    return object.__new__(kind)


def load_array_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle file; its values may be arrays, sparse matrices, plain values.

    Raises:
        AssetError: the file is no such pickle, or asks for anything but arrays.
    """
    try:
        content = ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except RefusedPickle as error:
        asked = str(error)
        reason = (
            _CHUMPY_ADVICE
            if asked.startswith("chumpy")
            else (f"it asks to run {asked}, and only arrays are read from pickles")
        )
        raise AssetError(f"body model refused: {reason}: {path}") from None
    except Exception as error:  # a damaged pickle may fail in any way
        raise AssetError(f"body model is not a readable pickle ({error}): {path}") from error
    if not isinstance(content, dict):
        raise AssetError(
            f"body model must hold a dictionary, found {type(content).__name__}: {path}"
        )
    return {str(key): value for key, value in content.items()}


def dense_array(value: Any) -> np.ndarray:
    """A value of such a dictionary as a dense numeric array.

    Raises:
        ValueError: it is not numeric, or a sparse matrix with indices outside its shape.
    """
    if isinstance(value, (sparse.csc_matrix, sparse.csr_matrix)):
        value.check_format(full_check=True)
        value = value.toarray()
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"values of type {array.dtype} are not numbers")
    return array
