"""Writes pickles as Python 2 wrote them, with values of chumpy, which no longer installs.

The layout of chumpy's values is that of its `Ch.__getstate__`: all attributes but two caches.
"""

import contextlib
import io
import pickle
import struct
import sys
import types
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np


class _Python2Pickler(pickle._Pickler):  # pyright: ignore[reportAttributeAccessIssue]
    """Text and bytes are one type, `str`; modules have their old names."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)  # pyright: ignore[reportAttributeAccessIssue]

    def save_old_str(self, value: str | bytes) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = save_old_str
    dispatch[bytes] = save_old_str


def python2_pickle(content: Any) -> bytes:
    """`content` by protocol 2, as NumPy 1 and SciPy 1.2 on Python 2.7 wrote it."""
    stream = io.BytesIO()
    _Python2Pickler(stream, protocol=2, fix_imports=True).dump(content)
    data = stream.getvalue()
    for new, old in (
        (b"numpy._core.multiarray", b"numpy.core.multiarray"),
        (b"scipy.sparse._csc", b"scipy.sparse.csc"),
        (b"scipy.sparse._csr", b"scipy.sparse.csr"),
    ):
        data = data.replace(b"c" + new, b"c" + old)
    return data


@contextlib.contextmanager
def importable_chumpy() -> Iterator[types.SimpleNamespace]:
    """chumpy's classes, empty, so that `pickle` can name them while it writes."""
    kinds = {
        "Ch": "chumpy.ch", "Select": "chumpy.reordering", "Reshape": "chumpy.reordering",
        "transpose": "chumpy.reordering", "add": "chumpy.ch_ops",
    }  # fmt: skip
    modules = {name: types.ModuleType(name) for name in {"chumpy", *kinds.values()}}
    before = {name: sys.modules.get(name) for name in modules}
    classes = {}
    for name, module in kinds.items():
        classes[name] = type(name, (), {"__module__": module})
        setattr(modules[module], name, classes[name])
    sys.modules.update(modules)
    try:
        yield types.SimpleNamespace(**classes)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def chumpy_value(kind: type, **attributes: Any) -> Any:
    """An object as chumpy saved it, its bookkeeping included."""
    value = kind()
    value.__dict__.update(
        attributes, _dirty_vars={"x"}, _itr=None, _depends_on_deps={}, _make_dense=False,
        _make_sparse=False,
    )  # fmt: skip
    return value


def select_of(chumpy: types.SimpleNamespace, array: np.ndarray, count: int) -> Any:
    """`array[:, :, :count]` as chumpy kept it: the places of the values and their shape."""
    places = np.arange(array.size).reshape(array.shape)[..., :count]
    return chumpy_value(
        chumpy.Select, a=chumpy_value(chumpy.Ch, x=array), idxs=places.ravel(),
        preferred_shape=places.shape,
    )  # fmt: skip
