"""`interactvlm library`: exit codes, JSON, pictures, and one sentence for every fault."""

import json

import pytest
import trimesh
from PIL import Image

from interactvlm.cli import main as cli
from object_retrieval import embedded_library


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setattr(embedded_library, "LIBRARY_CATEGORIES", ("chair", "wine glass"))
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree/stool").mkdir(parents=True)
    trimesh.creation.box((30, 45, 30)).export(tmp_path / "tree/stool/a.stl")
    return tmp_path / "tree"


def test_list_and_its_picture(capsys, tmp_path):
    assert cli.main(["library", "list", "--variants", "2", "--picture", "all.png"]) == 0
    out = capsys.readouterr().out
    assert "wine glass" in out and "4 shapes in 2 categories" in out and " m " in out
    assert Image.open(tmp_path / "all.png").width == 320
    assert cli.main(["library", "list", "--variants", "2", "--category", "chair", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in listed["items"]] == ["chair/0000", "chair/0001"]
    assert {"extent_m", "parts", "triangles", "source", "licence"} <= listed["items"][0].keys()


def test_show(capsys, tmp_path):
    assert cli.main(["library", "show", "chair/0001", "--variants", "2"]) == 0
    out = capsys.readouterr().out
    assert "seat (" in out and "licence: CC0-1.0" in out
    picture = tmp_path / "interactvlm_output/chair-0001.png"
    assert str(picture.relative_to(tmp_path)) in out and picture.is_file()
    arguments = ["library", "show", "chair/0001", "--variants", "2", "--json", "--out", "x.png"]
    assert cli.main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["picture"] == "x.png"


def test_export_then_list_what_was_exported(capsys):
    arguments = ["library", "export", "--out", "out", "--variants", "2"]
    assert cli.main([*arguments, "--category", "chair", "--category", "wine glass"]) == 0
    assert "4 shapes made, 0 kept" in capsys.readouterr().out
    assert cli.main(["library", "list", "--library", "out", "--category", "wine glass"]) == 0
    assert "wine glass/0001" in capsys.readouterr().out


def test_build_exits_1_when_something_was_skipped(capsys, tree):
    assert cli.main(["library", "build", str(tree), "--unit", "cm"]) == 0
    assert "1 shapes made, 0 kept, 0 skipped" in capsys.readouterr().out
    (tree / "stool/b.obj").write_text("nothing")
    assert cli.main(["library", "build", str(tree), "--unit", "cm"]) == 1
    out = capsys.readouterr().out
    assert "1 kept, 1 skipped" in out and "b.obj" in out
    arguments = ["library", "show", "stool/a", "--library", "interactvlm_output/library-tree"]
    assert cli.main(arguments) == 0
    assert "0.300 0.300 0.450 m" in capsys.readouterr().out


def test_add(capsys, tree):
    file = str(tree / "stool/a.stl")
    assert cli.main(["library", "add", file, "--library", "mine", "--category", "stool"]) == 0
    assert "added stool/a: 12 triangles, size unknown" in capsys.readouterr().out
    assert cli.main(["library", "list", "--library", "mine"]) == 0
    assert "size unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "library needs an action"),
        (["lits"], "did you mean 'list'?"),
        (["list", "--library", "nowhere"], "no finished library here"),
        (["list", "--category", "sofa", "--variants", "1"], "it has chair, wine glass"),
        (["list", "--variants", "0"], "variants must be 1 to 4096"),
        (["list", "--variants", "1", "--picture", "a.jpg"], "written as .png"),
        (["show", "chair/9999", "--variants", "1"], "no library item is named 'chair/9999'"),
        (["build", "absent"], "folder of meshes not found"),
        (["build", ".", "--limit", "0"], "limit must be at least 1"),
        (["build", ".", "--unit", "m", "--scale", "2"], "not both"),
        (["build", ".", "--categories", "absent.csv"], "list of categories not found"),
        (["add", "absent.obj", "--library", "x", "--category", "a"], "not found"),
        (["export", "--out", "x", "--variants", "1", "--category", "sofa"], "no categories"),
    ],
)
def test_every_fault_is_one_sentence_and_exit_2(capsys, arguments, expected):
    assert cli.main(["library", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert expected in error and error.startswith("interactvlm: ")


def test_an_error_is_json_where_json_was_asked_for(capsys):
    assert cli.main(["library", "show", "chair/9", "--variants", "1", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "InputError"
