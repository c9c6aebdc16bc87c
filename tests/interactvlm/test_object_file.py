"""Objects that users bring: every format, and every way a file can be bad."""

import json
import struct

import numpy as np
import pytest
import torch
import trimesh

from interactvlm.errors import InputError
from interactvlm.object_file import load_object
from interactvlm.results import ContactMap
from renders.mesh import Mesh, PointCloud

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 2 0\nv 0 2 0\n"


@pytest.fixture
def written(tmp_path):
    def written(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def gltf(uri):
    """A mesh of one triangle whose numbers lie in another file."""
    return json.dumps(
        {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "translation": [5, 0, 0]}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
            "buffers": [{"uri": uri, "byteLength": 48}],
            "bufferViews": [
                {"buffer": 0, "byteLength": 36},
                {"buffer": 0, "byteOffset": 36, "byteLength": 12},
            ],
            "accessors": [
                {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
                {"bufferView": 1, "componentType": 5125, "count": 3, "type": "SCALAR"},
            ],
        }
    )


TRIANGLE = struct.pack("<9f3I", 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 2)


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "off", "glb"])
def test_meshes_of_every_format(tmp_path, suffix):
    path = tmp_path / f"ball.{suffix}"
    ball = trimesh.creation.icosphere(subdivisions=1, radius=3.0)
    ball.export(path)
    shape = load_object(path)
    assert isinstance(shape.surface, Mesh)
    assert shape.points.shape == (42, 3) and shape.faces.shape == (80, 3)
    corners = shape.points[shape.faces].reshape(-1, 9).sort().values
    expected = torch.tensor(ball.triangles.reshape(-1, 9)).float().sort().values
    torch.testing.assert_close(corners, expected, atol=1e-5, rtol=0)
    assert len(shape.sha256) == 64


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("points.xyz", "3\n# x y z\n0 0 0 255\n1 0 0 255\n0 1 2 255\n"),
        ("points.txt", "0,0,0\n1,0,0\n0,1,2\n"),
        ("piad.txt", "0a1e3 Bag 0 0 0 0.5 1 \n0a1e3 Bag 1 0 0 0 0 \n0a1e3 Bag 0 1 2 0 0 \n"),
        ("points.obj", "v 0 0 0\nv 1 0 0\nv 0 1 2\n"),
    ],
)
def test_lists_of_points(written, name, content):
    shape = load_object(written(name, content))
    assert isinstance(shape.surface, PointCloud)
    assert shape.points.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 2]]
    assert shape.faces.shape == (0, 3)
    assert bool(shape.notes) == name.endswith(".obj"), "a mesh without triangles is told"


def test_arrays(tmp_path):
    points = np.random.default_rng(0).normal(size=(20, 6))
    np.save(tmp_path / "a.npy", points)
    np.savez(tmp_path / "b.npz", points=points[:, :3], faces=np.array([[0, 1, 2], [2, 3, 4]]))
    np.savez(tmp_path / "c.npz", scan=points.astype(np.float32))
    for name, faces in (("a.npy", 0), ("b.npz", 2), ("c.npz", 0)):
        shape = load_object(tmp_path / name)
        np.testing.assert_allclose(shape.points, points[:, :3], atol=1e-6)
        assert len(shape.faces) == faces


def test_wavefront_keeps_points_and_their_order(written):
    """Contact is counted in the file's own lines, whatever textures, groups and polygons say."""
    text = (
        "mtllib ../../etc/passwd\no first\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
        "vt 0 0\nvt 1 1\nf 1/1 2/2 3/1 4/2\ng second\nv 0 0 1 0.5 0.5 nan\nf -1 -2// 1\n"
    )
    shape = load_object(written("mixed.obj", text))
    assert shape.points.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert shape.faces.tolist() == [[0, 1, 2], [0, 2, 3], [4, 3, 0]]


