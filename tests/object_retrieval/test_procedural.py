"""Solids, their batches and the catalogue of procedural objects."""

import jaxtyping
import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from object_retrieval.procedural.catalogue_kit import placement, rotation_to, turn_about_x
from object_retrieval.procedural.objects import (
    CATEGORIES,
    GRIP_FRAME,
    KINDS,
    UNSEEN_CATEGORIES,
    ObjectInstance,
    Primitive,
    PrimitiveBatch,
    build_object,
    object_from_name,
    pack_objects,
)
from object_retrieval.procedural.primitives import SIZE_NAMES, _signed_distance_plain
from renders.errors import InputError

ALL_CATEGORIES = CATEGORIES + UNSEEN_CATEGORIES

SIZES = [
    ("box", (0.3, 0.2, 0.1, 0.0)),
    ("box", (0.3, 0.2, 0.1, 0.06)),
    ("cylinder", (0.2, 0.3, 0.0)),
    ("cylinder", (0.2, 0.3, 0.05)),
    ("capsule", (0.1, 0.2)),
    ("ellipsoid", (0.2, 0.2, 0.2)),
    ("ellipsoid", (0.3, 0.2, 0.12)),
    ("torus", (0.3, 0.06)),
    ("cone", (0.1, 0.3, 0.2)),
    ("cone", (0.25, 0.0, 0.2)),
    ("shell", (0.2, 0.3, 0.15, 0.02)),
    ("shell", (0.3, 0.1, 0.01, 0.03)),
]

REQUIRED_ANCHORS = {
    "chair": {"seat", "back_top", "back_front"},
    "stool": {"seat", "top"},
    "bench": {"seat", "top"},
    "sofa": {"seat", "backrest", "back_top"},
    "bed": {"top"},
    "table": {"top", "edge_front"},
    "laptop": {"base_top", "side_left", "side_right", "bottom"},
    "cup": {"grip"},
    "bottle": {"grip"},
    "backpack": {"back_panel", "top_handle"},
    "suitcase": {"pull_handle", "side_handle", "top"},
    "umbrella": {"grip"},
    "ball": {"side_left", "side_right", "top", "bottom"},
    "bat": {"grip"},
    "bicycle": {"saddle", "grip_left", "grip_right", "pedal_left", "pedal_right"},
    "skateboard": {"deck"},
    "box": {"top", "edge_front", "side_left", "side_right", "push_face"},
    "trolley": {"edge_front", "handle_left", "handle_right"},
    "scooter": {"deck", "grip_left", "grip_right"},
    "barrel": {"top"},
    "guitar": {"neck", "body_front"},
    "surfboard": {"deck"},
    "racket": {"grip"},
    "bucket": {"handle"},
}


def solid(kind: str, size: tuple[float, ...], where: np.ndarray | None = None) -> Primitive:
    where = np.eye(4) if where is None else where
    return Primitive(kind, size, where, "part", (0.5, 0.5, 0.5))


