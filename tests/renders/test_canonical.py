import pytest
import torch

import renders.canonical
from renders.canonical import (
    HUMAN_VIEWS,
    OBJECT_VIEWS,
    build_human_view_set,
    build_object_view_set,
    normalize_object_mesh,
    normalize_object_points,
)
from renders.errors import InputError
from renders.mesh import Mesh, PointCloud
from tests.renders.plain import box, l_shape, sphere


def test_published_constants():
    human = [(v.name, v.elevation_deg, v.azimuth_deg, v.shift_y, v.light_z) for v in HUMAN_VIEWS]
    assert human == [
        ("topfront", 45.0, 315.0, 0.0, 3.0),
        ("bottomfront", 315.0, 315.0, 0.3, -3.0),
        ("topback", 45.0, 135.0, 0.0, -3.0),
        ("bottomback", 315.0, 135.0, 0.3, 3.0),
    ]
    things = [(v.name, v.elevation_deg, v.azimuth_deg, v.light_z) for v in OBJECT_VIEWS]
    assert things == [
        ("frontleft", 45.0, 315.0, 3.0),
        ("frontright", 45.0, 45.0, 3.0),
        ("backleft", 330.0, 135.0, -3.0),
        ("backright", 330.0, 225.0, -3.0),
    ]
    assert {view.distance for view in HUMAN_VIEWS + OBJECT_VIEWS} == {2.0}
    torch.testing.assert_close(
        HUMAN_VIEWS[1].normalized(), torch.tensor([0.2, 0.875, 0.875, 0.5, 0.65])
    )


def test_human_views_see_front_left_and_back_right():
    """The front cameras stand at -x +z: they see the nose of the L, the back ones do not."""
    views = build_human_view_set(l_shape(), 96)
    assert views.images.shape == (4, 96, 96, 3) and views.images.dtype == torch.uint8
    assert views.valid.any(-1).any(-1).all()
    nose = l_shape().vertices[:, 2] > 0.25
    masks = views.surface_map.masks_from_vertices(nose.float(), min_vertices=3)
    tops = masks.sum((1, 2))
    assert tops[0] > 30 and tops[1] > 10
    assert tops[2] == 0 and tops[3] == 0
    # The foot points to +x: right in the picture from the front, left from the back.
    foot = views.surface_map.masks_from_vertices((l_shape().vertices[:, 0] > 0.3).float())
    columns = torch.arange(96).float().expand(96, 96)
    for view, side in enumerate((1, 1, -1, -1)):
        offset = columns[foot[view] > 0].mean() - columns[views.valid[view]].mean()
        assert float(offset) * side > 3
    assert (views.images[~views.valid] == 255).all()
    assert (views.images[views.valid].int().sum(-1) < 765).all()


def test_colors_tell_the_direction():
    """Seen from the front and above, a ball is bright in blue (+z) and green (+y)."""
    views = build_human_view_set(sphere(3), 64)
    red, green, blue = views.images[0][views.valid[0]].float().mean(0).tolist()
    assert blue > red + 20 and green > red + 20


