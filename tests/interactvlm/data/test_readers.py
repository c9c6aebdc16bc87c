"""Every reader on a tiny copy in the publisher's format, and on files with one thing wrong."""

import json

import numpy as np
import pytest
import torch

from interactvlm.data.damon import category_of
from interactvlm.data.registry import READERS, open_dataset
from interactvlm.data.sources import FOLDER_VARIABLE, SOURCES
from interactvlm.errors import AssetError, InputError
from renders.mesh import Mesh, PointCloud

from .make_tiny import (
    DAMON_LABELS,
    MAKERS,
    POINTS,
    dump,
    make_3dir,
    make_damon,
    make_hoi_vqa,
    make_piad,
    make_pico,
    make_rich,
    point_lines,
    save_objects,
    vertices,
)

FIRST_SPLIT = {
    "damon": "test", "3dir": "val", "piad": "seen-test", "pico": "all", "rich": "val",
    "hoi-vqa": "lemon",
}  # fmt: skip


def touched(sample):
    return torch.nonzero(sample.body.in_contact).flatten().tolist()


@pytest.mark.parametrize("name", READERS)
def test_every_data_set_gives_samples_with_unique_keys(name, tmp_path):
    dataset = open_dataset(name, MAKERS[name](tmp_path), FIRST_SPLIT[name])
    assert len(dataset) > 0 and dataset.source is SOURCES[name]
    keys = [entry.key for entry in dataset.entries]
    assert len(set(keys)) == len(keys) == len(list(dataset))
    for sample in dataset:
        assert sample.body is not None or sample.object is not None or sample.turns
        if sample.body is not None:
            assert len(sample.body.in_contact) == 6890 and sample.body.in_contact.any()
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@pytest.mark.parametrize("layout", ["folders", "archive"])
def test_damon_gives_one_sample_per_photo_and_touched_label(layout, tmp_path):
    dataset = open_dataset("damon", make_damon(tmp_path, layout=layout), "test")
    labels = ["chair", "supporting", "tennis_racket", "bench", "dining_table"]
    assert [entry.label for entry in dataset.entries] == labels
    assert touched(dataset[0]) == DAMON_LABELS[0]["chair"]
    assert touched(dataset[3]) == DAMON_LABELS[2]["bench"]
    assert dataset[0].body.topology == "smpl"
    assert all(entry.image.is_file() for entry in dataset.entries)
    assert dataset.entries[0].image == dataset.entries[1].image


def test_damon_labels_may_be_an_npy(tmp_path):
    make_damon(tmp_path)
    (tmp_path / "test/contact_label_objectwise.pkl").unlink()
    save_objects(tmp_path / "test/contact_label_objectwise.npy", DAMON_LABELS)
    assert len(open_dataset("damon", tmp_path, "test")) == 5


def test_damon_scene_labels_rename_the_ground_and_drop_what_carries(tmp_path):
    make_damon(tmp_path)
    ground = {"foot_ground": np.array([3300, 3301]), **DAMON_LABELS[0]}
    labels = [ground, *DAMON_LABELS[1:]]
    dump(labels, tmp_path / "test/contact_label_objectwise_wFootGround.pkl")
    dataset = open_dataset("damon", tmp_path, "test-scene")
    found = [entry.label for entry in dataset.entries]
    assert found == ["scene", "chair", "tennis_racket", "bench", "dining_table"]
    assert touched(dataset[0]) == [3300, 3301]
    with pytest.raises(AssetError, match="wFootGround.pkl' or"):
        open_dataset("damon", tmp_path, "train-scene")


@pytest.mark.parametrize(
    ("label", "category"),
    [
        ("tennis_racket", "sports"), ("Potted plant", "everyday objects"), ("potted_plant",
        "everyday objects"), ("supporting", None), ("dragon", None),
    ],
)  # fmt: skip
def test_damon_categories_read_blanks_and_underscores_alike(label, category):
    assert category_of(label) == category


def test_3dir_pairs_photo_body_and_object_and_counts_behave(tmp_path):
    dataset = open_dataset("3dir", make_3dir(tmp_path), "val")
    assert [(e.label, e.affordance) for e in dataset.entries] == [
        ("Backpack", "carry"), ("Chair", "sit"),
    ]  # fmt: skip
    first = dataset[0]
    assert touched(first) == vertices(0, 25) and first.body.topology == "smplh"
    assert isinstance(first.object.surface, PointCloud)
    assert first.object.surface.num_points == POINTS
    assert int((first.object.heat > 0).sum()) == POINTS // 3
    assert dataset.notes == ("1 photos of BEHAVE are listed and not published",)


