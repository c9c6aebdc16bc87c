"""A user's file as a library shape: frame, unit, looks, and every way a file can be bad."""

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from object_retrieval.import_settings import ImportSettings
from object_retrieval.library_import import library_from_file, shape_of_file
from object_retrieval.object_formats import read_shape
from object_retrieval.object_looks import ONE_PART, read_looks
from renders.errors import InputError

CUBE = "".join(f"v {x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1))
CUBE_FACES = "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"


@pytest.fixture
def written(tmp_path):
    def written(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def looks_of(path):
    return read_looks(path, read_shape(path))


@pytest.mark.parametrize(
    ("settings", "left", "front", "up"),
    [
        (ImportSettings(), (1, 0, 0), (0, 0, 1), (0, 1, 0)),
        (ImportSettings(front="-z"), (-1, 0, 0), (0, 0, -1), (0, 1, 0)),
        (ImportSettings(up="z"), (1, 0, 0), (0, -1, 0), (0, 0, 1)),
        (ImportSettings(up="z", front="x"), (0, 1, 0), (1, 0, 0), (0, 0, 1)),
        (ImportSettings(up="-y", front="x"), (0, 0, 1), (1, 0, 0), (0, -1, 0)),
        (ImportSettings(up="x"), (0, -1, 0), (0, 0, 1), (1, 0, 0)),
    ],
)
def test_axes_of_files_become_left_front_and_up(settings, left, front, up):
    rotation = library_from_file(settings)
    assert np.isclose(np.linalg.det(rotation), 1)
    assert (rotation @ left).tolist() == [1, 0, 0]
    assert (rotation @ front).tolist() == [0, -1, 0]
    assert (rotation @ up).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"up": "y", "front": "-y"}, "different axes"),
        ({"scale": 0.0}, "above 0"),
        ({"scale": float("nan")}, "above 0"),
        ({"scale": 2.0, "unit": "m"}, "not both"),
    ],
)
def test_settings_that_make_no_sense(values, expected):
    with pytest.raises(InputError, match=expected):
        ImportSettings(**values)


def test_an_asymmetric_shape_is_turned_scaled_and_stood_on_the_floor(written):
    # In the file (CAD, mm): 100 wide, 200 deep, 400 high, a spike on the front at -y.
    box = trimesh.creation.box((100, 200, 400))
    box.apply_translation((5000, 6000, 7000))
    spike = trimesh.creation.cone(10, 50, sections=8)
    spike.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    spike.apply_translation((5000, 5900, 7150))
    text = str(trimesh.util.concatenate([box, spike]).export(file_type="obj"))
    path = written("part.obj", text)
    shape, notes = shape_of_file(path, ImportSettings(up="z", unit="mm"))
    assert shape.extent_m == pytest.approx((0.1, 0.25, 0.4), abs=1e-6)
    low, high = shape.mesh.vertices.amin(0), shape.mesh.vertices.amax(0)
    torch.testing.assert_close((low + high)[:2], torch.zeros(2), atol=1e-6, rtol=0)
    assert float(low[2]) == 0 and notes == ()
    tip = shape.mesh.vertices[shape.mesh.vertices[:, 1].argmin()]
    assert tip[2] == pytest.approx(0.35, abs=1e-5), "the spike is high on the front"
    inches, _ = shape_of_file(path, ImportSettings(up="z", scale=0.0254 / 10))
    assert inches.extent_m[2] == pytest.approx(400 * 0.00254)


def test_a_shape_of_unknown_unit_is_one_large(written):
    shape, _ = shape_of_file(
        written("a.obj", CUBE.replace("1", "7") + CUBE_FACES), ImportSettings()
    )
    assert shape.extent_m == pytest.approx((1, 1, 1))


