"""The result folder: exact content, whole or not at all, safe with hostile words."""

import errno
import json
import os
import re
import subprocess

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm import pictures, report_page, result_folder
from interactvlm.errors import InputError, ResourceError
from interactvlm.photo import Photo
from interactvlm.presets import preset
from interactvlm.provenance import Provenance
from interactvlm.report import ContactReport, write_result_folder
from interactvlm.results import ContactMap, load_contact_npz
from renders.canonical import build_object_view_set
from renders.mesh import Mesh, PointCloud

HOSTILE = "<script>alert('x')</script>\" onload=\"x"
FILES = {
    "contact.npz", "human.ply", "overlay.png", "views.png", "report.html", "report.json",
    "provenance.json", "config.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def topology():
    return get_topology("anny")


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "DRAWN_PX", 192)


def contact_on(topology, part, label, answer=""):
    probability = torch.zeros(topology.num_vertices)
    if part:
        probability[topology.part_of_vertex == PART_NAMES.index(part)] = 0.9
    seen = torch.ones(topology.num_vertices, dtype=torch.bool)
    return ContactMap(probability, "anny", label, 0.5, seen, None, answer)


def report_of(maps, *, photo=None, box=(10.0, 10.0, 50.0, 60.0), warnings=()):
    photo = photo or Photo(Image.new("RGB", (64, 80), "teal"), "fo<t>o.png", "a" * 64, 64, 80)
    made = Provenance("a" * 64, "assets/mini", "b" * 64, "0.1.0", 3, "cpu", "3.11", {"torch": "2"})
    return ContactReport(photo, maps, made, preset("mini"), box, {"read": 0.1234567}, warnings)


@pytest.fixture
def report(topology):
    maps = [
        contact_on(topology, "right hand", "cup", "The right hand <HCON>."),
        contact_on(topology, None, HOSTILE, "<b>None</b>"),
    ]
    return report_of(maps, warnings=("two <frames>",))


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_report_json_has_exactly_the_promised_fields(tmp_path, report, topology):
    returned = write_result_folder(tmp_path / "out", report)
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert stored == returned
    assert set(stored) == {"input", "contacts", "timings_s", "provenance", "warnings"}
    assert stored["input"] == {"path": "fo<t>o.png", "sha256": "a" * 64, "width": 64, "height": 80}
    hand = int((topology.part_of_vertex == PART_NAMES.index("right hand")).sum())
    assert stored["contacts"][0] == {
        "label": "cup", "topology": "anny", "contact_vertices": hand,
        "body_parts": ["right hand"], "answer": "The right hand <HCON>.", "max_probability": 0.9,
    }  # fmt: skip
    assert stored["contacts"][1]["contact_vertices"] == 0
    assert stored["contacts"][1]["body_parts"] == []
    assert set(stored["timings_s"]) == {"read", "draw"}
    assert stored["provenance"] == {
        "weights": "assets/mini", "weights_sha256": "b" * 64, "version": "0.1.0", "seed": 3,
    }  # fmt: skip
    assert stored["warnings"] == ["two <frames>"]


def test_every_file_can_be_read_back(tmp_path, report, topology):
    out = tmp_path / "größe ☕"
    write_result_folder(out, report)
    assert set(content_of(out)) == FILES and not leftovers(tmp_path)
    maps = load_contact_npz(out / "contact.npz")
    assert [m.label for m in maps] == ["cup", HOSTILE]
    mesh = trimesh.load(out / "human.ply", process=False)
    assert len(mesh.vertices) == topology.num_vertices and len(mesh.faces) == len(topology.faces)
    np.testing.assert_allclose(mesh.vertices, topology.canonical_vertices.numpy(), atol=1e-6)
    hand = (topology.part_of_vertex == PART_NAMES.index("right hand")).numpy()
    red, green, _ = mesh.visual.vertex_colors[hand][0, :3].astype(int)
    assert red > 2 * green, "contact is red"
    assert np.ptp(mesh.visual.vertex_colors[~hand][:, :3].astype(int), axis=1).max() < 20
    for name in ("overlay.png", "views.png"):
        Image.open(out / name).load()
    assert preset("mini").to_dict() == preset("mini").load(out / "config.json").to_dict()