def test_upright_person_is_upright_in_every_view():
    views = build_human_view_set(box((-0.1, -0.9, -0.1), (0.1, 0.6, 0.1)), 64)
    head = (torch.arange(8) // 2 % 2 == 1).float()
    for mask, valid in zip(
        views.surface_map.masks_from_vertices(head, soft=True), views.valid, strict=True
    ):
        rows = torch.arange(64)[:, None].expand(64, 64)
        assert rows[valid & (mask > 0.7)].float().mean() < rows[valid & (mask < 0.3)].float().mean()


@pytest.mark.parametrize("resolution", [1, 17, 64])
def test_any_resolution(resolution):
    views = build_human_view_set(sphere(1, 0.9), resolution)
    assert views.valid.shape == (4, resolution, resolution)
    lifted = views.surface_map.lift(torch.ones(2, 4, resolution, resolution))
    torch.testing.assert_close(lifted[1], views.seen.float())


def test_object_mesh_is_normalised_and_seen_from_one_and_a_half():
    mesh = box((10.0, 10.0, 10.0), (14.0, 12.0, 11.0))
    normal = normalize_object_mesh(mesh)
    extent = normal.vertices.amax(0) - normal.vertices.amin(0)
    torch.testing.assert_close(extent, torch.tensor([1.0, 0.5, 0.25]))
    torch.testing.assert_close(normal.vertices.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    views = build_object_view_set(mesh, 48)
    assert views.cameras[0].position_world.norm() == pytest.approx(1.5, abs=1e-5)
    assert views.camera_vectors[:, 0].tolist() == pytest.approx([0.2] * 4)
    far = build_object_view_set(mesh, 48, distance=2.0)
    assert far.cameras[0].position_world.norm() == pytest.approx(2.0, abs=1e-5)
    assert int(far.valid.sum()) < int(views.valid.sum()) and far.key != views.key


def test_object_points_fill_the_unit_ball():
    cloud = PointCloud(torch.rand(300, 3) * 5 + 7)
    normal = normalize_object_points(cloud)
    assert normal.points.norm(dim=1).max() == pytest.approx(1.0)
    views = build_object_view_set(cloud, 64)
    assert isinstance(views.surface, PointCloud)
    assert views.surface_map.vertex_index.shape[1] == 1 and views.seen.float().mean() > 0.3
    filled = views.fill_unseen(views.seen.float() * 0.6)
    torch.testing.assert_close(filled, torch.full((300,), 0.6))


def test_unseen_vertices_are_flagged_and_filled():
    ball = joined_inner_ball()
    views = build_human_view_set(ball, 64)
    inner = torch.arange(ball.num_vertices) >= ball.num_vertices // 2
    assert not views.seen[inner].any() and views.seen[~inner].float().mean() > 0.7
    torch.testing.assert_close(views.fill_unseen(views.seen.float()), torch.ones(ball.num_vertices))


def joined_inner_ball() -> Mesh:
    outer, inner = sphere(2, 0.5), sphere(2, 0.2)
    return Mesh(
        torch.cat([outer.vertices, inner.vertices]),
        torch.cat([outer.faces, inner.faces + outer.num_vertices]),
    )


@pytest.mark.parametrize("kind", ["human", "object", "points"])
def test_stored_view_set_equals_the_drawn_one(kind, tmp_path, monkeypatch):
    def build():
        if kind == "human":
            return build_human_view_set(l_shape(), 40, tmp_path)
        if kind == "object":
            return build_object_view_set(l_shape(), 40, tmp_path)
        return build_object_view_set(PointCloud(sphere(2).vertices), 40, tmp_path)

    drawn = build()
    monkeypatch.setattr(renders.canonical, "_draw", None)
    stored = build()
    assert stored.key == drawn.key and len(list(tmp_path.iterdir())) == 1
    assert torch.equal(stored.images, drawn.images)
    for name in ("pixel_index", "vertex_index", "weight"):
        ours, theirs = (getattr(v.surface_map, name) for v in (drawn, stored))
        assert torch.equal(ours, theirs) and ours.dtype == theirs.dtype


def test_key_follows_surface_resolution_and_kind():
    ball, bigger = sphere(1), sphere(1, 0.6)
    keys = {
        build_human_view_set(ball, 16).key,
        build_human_view_set(bigger, 16).key,
        build_human_view_set(ball, 17).key,
        build_object_view_set(ball, 16).key,
        build_object_view_set(PointCloud(ball.vertices), 16).key,
        build_object_view_set(PointCloud(ball.vertices), 16, radius_ndc=0.03).key,
    }
    assert len(keys) == 6
    assert build_human_view_set(ball, 16).key in keys


NO_FACES = torch.zeros(0, 3, dtype=torch.long)


@pytest.mark.parametrize(
    ("mesh", "reason"),
    [
        (Mesh(torch.zeros(0, 3), NO_FACES), "none of the 4|empty"),
        (Mesh(torch.zeros(1, 3), NO_FACES), "none of the 4|no extent"),
        (Mesh(torch.rand(9, 3), NO_FACES), "none of the 4"),
        (Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), "none of the 4|no extent"),
        (Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]])), "NaN"),
        (Mesh(torch.rand(3, 3), torch.tensor([[0, 1, 7]])), "3 vertices"),
    ],
    ids=["nothing", "one vertex", "no faces", "one place", "NaN", "missing vertex"],
)
@pytest.mark.parametrize("build", [build_human_view_set, build_object_view_set])
def test_unusable_meshes_are_rejected_by_name(build, mesh, reason):
    with pytest.raises(InputError, match=reason):
        build(mesh, 16)


def test_a_body_in_millimetres_or_far_away_is_rejected_with_its_bounds():
    far = Mesh(sphere(1).vertices * 1000 + 5e5, sphere(1).faces)
    with pytest.raises(InputError, match=r"metres"):
        build_human_view_set(far, 16)


@pytest.mark.parametrize("points", [torch.zeros(0, 3), torch.ones(4, 3)])
def test_points_without_extent_are_rejected(points):
    with pytest.raises(InputError, match=r"empty|no extent"):
        build_object_view_set(PointCloud(points), 16)