def test_digits_survive_geographic_coordinates(written):
    far = "".join(f"v {600_000 + x} {5_600_000 + y} {z}\n" for x in (0, 1) for y in (0, 1)
                  for z in (0, 1))  # fmt: skip
    near, _ = shape_of_file(written("near.obj", CUBE + CUBE_FACES), ImportSettings(unit="m"))
    moved, _ = shape_of_file(written("far.obj", far + CUBE_FACES), ImportSettings(unit="m"))
    assert torch.equal(near.mesh.vertices, moved.mesh.vertices)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.obj", "", "0 bytes"),
        ("letter.obj", "Dear reader,\nthis is no mesh.\n", "no points"),
        ("one.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "only 1 triangle with an area"),
        ("none.obj", CUBE, "has no triangles; a library"),
        ("nan.obj", CUBE.replace("v 0 0 0", "v nan 0 0") + CUBE_FACES, "1 of the .* 8 points"),
        ("flat.obj", CUBE.replace("1", "0") + CUBE_FACES, "no extent"),
        ("line.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\n" + 9 * "f 1 2 3\n", "only 0 triangles with"),
        ("huge.obj", CUBE.replace("1", "1e30") + CUBE_FACES, "units large"),
        ("wrong.obj", CUBE + "f 1 2 99\n", "name points 0 to 98"),
        ("cut.glb", b"glTF\x02\x00\x00\x00\xff\x00\x00\x00", "no readable .glb"),
        ("cut.ply", b"ply\nformat ascii 1.0\nelement vertex 3\n", "no readable|no points"),
        ("text.stl", "hello", "no readable .stl|no points|no triangles"),
        ("outside.gltf", '{"asset": {"version": "2.0"}, "buffers": [{"uri": "../x.bin", '
         '"byteLength": 4}]}', "outside its folder"),
    ],
)  # fmt: skip
def test_bad_files_are_one_clear_sentence(written, name, content, expected):
    with pytest.raises(InputError, match=expected) as caught:
        shape_of_file(written(name, content), ImportSettings())
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_sizes_that_no_thing_has(written):
    path = written("cube.obj", CUBE + CUBE_FACES)
    for scale in (1e-5, 1e5):
        with pytest.raises(InputError, match="give another --unit"):
            shape_of_file(path, ImportSettings(scale=scale))


def test_too_many_triangles(written, monkeypatch):
    monkeypatch.setattr("object_retrieval.library_import.MOST_TRIANGLES", 10)
    with pytest.raises(InputError, match="has 12 triangles, a library takes 10; simplify"):
        shape_of_file(written("cube.obj", CUBE + CUBE_FACES), ImportSettings())


def test_triangles_without_area_and_loose_points_are_left_out_and_told(written):
    text = CUBE + "v 0 0 90000000\n" + CUBE_FACES + "f 1 1 2\nf 3 3 3\n"
    shape, notes = shape_of_file(written("cube.obj", text), ImportSettings())
    assert shape.mesh.num_faces == 12 and shape.mesh.num_vertices == 8
    assert shape.extent_m == (1, 1, 1)
    assert notes == ("2 triangles without an area were left out",)


def test_parts_and_colours_of_a_scene(tmp_path):
    seat, leg = trimesh.creation.box((1, 1, 0.1)), trimesh.creation.cylinder(0.1, 1.0)
    leg.apply_translation((0, 0, -0.5))
    seat.visual.vertex_colors, leg.visual.vertex_colors = [255, 0, 0, 255], [0, 0, 255, 255]
    trimesh.Scene({"seat": seat, "leg": leg}).export(tmp_path / "stool.glb")
    shape, _ = shape_of_file(tmp_path / "stool.glb", ImportSettings(up="z"))
    assert set(shape.parts) == {"seat", "leg"}
    for part, color in (("seat", [1, 0, 0]), ("leg", [0, 0, 1])):
        faces = shape.mesh.faces[shape.part_of_face == shape.parts.index(part)]
        assert shape.mesh.vertex_colors[faces].reshape(-1, 3).unique(dim=0).tolist() == [color]


