"""Rows become requests: what a row says wins, its key follows its inputs, secrets stay out."""

import os
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch

from interactvlm.affordance_job import AffordanceRequest
from interactvlm.batch import tasks
from interactvlm.batch.config import BatchConfig
from interactvlm.batch.tasks import NO_FILE, TASKS, list_items, on_worker, settings_of
from interactvlm.cli import batch as batch_command
from interactvlm.contact_job import ContactRequest
from interactvlm.errors import AssetError, InputError
from interactvlm.open_models.loading import Source
from interactvlm.open_models.people import PersonSearch
from interactvlm.open_models.photo_perception import PerceptionModels
from interactvlm.reasoners.options import ReasonerOptions
from interactvlm.reconstruction.request import ReconstructRequest

CONTACT = ContactRequest(NO_FILE, NO_FILE)
MODELS = PerceptionModels(Source("dino"), Source("sam"))


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Items of a manifest with this text."""
    monkeypatch.setattr(tasks, "default_weights", lambda: Path("mini"))
    monkeypatch.setattr(tasks, "weights_sha256", lambda folder: f"hash of {folder}")
    (tmp_path / "a.jpg").write_bytes(b"first")

    def read(content, template=CONTACT, task="contact"):
        path = tmp_path / "m.csv"
        path.write_text(content)
        return list_items(BatchConfig(path, tmp_path / "runs", task), template)

    return read


def test_every_task_is_on_the_command_line():
    hints = get_type_hints(batch_command.BatchOptions)
    assert set(get_args(hints["task"])) == set(TASKS) == set(batch_command.TEMPLATES)


def test_a_row_says_what_the_template_does_not(listed, tmp_path):
    template = replace(CONTACT, labels=("chair",), person=PersonSearch(MODELS), seed=3)
    content = (
        "photo,label,box,perception,person,skip\n"
        "a.jpg,,,,,\n"
        "a.jpg,cup;ball,1 2 3 4,,,blurred\n"
        "a.jpg,,,seen,2,no\n"
        "a.jpg,,,,3,yes\n"
    )
    plain, boxed, seen, third = listed(content, template).items
    assert plain.payload == replace(template, photo=tmp_path / "a.jpg") and plain.label == "chair"
    assert boxed.payload.labels == ("cup", "ball") and boxed.label == "cup; ball"
    assert boxed.payload.box_xyxy_px == (1, 2, 3, 4) and boxed.payload.person is None
    assert boxed.skip == "marked in the manifest: blurred"
    assert seen.payload.person == PersonSearch(None, tmp_path / "seen", 2) and not seen.skip
    assert third.payload.person == PersonSearch(MODELS, None, 3)
    assert third.skip == "marked in the manifest"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("photo,box,person\na.jpg,1 2 3 4,1\n", "box says where.*person; line 2"),
        ("photo,person\na.jpg,1\n", "person.*line 2"),
        ("photo,object\na.jpg,b.obj\n", "unknown column 'object'"),
    ],
)
def test_rows_that_make_no_sense_to_contact(listed, content, said):
    with pytest.raises(InputError, match=said):
        listed(content)


def test_objects_are_named_by_row_or_template(listed, tmp_path):
    template = AffordanceRequest(NO_FILE, NO_FILE, object_file=NO_FILE, affordance="sit")
    content = "photo,object,affordance,ask,up\na.jpg,b.obj,,contact,z\na.jpg,b.obj,lean,,\n"
    first, second = listed(content, template, "affordance").items
    assert first.payload.object_file == tmp_path / "b.obj"
    asked = [(r.payload.affordance, r.payload.ask, r.payload.up) for r in (first, second)]
    assert asked == [("sit", "object", "z"), ("lean", None, "y")]
    with pytest.raises(InputError, match="no object is named.*--object FILE; line 2"):
        listed("photo\na.jpg\n", template, "affordance")
    with pytest.raises(InputError, match="one label.*line 2"):
        listed("photo,object,label\na.jpg,b.obj,chair;cup\n", template, "affordance")
    with pytest.raises(InputError, match="ask must be affordance or contact.*line 2"):
        listed("photo,object,ask\na.jpg,b.obj,body\n", template, "affordance")
    with pytest.raises(InputError, match="up must be y or z"):
        listed("photo,object,up\na.jpg,b.obj,x\n", template, "affordance")


def test_a_key_follows_what_decides_the_answer_and_nothing_else(listed, tmp_path):
    def key(content="photo\na.jpg\n", **changes):
        return listed(content, replace(CONTACT, **changes)).items[-1].key

    before = key()
    assert before == key(device="cuda:1")
    assert before == key("photo,skip\nb.jpg,\na.jpg,yes\n"), "neither row number nor mark"
    others = {
        key("photo,label\na.jpg,cup\n"),
        key("photo,box\na.jpg,1 2 3 4\n"),
        key(labels=("cup",)),
        key(labels=("cup", "ball")),
        key(seed=1),
        key(weights=Path("other")),
    }
    (tmp_path / "a.jpg").write_bytes(b"the photo was changed")
    others.add(key())
    (tmp_path / "a.jpg").unlink()
    others.add(key())
    assert len(others - {before}) == 7, "a label of the row or of all rows is the same question"


def test_a_key_follows_the_files_of_a_stage(listed, tmp_path):
    (tmp_path / "seen").mkdir()
    keys = set()
    for content in ("1", "22"):
        (tmp_path / "seen" / "detections.json").write_text(content)
        keys.add(listed("photo,perception\na.jpg,seen\n").items[0].key)
    assert len(keys) == 2


def test_rows_that_repeat_others_are_done_once_and_told(listed):
    content = "photo,label\n" + "a.jpg,cup\na.jpg,ball\n" + "a.jpg,cup\n" * 5
    found = listed(content)
    assert [item.row for item in found.items] == [1, 2]
    said = "row 3 repeats row 1, row 4 repeats row 1, row 5 repeats row 1 and 2 more"
    assert found.notes == (f"{said}; each is done once",)


def test_settings_hold_the_hash_of_the_weights_and_no_secret(listed):
    template = replace(CONTACT, person=PersonSearch(MODELS), weights=Path("w"))
    assert settings_of(template)["weights_sha256"] == "hash of w"
    assert settings_of(template)["person"]["models"]["boxes"]["name"] == "dino"
    options = ReasonerOptions(url="http://h/v1/chat/completions", model="m", key="sesame")
    settings = settings_of(replace(CONTACT, reasoner=options))
    assert "sesame" not in str(settings) and settings["reasoner"]["model"] == "m"
    other = replace(CONTACT, reasoner=replace(options, key="another"))
    assert settings_of(other) == settings


def test_weights_that_are_not_there_are_told_at_once(tmp_path):
    (tmp_path / "a.jpg").touch()
    template = replace(CONTACT, weights=tmp_path / "nowhere")
    with pytest.raises(AssetError, match="weights not found"):
        list_items(BatchConfig(tmp_path, tmp_path / "runs"), template)


def test_workers_take_cards_in_turn_and_keep_their_models(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    template = replace(CONTACT, device="cuda", person=PersonSearch(MODELS))
    placed = on_worker(template, 3)
    assert placed.device == placed.person.models.boxes.device == "cuda:1"
    assert placed.person.models.masks.device == "cuda:1" and placed.person.models.kept
    assert on_worker(replace(template, device="cuda:0"), 3).device == "cuda:0"
    assert on_worker(CONTACT, 3) == CONTACT


def test_names_that_are_no_text_have_a_key(listed, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.jpg")).touch()
    (item,) = list_items(BatchConfig(folder, tmp_path / "runs"), CONTACT).items
    assert len(item.key) == 64


def test_a_changed_mask_is_other_work(listed, tmp_path):
    template = ReconstructRequest(photo=NO_FILE, out=NO_FILE, label="chair")
    mask = tmp_path / "m.png"

    def key(cell):
        (item,) = listed(f"photo,object_mask\na.jpg,{cell}\n", template, "reconstruct").items
        return item.key

    missing = key("m.png")
    mask.write_bytes(b"one")
    keys = [missing, key("m.png"), key("m.png:3")]
    assert keys[1] == key("m.png")
    mask.write_bytes(b"another")
    assert len({*keys, key("m.png"), key("m.png:3")}) == 5


def test_a_row_to_reconstruct_names_one_object_and_its_files(listed, tmp_path):
    template = ReconstructRequest(photo=NO_FILE, out=NO_FILE, label="chair")
    content = (
        "photo,label,box,person_box,object_mask,body,up\n"
        "a.jpg,,1 2 3 4,,m.png,b.npz,z\n"
        "a.jpg,cup,,5 6 7 8,,,\n"
    )
    first, second = (item.payload for item in listed(content, template, "reconstruct").items)
    assert (first.label, first.box, first.up) == ("chair", "1.0,2.0,3.0,4.0", "z")
    assert first.object_mask == str(tmp_path / "m.png")
    assert first.body == tmp_path / "b.npz"
    assert (second.label, second.box, second.person_box) == ("cup", None, "5.0,6.0,7.0,8.0")
    assert on_worker(second, 0) == second
    with pytest.raises(InputError, match="one object is reconstructed per row"):
        listed("photo,label\na.jpg,cup; chair\n", template, "reconstruct")
    with pytest.raises(InputError, match="person has no meaning"):
        listed("photo,person\na.jpg,2\n", template, "reconstruct")