def test_3dir_training_takes_the_first_object_that_is_here_and_has_the_affordance(tmp_path):
    root = make_3dir(tmp_path)
    heat = open_dataset("3dir", root, "train")[0].object.heat
    assert int((heat > 0).sum()) == POINTS // 3
    (root / "lemon_ocontact/lemon_lookup_results_train.pkl").unlink()
    assert open_dataset("3dir", root, "train")[0].object is None


def test_the_two_affordance_orders_differ_where_it_matters():
    from interactvlm.data import lemon, piad

    assert len(lemon.AFFORDANCES) == len(piad.AFFORDANCES) == 17
    assert lemon.AFFORDANCES[16] == "carry" and piad.AFFORDANCES[16] == "stab"


@pytest.mark.parametrize("folder", ["Seen", "piad_ocontact_seen", ""])
def test_piad_settings_are_found_under_either_name_or_in_the_root(folder, tmp_path):
    dataset = open_dataset("piad", make_piad(tmp_path, folder=folder), "seen-test")
    assert [entry.label for entry in dataset.entries] == ["Bag", "Chair", "StorageFurniture"]
    assert [entry.affordance for entry in dataset.entries] == ["lift", "sit", "open"]
    assert float(dataset[1].object.heat.max()) == 1.0
    assert open_dataset("piad", tmp_path, "seen-train")[0].object is not None


def test_pico_marks_whole_faces_and_drops_patches_without_partner(tmp_path):
    dataset = open_dataset("pico", make_pico(tmp_path), "all")
    sample = dataset[1]
    assert sample.entry.label == "skateboard" and touched(sample) == vertices(0, 3)
    assert isinstance(sample.object.surface, Mesh) and sample.object.surface.num_faces == 8
    assert sample.object.heat.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    listed = open_dataset("pico", tmp_path, "test")
    assert [entry.key for entry in listed.entries] == ["cup__hake_5"]
    with pytest.raises(AssetError, match="use --split all"):
        open_dataset("pico", tmp_path, "train")


def test_rich_finds_contact_by_name_or_stem(tmp_path):
    dataset = open_dataset("rich", make_rich(tmp_path), "val")
    assert {entry.label for entry in dataset.entries} == {"scene"}
    assert touched(dataset[1]) == vertices(1, 40)
    assert all(entry.image.is_file() for entry in dataset.entries)


def test_hoi_vqa_reads_raw_answers_and_conversations(tmp_path):
    root = make_hoi_vqa(tmp_path)
    raw = open_dataset("hoi-vqa", root, "damon")
    assert [entry.label for entry in raw.entries] == ["Bed", "tennis_racket"]
    assert raw[1].turns[1].answer == "Right hand." and "tennis racket" in raw[1].turns[1].question
    assert raw.notes[0].startswith("2 records lack")
    assert raw.entries[0].image == root / "damon/train/images/a.jpg"
    talk = open_dataset("hoi-vqa", root, "lemon")[0].turns
    assert [turn.answer for turn in talk] == ["A coat.", "The back."]
    assert "<image>" not in talk[0].question


def _damon_with(root, labels):
    make_damon(root)
    dump(labels, root / "test/contact_label_objectwise.pkl")
    return "damon", "test"


def _broken(name, split, file, text, maker):
    def make(root):
        maker(root)
        (root / file).write_text(text)
        return name, split

    return make


def _lemon_swapped(root):
    make_3dir(root)
    listing = root / "txt_scripts/Point_val.txt"
    first, second, third = listing.read_text().split()
    listing.write_text("\n".join([second, first, third]))
    return "3dir", "val"


def _lemon_contact(values):
    def make(root):
        make_3dir(root)
        dump(values, root / "smplh_contact_pkl/Backpack/carry/Backpack_carry_1.pkl")
        return "3dir", "val"

    return make


PIAD_POINTS = "Seen/Point/Test/Bag/Point_Test_Bag_1.txt"
PICO_CONTACTS = "cup__hake_5/corresponding_contacts.json"


