import threading

import pytest
import torch

import renders.rasterizer
from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh
from renders.rasterizer import interpolate, rasterize, visible_pixels
from renders.shading import covered_pixels
from tests.renders.plain import (
    box,
    front_camera,
    joined,
    l_shape,
    random_soup,
    rasterize_plain,
    sphere,
)


def assert_same_picture(mesh: Mesh, camera: Camera, cull: bool = False):
    """Fast equals plain; where a pixel centre lies on an edge either face may win."""
    fast = rasterize(mesh, camera, cull_backfaces=cull)
    face, weight, depth = rasterize_plain(mesh, camera, cull=cull)
    inside = (weight > 1e-4).all(-1) | (face < 0)
    differ = (fast.face_index != face) & inside
    assert int(differ.sum()) == 0
    same = (fast.face_index == face) & (face >= 0)
    torch.testing.assert_close(fast.barycentric[same], weight[same], atol=2e-5, rtol=0)
    torch.testing.assert_close(fast.depth_m[same], depth[same], atol=1e-6, rtol=2e-6)
    empty = fast.face_index < 0
    assert not fast.barycentric[empty].any() and not fast.depth_m[empty].any()
    return fast


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cull", [False, True])
def test_triangle_soup_equals_plain(seed, cull):
    fast = assert_same_picture(random_soup(40, seed), front_camera(40), cull)
    assert fast.covered.any()


@pytest.mark.parametrize("seed", range(4))
def test_faces_around_and_behind_the_camera_equal_plain(seed):
    mesh = random_soup(60, 10 + seed, extent=3.0)
    inside = Camera.look_at(
        torch.tensor([0.1, 0.05, 0.2]),
        torch.tensor([1.0, 0.3, -0.5]),
        torch.tensor([0.0, 1.0, 0.0]),
        90.0,
        30,
        41,
    )
    assert inside.to_camera(mesh.vertices)[mesh.faces][..., 2].amin(1).lt(0).any()
    assert_same_picture(mesh, inside)
    assert_same_picture(mesh, inside, cull=True)


def test_all_behind_the_camera_draws_nothing():
    mesh = sphere(1)
    behind = Mesh(mesh.vertices + torch.tensor([0.0, 0.0, 5.0]), mesh.faces)
    assert not rasterize(behind, front_camera()).covered.any()


@pytest.mark.parametrize("axis", [0, 1], ids=["wall", "floor"])
def test_only_the_part_beyond_the_near_plane_is_drawn(axis):
    """A surface that runs away from the camera, cut at 1.5 in front of it."""
    corners = torch.tensor([[-9.0, -0.5, 3.0], [9.0, -0.5, 3.0], [0.0, -0.5, -30.0]])
    swapped = corners if axis else corners[:, [1, 0, 2]]
    floor = Mesh(swapped, torch.tensor([[0, 1, 2]]))
    camera = front_camera(40)
    whole, cut = rasterize(floor, camera), rasterize(floor, camera, near_m=1.5)
    assert float(whole.depth_m[whole.covered].min()) < 1.5
    beyond = whole.depth_m >= 1.5
    assert torch.equal(cut.covered, beyond) and beyond.any()
    assert torch.equal(cut.depth_m, torch.where(beyond, whole.depth_m, 0.0))


def test_camera_inside_a_closed_box_sees_walls_everywhere():
    room = box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
    camera = front_camera(33, distance=0.3, fov_deg=110.0)
    assert rasterize(room, camera).covered.all()
    assert not rasterize(room, camera, cull_backfaces=True).covered.any()


def test_closed_surface_has_no_cracks():
    camera = front_camera(257, fov_deg=30.0)
    fragments = rasterize(sphere(3), camera)
    rows = fragments.covered.nonzero()
    for row in rows[:, 0].unique():
        columns = rows[rows[:, 0] == row, 1]
        assert len(columns) == columns.max() - columns.min() + 1


