"""The library: what it lists, what it promises of sizes, what it says when asked badly."""

import json

import numpy as np
import pytest
import torch

from object_retrieval import embedded_library
from object_retrieval.library import Library, LibraryItem, LibraryShape, SizePrior
from object_retrieval.library_build import export_library
from object_retrieval.library_files import (
    LIBRARY_FILE,
    StoredItem,
    gltf_from_library,
    library_from_gltf,
    mesh_file,
    write_items,
    write_shape,
)
from object_retrieval.library_picture import contact_sheet, draw_shape, shape_picture
from renders.errors import InputError
from renders.mesh import Mesh

FEW = ("chair", "wine glass", "box")


@pytest.fixture(autouse=True)
def few_categories(monkeypatch, tmp_path):
    """The whole catalogue takes seconds; its laws do not depend on how many there are."""
    monkeypatch.setattr(embedded_library, "LIBRARY_CATEGORIES", FEW)
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def exported(tmp_path):
    library = Library.embedded(2)
    export_library(library, tmp_path / "out")
    return library, tmp_path / "out"


def item(name, extent=1.0, **values):
    category = name.split("/")[0]
    return LibraryItem(name, category, (0.1, extent, 0.2), ("a",), 4, "x", "CC0-1.0", **values)


def of(*items):
    return Library(items, lambda name: pytest.fail(f"{name} was read"))


def test_the_embedded_library_lists_without_building_twice(monkeypatch):
    first = Library.embedded(2)
    assert len(first) == 6 and first.categories == ("box", "chair", "wine glass")
    monkeypatch.setattr(embedded_library, "_catalogue", lambda *a: pytest.fail("built again"))
    second = Library.embedded(2)
    assert second.items == first.items and second.key == first.key
    chair = first["chair/0001"]
    assert (chair.category, chair.source, chair.licence) == ("chair", "procedural", "CC0-1.0")
    assert {"seat", "back"} <= set(chair.parts) and chair.scale_known
    mesh = first.mesh("chair/0001")
    assert mesh.num_faces == chair.triangles
    extent = mesh.vertices.amax(0) - mesh.vertices.amin(0)
    torch.testing.assert_close(extent, torch.tensor(chair.extent_m))


def test_fewer_variants_are_the_first_ones():
    two, three = Library.embedded(2), Library.embedded(3)
    assert {i.name for i in two.items} < {i.name for i in three.items}
    assert two.key != three.key
    assert two["box/0001"] == three["box/0001"]


@pytest.mark.parametrize("variants", [0, -1, 5000])
def test_impossible_numbers_of_variants(variants):
    with pytest.raises(InputError, match="variants must be 1 to 4096"):
        Library.embedded(variants)


def test_the_key_follows_content_and_not_order():
    a, b = item("chair/1", content_hash="1"), item("chair/2", content_hash="2")
    assert of(a, b).key == of(b, a).key
    others = [(a,), (a, item("chair/2", content_hash="3")), (a, item("stool/2", content_hash="2"))]
    assert len({of(a, b).key, *(of(*other).key for other in others)}) == 4


def test_unknown_names_tell_the_nearest():
    library = of(item("chair/0001"), item("stool/0001"))
    with pytest.raises(InputError, match="did you mean.*chair/0001"):
        library.mesh("chiar/0001")
    with pytest.raises(InputError, match="interactvlm library list"):
        library["qqqqqqqq"]
    assert "chair/0001" in library and "chair/2" not in library
    assert library.of_category("table") == ()


def test_sizes_are_of_the_largest_side_and_of_known_scale_only():
    library = of(
        item("chair/1", 1.0), item("chair/2", 3.0), item("chair/3", 99.0, scale_known=False),
        item("cup/1", 1.0, scale_known=False), item("bed/1", 2.0),
    )  # fmt: skip
    assert library.size_prior("chair") == SizePrior(2.0, 1.0, 2)
    assert library.size_prior("bed") == SizePrior(2.0, 0.0, 1)
    with pytest.raises(InputError, match="none of its 1 items has a known scale"):
        library.size_prior("cup")
    with pytest.raises(InputError, match="it has no items"):
        library.size_prior("sofa")


