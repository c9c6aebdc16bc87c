"""The restricted pickle reader: old and new pickles of arrays are read, nothing else is."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from human_recovery.array_pickle import load_array_pickle
from human_recovery.pickle_stand_ins import PickledArray, SparseMatrix, dense_array, sparse_rows
from renders.errors import AssetError

from .old_pickles import chumpy_value, importable_chumpy, python2_pickle, select_of

ARRAYS = {
    "floats": np.linspace(0, 1, 6).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(12, dtype=np.uint32).reshape(3, 4)),
    "big endian": np.arange(3, dtype=">i4"),
    "empty": np.zeros((0, 3)),
}


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol_come_back(tmp_path, protocol):
    path = write(tmp_path, pickle.dumps(ARRAYS | {"name": "a body"}, protocol))
    found = load_array_pickle(path)
    assert found.pop("name") == "a body"
    for key, array in ARRAYS.items():
        again = dense_array(found[key])
        assert type(again) is np.ndarray
        assert again.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(again, array)


def test_pickles_of_python_2_come_back(tmp_path):
    content = ARRAYS | {"J_regressor": scipy.sparse.csc_matrix(np.eye(3)), "bs_type": "lrotmin"}
    found = load_array_pickle(write(tmp_path, python2_pickle(content)))
    assert found["bs_type"] == "lrotmin"
    np.testing.assert_array_equal(dense_array(found["J_regressor"]), np.eye(3))
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(dense_array(found[key]), array)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [scipy.sparse.csc_matrix, scipy.sparse.csr_matrix])
def test_sparse_matrices_come_back(tmp_path, protocol, kind):
    dense = np.arange(12.0).reshape(3, 4) % 5
    found = load_array_pickle(write(tmp_path, pickle.dumps({"m": kind(dense)}, protocol)))
    np.testing.assert_array_equal(dense_array(found["m"]), dense)
    np.testing.assert_array_equal(sparse_rows(found["m"]).toarray(), dense)


@pytest.mark.parametrize("dump", [python2_pickle, lambda c: pickle.dumps(c, 0)], ids=["2", "0"])
def test_chumpy_values_are_computed_without_chumpy(tmp_path, dump):
    array = np.arange(24.0).reshape(2, 3, 4)
    with importable_chumpy() as chumpy:
        plain = chumpy_value(chumpy.Ch, x=array)
        data = dump({
            "Ch": plain,
            "Select": select_of(chumpy, array, 2),
            "Reshape": chumpy_value(chumpy.Reshape, a=plain, newshape=(4, 6)),
            "transpose": chumpy_value(chumpy.transpose, a=plain, axes=None),
            "nested": chumpy_value(chumpy.Reshape, a=select_of(chumpy, array, 3), newshape=18),
            "unused": chumpy_value(chumpy.add, a=plain, b=plain),
        })  # fmt: skip
    found = load_array_pickle(write(tmp_path, data))
    expected = {
        "Ch": array, "Select": array[:, :, :2], "Reshape": array.reshape(4, 6),
        "transpose": array.T, "nested": array[:, :, :3].ravel(),
    }  # fmt: skip
    for key, value in expected.items():
        np.testing.assert_array_equal(dense_array(found[key]), value)
    with pytest.raises(ValueError, match=r"chumpy's 'add' is not computed.*clean_ch\.py"):
        dense_array(found["unused"])


def test_damaged_chumpy_values_are_refused_when_read(tmp_path):
    with importable_chumpy() as chumpy:
        circle = chumpy_value(chumpy.Select, idxs=np.arange(2))
        circle.a = circle
        far = select_of(chumpy, np.zeros((2, 2)), 2)
        far.idxs = np.array([7])
        path = write(tmp_path, python2_pickle({
            "circle": circle, "far": far, "empty": chumpy_value(chumpy.Ch),
            "text": chumpy_value(chumpy.Ch, x="no numbers"),
        }))  # fmt: skip
    found = load_array_pickle(path)
    for key, reason in (
        ("circle", "nested too deep"), ("far", "damaged"), ("empty", "lacks 'x'"),
        ("text", "not numbers"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=reason):
            dense_array(found[key])


class Runs:
    """Runs a command when it is read the naive way."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["top", "list", "object array", "sparse", "chumpy"])