def test_pixel_centres_on_shared_edges_belong_to_one_face_without_gaps():
    # A grid of squares whose edges pass exactly through pixel centres.
    camera = Camera(torch.eye(3) * torch.tensor([8.0, 8.0, 1.0]), torch.eye(4), 8, 8)
    lines = torch.arange(0, 9) + 0.5
    v, u = torch.meshgrid(lines, lines, indexing="ij")
    vertices = torch.stack([u, v, torch.full_like(u, 8.0)], -1).reshape(-1, 3)
    here = (torch.arange(8)[:, None] * 9 + torch.arange(8)).reshape(-1)
    faces = torch.cat(
        [torch.stack([here, here + 1, here + 10], 1), torch.stack([here, here + 10, here + 9], 1)]
    )
    fragments = rasterize(Mesh(vertices, faces), camera)
    assert fragments.covered.all()
    # All candidates of a pixel are equally far: the lowest face wins.
    assert int(fragments.face_index[0, 0]) == 0
    again = rasterize(Mesh(vertices, faces), camera)
    assert torch.equal(again.face_index, fragments.face_index)


def test_equal_depths_go_to_the_lower_face():
    triangle = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    mesh = Mesh(triangle, torch.tensor([[1, 2, 0], [0, 1, 2], [2, 1, 0]]))
    fragments = rasterize(mesh, front_camera())
    assert fragments.face_index.unique().tolist() == [-1, 0]


def test_culling_a_closed_surface_changes_nothing():
    camera = front_camera(64)
    everything, front = (rasterize(sphere(2), camera, cull_backfaces=c) for c in (False, True))
    assert torch.equal(everything.face_index, front.face_index)
    flipped = Mesh(sphere(2).vertices, sphere(2).faces.flip(1))
    assert (rasterize(flipped, camera, cull_backfaces=True).depth_m > everything.depth_m).any()


def test_l_shape_is_not_mirrored():
    """Foot towards +x, nose towards +z: seen from +z the foot lies right and low."""
    fragments = rasterize(l_shape(), front_camera(60))
    rows, columns = fragments.covered.nonzero().unbind(1)
    low = columns[rows > 40]
    high = columns[rows < 20]
    assert low.max() > 35 and low.max() > high.max() + 5
    assert abs(int(high.min()) - int(low.min())) <= 1
    # The nose comes towards the camera: its depth is 1.7, the bar's 1.9.
    assert fragments.depth_m[18, 30] == pytest.approx(1.7, abs=1e-5)
    assert fragments.depth_m[30, 30] == pytest.approx(1.9, abs=1e-5)


def test_interpolated_positions_are_where_the_pixel_ray_hits():
    mesh, camera = joined(sphere(2), box((-0.9, -0.9, -0.9), (0.9, -0.7, 0.4))), front_camera(50)
    fragments = rasterize(mesh, camera)
    points = interpolate(mesh.vertices, mesh.faces, fragments)[fragments.covered]
    rows, columns = fragments.covered.nonzero().unbind(1)
    pixels = torch.stack([columns, rows], 1) + 0.5
    torch.testing.assert_close(camera.project(points), pixels, atol=1e-3, rtol=0)
    depth = camera.to_camera(points)[:, 2]
    torch.testing.assert_close(depth, fragments.depth_m[fragments.covered], atol=1e-5, rtol=0)


def test_interpolation_gradient_equals_plain():
    mesh, camera = sphere(1), front_camera(20)
    fragments = rasterize(mesh, camera)
    attributes = torch.rand(mesh.num_vertices, 2, requires_grad=True)
    upstream = torch.rand(20, 20, 2)
    image = interpolate(attributes, mesh.faces, fragments)
    corners = attributes[mesh.faces[fragments.face_index.clamp(min=0)]]
    plain = (corners * fragments.barycentric[..., None]).sum(2)
    torch.testing.assert_close(image, plain)
    fast, slow = (torch.autograd.grad(x, attributes, upstream)[0] for x in (image, plain))
    torch.testing.assert_close(fast, slow)


def test_chunks_do_not_change_the_result(monkeypatch):
    mesh, camera = random_soup(300, 5), front_camera(64)
    whole = rasterize(mesh, camera)
    monkeypatch.setattr(renders.rasterizer, "_FRAGMENTS_AT_ONCE", 37)
    parts = rasterize(mesh, camera)
    assert torch.equal(whole.face_index, parts.face_index)
    torch.testing.assert_close(whole.depth_m, parts.depth_m)


