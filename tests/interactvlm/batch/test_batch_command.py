"""`interactvlm batch`: exit codes, what it prints, one model for all photos, real answers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from interactvlm.batch import tasks
from interactvlm.cli import main as cli
from interactvlm.errors import AssetError, InputError, NoPersonError
from interactvlm.photo import read_photo
from interactvlm.photo_result import PhotoResult
from interactvlm.result_folder import fresh_result_folder, write_bytes
from interactvlm.results import load_contact_npz


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photos and a file that only claims to be one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in (("a", "olive"), ("b", "teal")):
        Image.new("RGB", (80, 60), colour).save(folder / f"{name}.png")
    (folder / "c.jpg").write_bytes(b"\xff\xd8 no more than this")
    return folder


@pytest.fixture
def loads(monkeypatch):
    """Models loaded, in place of which a label is answered by itself."""
    loaded = []

    def load(template):
        loaded.append(template)
        return "model"

    def run(request, model):
        print("a library that chatters")
        photo = read_photo(request.photo)
        if "chiar" in request.labels:
            raise InputError("object label 'chiar' is not known; did you mean 'chair'?")
        if "ghost" in request.labels:
            raise NoPersonError("no person was found in the photo")
        if "ctrl-c" in request.labels:
            raise KeyboardInterrupt
        with fresh_result_folder(request.out) as folder:
            write_bytes(folder / "report.html", photo.sha256.encode())
        entry = {"label": "cup", "contact_vertices": 0, "max_probability": 0.1}
        return PhotoResult(request.out, [], {"contacts": [entry], "warnings": []})

    monkeypatch.setitem(tasks.TASKS, "contact", replace(tasks.TASKS["contact"], load=load, run=run))
    return loaded


def manifest(tmp_path, content):
    (tmp_path / "m.csv").write_text(content)
    return str(tmp_path / "m.csv")


def test_a_folder_with_an_unreadable_photo_exits_1_and_goes_on(photos, loads, capsys):
    command = ["batch", "photos", "--task", "contact", "--out", "runs", "--label", "cup"]
    assert cli.main(command) == 1
    said = capsys.readouterr().out
    assert "2 done, 1 failed, of 3" in said and "failed: row 3" in said and "chatters" not in said
    assert len(loads) == 1, "one model serves all photos"
    index = (photos.parent / "runs" / "index.html").read_text()
    assert index.count("data:image/jpeg") == 2 and index.count("no picture") == 1
    assert cli.main(command) == 1
    assert len(loads) == 1, "nothing was left to do"


def test_json_is_the_summary_and_nothing_else(photos, loads, capsys):
    (photos / "c.jpg").unlink()
    assert cli.main(["batch", "photos", "--out", "runs", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["counts"]["done"] == printed["items"] == 2 and printed["failed"] == []


def test_skipped_is_no_failure(photos, loads, capsys, tmp_path):
    path = manifest(tmp_path, "photo,label,skip\nphotos/a.png,ghost,\nphotos/b.png,,yes\n")
    assert cli.main(["batch", path, "--out", "runs"]) == 0
    assert "2 skipped, of 2" in capsys.readouterr().out


def test_rows_fail_by_themselves_with_their_reason(photos, loads, capsys, tmp_path):
    path = manifest(tmp_path, "photo,label\nphotos/a.png,chiar\nnowhere.png,\nphotos/b.png,\n")
    assert cli.main(["batch", path, "--out", "runs", "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)["failed"]
    assert (first["row"], first["label"]) == (1, "chiar") and "did you mean" in first["reason"]
    assert "no such file" in second["reason"]


def test_ctrl_c_exits_130_and_says_how_to_go_on(photos, loads, capsys, tmp_path):
    path = manifest(tmp_path, "photo,label\nphotos/a.png,\nphotos/b.png,ctrl-c\n")
    assert cli.main(["batch", path, "--out", "runs"]) == 130
    assert "1 queued, 1 done, of 2" in (said := capsys.readouterr().out)
    assert "the same command goes on" in said


def test_a_dry_run_tells_and_writes_nothing(photos, loads, capsys, tmp_path):
    path = manifest(tmp_path, "photo,label,skip\nphotos/a.png,cup,\nphotos/b.png,,yes\n")
    assert cli.main(["batch", path, "--out", "runs", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "a.png: cup\n1 of 2 would be done" in said and not (tmp_path / "runs").exists()
    assert cli.main(["batch", path, "--out", "runs", "--dry-run", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [item["state"] for item in printed["items"]] == ["queued", "skipped"] and not loads


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["nowhere"], "found nothing"),
        (["photos", "--object", "chair.obj"], "--object is for --task affordance"),
        (["photos", "--affordance", "sit"], "--affordance is for --task affordance"),
        (
            ["photos", "--task", "affordance", "--reasoner", "a/b"],
            "--reasoner is for --task contact",
        ),
        (["photos", "--task", "affordance"], "no object is named"),
        (["photos", "--task", "paint"], "paint"),
        (["photos", "--workers", "0"], "--workers must lie"),
        (["photos", "--out", "photos"], "among the photos"),
        (["photos", "--boxes", "x"], "models of --perceive"),
        (["photos", "--weights", "w", "--reasoner", "a/b"], "exclude each other"),
    ],
)
def test_every_fault_of_the_caller_is_one_sentence_and_exit_2(photos, loads, capsys, flags, said):
    assert cli.main(["batch", *flags, "--json"]) == 2
    printed = capsys.readouterr()
    assert said in json.loads(printed.out)["error"]["message"]
    assert len(printed.err.strip().splitlines()) == 1
    assert sorted(path.name for path in photos.parent.iterdir()) == ["photos"]


def test_weights_that_cannot_be_loaded_end_it_before_a_photo_fails(
    photos, loads, capsys, monkeypatch
):
    def missing(template):
        raise AssetError("weights are damaged")

    damaged = replace(tasks.TASKS["contact"], load=missing)
    monkeypatch.setitem(tasks.TASKS, "contact", damaged)
    assert cli.main(["batch", "photos", "--out", "runs"]) == 2
    assert "weights are damaged" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_shipped_model_answers_two_photos_as_the_single_command_does(tmp_path, capsys, workers):
    folder, out = tmp_path / "photos", tmp_path / "runs"
    folder.mkdir()
    for seed in (0, 1):
        noise = np.random.default_rng(seed).integers(0, 255, (96, 128, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{seed}.png")
    common = ["--label", "chair", "--label", "cup"]
    assert cli.main(["batch", str(folder), "--out", str(out), "--workers", workers, *common]) == 0
    single = tmp_path / "single"
    assert cli.main(["contact", str(folder / "1.png"), "--out", str(single), *common]) == 0
    batch = out / "items" / "00002-1"
    assert {path.name for path in batch.iterdir()} == {path.name for path in single.iterdir()}
    for ours, theirs in zip(
        load_contact_npz(batch / "contact.npz"), load_contact_npz(single / "contact.npz"),
        strict=True,
    ):  # fmt: skip
        difference = (ours.vertex_probability - theirs.vertex_probability).abs().max()
        assert ours.label == theirs.label and float(difference) < 1e-4
    assert "2 done, of 2" in capsys.readouterr().out
