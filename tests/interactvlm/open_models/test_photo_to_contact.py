"""One command, offline: label, box, mask, keypoints, words, contact, on a real photo."""

import json
import socket

import numpy as np
import pytest
from PIL import Image
from skimage import data

from interactvlm import pictures
from interactvlm.cli.main import main
from interactvlm.results import load_contact_npz
from tests.interactvlm.reasoners.tiny_models import save_smolvlm

STEPS = ("boxes", "masks", "keypoints")


@pytest.fixture(scope="module")
def reasoner_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reasoner")
    save_smolvlm(folder)
    # "head", then the end: a random model would go on to the longest allowed answer.
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text())
    end = settings["eos_token_id"]
    settings["suppress_tokens"].remove(end)
    others = [index for word, index in words.items() if word != "head"]
    settings |= {"begin_suppress_tokens": others, "sequence_bias": [[[end], 100.0]]}
    path.write_text(json.dumps(settings))
    return folder


@pytest.fixture
def ask(models_folder, reasoner_folder, tmp_path, monkeypatch):
    """Runs `contact` on the example photo, the network cut."""

    def refuse(*args, **kwargs):
        pytest.fail("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(pictures, "DRAWN_PX", 192)
    photo = tmp_path / "photo.png"
    Image.fromarray(data.astronaut()).crop((0, 0, 300, 200)).save(photo)
    models = [word for step in STEPS for word in (f"--{step}", str(models_folder / step))]

    def ask(*flags, models=models, out="out"):
        words = ["--reasoner", str(reasoner_folder), "--offline"]
        out = ["--out", str(tmp_path / out)]
        return main(["contact", str(photo), "--label", "cup", *words, *models, *flags, *out])

    return ask


def test_label_box_mask_keypoints_words_contact_in_one_command(ask, tmp_path, capsys):
    assert ask("--perceive", "--box-threshold", "0") == 0
    assert "cup: head" in capsys.readouterr().out
    out = tmp_path / "out"
    report = json.loads((out / "report.json").read_text())
    found = report["perception"]
    assert found["people"] >= 2 and found["objects"]["cup"] >= 1
    assert any(f"person {found['person']}, nearest" in text for text in report["warnings"])
    described = json.loads((out / "detections.json").read_text())
    person = described["detections"][found["person"] - 1]
    assert person["label"] == "person" and person["box_xyxy_px"] == found["box_xyxy_px"]
    with np.load(out / "masks.npz") as stored:
        assert stored["masks"].shape == (len(described["detections"]), 200, 300)
    assert len(json.loads((out / "keypoints.json").read_text())) == found["people"]
    assert Image.open(out / "perception.png").size == (300, 200)
    (contact,) = load_contact_npz(out / "contact.npz")
    assert contact.label == "cup" and contact.in_contact
    made = json.loads((out / "provenance.json").read_text())
    assert made["perception"].keys() == set(STEPS)
    page = (out / "report.html").read_text()
    assert f"Asked about person {found['person']} of {found['people']}" in page


def test_a_result_folder_of_perceive_is_fed_back(ask, models_folder, tmp_path, capsys):
    models = [word for step in STEPS for word in (f"--{step}", str(models_folder / step))]
    seen = ["--label", "cup", "--offline", "--depth", "none", "--box-threshold", "0"]
    arguments = [str(tmp_path / "photo.png"), *seen, *models, "--out", str(tmp_path / "seen")]
    assert main(["perceive", *arguments]) == 0
    assert "person 2 " in capsys.readouterr().out
    assert ask("--perception", str(tmp_path / "seen"), "--person", "2", models=[]) == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())["perception"]
    described = json.loads((tmp_path / "seen" / "detections.json").read_text())
    assert found["person"] == 2
    assert found["box_xyxy_px"] == described["detections"][1]["box_xyxy_px"]
    # A result of contact is itself such a folder.
    again = ["--perception", str(tmp_path / "out"), "--person", "1"]
    assert ask(*again, models=[], out="again") == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--box-threshold", "0"], "models of --perceive"),
        (["--perceive", "--box-threshold", "7"], "between 0 and 1"),
        (["--perceive", "--box", "0", "0", "9", "9"], "only one of them"),
        (["--perceive", "--perception", "x"], "only one of them"),
        (["--perceive", "--box-threshold", "0", "--person", "99"], "--person must lie"),
        (["--perceive", "--boxes", "none"], "cannot be left out"),
        (["--perceive", "--device", "cuda:99"], "CUDA devices are usable"),
    ],
)
def test_flags_that_cannot_be_are_one_sentence_and_exit_2(ask, capsys, tmp_path, flags, said):
    assert ask(*flags) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("interactvlm: ") and said in error
    assert not (tmp_path / "out").exists()


def test_a_photo_without_a_person_is_told(ask, tmp_path, capsys):
    cup = {"label": "cup", "box_xyxy_px": [1, 2, 30, 40]}
    described = {"width": 300, "height": 200, "detections": [cup]}
    (tmp_path / "detections.json").write_text(json.dumps(described))
    assert ask("--perception", str(tmp_path), models=[]) == 2
    assert "no person was found" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--person", "1"], "add --perceive"),
        (["--perception", "nowhere"], "detections.json"),
    ],
)
def test_a_person_comes_from_somewhere(ask, capsys, flags, said):
    assert ask(*flags, models=[]) == 2
    assert said in capsys.readouterr().err