def test_buffers_do_not_leak_between_calls_sizes_or_threads():
    mesh = sphere(1)
    expected = rasterize(mesh, front_camera(32)).face_index
    rasterize(mesh, front_camera(40))
    assert not rasterize(Mesh(mesh.vertices + 50, mesh.faces), front_camera(32)).covered.any()
    results = []

    def work():
        results.append([rasterize(mesh, front_camera(32)).face_index for _ in range(5)])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(torch.equal(face, expected) for faces in results for face in faces)


def test_dense_and_listed_pixels_are_the_same():
    fragments = rasterize(sphere(1), front_camera(24))
    listed, back = visible_pixels(sphere(1), front_camera(24)), covered_pixels(fragments)
    assert torch.equal(listed.pixel_index, back.pixel_index)
    assert torch.equal(listed.face_index, back.face_index)
    assert torch.equal(listed.barycentric, back.barycentric)
    assert (listed.pixel_index.diff() > 0).all()


def empty(vertices: int) -> Mesh:
    return Mesh(torch.zeros(vertices, 3), torch.zeros(0, 3, dtype=torch.long))


point_face = Mesh(torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.long))
line_face = Mesh(torch.tensor([[0.0, 0, 0], [1, 1, 0], [2, 2, 0]]), torch.tensor([[0, 1, 2]]))
# Lies in the plane x = 0, which the camera sees as the line through the image's middle column.
edge_on = Mesh(torch.tensor([[0.0, -1, 0], [0, 1, 0], [0, 0, -1]]), torch.tensor([[0, 1, 2]]))
twice = Mesh(torch.tensor([[0.0, 0, 0], [0, 0, 0], [1, 1, 0]]), torch.tensor([[0, 1, 2]]))
aside = Mesh(sphere(1).vertices + torch.tensor([50.0, 0.0, 0.0]), sphere(1).faces)


@pytest.mark.parametrize(
    "mesh",
    [empty(0), empty(1), point_face, line_face, edge_on, twice, aside],
    ids=["nothing", "one vertex", "point", "line", "edge-on", "repeated vertex", "out of view"],
)
@pytest.mark.parametrize("size", [1, 33])
def test_nothing_to_see_gives_an_empty_picture(mesh, size):
    fragments = rasterize(mesh, front_camera(size))
    assert fragments.face_index.shape == (size, size)
    assert not fragments.covered.any()
    image = interpolate(torch.rand(mesh.num_vertices, 2), mesh.faces, fragments)
    assert not image.any()


def test_degenerate_faces_beside_good_ones_do_no_harm():
    good = sphere(1)
    extra = torch.tensor([[0, 0, 0], [1, 1, 2], [3, 4, 3]])
    mesh = Mesh(good.vertices, torch.cat([extra, good.faces]))
    alone, mixed = rasterize(good, front_camera()), rasterize(mesh, front_camera())
    assert torch.equal(alone.covered, mixed.covered)
    shifted = torch.where(alone.covered, alone.face_index + 3, -1)
    assert torch.equal(shifted, mixed.face_index)


def test_one_pixel_image():
    fragments = rasterize(sphere(1), front_camera(1))
    assert fragments.covered.all() and fragments.depth_m.item() == pytest.approx(1.5, abs=0.05)


def test_large_and_small_units():
    camera = front_camera(48)
    small = rasterize(sphere(2), camera)
    pose = camera.camera_from_world.clone()
    pose[:3, 3] *= 1e4
    far = Camera(camera.intrinsics, pose, 48, 48)
    large = rasterize(Mesh(sphere(2).vertices * 1e4, sphere(2).faces), far)
    assert float((small.face_index == large.face_index).float().mean()) > 0.995
    torch.testing.assert_close(large.depth_m * 1e-4, small.depth_m, atol=1e-4, rtol=0)


def test_nan_vertices_are_rejected():
    mesh = Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InputError, match="NaN"):
        rasterize(mesh, front_camera())


@pytest.mark.gpu
def test_gpu_draws_the_same():
    mesh, camera = random_soup(200, 3), front_camera(64)
    here, there = rasterize(mesh, camera), rasterize(mesh.to("cuda"), camera.to("cuda"))
    assert float((here.face_index == there.face_index.cpu()).float().mean()) > 0.999