def test_a_gltf_reads_what_lies_beside_it_and_nothing_else(written, tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "my part.bin").write_bytes(TRIANGLE)
    written("secret.bin", TRIANGLE)
    (folder / "good.gltf").write_text(gltf("my%20part.bin"))
    placed = load_object(folder / "good.gltf").points
    assert placed[:, 0].tolist() == [5, 6, 5], "in the frame of the scene"
    for uri in ("../secret.bin", str(tmp_path / "secret.bin"), "%2e%2e/secret.bin"):
        (folder / "bad.gltf").write_text(gltf(uri))
        with pytest.raises(InputError, match="outside its folder"):
            load_object(folder / "bad.gltf")
    (folder / "bad.gltf").write_text(gltf("absent.bin"))
    with pytest.raises(InputError, match=r"'absent.bin', which is not beside it"):
        load_object(folder / "bad.gltf")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.obj", b"", "0 bytes"),
        ("comments.obj", "# nothing\n", "no points"),
        ("letter.obj", "Dear reader,\nthis is no mesh.\n", "no points"),
        ("noise.obj", bytes(range(256)) * 4, "no points"),
        ("nan.obj", "v nan 0 0\nv 1 0 0\nv 0 inf 0\nf 1 2 3\n", "2 of the object's 3 points"),
        ("one.xyz", "1 2 3\n", "no extent"),
        ("same.obj", "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "no extent"),
        ("huge.xyz", "0 0 0\n1e30 0 0\n", "1e\\+30 units large"),
        ("tiny.xyz", "0 0 0\n1e-30 0 0\n", "units large"),
        ("infinite.xyz", "0 0 0\n1e999 0 0\n", "NaN or infinite"),
        ("wrong.obj", SQUARE + "f 1 2 9\n", "name points 0 to 8 .* it has 4"),
        ("zero.obj", SQUARE + "f 0 1 2\n", "line 5 names a point before the first"),
        ("negative.obj", "v 0 0 0\nf -2 1 1\n", "before the first"),
        ("word.obj", SQUARE + "f one two three\n", "no readable .obj"),
        ("short.obj", "v 1 2\n", "no three numbers"),
        ("line.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "triangles has an area"),
        ("text.xyz", "0 0 0\nhello there all\n", "line 2 must begin with three numbers"),
        ("cut.glb", b"glTF\x02\x00\x00\x00\xff\x00\x00\x00", "no readable .glb"),
        ("cut.ply", b"ply\nformat ascii 1.0\nelement vertex 3\n", "no readable|no points"),
        ("cut.npz", b"PK\x03\x04 and then nothing", "no readable .npz"),
        ("pickle.npy", b"\x80\x04N.", "no readable .npy"),
        ("photo.jpg", b"\xff\xd8", "may be .*.glb, .*.obj"),
        ("noname", b"1 2 3", "may be"),
    ],
)
def test_bad_files_are_one_clear_sentence(written, name, content, expected):
    with pytest.raises(InputError, match=expected) as caught:
        load_object(written(name, content))
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_arrays_that_are_no_points(tmp_path):
    for name, arrays, expected in (
        ("flat.npz", {"points": np.zeros(9)}, r"shape \(points, 3\)"),
        ("words.npz", {"points": np.array([["a", "b", "c"]])}, "must be numbers"),
        ("two.npz", {"a": np.zeros((3, 3)), "b": np.zeros(3)}, r"found \['a', 'b'\]"),
        ("faces.npz", {"points": np.eye(3), "faces": np.zeros((2, 4))}, "faces must be whole"),
        ("index.npz", {"points": np.eye(3), "faces": np.array([[0, 1, -1]])}, "points -1 to 1"),
        ("objects.npz", {"points": np.array([{}])}, "no readable .npz"),
    ):
        np.savez(tmp_path / name, **arrays)
        with pytest.raises(InputError, match=expected):
            load_object(tmp_path / name)