def some_placement(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation = rotation_to(rng.normal(size=3), rng.normal(size=3))
    return placement(rng.uniform(-0.3, 0.3, 3), rotation)


def surface_samples(primitive: Primitive, count: int) -> np.ndarray:
    vertices, faces = primitive.mesh()
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    return trimesh.sample.sample_surface(mesh, count, seed=0)[0]


def instances(category: str, count: int = 8, pool: str = "train"):
    rng = np.random.default_rng(7)
    return [build_object(category, rng, instance_pool=pool) for _ in range(count)]


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_distance_equals_distance_to_the_sampled_surface(kind, size):
    primitive = solid(kind, size, some_placement(1))
    surface = surface_samples(primitive, 40_000)
    rng = np.random.default_rng(0)
    close = surface[:100] + rng.normal(scale=0.01, size=(100, 3))
    points = np.concatenate([rng.uniform(-0.7, 0.7, (300, 3)), close])
    truth = cKDTree(surface).query(points)[0]
    found = _signed_distance_plain([primitive], torch.from_numpy(points)).abs().numpy()
    # The ellipsoid's formula is of first order: right on the surface, rough far away.
    near = truth < (0.03 if kind == "ellipsoid" and len(set(size)) > 1 else np.inf)
    np.testing.assert_allclose(found[near], truth[near], atol=0.008)


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_meshes_are_closed_face_outward_and_lie_on_the_zero_level(kind, size):
    primitive = solid(kind, size, some_placement(2))
    vertices, faces = primitive.mesh()
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert mesh.area_faces.min() > 0
    assert len(faces) < 2500
    level = _signed_distance_plain([primitive], torch.from_numpy(vertices))
    assert level.abs().max() < 2e-4


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_sign_follows_the_surface_normal(kind, size):
    primitive = solid(kind, size, some_placement(3))
    vertices, faces = primitive.mesh()
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    points, face = trimesh.sample.sample_surface(mesh, 300, seed=0)
    outward = mesh.face_normals[face]
    for step, sign in ((0.005, 1), (-0.005, -1)):
        level = _signed_distance_plain([primitive], torch.from_numpy(points + step * outward))
        assert (level.sign() == sign).double().mean() > 0.97


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_gradients_are_finite_at_centres_axes_edges_and_corners(kind, size, dtype):
    half = solid(kind, size).mesh()[0].max(axis=0)
    grid = np.stack(np.meshgrid(*[(-1.0, 0.0, 1e-9, 1.0, 3.0)] * 3), -1).reshape(-1, 3) * half
    points = torch.tensor(grid, dtype=dtype)[None].requires_grad_()
    distance = PrimitiveBatch([[solid(kind, size)]]).signed_distance(points)
    (gradient,) = torch.autograd.grad(distance.sum(), points)
    assert distance.isfinite().all()
    assert gradient.isfinite().all()
    # An approximate ellipsoid may be a little steeper than a true distance.
    assert gradient.norm(dim=-1).max() < (1.01 if kind != "ellipsoid" else 3.0)


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_centres_of_solids_are_inside_and_distances_grow_outside(kind, size):
    points = torch.tensor([[0.0, 0, 0], [2, 0, 0], [3, 0, 0]], dtype=torch.float64)
    middle, near, far = _signed_distance_plain([solid(kind, size)], points)
    assert (middle > 0) == (kind in ("torus", "shell"))
    torch.testing.assert_close(
        far - near, torch.tensor(1.0, dtype=torch.float64), rtol=0.02, atol=0
    )


def test_hand_computed_distances():
    box = solid("box", (1.0, 2.0, 3.0, 0.0))
    capsule = solid("capsule", (0.5, 1.0), placement((10.0, 0.0, 0.0)))
    points = torch.tensor([[2.0, 3.0, 4.0], [0.5, 0.0, 0.0], [1.0, 0.0, 0.0], [10.0, 0.0, 3.0]])
    found = PrimitiveBatch([[box, capsule]]).signed_distance(points[None])[0]
    torch.testing.assert_close(found, torch.tensor([3**0.5, -0.5, 0.0, 1.5]), atol=1e-6, rtol=1e-6)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15)
def test_batch_equals_the_plain_twin_with_gradients(seed):
    rng = np.random.default_rng(seed)
    objects = [
        [
            solid(*SIZES[k], some_placement(int(rng.integers(1000))))
            for k in rng.integers(len(SIZES), size=n)
        ]
        for n in rng.integers(1, 6, size=3)
    ]
    points = torch.tensor(rng.uniform(-0.8, 0.8, (3, 50, 3))).requires_grad_()
    fast = PrimitiveBatch(objects).signed_distance(points)
    plain = torch.stack(
        [_signed_distance_plain(o, p) for o, p in zip(objects, points, strict=True)]
    )
    upstream = torch.tensor(rng.normal(size=fast.shape))
    gradients = [torch.autograd.grad(out, points, upstream)[0] for out in (fast, plain)]
    torch.testing.assert_close(fast, plain)
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        torch.testing.assert_close(PrimitiveBatch(objects).signed_distance(points), plain)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15)
def test_distance_moves_with_the_object(seed):
    moved_by, where = some_placement(seed), some_placement(seed + 1)
    kind, size = SIZES[seed % len(SIZES)]
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (20, 3))
    there = torch.tensor(points @ moved_by[:3, :3].T + moved_by[:3, 3])
    before = _signed_distance_plain([solid(kind, size, where)], torch.tensor(points))
    after = _signed_distance_plain([solid(kind, size, moved_by @ where)], there)
    torch.testing.assert_close(before, after)


