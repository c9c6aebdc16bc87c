"""The scene file: nodes by name, glTF's frame, the photo's camera."""

import json
import struct

import numpy as np
import pytest
import torch
import trimesh

from interactvlm.scene_glb import save_scene_glb
from renders.camera import Camera
from renders.mesh import Mesh


def _mesh(shift, color=None) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=1, radius=0.2)
    vertices = torch.tensor(np.array(ball.vertices), dtype=torch.float32) + torch.tensor(shift)
    colors = None if color is None else torch.tensor(color).expand(len(vertices), 3)
    return Mesh(vertices, torch.tensor(np.array(ball.faces)), colors)


@pytest.fixture
def camera() -> Camera:
    k = torch.tensor([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
    return Camera(k, torch.eye(4), 480, 640)


def _header(path) -> dict:
    data = path.read_bytes()
    (length,) = struct.unpack("<I", data[12:16])
    return json.loads(data[20 : 20 + length])


def test_nodes_keep_names_places_and_colours(tmp_path, camera):
    path = tmp_path / "scene.glb"
    person, thing = _mesh([0.1, 0.2, 2.0]), _mesh([0.5, 0.6, 2.5], [1.0, 0.0, 0.0])
    save_scene_glb(path, {"human": person, "object": thing}, camera)
    scene = trimesh.load(path)
    assert {"human", "object"} <= set(scene.graph.nodes)
    for name, mesh in (("human", person), ("object", thing)):
        matrix, geometry = scene.graph[name]
        placed = trimesh.transform_points(scene.geometry[geometry].vertices, matrix)
        wanted = mesh.vertices.numpy() * [1, -1, -1]  # y up, looking along -z
        np.testing.assert_allclose(placed, wanted, atol=1e-6)
        assert len(scene.geometry[geometry].faces) == mesh.num_faces
    red = scene.geometry[scene.graph["object"][1]].visual.vertex_colors
    assert (red[:, :3] == [255, 0, 0]).all()


def test_the_camera_is_the_photos(tmp_path, camera):
    path = tmp_path / "scene.glb"
    save_scene_glb(path, {"human": _mesh([0.0, 0.0, 2.0])}, camera)
    header = _header(path)
    perspective = header["cameras"][0]["perspective"]
    assert perspective["yfov"] == pytest.approx(2 * np.arctan(240 / 500))
    assert perspective["aspectRatio"] == pytest.approx(640 / 480)
    (node,) = [n for n in header["nodes"] if "camera" in n]
    np.testing.assert_allclose(np.reshape(node.get("matrix", np.eye(4)), (4, 4)), np.eye(4))
