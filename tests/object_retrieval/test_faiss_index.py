"""Approximate search is an extra: said in one sentence where it is missing, checked where it is."""

import importlib.util
import sys

import pytest
import torch

from object_retrieval.faiss_index import FaissIndex
from object_retrieval.index import VectorIndex
from object_retrieval.index_files import IndexWriter
from renders.errors import InputError, ResourceError


@pytest.fixture
def index(tmp_path):
    vectors = torch.nn.functional.normalize(
        torch.randn(2000, 24, generator=torch.Generator().manual_seed(0))
    )
    with IndexWriter(tmp_path / "i", 24, "k") as writer:
        writer.add([f"n{i}" for i in range(2000)], vectors)
    return VectorIndex(tmp_path / "i")


def test_without_faiss_the_way_to_get_it_is_told(index, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ResourceError, match=r"pip install 'interactvlm\[faiss\]'"):
        FaissIndex(index)


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="the extra faiss is missing")
def test_with_all_cells_searched_the_answer_is_exact(index):
    queries = torch.randn(5, 24, generator=torch.Generator().manual_seed(1))
    found = FaissIndex(index, cells_searched=10_000).search(queries, 5)
    assert found.rows.tolist() == index.search(queries, 5).rows.tolist()
    with pytest.raises(InputError, match="at least one"):
        FaissIndex(index, cells_searched=0)
