"""What a pickle gets from the restricted reader in place of objects of NumPy, SciPy and chumpy.

A pickle not only names functions, it also sets the inside of what it has made: with NumPy's own
`dtype.__setstate__` it can declare raw bytes to be pointers, and on any Python class it can set
attributes. So it never gets such an object in its hands. It gets stand-ins that only remember
numbers and refuse every change of themselves; they become arrays when they are read. Of chumpy, a
package that no longer installs, only what published body models need is computed.
"""

import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sparse

_MAX_DENSE_VALUES = 2**27
"""A sparse matrix that has more places is not made dense (one gigabyte)."""
_MAX_CHUMPY_STEPS = 64
"""A chumpy expression that is nested deeper is refused; it may hold itself."""
_RAW_KINDS = "biufcSU"
"""Kinds of NumPy types whose values are plain bytes."""


class RefusedPickle(pickle.UnpicklingError):
    """A pickle asks for something that is not an array."""


class SealedType(type):
    """A class that a pickle cannot change."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise RefusedPickle(f"a change of {cls.__name__}")


class SealedCall:
    """A function that a pickle may call and cannot change."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise RefusedPickle(f"a change of {self._call.__name__}")


class PickledType:
    """A number type: its name as pickled, and the byte order that follows it."""

    __slots__ = ("_name", "_order")

    def __init__(self, name: str, align: object = False, copy: object = True) -> None:
        del align, copy
        self._name, self._order = _text(name), "="

    def __setstate__(self, state: tuple) -> None:
        _, order, subtype, names, fields, *_ = state
        if subtype is not None or names is not None or fields is not None:
            raise RefusedPickle("an array of records")
        self._order = _text(order)

    def resolved(self) -> np.dtype:
        """The NumPy type, made from its name anew. Raises RefusedPickle for records and dates."""
        found = np.dtype(self._name)
        if found.kind not in _RAW_KINDS + "O":
            raise RefusedPickle(f"an array of {self._name}")
        if self._order == "<" or self._order == ">":
            return found.newbyteorder(self._order)
        return found


class PickledArray(np.ndarray, metaclass=SealedType):
    """An array filled by a pickle: of plain numbers and text, or of objects made here."""

    def __new__(cls, *arguments: object) -> "PickledArray":
        if arguments:
            raise RefusedPickle("an array without content")
        return np.ndarray.__new__(cls, (0,), np.int8)

    def __setstate__(self, state: tuple) -> None:
        if len(state) == 5:
            state = state[1:]  # begins with a version since NumPy 1.0
        shape, kind, fortran, content = state
        dtype = as_dtype(kind)
        if dtype.kind == "O":
            if not isinstance(content, list):
                raise RefusedPickle("an array of objects from raw bytes")
        else:
            content = _bytes(content)
        state = (1, shape, dtype, bool(fortran), content)
        super().__setstate__(state)  # pyright: ignore[reportArgumentType]


def as_dtype(kind: "PickledType | np.dtype") -> np.dtype:
    """The type a pickle described, safe to fill with its content."""
    return kind if isinstance(kind, np.dtype) else kind.resolved()


def array_from_buffer(
    buffer: Any, kind: PickledType, shape: tuple[int, ...], order: Any
) -> np.ndarray:
    """How pickles of protocol 5 hold arrays of numbers; NumPy refuses objects in a buffer."""
    array = np.frombuffer(buffer, dtype=as_dtype(kind)).reshape(shape, order=order)
    return array.view(PickledArray)


def scalar_from_bytes(kind: PickledType, content: bytes | str) -> Any:
    """A single NumPy number."""
    dtype = as_dtype(kind)
    if dtype.kind == "O":
        raise RefusedPickle("a scalar object")
    return np.frombuffer(_bytes(content), dtype=dtype, count=1)[0]


def _bytes(content: Any) -> bytes:
    # Bytes of Python 2 arrive as text with the encoding latin1.
    return content.encode("latin1") if isinstance(content, str) else bytes(content)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin1")
    if not isinstance(value, str):
        raise RefusedPickle(f"a number type named by {type(value).__name__}")
    return value


class Remembered(metaclass=SealedType):
    """An object of which only the values are kept that it was saved with."""

    __slots__ = ("values",)

    def __new__(cls, *arguments: object) -> "Remembered":
        if arguments:
            raise RefusedPickle(f"{cls.__name__} with arguments")
        made = object.__new__(cls)
        made.values = {}
        return made

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise RefusedPickle(f"an odd state of {type(self).__name__}")
        self.values = state