def test_page_escapes_every_foreign_word_and_loads_nothing(tmp_path, report):
    write_result_folder(tmp_path / "out", report)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<b>None" not in page and "<t>" not in page
    assert "<frames>" not in page and ' onload="x' not in page
    assert "&lt;script&gt;" in page and "fo&lt;t&gt;o.png" in page
    assert "default-src 'none'" in page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources and all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"https?://|url\(|@import", page)
    assert page.count("<figure>") == 1 + 4 * 2, "the photo and four views per label"


def test_page_says_no_contact(tmp_path, topology):
    write_result_folder(tmp_path / "out", report_of([contact_on(topology, None, "ball")]))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No contact found" in page and "No body part touches" in page


def test_unseen_contact_points_are_counted(tmp_path, topology):
    contact = contact_on(topology, "left foot", "ball")
    foot = topology.part_of_vertex == PART_NAMES.index("left foot")
    unseen = foot.nonzero().flatten()[:7]
    contact.seen[unseen] = False
    write_result_folder(tmp_path / "out", report_of([contact]))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "of these seen by no view</dt><dd>7</dd>" in page


def test_same_result_gives_the_same_bytes(tmp_path, report):
    for name in ("first", "second"):
        write_result_folder(tmp_path / name, report)
    first, second = content_of(tmp_path / "first"), content_of(tmp_path / "second")
    for name in FILES - {"report.json", "report.html"}:  # these two tell the seconds
        assert first[name] == second[name], name


def test_existing_folder_keeps_strangers_and_replaces_ours(tmp_path, report, topology):
    out = tmp_path / "out"
    write_result_folder(out, report)
    (out / "notes.txt").write_text("mine")
    write_result_folder(out, report_of([contact_on(topology, "head", "hat")]))
    assert json.loads((out / "report.json").read_text())["contacts"][0]["label"] == "hat"
    assert (out / "notes.txt").read_text() == "mine" and not leftovers(tmp_path)


def test_empty_folder_is_filled(tmp_path, report):
    (tmp_path / "out").mkdir()
    write_result_folder(tmp_path / "out", report)
    assert set(content_of(tmp_path / "out")) == FILES


