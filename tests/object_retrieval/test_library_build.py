"""Trees of meshes made into libraries: categories, resuming, bad files, lists."""

import json
import shutil
from pathlib import PurePosixPath

import pytest
import trimesh
from filelock import FileLock

from object_retrieval import library_build
from object_retrieval.category_names import read_category_names, words_of
from object_retrieval.import_settings import ImportSettings
from object_retrieval.library import Library
from object_retrieval.library_build import (
    LEDGER_FILE,
    LOCK_FILE,
    SKIPPED_FILE,
    add_to_library,
    build_library,
)
from object_retrieval.library_files import LIBRARY_FILE
from renders.errors import InputError

METRES = ImportSettings(unit="m", licence="CC-BY-4.0")


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name, size in (
        ("chair/red.obj", 0.9), ("chair/old/red.obj", 1.1), ("chair/red.stl", 1.0),
        ("Wine_Glass/a.ply", 0.2), ("Möbel/ä.glb", 2.0),
    ):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        trimesh.creation.box((size / 2, size, size / 4)).export(path)
    (root / "chair/bad.obj").write_text("Dear reader,\n")
    (root / "chair/readme.txt").write_text("1 2 3\n")
    (root / "chair/._red.obj").write_text("x")
    return root


@pytest.fixture
def reads(monkeypatch):
    """Every file that was read."""
    seen, real = [], library_build.shape_of_file

    def counted(path, settings):
        seen.append(path.name)
        return real(path, settings)

    monkeypatch.setattr(library_build, "shape_of_file", counted)
    return seen


def test_a_tree_becomes_a_library_and_bad_files_are_told(tree, tmp_path):
    out = tmp_path / "out"
    report = build_library(tree, out, METRES)
    assert (report.made, report.kept, len(report.skipped)) == (5, 0, 1)
    library = Library.open(out)
    assert library.categories == ("chair", "möbel", "wine glass")
    names = {item.name for item in library.items}
    assert names == {
        "chair/red.obj", "chair/red.stl", "chair/old/red", "wine glass/a", "möbel/ä",
    }  # fmt: skip
    glass = library["wine glass/a"]
    assert glass.extent_m == pytest.approx((0.1, 0.05, 0.2), abs=1e-6)
    assert (glass.licence, glass.source, glass.triangles) == ("CC-BY-4.0", "Wine_Glass/a.ply", 12)
    assert library.mesh("möbel/ä").num_faces == 12
    prior = library.size_prior("chair")
    assert prior.count == 3 and prior.mean_m == pytest.approx(1.0)
    rows = (out / SKIPPED_FILE).read_text(encoding="utf-8").splitlines()
    assert rows[0] == "file,reason" and "chair/bad.obj" in rows[1] and "no points" in rows[1]
    assert any("1 skipped" in line for line in report.lines())
    assert not any("unit is unknown" in line for line in report.lines())


def test_a_finished_build_reads_nothing_again(tree, tmp_path, reads):
    build_library(tree, tmp_path / "out", METRES)
    key = Library.open(tmp_path / "out").key
    reads.clear()
    again = build_library(tree, tmp_path / "out", METRES)
    assert reads == [] and (again.made, again.kept, len(again.skipped)) == (0, 5, 1)
    assert Library.open(tmp_path / "out").key == key


def test_changed_added_and_removed_files(tree, tmp_path, reads):
    out = tmp_path / "out"
    build_library(tree, out, METRES)
    reads.clear()
    (tree / "Wine_Glass/a.ply").unlink()
    trimesh.creation.box((3, 3, 3)).export(tree / "chair/bad.obj")
    trimesh.creation.icosphere(1).export(tree / "Möbel/new.off")
    next(out.rglob("ä.glb")).unlink()
    report = build_library(tree, out, METRES)
    assert sorted(reads) == ["bad.obj", "new.off", "ä.glb"] and not report.skipped
    assert "wine glass" not in Library.open(out).categories
    assert not (out / SKIPPED_FILE).exists()


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_killed_build_goes_on(tree, tmp_path, monkeypatch, reads, after):
    out, counted = tmp_path / "out", library_build.shape_of_file

    def dies(path, settings):
        if len(reads) == after:
            raise KeyboardInterrupt
        return counted(path, settings)

    monkeypatch.setattr(library_build, "shape_of_file", dies)
    with pytest.raises(KeyboardInterrupt):
        build_library(tree, out, METRES)
    with pytest.raises(InputError, match="no finished library here"):
        Library.open(out)
    with open(out / LEDGER_FILE, "a") as stream:
        stream.write('{"key": "chair/red.obj", "sta')  # the line that was being written
    monkeypatch.setattr(library_build, "shape_of_file", counted)
    reads.clear()
    report = build_library(tree, out, METRES)
    assert len(reads) == 6 - after and len(report.skipped) == 1
    whole = tmp_path / "whole"
    build_library(tree, whole, METRES)
    assert (out / LIBRARY_FILE).read_text() == (whole / LIBRARY_FILE).read_text()


def test_other_settings_need_another_folder(tree, tmp_path):
    build_library(tree, tmp_path / "out", METRES)
    with pytest.raises(InputError, match="begun with other settings"):
        build_library(tree, tmp_path / "out", ImportSettings(unit="cm", licence="CC-BY-4.0"))


