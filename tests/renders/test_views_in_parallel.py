"""Views drawn side by side equal views drawn one after the other."""

import pytest
import torch

from renders import HUMAN_VIEWS, InputError, Mesh, rasterize, rasterize_views


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _mesh() -> Mesh:
    generator = torch.Generator().manual_seed(0)
    vertices = torch.randn(60, 3, generator=generator) * 0.4
    faces = torch.randint(0, 60, (100, 3), generator=generator)
    return Mesh(vertices, faces)


@pytest.mark.parametrize("culled", [False, True])
def test_same_pixels_and_thread_count(two_threads, culled):
    cameras = [view.camera(96) for view in HUMAN_VIEWS]
    mesh = _mesh()
    together = rasterize_views(mesh, cameras, cull_backfaces=culled)
    assert torch.get_num_threads() == 2
    for camera, fragments in zip(cameras, together, strict=True):
        alone = rasterize(mesh, camera, cull_backfaces=culled)
        assert torch.equal(alone.face_index, fragments.face_index)
        torch.testing.assert_close(alone.barycentric, fragments.barycentric)
        torch.testing.assert_close(alone.depth_m, fragments.depth_m)


def test_no_camera_gives_nothing(two_threads):
    assert rasterize_views(_mesh(), []) == []


def test_errors_of_a_view_reach_the_caller(two_threads):
    broken = Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InputError):
        rasterize_views(broken, [view.camera(32) for view in HUMAN_VIEWS])
    assert torch.get_num_threads() == 2