def test_missing_files_and_folders(tmp_path):
    (tmp_path / "folder.obj").mkdir()
    for name in ("absent.obj", "folder.obj"):
        with pytest.raises(InputError, match="not found"):
            load_object(tmp_path / name)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", points=np.zeros((100_000, 3)))
    monkeypatch.setattr("object_retrieval.object_formats.LARGEST_BYTES", 100_000)
    with pytest.raises(InputError, match="unpacks to 2,4"):
        load_object(tmp_path / "bomb.npz")


def test_large_coordinates_are_drawn_exactly_and_told(written):
    rng = np.random.default_rng(0)
    near = rng.random((50, 3)).round(4)
    far = near + np.array([600_000, 5_600_000, 0])
    text = "\n".join(" ".join(f"{value:.4f}" for value in row) for row in far)
    shape = load_object(written("far.xyz", text))
    plain = load_object(written("near.xyz", "\n".join(" ".join(map(str, row)) for row in near)))
    torch.testing.assert_close(shape.surface.points, plain.surface.points, atol=1e-5, rtol=0)
    assert len(shape.notes) == 1 and "rounded to 0.5" in shape.notes[0]
    assert not plain.notes


def test_odd_shapes_are_told(written):
    one = load_object(written("one.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"))
    assert "only 1 triangle;" in one.notes[0]
    loose = load_object(written("loose.obj", SQUARE + "v 9 9 9\nf 1 2 3 4\nf 1 2\n"))
    assert any("1 of the object's 5 points belong to no triangle" in note for note in loose.notes)
    assert any("1 faces with fewer than three corners" in note for note in loose.notes)


def test_z_up_objects_stand_and_face_the_front(written):
    # A tall thing whose front (-y) carries a knob, as drawn in CAD.
    text = "v 0 0 0\nv 0 0 4\nv 0 -1 2\nv 1 0 0\nf 1 2 3\nf 1 2 4\nf 2 3 4\nf 1 3 4\n"
    shape = load_object(written("cad.obj", text), "z")
    drawn = shape.surface.vertices
    assert int((drawn.amax(0) - drawn.amin(0)).argmax()) == 1, "tall along y"
    assert int(drawn[:, 2].argmax()) == 2, "the knob towards +z"
    assert shape.points[1].tolist() == [0, 0, 4], "points keep their own frame"
    first, second, third = drawn[shape.faces[0]]
    turned = torch.linalg.cross(second - first, third - first)
    first, second, third = shape.points[shape.faces[0]]
    own = torch.linalg.cross(second - first, third - first)
    assert torch.allclose(turned / turned.norm(), own[[0, 2, 1]] * torch.tensor([1, 1, -1]) / 4)


def test_unwelded_triangles_become_neighbours(tmp_path):
    box = trimesh.creation.box((1, 2, 3))
    box.export(tmp_path / "box.stl")
    shape = load_object(tmp_path / "box.stl")
    assert len(shape.points) == 8 and len(shape.faces) == 12
    assert trimesh.Trimesh(shape.points, shape.faces, process=False).is_watertight
    assert "36 corners at 8 places" in shape.notes[0]


def test_a_large_cloud_is_thinned_and_every_point_gets_a_value(tmp_path, monkeypatch):
    monkeypatch.setattr("interactvlm.object_file.MOST_DRAWN", 500)
    points = np.random.default_rng(0).random((3000, 3)).astype(np.float32)
    np.save(tmp_path / "scan.npy", points)
    shape, again = load_object(tmp_path / "scan.npy"), load_object(tmp_path / "scan.npy")
    assert shape.surface.num_points == 500 and torch.equal(shape.drawn, again.drawn)
    assert "500 of the object's 3,000 points are drawn" in shape.notes[0]
    height = shape.surface.points[:, 1] + 0.5
    seen = torch.ones(500, dtype=torch.bool)
    contact = shape.on_all_points(ContactMap(height, "object", "", 0.5, seen))
    assert contact.seen.shape == (3000,)
    assert np.abs(contact.vertex_probability.numpy() - points[:, 1]).mean() < 0.05
    assert torch.equal(shape.on_drawn_points(contact.vertex_probability), height)