def test_colours_of_ply_and_of_points_in_wavefront(written, tmp_path):
    box = trimesh.creation.box()
    box.visual.vertex_colors = np.linspace(0, 255, 32).reshape(8, 4).astype(np.uint8)
    box.export(tmp_path / "box.ply")
    found = looks_of(tmp_path / "box.ply")
    np.testing.assert_allclose(found.colors, box.visual.vertex_colors[:, :3] / 255)
    lines = [f"v {x} 0 {x * x} {x / 10} 0.5 1\n" for x in range(4)]
    found = looks_of(written("colors.obj", "".join(lines) + "f 1 2 3\nf 2 3 4\n"))
    np.testing.assert_allclose(found.colors[3], [0.3, 0.5, 1])
    assert looks_of(written("plain.obj", CUBE + CUBE_FACES)).colors is None


def test_materials_and_groups_of_wavefront(written):
    written("looks.mtl", "newmtl red paint\nKd 1 0 0\nmap_Kd x.png\nnewmtl blue\nKd 0 0 2\n")
    text = (
        "mtllib looks.mtl\n" + CUBE + "o bottom\nusemtl red paint\nf 1 2 4 3\n"
        "g lid top\nusemtl blue\nf 5 7 8 6\nusemtl absent\nf 1 2 4\n"
    )
    found = looks_of(written("box.obj", text))
    assert found.parts == ("bottom", "lid top")
    assert found.part_of_face.tolist() == [0, 0, 1, 1, 1]
    assert found.colors[:4].tolist() == [[1, 0, 0]] * 4
    assert found.colors[4:].tolist() == [[0, 0, 1]] * 4
    assert found.notes == ()


def test_looks_that_cannot_be_read_cost_a_note_and_not_the_shape(written, tmp_path):
    text = "mtllib ../../etc/passwd\nmtllib absent.mtl\no lid\n" + CUBE + CUBE_FACES
    path = written("box.obj", text)
    shape, notes = shape_of_file(path, ImportSettings())
    assert shape.parts == ("lid",) and shape.mesh.vertex_colors is None
    assert len(notes) == 2 and "outside its folder" in notes[0] and "not beside it" in notes[1]
    many = "".join(f"o p{k}\nf 1 2 {k % 5 + 3}\n" for k in range(65))
    found = looks_of(written("many.obj", CUBE + many))
    assert found.parts == (ONE_PART,) and found.part_of_face.max() == 0


def test_a_picture_on_the_surface_becomes_colours(tmp_path):
    picture = Image.new("RGB", (8, 8), (0, 255, 0))
    box = trimesh.creation.box()
    uv = np.full((8, 2), 0.5)
    box.visual = trimesh.visual.TextureVisuals(
        uv=uv, material=trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
    )
    box.export(tmp_path / "box.glb")
    found = looks_of(tmp_path / "box.glb")
    np.testing.assert_allclose(found.colors, np.tile([0, 1, 0], (8, 1)), atol=0.01)


def test_colours_that_say_nothing_are_none(written):
    # Places in a picture, but no picture: trimesh makes a grey one up.
    header = "ply\nformat ascii 1.0\nelement vertex 3\n"
    header += "".join(f"property float {name}\n" for name in ("x", "y", "z", "s", "t"))
    header += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    found = looks_of(written("uv.ply", header + "0 0 0 0 0\n1 0 0 1 0\n0 1 0 0 1\n3 0 1 2\n"))
    assert found.colors is None and found.notes == ()
    lines = ["v 0 0 0 nan 0 1\n", "v 1 0 0 1 0 0\n", "v 0 1 0 -1 0.5 0\n"]
    found = looks_of(written("nan.obj", "".join(lines) + "f 1 2 3\n"))
    assert found.colors.tolist() == [[0.5, 0, 1], [1, 0, 0], [0, 0.5, 0]]