def test_no_command_is_run_wherever_it_hides(tmp_path, protocol, place):
    evil = Runs(tmp_path / "ran")
    with importable_chumpy() as chumpy:
        matrix = scipy.sparse.csc_matrix(np.eye(2))
        matrix.extra = evil  # pyright: ignore[reportAttributeAccessIssue]
        content = {
            "top": evil, "list": [np.zeros(2), [evil]], "sparse": matrix,
            "object array": np.array([evil, None], dtype=object),
            "chumpy": chumpy_value(chumpy.Ch, x=np.zeros(2), hidden=evil),
        }[place]  # fmt: skip
        path = write(tmp_path, pickle.dumps({"v_template": content}, protocol))
    with pytest.raises(AssetError, match=rf"refused: it asks for {os.name}.system.*nothing.*run"):
        load_array_pickle(path)
    assert not (tmp_path / "ran").exists()


TOUCH = b"S'touch ran'\n"
STRANGE = {
    "eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "eval of python 2": b"c__builtin__\neval\n(S'1'\ntR.",
    "exec": b"cbuiltins\nexec\n(S'1'\ntR.",
    "import": b"cbuiltins\n__import__\n(S'os'\ntR.",
    "getattr": b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'tofile'\ntR.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85R.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
    "dotted name of chumpy": b"\x80\x04\x8c\x09chumpy.ch\x8c\x0bCh.__init__\x93.",
    "inst": b"(" + TOUCH + b"ios\nsystem\n.",
    "obj": b"(cos\nsystem\n" + TOUCH + b"o.",
    "newobj": b"\x80\x02csubprocess\nPopen\n(" + TOUCH + b"t\x81.",
    "persistent id": b"Pmodel\n.",
    "extension": b"\x80\x02\x82\x01.",
    "codecs": b"ccodecs\nopen\n(S'ran'\nS'w'\ntR.",
    "another codec": b"c_codecs\nencode\n(S'abc'\nS'rot13'\ntR.",
    "numpy.load": b"cnumpy\nload\n(S'ran'\ntR.",
    "numpy.fromfile": b"cnumpy.core.multiarray\nfromfile\n(S'ran'\ntR.",
    "numpy runstring": b"cnumpy.testing._private.utils\nrunstring\n.",
    "scipy function": b"cscipy.sparse\nload_npz\n(S'ran'\ntR.",
    "any object": b"ccopy_reg\n_reconstructor\n(cbuiltins\nobject\ncbuiltins\nobject\nNtR.",
    "plain object": b"cbuiltins\nobject\n(tR.",
    "array of another class": (
        b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nset\n(I0\ntS'b'\ntR."
    ),
    "array without content": b"\x80\x02cnumpy\nndarray\n((I4\ntt\x81.",
    "sparse matrix with arguments": b"\x80\x02cscipy.sparse\ncsc_matrix\n(I4\nt\x81.",
    "scalar object": (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntRS'12345678'\ntR."
    ),
}


@pytest.mark.parametrize("payload", STRANGE.values(), ids=STRANGE)
def test_nothing_but_arrays_can_be_asked_for(tmp_path, monkeypatch, payload):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssetError, match="pickle refused|pickle is damaged"):
        load_array_pickle(write(tmp_path, payload))
    assert not Path("ran").exists()


CHANGES = {
    "array class": b"cnumpy\nndarray\n(N(dS'tofile'\nI1\nstb.",
    "sparse class": b"cscipy.sparse\ncsc_matrix\n(N(dS'matrix'\nI1\nstb.",
    "chumpy class": b"cchumpy.ch\nCh\n(N(dS'array'\nI1\nstb.",
    "set": b"c__builtin__\nset\n(N(dS'add'\nI1\nstb.",
    "function": b"c_codecs\nencode\n(N(dS'_call'\nI1\nstb.",
    "function's dictionary": b"cnumpy\ndtype\n(dS'_call'\nI1\nsb.",
}


@pytest.mark.parametrize("payload", CHANGES.values(), ids=CHANGES)
def test_a_pickle_cannot_change_what_it_is_given(tmp_path, payload):
    """BUILD sets attributes, also those of classes and functions that outlive the pickle."""
    with pytest.raises(AssetError, match="pickle refused|pickle is damaged"):
        load_array_pickle(write(tmp_path, payload))
    assert callable(PickledArray.tofile) and callable(SparseMatrix.matrix) and callable(set.add)
    path = write(tmp_path, pickle.dumps(ARRAYS, 2))
    np.testing.assert_array_equal(dense_array(load_array_pickle(path)["floats"]), ARRAYS["floats"])


def _array_pickle(kind: str, state: str, content: str) -> bytes:
    """One array of a type with the given inside, over the given content."""
    dtype = f"cnumpy\ndtype\n(S'{kind}'\nI0\nI1\ntR{state}b"
    array = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    return f"{array}(I1\n(I1\nt{dtype}I00\n{content}tb.".encode()


POINTERS = "S'AAAAAAAA'\n"
FIELDS = "(dS'a'\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntRI0\ntsI8\nI1\nI63\nt"


@pytest.mark.parametrize(
    ("kind", "state", "reason"),
    [
        ("O8", "(I3\nS'|'\nNNNI-1\nI-1\nI63\nt", "objects from raw bytes"),
        ("O8", "(I3\nS'|'\nNNNI-1\nI-1\nI0\nt", "objects from raw bytes"),
        ("V8", f"(I3\nS'|'\nN(S'a'\nt{FIELDS}", "array of records"),
        ("V8", "(I3\nS'|'\nNNNI8\nI1\nI63\nt", "array of V8"),
        ("f8,O", "(I3\nS'|'\nNNNI8\nI1\nI63\nt", "array of f8,O"),
        ("M8[s]", "(I4\nS'<'\nNNNI-1\nI-1\nI0\nt", "array of M8"),
    ],
    ids=["objects", "objects without the flag", "records of objects", "flags", "comma", "dates"],
)
def test_raw_bytes_never_become_pointers(tmp_path, kind, state, reason):
    with pytest.raises(AssetError, match=reason):
        load_array_pickle(write(tmp_path, _array_pickle(kind, state, POINTERS)))


def test_the_same_array_of_numbers_is_read(tmp_path):
    """Proves that the refusals above are for the type, not for a slip in writing them."""
    data = b"(dS'a'\n" + _array_pickle("f8", "(I3\nS'<'\nNNNI-1\nI-1\nI0\nt", POINTERS)[:-1] + b"s."
    found = load_array_pickle(write(tmp_path, data))
    np.testing.assert_array_equal(dense_array(found["a"]), np.frombuffer(b"A" * 8, "<f8"))


def test_a_content_too_short_for_its_shape_is_damaged(tmp_path):
    data = _array_pickle("f8", "(I3\nS'<'\nNNNI-1\nI-1\nI0\nt", "S'AAA'\n")
    with pytest.raises(AssetError, match="damaged"):
        load_array_pickle(write(tmp_path, data))


def _matrix(**changes: object) -> scipy.sparse.csc_matrix:
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    matrix.__dict__.update(changes)
    return matrix


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"indices": np.array([0, 1, 9], dtype=np.int32)}, "index|indices"),
        ({"indptr": np.array([0, 1, 2, 99], dtype=np.int32)}, "pointer"),
        ({"data": np.zeros(1)}, "size"),
        ({"data": "text"}, "not numbers"),
        ({"_shape": (10**6, 10**6)}, "pointer|too large"),
    ],
    ids=["index", "pointer", "short", "text", "shape"],
)
def test_sparse_matrices_that_do_not_add_up_are_refused(tmp_path, changes, reason):
    found = load_array_pickle(write(tmp_path, pickle.dumps({"m": _matrix(**changes)}, 2)))
    with pytest.raises(ValueError, match=reason):
        dense_array(found["m"])


def test_an_empty_matrix_of_vast_shape_is_not_made_dense(tmp_path):
    vast = scipy.sparse.csr_matrix((10**5, 10**5))
    found = load_array_pickle(write(tmp_path, pickle.dumps({"m": vast}, 2)))
    with pytest.raises(ValueError, match="too large"):
        dense_array(found["m"])


@pytest.mark.parametrize("data", [b"", b"\x80\x04", b"<html>", b"\x80\x04K\x01.", b"N."], ids=repr)
def test_what_is_no_pickle_of_a_dictionary_is_one_sentence(tmp_path, data):
    path = write(tmp_path, data)
    with pytest.raises(AssetError, match=f"pickle .*{path.name}") as caught:
        load_array_pickle(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_pickle_is_damaged_at_any_length(tmp_path):
    data = python2_pickle(ARRAYS)
    for length in range(0, len(data), 37):
        with pytest.raises(AssetError, match="damaged"):
            load_array_pickle(write(tmp_path, data[:length]))