def test_ring_of_objects_is_one_batch_of_singles():
    objects = [build_object(name, np.random.default_rng(3)) for name in ALL_CATEGORIES]
    points = torch.rand(len(objects), 40, 3) * 2 - 1
    together = pack_objects(objects).signed_distance(points)
    alone = torch.stack([o.signed_distance(p) for o, p in zip(objects, points, strict=True)])
    torch.testing.assert_close(together, alone)
    grid = objects[0].signed_distance(points.reshape(4, -1, 40, 3))
    assert grid.shape == (4, len(objects) // 4, 40)


def test_ignored_parts_do_not_count():
    backpack = build_object("backpack", np.random.default_rng(0))
    start = next(p for p in backpack.primitives if p.part == "strap").object_from_primitive[:3, 3]
    points = torch.tensor(start, dtype=torch.float32)[None, None]
    assert pack_objects([backpack]).signed_distance(points).item() < 0
    assert pack_objects([backpack], ignore_parts=["strap"]).signed_distance(points).item() > 0


def test_wrong_requests_are_refused_with_the_allowed_values():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"spaceship.*'chair'"):
        build_object("spaceship", rng)
    with pytest.raises(InputError, match=r"'chair/train/x'.*4096"):
        object_from_name("chair/train/x")
    with pytest.raises(InputError, match="number below 512"):
        object_from_name("chair/test/512")
    with pytest.raises(InputError, match="pool ''"):
        object_from_name("chair")
    with pytest.raises(InputError, match=r"radius.*positive.*-1"):
        solid("cylinder", (-1.0, 1.0, 0.0))
    with pytest.raises(InputError, match="half_length"):
        solid("capsule", (1.0,))
    with pytest.raises(InputError, match="object 1 of 2 is empty"):
        PrimitiveBatch([[solid(*SIZES[0])], []])
    with pytest.raises(InputError, match="1 objects need as many rows of points, not 2"):
        PrimitiveBatch([[solid(*SIZES[0])]]).signed_distance(torch.zeros(2, 5, 3))


def test_shape_checks_are_on():
    with pytest.raises(jaxtyping.TypeCheckError):
        build_object("ball", np.random.default_rng(0)).signed_distance(torch.zeros(4, 2))


def test_catalogue_has_the_promised_categories():
    assert len(CATEGORIES) >= 18
    assert len(UNSEEN_CATEGORIES) >= 5
    assert not set(CATEGORIES) & set(UNSEEN_CATEGORIES)
    assert set(REQUIRED_ANCHORS) == set(ALL_CATEGORIES)
    assert set(SIZE_NAMES) == set(KINDS)


@pytest.mark.parametrize("category", ALL_CATEGORIES)
def test_anchors_are_there_lie_on_the_surface_and_point_into_the_open(category):
    for instance in [*instances(category), *instances(category, pool="test")]:
        assert set(instance.anchors) >= REQUIRED_ANCHORS[category]
        for name, anchor in instance.anchors.items():
            where = f"{instance.name} {name}"
            line = torch.tensor(np.stack([anchor.point, anchor.point + 0.02 * anchor.normal]))
            on, above = instance.signed_distance(line).tolist()
            assert abs(on) < 0.0025, where
            # A hand below a bail or between slats may be near another part, but not inside it.
            assert above > 0.008, where
            assert np.isclose(np.linalg.norm(anchor.normal), 1), where
            assert (anchor.extent >= 0).all(), where
            assert (anchor.radius_m > 0) == (anchor.kind != "surface"), where
            assert np.isclose(np.linalg.norm(anchor.axis), float(anchor.kind != "surface")), where
            inside = instance.signed_distance(torch.tensor(anchor.center)[None]).item()
            assert inside < 0.3 * -anchor.radius_m or anchor.kind == "surface", where


@pytest.mark.parametrize("category", ALL_CATEGORIES)
def test_objects_stand_on_the_floor_or_hang_from_the_grip(category):
    for instance in instances(category):
        low, high = instance.bounds
        if category in GRIP_FRAME:
            assert low[2] < 0 < high[2]
            grip = instance.anchors["neck" if category == "guitar" else "grip"]
            assert np.linalg.norm(grip.center) < 0.06
        else:
            assert abs(low[2]) < 0.005
        assert (high - low).max() < 2.7
        assert (high - low).max() > 0.07