def test_unknown_units_tell_no_size(tree, tmp_path):
    report = build_library(tree, tmp_path / "out", ImportSettings())
    assert any("unit is unknown" in line for line in report.lines())
    library = Library.open(tmp_path / "out")
    assert not any(item.scale_known for item in library.items)
    assert {item.largest_extent_m for item in library.items} == {1.0}
    with pytest.raises(InputError, match="none of its 3 items has a known scale"):
        library.size_prior("chair")


def test_the_library_may_lie_in_its_own_tree_and_the_tree_may_have_no_folders(tree, tmp_path):
    for _ in range(2):
        report = build_library(tree / "Möbel", tree / "Möbel/lib", METRES)
        assert report.made + report.kept == 1
    assert Library.open(tree / "Möbel/lib").items[0].name == "möbel/ä"


def test_folders_with_nothing_in_them(tmp_path, tree):
    with pytest.raises(InputError, match="folder of meshes not found"):
        build_library(tmp_path / "absent", tmp_path / "out", METRES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="none of the 0 mesh files"):
        build_library(tmp_path / "empty", tmp_path / "out", METRES)
    shutil.rmtree(tree / "chair")
    assert build_library(tree, tmp_path / "out", METRES, limit=1).made == 1


def test_only_one_process_writes(tree, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with (
        FileLock(out / LOCK_FILE),
        pytest.raises(InputError, match="another process is writing"),
    ):
        build_library(tree, out, METRES)
    assert build_library(tree, out, METRES).made == 5


def test_added_shapes_stay_when_the_tree_is_built_again(tree, tmp_path):
    out = tmp_path / "out"
    build_library(tree, out, METRES)
    stored = add_to_library(out, tree / "chair/red.obj", "Arm_Chair", METRES)
    assert stored.item.name == "arm chair/red"
    with pytest.raises(InputError, match="already has an item named 'arm chair/red'"):
        add_to_library(out, tree / "chair/red.obj", "arm chair", METRES)
    add_to_library(out, tree / "chair/red.obj", "chair", METRES, "mine/../../x")
    with pytest.raises(InputError, match="no points"):
        add_to_library(out, tree / "chair/bad.obj", "chair", METRES)
    with pytest.raises(InputError, match="needs a category"):
        add_to_library(out, tree / "chair/red.obj", " ", METRES)
    build_library(tree, out, METRES)
    library = Library.open(out)
    assert len(library) == 7
    assert library.mesh("mine/../../x").num_faces == library.mesh("arm chair/red").num_faces == 12
    assert all(path.is_relative_to(out) for path in tmp_path.rglob("x*.glb"))


def test_one_file_begins_a_library(tree, tmp_path):
    add_to_library(tmp_path / "new", tree / "chair/red.stl", "chair", METRES)
    assert Library.open(tmp_path / "new").categories == ("chair",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("map.csv", "03001627,Chair\n1a04e3,wine_glass\n"),
        ("map.csv", "\ufeff03001627,chair\n\n1a04e3,wine glass\nx,\n"),
        ("map.json", '{"03001627": "chair", "1a04e3": "wine glass"}'),
        ("lvis.json", '{"chair": ["03001627"], "wine_glass": ["1a04e3", "zz"]}'),
        ("taxonomy.json", json.dumps([
            {"synsetId": "03001627", "name": "chair", "children": [], "numInstances": 6778},
            {"synsetId": "1a04e3", "name": "wine glass,goblet", "children": ["1"]},
        ])),
    ],
)  # fmt: skip
def test_lists_of_categories(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    names = read_category_names(tmp_path / name)
    assert names.of(PurePosixPath("03001627/abc/models/model_normalized.obj")) == "chair"
    assert names.of(PurePosixPath("glbs/000-023/1a04e3.glb")) == "wine glass"
    assert names.of(PurePosixPath("03001627/1a04e3/model.obj")) == "wine glass", "nearest"
    assert names.of(PurePosixPath("other/abc.obj")) is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", "{", "cannot be read"),
        ("a.json", "3", "cannot be read"),
        ("a.json", '[{"name": "chair"}]', "synsetId"),
        ("a.json", '{"chair": 3}', "cannot be read"),
        ("a.csv", "chair\n", "no second column"),
        ("a.csv", "", "is empty"),
    ],
)
def test_lists_that_are_none(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=expected):
        read_category_names(tmp_path / name)
    with pytest.raises(InputError, match="not found"):
        read_category_names(tmp_path / "absent.csv")


def test_files_that_a_list_does_not_name_are_counted(tmp_path):
    tree = tmp_path / "ShapeNet"
    for synset in ("03001627", "99999999"):
        folder = tree / synset / "1a" / "models"
        folder.mkdir(parents=True)
        trimesh.creation.box().export(folder / "model_normalized.obj")
    (tmp_path / "map.csv").write_text("03001627,chair\n")
    names = read_category_names(tmp_path / "map.csv")
    report = build_library(tree, tmp_path / "out", ImportSettings(front="-z"), names)
    assert (report.made, report.unlisted, report.skipped) == (1, 1, [])
    (item,) = Library.open(tmp_path / "out").items
    assert item.name == "chair/03001627/1a/models/model_normalized"
    (tmp_path / "map.csv").write_text("0000,chair\n")
    with pytest.raises(InputError, match="none of the 2 mesh files"):
        build_library(tree, tmp_path / "out2", METRES, read_category_names(tmp_path / "map.csv"))


def test_words_of_folders():
    assert words_of("Wine__Glass ") == "wine glass"
