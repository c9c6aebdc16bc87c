"""Local models of three families, without torchvision or num2words, and folders that cannot be."""

import importlib.util
import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.errors import AssetError, InputError
from interactvlm.reasoners import local
from interactvlm.reasoners.interface import Reasoner
from interactvlm.reasoners.local import LocalReasoner, folder_sha256
from interactvlm.reasoners.options import ReasonerOptions
from interactvlm.reasoners.words_model import load_words_model

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8))
QUESTION = "left hand and right foot"


def tiny_models():
    """The module beside this one; with importlib mode a folder of tests is no package."""
    path = Path(__file__).with_name("tiny_models.py")
    spec = importlib.util.spec_from_file_location("tiny_models", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name, save in tiny_models().SAVERS.items():
        save(root / name)
    return root


@pytest.fixture(autouse=True)
def short_answers_and_no_network(monkeypatch):
    def refuse(*args):
        raise AssertionError("a folder must not touch the network")

    monkeypatch.setattr(local, "LONGEST_ANSWER_TOKENS", 6)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def copied(folders, tmp_path):
    shutil.copytree(folders / "llava", tmp_path / "llava")
    return tmp_path / "llava"


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm", "llava"])
def test_a_folder_of_each_family_answers_in_words(folders, family):
    reasoner = LocalReasoner.load(str(folders / family))
    assert isinstance(reasoner, Reasoner) and len(reasoner.weights_sha256) == 64
    first, again = (reasoner.ask(PHOTO, QUESTION, 1)[0] for _ in range(2))
    assert first == again and not first.finished
    assert len(first.text.split()) == 6 and set(first.text.split()) <= set(tiny_models().WORDS)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm", "llava"])
def test_the_photo_reaches_the_model(folders, family):
    reasoner = LocalReasoner.load(str(folders / family))
    inputs = [reasoner._inputs(photo, QUESTION) for photo in (PHOTO, PHOTO.rotate(180))]
    with torch.no_grad():
        one, other = (reasoner._model(**each).logits[0, -1] for each in inputs)
    assert not torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm", "llava"])
def test_samples_are_drawn_by_the_seed(folders, family):
    reasoner = LocalReasoner.load(str(folders / family))
    told = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        told.append([a.text for a in reasoner.ask(PHOTO, QUESTION, 4)])
    assert told[0] == told[1] != told[2] and len(set(told[0])) > 1


def test_the_beginning_of_a_sequence_is_written_once(folders):
    for family, bos in (("llava", "<s>"), ("smolvlm", "<|im_start|>")):
        reasoner = LocalReasoner.load(str(folders / family))
        ids = reasoner._inputs(PHOTO, QUESTION)["input_ids"][0].tolist()
        assert ids.count(reasoner._processor.tokenizer.convert_tokens_to_ids(bos)) == 1


def test_a_local_model_gives_contact_maps(folders):
    options = ReasonerOptions(source=str(folders / "llava"), samples=4)
    torch.manual_seed(0)
    contact = load_words_model(options).predict_contact(PHOTO, ["chair"])[0]
    assert contact.topology == "anny" and float(contact.vertex_probability.max()) > 0
    assert contact.answer.startswith("(1) ") and any("cut" in note for note in contact.notes)


def test_weights_that_lack_tensors_are_refused(copied):
    from safetensors.torch import load_file, save_file

    state = load_file(copied / "model.safetensors")
    gone = next(name for name in state if "projector" in name)
    del state[gone]
    save_file(state, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(AssetError, match="lack 1 tensors.*projector"):
        LocalReasoner.load(str(copied))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(b"nonsense"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text('{"model_type": "no_such_model"}'),
        lambda folder: (folder / "preprocessor_config.json").unlink(),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
    ],
    ids=["weights", "no weights", "config", "model type", "no preprocessor", "tokenizer"],
)
def test_damaged_folders_are_told_in_one_sentence(copied, damage):
    damage(copied)
    with pytest.raises(AssetError, match="llava") as caught:
        LocalReasoner.load(str(copied))
    assert "\n" not in str(caught.value)


def test_a_model_of_words_alone_is_refused(copied):
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(AssetError, match="'llama' does not answer questions about images"):
        LocalReasoner.load(str(copied))


def test_a_model_without_chat_template_is_refused(copied):
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        path = copied / name
        if path.suffix == ".jinja":
            path.unlink(missing_ok=True)
            continue
        settings = json.loads(path.read_text())
        settings.pop("chat_template", None)
        path.write_text(json.dumps(settings))
    with pytest.raises(AssetError, match="no chat template.*instructions"):
        LocalReasoner.load(str(copied))


def test_a_hub_id_that_is_not_cached_is_told_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(AssetError, match="not in the local cache; run once without --offline"):
        LocalReasoner.load("nobody/no-such-model", offline=True)


def test_code_in_a_folder_is_never_run(copied):
    settings = json.loads((copied / "config.json").read_text())
    settings["model_type"] = "custom"
    settings["auto_map"] = {"AutoConfig": "evil.Config"}
    (copied / "config.json").write_text(json.dumps(settings))
    (copied / "evil.py").write_text(f"open({str(copied / 'ran')!r}, 'w')")
    with pytest.raises(AssetError, match="cannot be loaded"):
        LocalReasoner.load(str(copied))
    assert not (copied / "ran").exists()


def test_a_photo_the_processor_refuses_is_an_input_error(folders):
    reasoner = LocalReasoner.load(str(folders / "qwen2_5_vl"))
    with pytest.raises(InputError, match="refuses the photo of 3000x8 px"):
        reasoner.ask(Image.new("RGB", (3000, 8)), QUESTION, 1)


def test_the_hash_of_weights_tells_files_apart(tmp_path):
    (tmp_path / "model-1.safetensors").write_bytes(b"one")
    single = folder_sha256(tmp_path)
    (tmp_path / "model-2.safetensors").write_bytes(b"two")
    both = folder_sha256(tmp_path)
    (tmp_path / "model-2.safetensors").write_bytes(b"too")
    assert len({single, both, folder_sha256(tmp_path)}) == 3