def test_left_is_plus_x_and_the_front_is_minus_y():
    for category in ALL_CATEGORIES:
        for instance in instances(category, 3):
            for name, anchor in instance.anchors.items():
                sign = {"left": 1, "right": -1}.get(name.rsplit("_", 1)[-1])
                assert sign is None or sign * anchor.point[0] > 0, (category, name)
    chair = instances("chair", 1)[0].anchors
    assert chair["back_front"].point[1] > chair["seat"].point[1]
    assert chair["back_front"].normal[1] < -0.9
    assert instances("box", 1)[0].anchors["push_face"].normal[1] == 1
    assert instances("backpack", 1)[0].anchors["back_panel"].normal[1] == -1
    bicycle = instances("bicycle", 1)[0].anchors
    assert bicycle["grip_left"].point[1] < bicycle["saddle"].point[1]
    trolley = instances("trolley", 1)[0].anchors
    assert trolley["edge_front"].point[1] < 0 < trolley["handle_left"].point[1]


@pytest.mark.parametrize("category", ALL_CATEGORIES)
def test_a_mesh_names_part_and_colour_of_every_face(category):
    instance = instances(category, 1)[0]
    mesh, part_of_face, color_of_face = instance.mesh()
    assert mesh.num_faces == len(part_of_face) == len(color_of_face) < 15_000
    assert part_of_face.unique().tolist() == list(range(len(instance.parts)))
    assert 0 <= color_of_face.min() <= color_of_face.max() <= 1
    assert mesh.vertex_colors is not None
    torch.testing.assert_close(mesh.vertex_colors[mesh.faces[:, 0]], color_of_face)
    assert instance.signed_distance(mesh.vertices).max() < 1e-3
    assert str(len(instance.primitives)) in repr(instance)


@pytest.mark.parametrize("category", ALL_CATEGORIES)
def test_the_same_seed_and_the_same_name_give_the_same_object(category):
    first, second = (build_object(category, np.random.default_rng(5)) for _ in range(2))
    again = object_from_name(first.name)
    for other in (second, again):
        assert other.name == first.name
        assert fingerprint(other) == fingerprint(first)


@pytest.mark.parametrize("category", ALL_CATEGORIES)
def test_instance_pools_share_no_object_and_vary(category):
    train, test = (
        {fingerprint(object_from_name(f"{category}/{pool}/{k:04d}")) for k in range(40)}
        for pool in ("train", "test")
    )
    assert len(train) == len(test) == 40
    assert not train & test


def fingerprint(instance) -> tuple:
    return tuple(
        (p.kind, p.size, p.color, p.part, p.object_from_primitive.tobytes())
        for p in instance.primitives
    )


@given(direction=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda d: np.linalg.norm(d) > 1e-3))
def test_rotation_to_points_where_asked(direction):
    rotation = rotation_to(direction)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-9)
    np.testing.assert_allclose(rotation[:, 2], direction / np.linalg.norm(direction), atol=1e-9)


def test_positive_tilt_leans_the_top_to_the_front():
    assert (turn_about_x(0.3) @ (0, 0, 1))[1] < 0


@pytest.mark.parametrize("category", ["chair", "cup", "bicycle", "racket"])
def test_surface_points_lie_on_the_outside(category):
    instance = build_object(category, np.random.default_rng(0))
    points = instance.surface_points(300)
    away = instance.signed_distance(torch.from_numpy(points))
    assert away.abs().max() < 0.012  # triangles cut corners of round solids
    assert away.min() > -0.0025
    np.testing.assert_array_equal(points, object_from_name(instance.name).surface_points(300))


def test_surface_points_are_uniform_by_area():
    solid = Primitive("box", (0.5, 0.25, 0.25, 0.0), np.eye(4), "body", (1.0, 1.0, 1.0))
    points = np.abs(ObjectInstance("box", (solid,), {}, ("body",)).surface_points(4000))
    ends = (points[:, 0] > 0.4999).mean()
    assert ends == pytest.approx(2 * 0.25 / (2 * 0.25 + 8 * 0.25), abs=0.03)