def _pico_points(body, thing):
    patches = [{"name": "objShapex", "contactPoints": thing}]
    patches.append({"name": "humanShapex", "contactPoints": body})
    return _broken("pico", "all", PICO_CONTACTS, json.dumps({"data": patches}), make_pico)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda root: _damon_with(root, DAMON_LABELS[:2]), "labels 2 photos, 3 are listed"),
        (lambda root: _damon_with(root, [{"cup": [6890]}, {}, {}]), "6890 to 6890 for .cup"),
        (lambda root: _damon_with(root, [{"cup": [0.5]}, {}, {}]), "no list of whole numbers"),
        (lambda root: _damon_with(root, [{"cup": [[1], [2, 3]]}, {}, {}]), "no array"),
        (lambda root: _damon_with(root, [{"cup": None}, {}, {}]), "no list of whole numbers"),
        (lambda root: _damon_with(root, [["cup"], {}, {}]), "dictionary of texts, found list of 1"),
        (lambda root: _damon_with(root, "labels"), "one entry per photo, found str"),
        (lambda root: ("damon", "test"), "lacks 'hot_dca_test.npz' or"),
        (_lemon_swapped, "is a 'Chair', its photo shows a 'Backpack'"),
        (_lemon_contact(np.ones(10475)), "must give 6890 numbers.*found an array .10475"),
        (_lemon_contact(np.full(6890, np.nan)), "not finite"),
        (_broken("3dir", "val", "txt_scripts/Point_val.txt", "a\n", make_3dir), "1 objects for 3"),
        (_broken("3dir", "val", "txt_scripts/val.txt", "Images/Cup/fly/a.jpg\n" * 3, make_3dir),
         "expected .../OBJECT/AFFORDANCE/NAME"),
        (_broken("piad", "seen-test", PIAD_POINTS, "", make_piad), "holds no points"),
        (_broken("piad", "seen-test", PIAD_POINTS, "id Bag 1 2 3\n", make_piad), "5 fields"),
        (_broken("piad", "seen-test", PIAD_POINTS, point_lines(1, 2), make_piad), "20 fields.*22"),
        (_broken("piad", "seen-test", PIAD_POINTS, "i Bag " + "x " * 20, make_piad), "no number"),
        (_broken("piad", "seen-test", PIAD_POINTS, "i Bag " + "nan " * 20, make_piad), "NaN"),
        (_broken("piad", "seen-test", PIAD_POINTS, "i Bag " + "7 " * 20, make_piad), "0 to 1"),
        (_broken("piad", "seen-test", PIAD_POINTS, "i Hat " + "0 " * 20, make_piad), "a .Bag"),
        (_broken("pico", "all", PICO_CONTACTS, "{", make_pico), "not valid JSON"),
        (_broken("pico", "all", PICO_CONTACTS, "{}", make_pico), "pairs no patch"),
        (_pico_points(["v 1"], ["f 99 1 0 0"]), "names face 99, the mesh has 8"),
        (_pico_points(["v 1"], ["e 3 1 0 0"]), "contact point 'e 3 1 0 0'"),
        (_pico_points(["v 1", "v 2"], ["f 1 1 0 0"]), "pairs 2 body with 1 object"),
        (_pico_points(["v 7000"], ["f 1 1 0 0"]), "SMPL has 0 to 6889"),
        (_broken("rich", "val", "img_list_val.pkl", "no pickle", make_rich), "cannot be read"),
        (_broken("hoi-vqa", "lemon", "hoi_vqa/lemon.json", "{}", make_hoi_vqa), "list of records"),
        (_broken("hoi-vqa", "lemon", "hoi_vqa/lemon.json",
                 '[{"image": "a", "conversations": [{"from": "gpt", "value": ""}, {}]}]',
                 make_hoi_vqa), "not by 'human'"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_one_sentence_with_file_and_fix(make, expected, tmp_path):
    name, split = make(tmp_path)
    with pytest.raises(AssetError, match=expected) as caught:
        list(open_dataset(name, tmp_path, split))
    message = str(caught.value)
    assert message.startswith(SOURCES[name].title) and str(tmp_path) in message
    assert SOURCES[name].site in message and "\n" not in message


def test_a_data_set_that_is_not_here_tells_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    with pytest.raises(AssetError, match=r"--root.*deco.is.tue.mpg.de.*non-commercial"):
        open_dataset("damon", None, "test")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(AssetError, match="is not here"):
        open_dataset("damon", None, "test")
    make_damon(tmp_path / "damon")
    assert len(open_dataset("damon", None, "test")) == 5
    with pytest.raises(InputError, match="no split 'val'; allowed: test"):
        open_dataset("damon", None, "val")
    with pytest.raises(InputError, match="unknown"):
        open_dataset("dragons", None, "test")
