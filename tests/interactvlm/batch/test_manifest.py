"""Manifests as spreadsheets and people write them; every fault is one sentence with its place."""

import json
from pathlib import Path

import pytest
from PIL import Image

from interactvlm.batch import manifest
from interactvlm.batch.manifest import read_rows
from interactvlm.errors import InputError

COLUMNS = {
    "photo": manifest.file, "label": manifest.names, "box": manifest.box,
    "person": manifest.whole_number, "skip": manifest.text,
}  # fmt: skip


def rows_of(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(path, COLUMNS)


def test_a_spreadsheet_with_mark_crlf_capitals_and_empty_cells(tmp_path):
    content = (
        b"\xef\xbb\xbfPhoto, Label ,box,,\r\n"
        b'a.jpg,"chair; cup","1, 2 30 40.5",,\r\n'
        b"\r\n"
        b"sub/b.jpg,,\r\n"
        b'"c, d.jpg"\r\n'
    )
    first, second, third = rows_of(tmp_path / "m.CSV", content)
    assert first.values == {
        "photo": tmp_path / "a.jpg",
        "label": ("chair", "cup"),
        "box": (1.0, 2.0, 30.0, 40.5),
    }
    assert second.values == {"photo": tmp_path / "sub" / "b.jpg"}
    assert third.values == {"photo": tmp_path / "c, d.jpg"}
    assert [row.number for row in (first, second, third)] == [1, 2, 3]
    assert "line 4 of" in second.place


def test_json_lines_with_lists_numbers_and_null(tmp_path):
    lines = [
        {"photo": "../a.jpg", "label": ["chair", "cup"], "box": [1, 2, 3, 4], "person": 2},
        {"photo": "/abs/ä\u2028b.jpg", "label": None, "skip": True},
    ]
    content = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n"
    first, second = rows_of(tmp_path / "m.jsonl", content)
    assert first.values == {
        "photo": tmp_path.parent / "a.jpg",
        "label": ("chair", "cup"),
        "box": (1.0, 2.0, 3.0, 4.0),
        "person": 2,
    }
    assert second.values == {"photo": Path("/abs/ä\u2028b.jpg"), "skip": "True"}


def test_paths_are_relative_to_the_manifest_not_to_where_one_stands(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / "m.csv").write_text("photo\na.jpg\n")
    assert read_rows(Path("sub/m.csv"), COLUMNS)[0].values["photo"] == tmp_path / "sub" / "a.jpg"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("photo,lable\na.jpg,cup\n", r"unknown column 'lable'; did you mean 'label'\?; line 2"),
        ("photo;label\na.jpg;cup\n", "commas between columns"),
        ("photo,photo\na.jpg,b.jpg\n", "a column twice"),
        ("label\ncup\n", "names no photo; line 2"),
        ("photo,label\n ,cup\n", "names no photo; line 2"),
        ("photo\na.jpg\nb, c.jpg\n", "2 cells, the header names 1.*quotes; line 3"),
        ("photo,box\na.jpg,1 2 3\n", "box must be four numbers"),
        ("photo,box\na.jpg,5 2 3 9\n", "box must be four numbers"),
        ("photo,box\na.jpg,1 2 nan 9\n", "box must be four numbers"),
        ("photo,box\na.jpg,left\n", "box must be four numbers"),
        ("photo,person\na.jpg,0\n", "person must be a whole number from 1, got '0'"),
        ("photo,person\na.jpg,second\n", "whole number"),
        ("photo,label\na.jpg,; ;\n", "label must be names"),
        ('photo\n"a.jpg\n', "no CSV"),
        ("photo\n", "no rows"),
        ("", "no rows"),
        (b"photo\n\xff\xfea.jpg\n", r"not UTF-8 text \(byte 6\)"),
    ],
)
def test_every_fault_of_a_csv_is_one_sentence(tmp_path, content, said):
    with pytest.raises(InputError, match=said) as caught:
        rows_of(tmp_path / "m.csv", content)
    assert "m.csv" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"photo": "a.jpg"}\n{"photo": \n', "no valid JSON.*line 2"),
        ('["a.jpg"]\n', "must be an object"),
        ('{"photo": 3}\n', "photo must be a path, got 3"),
        ('{"photo": "a\\u0000.jpg"}\n', "photo must be a path"),
        ('{"photo": "a.jpg", "label": 3}\n', "label must be names"),
        ('{"photo": "a.jpg", "label": [3]}\n', "label must be names"),
        ('{"photo": "a.jpg", "box": [1, 2, 3, null]}\n', "box must be four numbers"),
        ('{"photo": "a.jpg", "skip": {}}\n', "skip must be text"),
        ("[" * 100_000 + "\n", "no valid JSON"),
    ],
)
def test_every_fault_of_json_lines_is_one_sentence(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        rows_of(tmp_path / "m.jsonl", content)


def test_a_folder_gives_its_photos_in_order_and_no_results(tmp_path):
    for name in ("b.JPG", "a.jpeg", "sub/c.png", ".hidden.jpg", ".trash/d.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("runs/ledger.sqlite", "runs/items/00001-a/overlay.png", "one/provenance.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    Image.new("RGB", (20, 20)).save(tmp_path / "one" / "overlay.png")
    found = read_rows(tmp_path, COLUMNS)
    names = [row.values["photo"].relative_to(tmp_path).as_posix() for row in found]
    assert names == ["a.jpeg", "b.JPG", "sub/c.png"]


def test_a_folder_without_photos_says_what_is_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"no photos.* 1 other files.*\.jpg"):
        read_rows(tmp_path, COLUMNS)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.csv", "a.jpg"])
def test_what_is_neither_folder_nor_manifest(tmp_path, name):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match="manifest"):
        read_rows(tmp_path / name, COLUMNS)
