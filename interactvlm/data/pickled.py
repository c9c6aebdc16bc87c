"""Pickled annotations, read without running anything a pickle may ask for.

Knows what `pickle` and `joblib` write (plain, zlib or gzip) and NumPy's files of objects. Arrays,
numbers, text, lists and dictionaries come out; anything else is refused by name.
"""

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from human_recovery.array_pickle import ArrayUnpickler, allowed_global
from human_recovery.pickle_stand_ins import PickledType, RefusedPickle, SealedType, as_dtype
from interactvlm.data.sources import DatasetSource

_COMPRESSED = (b"\x78", b"\x1f\x8b")
"""First bytes of zlib and gzip streams."""
_MAX_BYTES = 4 * 2**30
"""A compressed pickle that unpacks to more is refused."""
_JOBLIB = ("joblib.numpy_pickle", "NumpyArrayWrapper")


def load_pickle(path: Path, source: DatasetSource) -> Any:
    """Content of a pickle or joblib file. Raises AssetError naming the file and the reason."""
    try:
        data = path.read_bytes()
        if data.startswith(_COMPRESSED):
            data = _unpacked(data)
        return _load(io.BytesIO(data))
    except Exception as error:  # a damaged pickle may fail in any way
        raise source.fault(path, f"file cannot be read ({_reason(error)})") from None


def load_npy(path: Path, source: DatasetSource) -> np.ndarray:
    """Array in a `.npy` file, of numbers, text or objects. Raises AssetError as `load_pickle`."""
    try:
        with open(path, "rb") as stream:
            return _read_npy(stream)
    except Exception as error:
        raise source.fault(path, f"file cannot be read ({_reason(error)})") from None


def load_npz(path: Path, keys: tuple[str, ...], source: DatasetSource) -> dict[str, np.ndarray]:
    """The named arrays of a `.npz` file. Raises AssetError, also for a key that is not there."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = sorted(name.removesuffix(".npy") for name in archive.namelist())
            missing = [key for key in keys if key not in held]
            if missing:
                raise ValueError(f"it lacks {missing} and holds {held}")
            arrays = {}
            for key in keys:
                arrays[key] = _read_npy(io.BytesIO(archive.read(f"{key}.npy")))
            return arrays
    except Exception as error:
        raise source.fault(path, f"file cannot be read ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    if isinstance(error, RefusedPickle):
        return f"it asks for {error}, and only plain values and arrays are read from pickles"
    return f"{type(error).__name__}: {error}"


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: zlib or gzip, by its header
    content = unpacker.decompress(data, _MAX_BYTES)
    if unpacker.unconsumed_tail:
        raise ValueError(f"unpacks to more than {_MAX_BYTES} bytes")
    return content


def _read_npy(stream: io.BufferedIOBase) -> np.ndarray:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"format {version} is not known")
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, fortran, dtype = read_header(stream)
    if dtype.hasobject:
        loaded = _load(io.BytesIO(stream.read()))
    else:
        # Archive members come from memory, where np.fromfile cannot read.
        loaded = np.frombuffer(stream.read(), dtype=dtype)
        loaded = loaded.reshape(shape, order="F" if fortran else "C")
    if not isinstance(loaded, np.ndarray) or loaded.shape != shape:
        raise ValueError(f"header promises an array of shape {shape}")
    return loaded


def _load(stream: io.BytesIO) -> Any:
    """joblib puts raw arrays between the opcodes, which only Python's own unpickler can skip."""
    with_arrays = _JOBLIB[1].encode() in stream.getvalue()
    kind = _JoblibUnpickler if with_arrays else ArrayUnpickler
    return kind(stream, encoding="latin1").load()


class _JoblibArray(metaclass=SealedType):
    """Stands for joblib's description of the raw array that follows it in the file."""

    shape: tuple[int, ...]
    order: str
    dtype: PickledType
    numpy_array_alignment_bytes: int | None = None

    def read(self, stream: io.BufferedIOBase) -> np.ndarray:
        """The array that begins where the stream stands."""
        dtype = as_dtype(self.dtype)
        if dtype.hasobject:
            nested = _JoblibUnpickler(stream, encoding="latin1").load()
            if not isinstance(nested, np.ndarray):
                raise ValueError("an array of objects is not one")
            return nested
        if self.numpy_array_alignment_bytes is not None:
            stream.read(stream.read(1)[0])  # one byte says how much padding follows
        size = int(np.prod(self.shape, dtype=np.int64)) * dtype.itemsize
        data = stream.read(size)
        if len(data) != size:
            raise ValueError("it ends inside an array")
        return np.frombuffer(data, dtype=dtype).reshape(self.shape, order=self.order)  # pyright: ignore[reportCallIssue, reportArgumentType]


_PythonUnpickler: Any = pickle._Unpickler  # pyright: ignore[reportAttributeAccessIssue]
"""The standard library's unpickler in Python, whose steps can be added to."""


class _JoblibUnpickler(_PythonUnpickler):
    """Reads joblib's files; as strict as `ArrayUnpickler`."""

    dispatch: ClassVar[dict[int, Callable]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, stream: io.BufferedIOBase, *, encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self._stream = stream

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) == _JOBLIB:
            return _JoblibArray
        found = allowed_global(module_name, global_name)
        if found is None:
            raise RefusedPickle(f"{module_name}.{global_name}")
        return found

    def _build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], _JoblibArray):
            # Not by its own name, which a pickle may have given another meaning.
            self.stack[-1] = _JoblibArray.read(self.stack[-1], self._stream)

    dispatch[pickle.BUILD[0]] = _build
