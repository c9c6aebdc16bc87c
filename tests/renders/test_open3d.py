"""Our rasteriser beside Open3D's ray casting, an independent implementation."""

import numpy as np
import pytest
import torch

from renders.camera import Camera
from renders.canonical import HUMAN_VIEWS
from renders.mesh import Mesh
from renders.rasterizer import rasterize
from tests.renders.plain import l_shape, random_soup, sphere


def cast(open3d, mesh: Mesh, camera: Camera):
    """Face (-1 outside) and camera z of every pixel centre."""
    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        open3d.core.Tensor(mesh.vertices.numpy()),
        open3d.core.Tensor(mesh.faces.numpy().astype(np.uint32)),
    )
    rays = open3d.t.geometry.RaycastingScene.create_rays_pinhole(
        open3d.core.Tensor(camera.intrinsics.double().numpy()),
        open3d.core.Tensor(camera.camera_from_world.double().numpy()),
        camera.width_px,
        camera.height_px,
    )
    answer = scene.cast_rays(rays)
    face = torch.from_numpy(answer["primitive_ids"].numpy().astype(np.int64))
    face[face == 0xFFFFFFFF] = -1
    return face, torch.from_numpy(answer["t_hit"].numpy())


@pytest.mark.parametrize("view", range(4))
@pytest.mark.parametrize(
    "mesh", [sphere(4), l_shape(), random_soup(300, 1)], ids=["sphere", "l-shape", "soup"]
)
def test_same_faces_and_depths(open3d, mesh, view):
    camera = HUMAN_VIEWS[view].camera(192)
    ours = rasterize(mesh, camera)
    face, depth = cast(open3d, mesh, camera)
    both = ours.covered & (face >= 0)
    same = both & (ours.face_index == face)
    interior = both & (ours.barycentric > 1e-3).all(-1)
    assert int((ours.covered ^ (face >= 0)).sum()) <= 1
    assert float(same[interior].float().mean()) >= 0.999
    torch.testing.assert_close(ours.depth_m[same], depth[same], atol=1e-4, rtol=0)


def test_same_faces_from_inside_a_crowd(open3d):
    mesh = random_soup(300, 7, extent=3.0)
    camera = Camera.look_at(
        torch.tensor([0.1, 0.2, 0.1]),
        torch.tensor([1.0, 0.0, 0.4]),
        torch.tensor([0.0, 1.0, 0.0]),
        80.0,
        120,
        160,
    )
    ours = rasterize(mesh, camera)
    face, _ = cast(open3d, mesh, camera)
    assert float((ours.face_index == face).float().mean()) >= 0.999
