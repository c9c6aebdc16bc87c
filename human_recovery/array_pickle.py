"""Reads pickled dictionaries of arrays without running anything else that a pickle may hold.

Body models are published as pickles. A pickle can call any function; here only stand-ins for
NumPy's arrays, SciPy's sparse matrices and chumpy's values can be made
(`human_recovery.pickle_stand_ins`), everything else is refused by name.
"""

import pickle
from pathlib import Path
from typing import Any

from human_recovery.pickle_stand_ins import (
    CompressedColumns,
    CompressedRows,
    PickledArray,
    PickledType,
    RefusedPickle,
    Remembered,
    SealedCall,
    array_from_buffer,
    chumpy_class,
    scalar_from_bytes,
)
from renders.errors import AssetError


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
        return _OF_NUMPY_CORE.get(name)
    if module == "numpy":
        return _OF_NUMPY.get(name)
    if module.startswith("scipy.sparse"):
        return {"csc_matrix": CompressedColumns, "csr_matrix": CompressedRows}.get(name)
    if module == "chumpy" or module.startswith("chumpy."):
        # A dotted name would reach into what a class holds.
        return chumpy_class(name) if name.isidentifier() else None
    return _OF_PYTHON.get((module, name))


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes into old pickles."""
    if encoding not in ("latin1", "latin-1"):
        raise RefusedPickle(f"_codecs.encode with {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How Python 3 writes the content of an empty array into old pickles."""
    return b""


def _new_array(kind: type, shape: object, code: object) -> PickledArray:
    """An empty array, filled by the pickle afterwards."""
    del shape, code
    if kind is not PickledArray:
        raise RefusedPickle(f"an array of class {getattr(kind, '__name__', kind)!r}")
    return PickledArray()


def _new_object(kind: type, base: object, state: object) -> Remembered:
    """An empty stand-in, filled by the pickle afterwards, as Python 2 wrote objects."""
    if not (isinstance(kind, type) and issubclass(kind, Remembered)) or state is not None:
        raise RefusedPickle(f"copy_reg._reconstructor of {getattr(kind, '__name__', kind)!r}")
    return kind()


def _no_plain_object() -> None:
    """`object` is named as the base of what `_new_object` makes, and not to be called."""
    raise RefusedPickle("object()")


_OF_NUMPY_CORE = {
    "_reconstruct": SealedCall(_new_array),
    "scalar": SealedCall(scalar_from_bytes),
    "_frombuffer": SealedCall(array_from_buffer),
}
_OF_NUMPY = {"ndarray": PickledArray, "dtype": SealedCall(PickledType)}
_OF_PYTHON = {
    ("_codecs", "encode"): SealedCall(_latin1_bytes),
    ("__builtin__", "bytes"): SealedCall(_no_bytes),
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
    ("copy_reg", "_reconstructor"): SealedCall(_new_object),
    ("copyreg", "_reconstructor"): SealedCall(_new_object),
    ("__builtin__", "object"): SealedCall(_no_plain_object),
    ("builtins", "object"): SealedCall(_no_plain_object),
}


def load_array_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle file.

    Its values are arrays, plain values and stand-ins, of which
    `human_recovery.pickle_stand_ins.dense_array` makes arrays.

    Raises:
        AssetError: the file is no such pickle, or asks for anything but arrays.
    """
    try:
        with open(path, "rb") as stream:
            content = ArrayUnpickler(stream, encoding="latin1").load()
    except RefusedPickle as error:
        raise AssetError(
            f"pickle refused: it asks for {error}, and only arrays are read from pickles, "
            f"nothing in them is run; get the file from its publisher: {path}"
        ) from None
    except Exception as error:  # a damaged pickle may fail in any way
        raise AssetError(
            f"pickle is damaged or none ({type(error).__name__}: {error}); "
            f"download it again: {path}"
        ) from error
    if not isinstance(content, dict):
        raise AssetError(f"pickle must hold a dictionary, found {type(content).__name__}: {path}")
    return {str(key): value for key, value in content.items()}