@pytest.mark.parametrize("call", range(5))
def test_full_disk_leaves_the_old_result_whole(tmp_path, report, topology, monkeypatch, call):
    out = tmp_path / "out"
    write_result_folder(out, report)
    before, calls = content_of(out), iter(range(100))
    write = result_folder.write_bytes

    def full(path, data):
        if next(calls) == call:
            path.write_bytes(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(result_folder, "write_bytes", full)
    with pytest.raises(ResourceError, match="No space left.*--out"):
        write_result_folder(out, report_of([contact_on(topology, "head", "hat")]))
    assert content_of(out) == before and not leftovers(tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_stopped_at_the_flush_nothing_appears(tmp_path, report, monkeypatch, error):
    def stop(handle):
        raise error

    monkeypatch.setattr(result_folder.os, "fsync", stop)
    with pytest.raises((ResourceError, KeyboardInterrupt)):
        write_result_folder(tmp_path / "out", report)
    assert list(tmp_path.iterdir()) == []


def test_report_json_appears_last(tmp_path, report, monkeypatch):
    out, order = tmp_path / "out", []
    write_result_folder(out, report)
    replace = os.replace

    def noting(source, target):
        order.append(os.path.basename(target))
        replace(source, target)

    monkeypatch.setattr(result_folder.os, "replace", noting)
    write_result_folder(out, report)
    # Files that are themselves written through a temporary name come earlier and may repeat.
    assert order[-1] == "report.json" and set(order) == FILES


@pytest.mark.slow
def test_truly_full_file_system(tmp_path, report):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs is not allowed here")
    try:
        with pytest.raises(ResourceError, match="--out"):
            write_result_folder(place / "out", report)
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_place_that_cannot_hold_a_folder(tmp_path, report):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file"):
        write_result_folder(tmp_path / "file", report)
    with pytest.raises(ResourceError, match="cannot be written"):
        write_result_folder(tmp_path / "file" / "below", report)


def test_no_maps_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one"):
        write_result_folder(tmp_path / "out", report_of([]))


def test_heat_starts_grey_and_darkens_with_probability():
    colours = pictures.heat_colours(torch.tensor([0.0, 0.05, 0.4, 0.7, 1.0, 1.0]))
    assert torch.equal(colours[0], colours[1]) and torch.equal(colours[4], colours[5])
    assert (colours[1:5].sum(1).diff() < 0).all()


def test_overlay_draws_box_and_lines_on_any_size():
    for size in ((16, 400), (4000, 300)):
        picture = pictures.overlay(
            Image.new("RGB", size), (1.0, 1.0, 15.0, 200.0), [("a" * 999, True)]
        )
        assert max(picture.width, 1) <= pictures.OVERLAY_SIDE_PX
    box = pictures.overlay(Image.new("RGB", (100, 100)), (20.0, 20.0, 80.0, 80.0), [])
    assert box.size == (100, 100) and box.getpixel((20, 50)) == pictures.BOX_COLOUR


def test_area_of_the_whole_body_is_that_of_a_person(topology):
    everything = torch.ones(topology.num_vertices, dtype=torch.bool)
    assert 12_000 < report_page.contact_area_cm2(everything, topology) < 25_000
    assert report_page.contact_area_cm2(~everything, topology) == 0
    shares = report_page.part_shares(everything, topology)
    assert set(shares.values()) == {1.0}


def test_object_pictures_are_lit_from_both_sides_and_coloured_by_heat(tmp_path):
    box = trimesh.creation.box((1, 1, 1))
    vertices, faces = torch.tensor(box.vertices).float(), torch.tensor(box.faces)
    heat = (vertices[:, 1] > 0).float()
    shown = []
    for wound in (faces, faces.flip(1)):
        views = build_object_view_set(Mesh(vertices, wound), 192, tmp_path)
        shown.append([np.asarray(image) for image in pictures.object_views(heat, views)])
    for one, other in zip(*shown, strict=True):
        np.testing.assert_allclose(one.astype(int), other.astype(int), atol=2)
    red, green, _ = np.moveaxis(shown[0][0].astype(int), -1, 0)
    hot = (red > 2 * green).any(1).nonzero()[0]
    grey = ((red - green) ** 2 < 100) & (red < 250)
    cold = grey.any(1).nonzero()[0]
    assert hot.min() < cold.min() and hot.max() < cold.max(), "the heat is on top"


def test_points_are_drawn_whatever_their_number(tmp_path):
    for count in (2, 200):
        points = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
        views = build_object_view_set(PointCloud(points), 96, tmp_path)
        images = pictures.object_views(torch.ones(count), views)
        assert len(images) == 4 and np.asarray(images[0]).min() < 200


def test_titles_of_narrow_pictures_do_not_overlap():
    narrow = [Image.new("RGB", (20, 100), "grey")] * 4
    sheet = pictures.contact_sheet([("bottle", narrow)], pictures.OBJECT_VIEW_TITLES)
    assert sheet.width > 4 * 130


def test_legend_runs_from_grey_to_dark_red():
    legend = np.asarray(pictures.heat_legend()).astype(int)
    bar = legend[10, :240]
    assert np.ptp(bar[0]) < 20 and bar[-1, 0] > 2 * bar[-1, 1]
