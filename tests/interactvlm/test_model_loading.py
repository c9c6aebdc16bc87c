"""A model whose decoder is spread over memory and disk answers as a whole one; 4-bit refusals."""

import dataclasses
import json
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from interactvlm.cli import main as cli
from interactvlm.errors import AssetError, InputError, ResourceError
from interactvlm.four_bit import require_four_bit, use_four_bit
from interactvlm.int8 import MATRIX
from interactvlm.model import InteractVLM
from interactvlm.placement import Placement, memory_limits

BLOCK_BYTES = 4 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32 + 2 * 32)
"""One decoder block of the tiny model in float32."""


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))


def devices(model):
    return {name: p.device.type for name, p in model.named_parameters()}


@pytest.mark.parametrize("blocks", [0, 1])
def test_a_spread_model_answers_as_a_whole_one(folder, tiny_model, tiny_surface, photo, blocks):
    vocabulary = 4 * tiny_model.config.language.vocab_size * 32
    # accelerate fills in order (embedding, blocks, norm, head) and keeps room for the largest one.
    room = 2 * vocabulary + blocks * BLOCK_BYTES + BLOCK_BYTES // 2
    spread = InteractVLM.from_pretrained(
        folder, placement=Placement(device_map="auto", cpu_bytes=room)
    )
    where = devices(spread)
    on_disk = {name for name, kind in where.items() if kind == "meta"}
    assert on_disk and all(name.startswith("language.llama.") for name in on_disk)
    for block in range(2):
        at = f"language.llama.model.layers.{block}.self_attn.q_proj.weight"
        assert (at in on_disk) == (block >= blocks)
    spread._human_views = tiny_surface
    labels = ["chair", "tennis racket", "bicycle"]
    wanted = tiny_model.predict_contact(photo, labels)
    for got, whole in zip(spread.predict_contact(photo, labels), wanted, strict=True):
        assert got.answer == whole.answer
        torch.testing.assert_close(got.vertex_probability, whole.vertex_probability)
    assert devices(spread) == where, "what was read from disk is not kept"


def test_with_room_for_all_nothing_is_left_on_disk(folder, tiny_model, tiny_surface, photo):
    spread = InteractVLM.from_pretrained(folder, placement=Placement(device_map="auto"))
    assert set(devices(spread).values()) == {"cpu"}
    spread._human_views = tiny_surface
    (got,), (wanted,) = (m.predict_contact(photo, ["chair"]) for m in (spread, tiny_model))
    torch.testing.assert_close(got.vertex_probability, wanted.vertex_probability)


def test_another_number_type_is_read_from_disk_as_well(folder):
    spread = InteractVLM.from_pretrained(
        folder, dtype=torch.bfloat16, placement=Placement(device_map="auto", cpu_bytes=10)
    )
    ids = torch.tensor([[3, 4, 5]])
    embedded = spread.language.llama.model.embed_tokens(ids)
    assert embedded.dtype == torch.bfloat16 and embedded.device.type == "cpu"


def test_a_spread_model_is_not_saved(folder, tmp_path):
    spread = InteractVLM.from_pretrained(folder, placement=Placement(device_map="auto"))
    with pytest.raises(InputError, match="copy its folder"):
        spread.save_pretrained(tmp_path / "again")


def test_a_damaged_folder_is_told_before_anything_is_placed(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(AssetError, match="damaged or truncated"):
        InteractVLM.from_pretrained(folder, placement=Placement(device_map="auto"))


@pytest.mark.parametrize(
    ("flags", "kind", "said"),
    [
        (["--load-in-4bit"], "ResourceError", "need a CUDA device, got 'cpu'"),
        (["--load-in-4bit", "--device-map", "auto"], "InputError", "only one of"),
        (["--max-memory", "cpu=4GiB"], "InputError", "--device-map auto"),
        (["--device-map", "auto", "--max-memory", "cpu=lots"], "InputError", "such as 20GiB"),
        (["--device-map", "auto", "--max-memory", "gpu=4GiB"], "InputError", "device=SIZE"),
        (["--device-map", "auto", "--reasoner", "a/b", "--offline"], "InputError", "--weights"),
    ],
)
def test_options_that_cannot_be_are_one_sentence_and_exit_2(
    photo, tmp_path, capsys, monkeypatch, flags, kind, said
):
    photo.save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["contact", "photo.png", *flags, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["type"] == kind and said in error["message"]


def test_memory_limits_are_read_with_their_units():
    assert memory_limits(["device=1.5GiB", "cpu=10 MB"]) == {
        "device_bytes": 3 * 2**29, "cpu_bytes": 10_000_000
    }  # fmt: skip


def test_without_the_package_4_bits_are_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install 'interactvlm\[four-bit\]'"):
        require_four_bit("cuda")


def test_only_the_decoders_matrices_become_4_bit_layers(tiny_model, monkeypatch):
    class Linear4bit(nn.Linear):
        def __init__(self, inside, outside, *, bias, compute_dtype, quant_type):
            super().__init__(inside, outside, bias=bias)
            self.told = (compute_dtype, quant_type)

    package = ModuleType("bitsandbytes")
    package.nn = ModuleType("bitsandbytes.nn")
    package.nn.Linear4bit = Linear4bit
    monkeypatch.setitem(sys.modules, "bitsandbytes", package)
    keys = set(tiny_model.state_dict())
    use_four_bit(tiny_model, torch.bfloat16)
    narrow = {n: m for n, m in tiny_model.named_modules() if isinstance(m, Linear4bit)}
    assert len(narrow) == 7 * tiny_model.config.language.layers
    assert all(MATRIX.fullmatch(f"{name}.weight") for name in narrow)
    assert all(m.told == (torch.bfloat16, "nf4") for m in narrow.values())
    assert set(tiny_model.state_dict()) == keys


def test_4_bit_layers_are_near_the_whole_ones(tiny_config, tiny_tokenizer, tmp_path, monkeypatch):
    """With the real package on its own CPU code, which is why the device is let through."""
    pytest.importorskip("bitsandbytes")
    monkeypatch.setattr("interactvlm.four_bit.require_four_bit", lambda device: None)
    # The package narrows 64 values at a time; smaller layers it cannot multiply on a CPU.
    sizes = {"hidden": 128, "mlp_width": 128, "key_value_heads": 4}
    language = dataclasses.replace(tiny_config.language, **sizes)
    config = dataclasses.replace(tiny_config, language=language)
    whole = InteractVLM(config, tiny_tokenizer).eval()
    whole.save_pretrained(tmp_path / "model")
    narrow = InteractVLM.from_pretrained(tmp_path / "model", placement=Placement(four_bit=True))
    layers = [m.language.llama.model.layers[1].mlp.up_proj for m in (narrow, whole)]
    assert layers[0].weight.dtype == torch.uint8
    x = torch.randn(5, 128)
    got, wanted = (layer(x) for layer in layers)
    assert 0 < float((got - wanted).norm()) < 0.15 * float(wanted.norm())
    assert not any(parameter.is_meta for parameter in narrow.parameters())


@pytest.mark.gpu
def test_4_bit_weights_answer_on_a_gpu(folder, photo, tiny_surface):
    pytest.importorskip("bitsandbytes")
    model = InteractVLM.from_pretrained(
        folder, device="cuda", dtype=torch.bfloat16, placement=Placement(four_bit=True)
    )
    (contact,) = model.predict_contact(photo, ["chair"])
    assert bool(torch.isfinite(contact.vertex_probability).all())