class SparseMatrix(Remembered):
    """A SciPy matrix by compressed columns or rows; both kinds share one layout."""

    __slots__ = ()
    build: ClassVar[Callable[..., Any]]

    def matrix(self) -> sparse.csr_matrix:
        """Rows compressed. Raises ValueError when an index lies outside or a value is missing."""
        missing = [key for key in ("data", "indices", "indptr", "_shape") if key not in self.values]
        if missing:
            raise ValueError(f"the sparse matrix lacks {', '.join(missing)}")
        data, indices, indptr = (numbers(self.values[k]) for k in ("data", "indices", "indptr"))
        rows, columns = (int(size) for size in self.values["_shape"])
        made = type(self).build((data, indices, indptr), shape=(rows, columns))
        made.check_format(full_check=True)
        return made.tocsr()


class CompressedColumns(SparseMatrix):
    """Stands for `scipy.sparse.csc_matrix`."""

    __slots__ = ()
    build = sparse.csc_matrix


class CompressedRows(SparseMatrix):
    """Stands for `scipy.sparse.csr_matrix`."""

    __slots__ = ()
    build = sparse.csr_matrix


class ChumpyValue(Remembered):
    """A chumpy value or expression; `kind` is its class in that package."""

    __slots__ = ()
    kind: ClassVar[str]

    def array(self) -> np.ndarray:
        """The numbers it stands for. Raises ValueError when it is more than a rearranged array."""
        steps: list[ChumpyValue] = []
        inner: Any = self
        while isinstance(inner, ChumpyValue):
            if inner.kind not in _ARGUMENT:
                raise ValueError(f"chumpy's {inner.kind!r} is not computed here; {CHUMPY_ADVICE}")
            if len(steps) == _MAX_CHUMPY_STEPS:
                raise ValueError("the chumpy expression is nested too deep")
            steps.append(inner)
            argument = _ARGUMENT[inner.kind]
            if argument not in inner.values:
                raise ValueError(f"chumpy's {inner.kind!r} lacks {argument!r}")
            inner = inner.values[argument]
        array = numbers(inner)
        for step in reversed(steps):
            array = step.applied_to(array)
        return array

    def applied_to(self, array: np.ndarray) -> np.ndarray:
        """This step of an expression. Source: `compute_r` of chumpy's classes of these names."""
        given = self.values
        if self.kind == "Select":
            array = array.ravel()[numbers(given["idxs"])]
            shape = given.get("preferred_shape")
            return array if shape is None else array.reshape(_shape(shape))
        if self.kind == "Reshape":
            return array.reshape(_shape(given["newshape"]))
        if self.kind == "transpose":
            axes = given.get("axes")
            return array.transpose(None if axes is None else _shape(axes))
        return array


CHUMPY_ADVICE = (
    "convert the file once with tools/clean_ch.py of the smplx package's repository, or use the "
    "publisher's .npz file"
)
_ARGUMENT = {"Ch": "x", "Select": "a", "Reshape": "a", "transpose": "a"}
"""Classes of chumpy that only hold or rearrange numbers, and where they keep them."""


def chumpy_class(name: str) -> SealedType:
    """A stand-in for any class of chumpy; whether it can be computed shows when it is read."""
    return SealedType(name, (ChumpyValue,), {"__slots__": (), "kind": name})


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in np.ravel(numbers(value)))


def numbers(value: Any) -> np.ndarray:
    """An array of plain numbers. Raises ValueError for anything else."""
    if isinstance(value, (SparseMatrix, ChumpyValue)):
        raise ValueError(f"{type(value).__name__} stands where numbers are expected")
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"values of type {array.dtype} are not numbers")
    return array


def dense_array(value: Any) -> np.ndarray:
    """A pickled value as a dense array of numbers.

    Raises:
        ValueError: it is not numeric, a damaged sparse matrix, or chumpy's and more than an array.
    """
    if isinstance(value, SparseMatrix):
        matrix = value.matrix()
        rows, columns = matrix.get_shape()
        if rows * columns > _MAX_DENSE_VALUES:
            raise ValueError(f"a matrix of {rows} x {columns} is too large")
        return matrix.toarray()
    if isinstance(value, ChumpyValue):
        try:
            return value.array()
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"the chumpy expression is damaged ({error})") from None
    return numbers(value)


def sparse_rows(value: Any) -> sparse.csr_matrix:
    """A pickled matrix, dense or sparse, with its rows compressed. Raises ValueError."""
    if isinstance(value, SparseMatrix):
        return value.matrix()
    array = dense_array(value)
    if array.ndim != 2:
        raise ValueError(f"a matrix has two axes, found {array.ndim}")
    return sparse.csr_matrix(array)
