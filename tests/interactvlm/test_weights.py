"""The piece-wise writer against the safetensors library, and numbers of any shape."""

import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from interactvlm import provenance
from interactvlm.errors import AssetError
from interactvlm.provenance import weights_sha256
from interactvlm.weights import TensorSpec, read_weight_map, stored_dtype, write_pieces

TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda key: key != "__metadata__"),
    st.tuples(
        st.lists(st.integers(0, 5), max_size=3).map(tuple),
        st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    ),
    max_size=6,
)


@settings(max_examples=40)
@given(table=TENSORS, rows=st.integers(1, 7))
def test_what_is_written_in_pieces_is_read_back_whole(tmp_path_factory, table, rows):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    tensors = {key: torch.randn(shape).to(dtype) for key, (shape, dtype) in table.items()}
    specs = {key: TensorSpec(tuple(v.shape), v.dtype) for key, v in tensors.items()}
    write_pieces(path, specs, lambda key: tensors[key].reshape(-1).split(rows))
    again = load_file(path)
    assert again.keys() == tensors.keys()
    for key, value in tensors.items():
        torch.testing.assert_close(again[key], value, rtol=0, atol=0)


def test_number_type_of_a_folder(tmp_path):
    spec = {"a": TensorSpec((2,), torch.bfloat16)}
    write_pieces(
        tmp_path / "model.safetensors", spec, lambda _: [torch.zeros(2, dtype=torch.bfloat16)]
    )
    assert stored_dtype(tmp_path, "a") == torch.bfloat16
    assert stored_dtype(tmp_path, "b") == torch.float32


@pytest.mark.parametrize("text", ["", "[]", '{"weight_map": []}', '{"weight_map": {"a": "/b"}}'])
def test_a_damaged_index_is_an_asset_error(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(AssetError, match="weight index"):
        read_weight_map(tmp_path / "index.json")


def test_weights_are_hashed_once_and_again_when_they_change(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    read = []
    monkeypatch.setattr(provenance, "verified_sha256", lambda p: read.append(p) or p.read_text())
    path.write_text("first")
    assert [weights_sha256(tmp_path) for _ in range(2)] == ["first"] * 2
    assert len(read) == 2, "a file that was written just now may change within the same tick"
    os.utime(path, (1_000_000, 1_000_000))
    assert [weights_sha256(tmp_path) for _ in range(3)] == ["first"] * 3
    assert len(read) == 3
    path.write_text("other")
    os.utime(path, (1_000_001, 1_000_001))
    assert weights_sha256(tmp_path) == "other"
