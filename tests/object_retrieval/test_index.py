"""The vector index: exact answers, files that are whole or not there, going on after a kill."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from object_retrieval.index import VectorIndex
from object_retrieval.index_files import META, NAMES, VECTORS, IndexWriter, read_info
from renders.errors import AssetError, InputError


def search_plain(stored, query, top):
    """Double precision over all rows; ties by row."""
    scores = (stored.astype(np.float64) * query.astype(np.float64)).sum(1)
    order = np.lexsort((np.arange(len(scores)), -scores))[:top]
    return order, scores[order]


def build(folder, vectors, key="k"):
    with IndexWriter(folder, vectors.shape[1], key) as writer:
        for start in range(0, len(vectors), 7):
            block = vectors[start : start + 7]
            writer.add([f"item {start + i}" for i in range(len(block))], block)
    return VectorIndex(folder, key=key)


@pytest.fixture(scope="module")
def close_calls(tmp_path_factory):
    """Rows so alike that half precision cannot tell them apart, duplicates and zeros."""
    generator = torch.Generator().manual_seed(0)
    base = torch.nn.functional.normalize(torch.randn(1, 96, generator=generator))
    vectors = base + 2e-4 * torch.randn(500, 96, generator=generator)
    vectors[100:140] = vectors[7]
    vectors[200] = 0
    index = build(tmp_path_factory.mktemp("index") / "close", vectors)
    return index, vectors.half().numpy(), base[0].numpy()


@pytest.mark.parametrize("queries", [1, 2, 3, 8])
def test_search_equals_plain_search_where_rows_are_hard_to_tell_apart(close_calls, queries):
    index, stored, base = close_calls
    asked = torch.from_numpy(np.stack([base * (1 + 0.3 * i) for i in range(queries)]))
    found = index.search(asked, 25)
    for i in range(queries):
        rows, scores = search_plain(stored, asked[i].numpy(), 25)
        assert found.rows[i].tolist() == rows.tolist()
        np.testing.assert_allclose(found.scores[i].numpy(), scores, rtol=1e-6)


def test_half_precision_alone_would_be_wrong_here(close_calls):
    """Shows that the case above tests the second pass."""
    _, stored, base = close_calls
    half = torch.mv(torch.from_numpy(stored), torch.from_numpy(base).half()).float()
    rows, _ = search_plain(stored, base, 25)
    assert half.sort(descending=True, stable=True).indices[:25].tolist() != rows.tolist()


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 70), st.integers(0, 9), st.booleans())
def test_search_equals_plain_search(tmp_path_factory, count, dim, top, seed, wide):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, dim, generator=generator) * (3e3 if wide else 1)
    vectors = vectors.round(decimals=0 if wide else 1)  # so that there are ties
    index = build(tmp_path_factory.mktemp("index") / "i", vectors)
    for queries in (1, 4):
        asked = torch.randn(queries, dim, generator=generator).round(decimals=1)
        found = index.search(asked, top)
        for i in range(queries):
            rows, _ = search_plain(vectors.half().numpy(), asked[i].numpy(), top)
            assert found.rows[i].tolist() == rows.tolist()


def test_blocks_do_not_change_the_answer(close_calls, monkeypatch):
    index, stored, base = close_calls
    rows, _ = search_plain(stored, base, 10)
    monkeypatch.setattr("object_retrieval.index._MAPPED_BYTES", 96 * 2 * 3)
    monkeypatch.setattr("object_retrieval.index._CONVERTED_BYTES", 96 * 2 * 3)
    for queries in (1, 5):
        asked = torch.from_numpy(base)[None].expand(queries, -1)
        assert index.search(asked, 10).rows[0].tolist() == rows.tolist()


def test_numpy_reads_the_vectors_and_names_follow_the_rows(tmp_path):
    vectors = torch.randn(20, 5)
    index = build(tmp_path / "é", vectors)
    np.testing.assert_array_equal(np.load(tmp_path / "é" / VECTORS), vectors.half().numpy())
    assert index.names(torch.tensor([11, 3, 11])) == ["item 11", "item 3", "item 11"]
    assert index.all_names()[19] == "item 19"
    assert len(index) == 20


def test_an_empty_index_finds_nothing(tmp_path):
    with IndexWriter(tmp_path / "i", 4, "k"):
        pass
    found = VectorIndex(tmp_path / "i").search(torch.randn(3, 4), 5)
    assert found.rows.shape == (3, 0)


def test_a_killed_writer_goes_on_where_it_was(tmp_path):
    vectors = torch.randn(30, 4)
    names = [f"n{i}" for i in range(30)]
    writer = IndexWriter(tmp_path / "i", 4, "k")
    writer.add(names[:20], vectors[:20])
    writer.close()
    # Killed while writing the next block: more bytes than the state knows of.
    for name in (VECTORS, NAMES):
        with open(tmp_path / "i.part" / name, "ab") as stream:
            stream.write(b"xyz")
    assert not (tmp_path / "i").exists()
    with IndexWriter(tmp_path / "i", 4, "k") as again:
        assert again.count == 20
        again.add(names[20:], vectors[20:])
    index = VectorIndex(tmp_path / "i", key="k")
    np.testing.assert_array_equal(np.load(tmp_path / "i" / VECTORS), vectors.half().numpy())
    assert index.all_names() == names
    assert not (tmp_path / "i.part").exists()


@pytest.mark.parametrize("key, dim", [("other", 4), ("k", 5)])
def test_a_half_index_of_something_else_is_begun_anew(tmp_path, key, dim):
    writer = IndexWriter(tmp_path / "i", 4, "k")
    writer.add(["a"], torch.randn(1, 4))
    writer.close()
    assert IndexWriter(tmp_path / "i", dim, key).count == 0


def test_an_error_leaves_no_index(tmp_path):
    with pytest.raises(KeyError), IndexWriter(tmp_path / "i", 4, "k") as writer:
        writer.add(["a"], torch.randn(1, 4))
        raise KeyError
    assert not (tmp_path / "i").exists()


def test_the_slower_of_two_writers_keeps_the_faster_ones_index(tmp_path):
    slow = IndexWriter(tmp_path / "i", 4, "k")
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / META).write_text(json.dumps(slow._info.to_dict()))
    assert slow.finish().key == "k"
    assert read_info(tmp_path / "i").key == "k"


@pytest.mark.parametrize(
    "names, vectors, words",
    [
        (["a", "b"], torch.zeros(1, 4), "do not fit"),
        (["a"], torch.zeros(1, 3), "do not fit"),
        (["a\nb"], torch.zeros(1, 4), "one line"),
        ([""], torch.zeros(1, 4), "one line"),
        (["a"], torch.full((1, 4), torch.nan), "not finite"),
        (["a"], torch.full((1, 4), torch.inf), "not finite"),
        (["a"], torch.full((1, 4), 7e4), "beyond"),
    ],
)
def test_rows_that_cannot_be_stored(tmp_path, names, vectors, words):
    writer = IndexWriter(tmp_path / "i", 4, "k")
    with pytest.raises(InputError, match=words):
        writer.add(names, vectors)
    writer.close()


@pytest.mark.parametrize(
    "queries, top, words",
    [
        (torch.zeros(1, 4), 0, "at least 1"),
        (torch.zeros(1, 3), 1, "3 numbers"),
        (torch.full((1, 4), torch.nan), 1, "not finite"),
    ],
)
def test_questions_that_make_no_sense(tmp_path, queries, top, words):
    index = build(tmp_path / "i", torch.randn(3, 4))
    with pytest.raises(InputError, match=words):
        index.search(queries, top)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda f: (f / META).unlink(), "cannot be read"),
        (lambda f: (f / META).write_text("{"), "cannot be read"),
        (lambda f: (f / META).write_text("[]"), "cannot be read"),
        (lambda f: (f / META).write_text('{"version": "vectors-0"}'), "vectors-0"),
        (lambda f: _truncate(f / VECTORS), "should have"),
        (lambda f: _truncate(f / NAMES), "should have"),
        (lambda f: (f / NAMES).unlink(), "no file"),
        (lambda f: _wrong_header(f / VECTORS), "damaged|expected"),
    ],
)
def test_damaged_files_are_named(tmp_path, damage, words):
    build(tmp_path / "i", torch.randn(3, 4))
    damage(tmp_path / "i")
    with pytest.raises(AssetError, match=words):
        VectorIndex(tmp_path / "i")


def _wrong_header(path):
    path.write_bytes(b"\0" * 128 + path.read_bytes()[128:])


def test_an_index_of_other_vectors_is_refused(tmp_path):
    build(tmp_path / "i", torch.randn(3, 4), key="old")
    with pytest.raises(AssetError, match="'old'"):
        VectorIndex(tmp_path / "i", key="new")


def test_nothing_is_written_over(tmp_path):
    build(tmp_path / "i", torch.randn(3, 4))
    with pytest.raises(InputError, match="already"):
        IndexWriter(tmp_path / "i", 4, "k")