def test_an_exported_library_is_the_same_library(exported):
    library, folder = exported
    again = Library.open(folder)
    assert again.categories == library.categories and again.key == library.key
    for one in library.items:
        assert again[one.name] == one
        shape, other = library.shape(one.name), again.shape(one.name)
        assert other.parts == shape.parts
        for part in range(len(shape.parts)):
            corners = [
                found.mesh.vertices[found.mesh.faces[found.part_of_face == part]].reshape(-1, 9)
                for found in (shape, other)
            ]
            torch.testing.assert_close(corners[0], corners[1], atol=0, rtol=0)
        colors = [s.mesh.vertex_colors[s.mesh.faces[s.part_of_face == 0]] for s in (shape, other)]
        torch.testing.assert_close(colors[0], colors[1], atol=1 / 255, rtol=0)


def test_files_are_gltf_and_stand_upright_in_any_viewer(exported):
    import trimesh

    library, folder = exported
    scene = trimesh.load(folder / mesh_file("wine glass/0000"))
    assert set(scene.geometry) == set(library["wine glass/0000"].parts)
    x, y, z = library["wine glass/0000"].extent_m
    assert scene.extents.tolist() == pytest.approx([x, z, y], abs=1e-6)


def test_frames_of_files_and_library_undo_each_other():
    points = torch.randn(5, 3)
    assert torch.equal(library_from_gltf(gltf_from_library(points)), points)
    up, front = torch.tensor([[0.0, 1, 0]]), torch.tensor([[0.0, 0, 1]])
    assert library_from_gltf(up).tolist() == [[0, 0, 1]]
    assert library_from_gltf(front).tolist() == [[0, -1, 0]]


def test_export_of_some_categories_goes_on_where_it_was(exported, monkeypatch):
    library, folder = exported
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("*.glb")}
    (folder / mesh_file("box/0001")).unlink()
    report = export_library(library, folder)
    assert (report.made, report.kept) == (1, 5)
    changed = {p.name for p, t in times.items() if p.stat().st_mtime_ns != t}
    assert changed == {"0001.glb"}
    with pytest.raises(InputError, match=r"no categories \['sofa'\]"):
        export_library(library, folder, ("sofa", "box"))


def test_folders_that_are_no_library(tmp_path, exported):
    _, folder = exported
    good = (folder / LIBRARY_FILE).read_text()
    with pytest.raises(InputError, match="no finished library here"):
        Library.open(tmp_path / "nowhere")

    def broken(text, expected):
        (folder / LIBRARY_FILE).write_text(text)
        with pytest.raises(InputError, match=expected) as caught:
            Library.open(folder)
        assert "\n" not in str(caught.value)

    broken("{", "list is damaged")
    broken("[]", "list is damaged")
    broken(good.replace('"version": 1', '"version": 7'), "has version 7")
    broken(good.replace('"triangles"', '"tri"'), "list is damaged.*triangles")
    rows = json.loads(good)
    rows["items"].append(rows["items"][0])
    broken(json.dumps(rows), "names item 'box/0000' twice")


def test_files_that_are_not_what_the_list_says(exported):
    _, folder = exported
    path = folder / LIBRARY_FILE
    rows = json.loads(path.read_text())
    names = [row["name"] for row in rows["items"]]
    rows["items"][0]["file"] = "../../secret.glb"
    rows["items"][1]["file"] = "meshes/absent.glb"
    rows["items"][2]["triangles"] += 1
    rows["items"][3]["parts"][0] = "wing"
    path.write_text(json.dumps(rows))
    library = Library.open(folder)
    expected = ("outside the library", "not found", "triangles, expected", "has parts")
    for name, text in zip(names, expected, strict=False):
        with pytest.raises(InputError, match=text):
            library.mesh(name)
    damaged = folder / rows["items"][4]["file"]
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(InputError, match="no readable .glb"):
        library.mesh(names[4])


