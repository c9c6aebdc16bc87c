"""`interactvlm contact` with a reasoner in words: the whole way from the flags to the folder."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from interactvlm import pictures
from interactvlm.cli import main as cli
from interactvlm.contact_job import ContactRequest, run_contact
from interactvlm.errors import InputError
from interactvlm.reasoners import endpoint, words_model
from interactvlm.reasoners.options import KEY_VARIABLE, ReasonerOptions
from interactvlm.results import load_contact_npz

KEY = "sk-very-secret-1234567890"


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "DRAWN_PX", 192)
    monkeypatch.setattr(endpoint, "FIRST_WAIT_S", 0.001)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (80, 60), "olive").save(tmp_path / "photo.png")
    return "photo.png"


def run(photo, server, *more):
    flags = ("--reasoner-url", server.url, "--reasoner-model", "tiny-vl", "--out", "out")
    return cli.main(["contact", photo, *flags, *more])


def test_an_endpoint_fills_the_whole_result_folder(
    photo, server, reply, capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    server.replies = [
        reply('{"touching": ["buttocks", "left palm"]}'),
        reply("The buttocks rest on the chair, and one hand holds it."),
        reply(status=429, body=b"", headers={"Retry-After": "0"}),
        reply('```json\n{"touching": ["buttocks"]}\n```'),
        reply("No contact."),
    ]
    assert run(photo, server, "--label", "Chair", "--label", "cup", "--samples", "3") == 0
    said = capsys.readouterr().out
    assert "chair: buttocks" in said and "cup: no contact" in said and "which hand" in said
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    chair = report["contacts"][0]
    assert chair["body_parts"] == ["buttocks", "left hand"] and chair["max_probability"] == 1.0
    assert "(3) ```json" in chair["answer"]
    assert report["provenance"]["weights"] == f"tiny-vl at {server.url}/chat/completions"
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["samples"] == 3 and "{label}" in config["question"]
    maps = load_contact_npz(tmp_path / "out" / "contact.npz")
    assert [m.label for m in maps] == ["chair", "cup"]
    steps = maps[0].vertex_probability.unique()
    np.testing.assert_allclose(steps, [0, 1 / 6, 1 / 2, 1], atol=1e-6)
    assert (tmp_path / "out" / "human.ply").stat().st_size > 100_000
    for path in (tmp_path / "out").iterdir():
        assert KEY.encode() not in path.read_bytes(), path.name


def test_one_label_without_a_usable_answer_is_a_partly_failed_job(photo, server, reply, capsys):
    server.replies = [reply("left hand"), reply("What a nice day.")]
    assert run(photo, server, "--label", "cup", "--label", "kite") == 1
    assert "does not mean no contact" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reply_made", "expected"),
    [
        ({"text": ""}, "no usable answer"),
        ({"text": "I'm sorry, I can't help with identifying people."}, "a refusal"),
        ({"status": 500, "body": b""}, "no answer in 5 requests"),
        ({"body": b"<html>"}, "no chat completion"),
        ({"status": 401, "body": b""}, "refuses the key"),
    ],
)
def test_faults_of_an_endpoint_are_one_sentence_and_exit_2(
    photo, server, reply, capsys, tmp_path, reply_made, expected
):
    server.replies = [reply(**reply_made)]
    assert run(photo, server, "--label", "cup", "--json") == 2
    printed = capsys.readouterr()
    assert expected in json.loads(printed.out)["error"]["message"]
    assert len(printed.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "kind", "expected"),
    [
        (["--reasoner", "a/b", "--weights", "w"], "InputError", "exclude each other"),
        (["--reasoner-url", "http://h", "--weights", "w"], "InputError", "exclude each other"),
        (["--reasoner", "a/b", "--reasoner-url", "http://h"], "InputError", "only one of the two"),
        (["--reasoner", "./nowhere"], "AssetError", "model folder not found"),
        (["--reasoner-url", "http://h"], "InputError", "--reasoner-model or set"),
        (["--samples", "5"], "InputError", "--samples belongs"),
        (["--samples", "many", "--reasoner", "a/b"], "InputError", "samples"),
        (["--reasoner", "no-body/no-such-model", "--offline"], "AssetError", "local cache"),
    ],
)
def test_flags_that_cannot_be_are_one_sentence_and_exit_2(photo, capsys, flags, kind, expected):
    assert cli.main(["contact", photo, *flags, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["type"] == kind and expected in error["message"]


def test_a_request_with_weights_and_a_reasoner_is_refused(photo, tmp_path):
    options = ReasonerOptions(url="http://127.0.0.1:9/v1/chat/completions", model="m")
    request = ContactRequest(tmp_path / photo, tmp_path / "out", weights=tmp_path, reasoner=options)
    with pytest.raises(InputError, match="exclude each other"):
        run_contact(request)


def test_a_model_handed_in_serves_many_photos(photo, tmp_path, server, monkeypatch):
    url = f"{server.url}/chat/completions"
    options = ReasonerOptions(url=url, model="tiny-vl")
    model = words_model.load_words_model(options)
    monkeypatch.setattr(words_model, "load_words_model", lambda *args: pytest.fail("loaded twice"))
    request = ContactRequest(tmp_path / photo, tmp_path / "out", ("cup",), reasoner=options)
    result = run_contact(request, model)
    assert result.report["contacts"][0]["body_parts"] == ["left hand"]
    assert result.report["provenance"]["weights"] == f"tiny-vl at {url}"


def test_reading_the_options_loads_no_model_library():
    code = (
        "import sys; from interactvlm.reasoners.options import ReasonerFlags, checked_options; "
        "from interactvlm.reasoners.endpoint import EndpointReasoner; "
        "print([m for m in ('transformers', 'anny') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
