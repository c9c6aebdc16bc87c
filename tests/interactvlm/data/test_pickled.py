"""What the restricted reader reads, against joblib and pickle themselves, and what it refuses."""

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from interactvlm.data.pickled import load_npy, load_npz, load_pickle
from interactvlm.data.sources import SOURCES
from interactvlm.errors import AssetError

RICH = SOURCES["rich"]

CONTENT = {
    "plain": [1, "two", 3.0, None, True, {"a": (1, 2)}],
    "floats": np.linspace(0, 1, 7, dtype=np.float32),
    "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "scalar": np.float64(2.5),
    "texts": np.array(["a.jpg", "b.jpg"]),
    "objects": np.array([{"chair": [1, 2]}, "x"], dtype=object),
    "empty": np.zeros((0, 3)),
    "mask": np.array([True, False]),
}


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    return a == b


@pytest.mark.parametrize("protocol", range(2, 6))
def test_reads_pickles_of_every_protocol(protocol, tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(CONTENT, protocol=protocol))
    assert same(load_pickle(path, RICH), CONTENT)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3)])
def test_reads_what_joblib_writes(compress, tmp_path):
    joblib = pytest.importorskip("joblib")
    path = tmp_path / "a.pkl"
    joblib.dump(CONTENT, path, compress=compress)
    assert same(load_pickle(path, RICH), CONTENT) and same(joblib.load(path), CONTENT)


def test_reads_arrays_of_objects_in_npy_and_npz(tmp_path):
    np.save(tmp_path / "a.npy", CONTENT["objects"], allow_pickle=True)
    np.savez_compressed(tmp_path / "a.npz", first=CONTENT["objects"], second=CONTENT["fortran"])
    assert same(load_npy(tmp_path / "a.npy", RICH), CONTENT["objects"])
    found = load_npz(tmp_path / "a.npz", ("first", "second"), RICH)
    assert same(found, {"first": CONTENT["objects"], "second": CONTENT["fortran"]})
    with pytest.raises(AssetError, match=r"lacks \['third'\]"):
        load_npz(tmp_path / "a.npz", ("third",), RICH)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.command = f"touch {path}"

    def __reduce__(self):
        return os.system, (self.command,)


def test_nothing_a_pickle_asks_for_is_run(tmp_path):
    joblib = pytest.importorskip("joblib")
    evil = Malicious(tmp_path / "ran")
    holder = np.array([evil, np.zeros(3)], dtype=object)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps([np.zeros(3), evil]))
    (tmp_path / "packed.pkl").write_bytes(gzip.compress(pickle.dumps(evil)))
    joblib.dump([np.zeros(3), evil], tmp_path / "joblib.pkl")
    joblib.dump({"nested": holder}, tmp_path / "nested.pkl")
    np.save(tmp_path / "a.npy", holder, allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=holder)
    for name in ("plain", "packed", "joblib", "nested"):
        with pytest.raises(AssetError, match=r"asks for \w+.system"):
            load_pickle(tmp_path / f"{name}.pkl", RICH)
    with pytest.raises(AssetError, match="asks for"):
        load_npy(tmp_path / "a.npy", RICH)
    with pytest.raises(AssetError, match="asks for"):
        load_npz(tmp_path / "a.npz", ("a",), RICH)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x78\x9c123", b"hello", b"\x1f\x8b"])
def test_a_damaged_file_is_an_asset_error(data, tmp_path):
    (tmp_path / "a.pkl").write_bytes(data)
    for read in (load_pickle, load_npy):
        with pytest.raises(AssetError, match="cannot be read"):
            read(tmp_path / "a.pkl", RICH)


def test_a_joblib_file_cut_inside_an_array_is_an_asset_error(tmp_path):
    joblib = pytest.importorskip("joblib")
    path = tmp_path / "a.pkl"
    joblib.dump(np.arange(1000), path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(AssetError, match="ends inside an array"):
        load_pickle(path, RICH)