def test_names_of_files_are_safe_and_never_shared():
    assert mesh_file("chair/0003") == "meshes/chair/0003.glb"
    assert mesh_file("Stühle/ä b") == "meshes/Stühle/ä b.glb"
    odd = ["../x", "a:b", "a?b", "a|b", "..", "/", "x. ", "CON\x01"]
    files = [mesh_file(name) for name in odd]
    assert len(set(files)) == len(odd)
    assert all(".." not in f.split("/") and not set(f) & set(':?|"<>*\\') for f in files)


def test_pictures_show_the_front_on_the_side_that_is_named_front():
    # A white cube with a red knob on its front (-y) and a blue one on its left (+x).
    white, red, blue = (0.9, 0.9, 0.9), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    import trimesh

    pieces = [(0.0, 0.0, 0.0, 1.0, white), (0.0, -0.6, 0.0, 0.4, red), (0.6, 0.0, 0.0, 0.4, blue)]
    vertices, faces, colors = [], [], []
    for x, y, z, size, color in pieces:
        box = trimesh.creation.box((size,) * 3)
        faces.append(torch.tensor(box.faces) + 8 * len(vertices))
        vertices.append(torch.tensor(box.vertices + np.array([x, y, z])).float())
        colors.append(torch.tensor(color).expand(8, 3))
    mesh = Mesh(torch.cat(vertices), torch.cat(faces), torch.cat(colors))

    def share(view, channel):
        image = draw_shape(mesh, view, 64).astype(int)
        others = image.sum(-1) - image[..., channel]
        return ((image[..., channel] > 60) & (others < 40)).mean()

    assert share((0.0, 0.0), 0) > 0.03 and share((0.0, 180.0), 0) == 0
    assert share((0.0, 90.0), 2) > 0.03 and share((0.0, 270.0), 2) == 0
    plain = Mesh(mesh.vertices, mesh.faces)
    assert (draw_shape(plain, size_px=32) < 250).any()
    small = Mesh(1e-5 * mesh.vertices, mesh.faces, mesh.vertex_colors)
    assert abs(draw_shape(small, size_px=32).astype(int) - draw_shape(mesh, size_px=32)).max() < 30


def test_pictures_of_nothing_are_white():
    nothing = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long))
    point = Mesh(torch.ones(3, 3), torch.tensor([[0, 1, 2]]))
    for mesh in (nothing, point):
        assert (draw_shape(mesh, size_px=16) == 255).all()
    assert contact_sheet([]).size == (1, 1)
    sheet = contact_sheet([("é", nothing)] * 5, columns=2, tile_px=20)
    assert sheet.size == (40, 3 * 34)
    assert shape_picture("x", nothing, tile_px=20).width == 80


def test_odd_names_of_parts_survive(tmp_path):
    parts = ("world", "a/b", "geometry_0", 'Größe "x" {}', "part 0", "object", "base\nframe")
    steps = torch.arange(len(parts)).repeat_interleave(3)[:, None]
    corners = torch.eye(3).repeat(len(parts), 1) + steps
    faces = torch.arange(3 * len(parts)).reshape(-1, 3)
    shape = LibraryShape(Mesh(corners, faces), parts, torch.arange(len(parts)))
    odd = LibraryItem("odd", "odd", shape.extent_m, parts, len(parts), "x", "CC0-1.0")
    write_shape(tmp_path, "odd.glb", shape)
    write_items(tmp_path, [StoredItem(odd, "odd.glb")])
    again = Library.open(tmp_path).shape("odd")
    assert again.mesh.vertex_colors is None
    for part in range(len(parts)):
        (face,) = again.mesh.faces[again.part_of_face == part]
        assert sorted(again.mesh.vertices[face].tolist()) == sorted(corners[faces[part]].tolist())
