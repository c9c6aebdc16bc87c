"""Soft silhouettes against a plain twin, finite differences, hard masks and published values."""

import numpy as np
import pytest
import torch
import trimesh

from renders import silhouette
from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh
from renders.rasterizer import rasterize
from renders.silhouette import SIGMA, blur_radius, soft_silhouette

K = torch.tensor([[40.0, 0.0, 17.0], [0.0, 44.0, 15.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def plain(vertices, faces, intrinsics, height, width, sigma=SIGMA):
    """One pose, every face at every pixel."""
    scale = 2.0 / min(height, width)
    points = scale * (vertices / vertices[:, 2:] @ intrinsics.T)[:, :2]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixel = scale * (torch.stack([x, y], -1).to(points) + 0.5)
    clear = torch.ones(height, width, dtype=points.dtype)
    for face in faces:
        corners = points[face.long()]
        squared, sides = [], []
        for k in range(3):
            a, b = corners[k], corners[(k + 1) % 3]
            t = (((pixel - a) @ (b - a)) / (b - a).square().sum()).clamp(0, 1)
            squared.append((pixel - a - t[..., None] * (b - a)).square().sum(-1))
            d, e = b - a, pixel - a
            sides.append(d[0] * e[..., 1] - d[1] * e[..., 0])
        near, side = torch.stack(squared).amin(0), torch.stack(sides)
        inside = (side > 0).all(0) | (side < 0).all(0)
        signed = torch.where(inside, -near, near)
        share = torch.where(signed < blur_radius(sigma), torch.sigmoid(-signed / sigma), 0.0)
        clear = clear * (1 - share)
    return 1 - clear


@pytest.fixture
def ball():
    mesh = trimesh.creation.icosphere(subdivisions=1, radius=0.5)
    vertices = torch.tensor(np.array(mesh.vertices), dtype=torch.float64)
    return vertices + torch.tensor([0.1, -0.05, 2.0]), torch.tensor(np.array(mesh.faces))


def test_equals_the_plain_twin_with_gradients(ball):
    vertices, faces = ball
    weight = torch.randn(30, 34, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fast, slow = vertices.clone().requires_grad_(), vertices.clone().requires_grad_()
    drawn = soft_silhouette(fast[None], faces, K, 30, 34, sigma=1e-3)[0]
    wanted = plain(slow, faces, K, 30, 34, sigma=1e-3)
    torch.testing.assert_close(drawn, wanted, atol=1e-9, rtol=0)
    (drawn * weight).sum().backward()
    (wanted * weight).sum().backward()
    torch.testing.assert_close(fast.grad, slow.grad, atol=1e-7, rtol=1e-6)


def test_gradient_is_that_of_finite_differences(ball):
    vertices, faces = ball
    shift = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def covered(by):
        return soft_silhouette((vertices + by)[None], faces, K, 30, 34, sigma=1e-3).sum()

    (gradient,) = torch.autograd.grad(covered(shift), shift)
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 1e-6
        numeric = (covered(step) - covered(-step)) / 2e-6
        torch.testing.assert_close(gradient[axis], numeric.detach(), rtol=2e-3, atol=1e-3)


def test_poses_of_a_batch_do_not_mix_and_chunks_change_nothing(ball, monkeypatch):
    vertices, faces = ball
    poses = torch.stack([vertices, vertices + torch.tensor([0.2, 0.1, 0.5])])
    together = soft_silhouette(poses, faces, K, 30, 34)
    for pose, drawn in zip(poses, together, strict=True):
        torch.testing.assert_close(drawn, soft_silhouette(pose[None], faces, K, 30, 34)[0])
    monkeypatch.setattr(silhouette, "_FRAGMENTS_AT_ONCE", 50)
    torch.testing.assert_close(soft_silhouette(poses, faces, K, 30, 34), together)


def test_a_sharp_silhouette_is_the_hard_mask(ball):
    vertices, faces = ball
    camera = Camera(K.float(), torch.eye(4), 30, 34)
    hard = rasterize(Mesh(vertices.float(), faces), camera).face_index >= 0
    soft = soft_silhouette(vertices[None], faces, K, 30, 34, sigma=1e-9)[0] > 0.4
    assert torch.equal(hard, soft)


def test_what_is_behind_or_beside_the_camera_covers_nothing(ball):
    vertices, faces = ball
    for away in ([0.0, 0.0, -4.0], [50.0, 0.0, 0.0], [0.0, 0.0, -2.0]):
        moved = (vertices + torch.tensor(away)).requires_grad_()
        drawn = soft_silhouette(moved[None], faces, K, 30, 34)
        assert drawn.isfinite().all()
        drawn.sum().backward()
        assert moved.grad.isfinite().all()
    assert soft_silhouette(vertices[None] - 10, faces, K, 30, 34).max() == 0
    assert soft_silhouette(vertices[None], faces[:0], K, 30, 34).max() == 0


def test_degenerate_faces_are_thin_lines(ball):
    flat = torch.tensor([[0.0, 0.0, 1.0], [0.2, 0.0, 1.0], [0.1, 0.0, 1.0]], dtype=torch.float64)
    point = flat[:1].expand(3, -1)
    for vertices in (flat, point):
        moved = vertices.clone().requires_grad_()
        drawn = soft_silhouette(moved[None], torch.tensor([[0, 1, 2]]), K, 30, 34, sigma=1e-3)
        drawn.sum().backward()
        assert 0 < drawn.max() <= 0.9
        assert moved.grad.isfinite().all()


def test_wrong_sizes_are_one_sentence(ball):
    vertices, faces = ball
    for height, sigma in ((0, SIGMA), (30, 0.0)):
        with pytest.raises(InputError, match="silhouette needs"):
            soft_silhouette(vertices[None], faces, K, height, 34, sigma=sigma)


def test_the_published_silhouette_and_its_gradient(golden):
    stored = golden("07d_soft_silhouette")
    focal, centre = stored["focal_length_px"], stored["principal_point_px"]
    intrinsics = torch.eye(3)
    intrinsics[0, 0], intrinsics[1, 1] = float(focal[0]), float(focal[1])
    intrinsics[:2, 2] = torch.from_numpy(centre)
    vertices = torch.from_numpy(stored["vertices_camera"]).requires_grad_()
    faces = torch.from_numpy(stored["faces"].astype(np.int64))
    height, width = (int(n) for n in stored["image_hw"])
    alpha = soft_silhouette(vertices[None], faces, intrinsics, height, width)[0]
    torch.testing.assert_close(alpha, torch.from_numpy(stored["alpha_100"]), atol=1e-4, rtol=0)
    (alpha * torch.from_numpy(stored["cotangent"])).sum().backward()
    wanted = torch.from_numpy(stored["alpha_100_gradient"])
    torch.testing.assert_close(vertices.grad, wanted, atol=2e-4 * float(wanted.abs().max()), rtol=0)
