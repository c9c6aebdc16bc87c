"""Values and vertices between topologies: laws, round trips, sides, the publisher's files."""

import dataclasses
import pickle

import numpy as np
import pytest
import scipy.sparse
import torch

from human_recovery import smpl_files, topology_map
from human_recovery.correspondence import PartSurface, closest_places, neighbouring_parts
from human_recovery.geodesic import geodesic_distances
from human_recovery.parts import PART_NAMES
from human_recovery.published_maps import find_published_map
from human_recovery.topology import BodyTopology, get_topology
from renders.errors import AssetError, InputError

from .stand_in import collapsed, write_stand_in

SMALL = 700


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Maps made in a test stay in the test's folder; Anny's topologies are built beforehand."""
    for name in ("anny", "anny-fast"):
        get_topology(name)
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(smpl_files.FOLDER_VARIABLE, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def small_pair(own_cache, monkeypatch):
    """The fast body, and a coarser, wider and shorter copy of it in the place of SMPL."""
    fast = get_topology("anny-fast")
    kept, faces = collapsed(
        fast.canonical_vertices.double().numpy(), fast.faces.numpy(),
        fast.symmetric_partner.numpy(), SMALL, seed=0,
    )  # fmt: skip
    build = torch.tensor([1.1, 0.9, 1.2])
    other = BodyTopology(
        "smpl", torch.from_numpy(faces), fast.canonical_vertices[kept] * build,
        fast.part_of_vertex[kept], torch.arange(SMALL),
    )  # fmt: skip
    bodies = {"anny-fast": fast, "smpl": other}
    monkeypatch.setattr(topology_map, "get_topology", lambda name, folder=None: bodies[name])
    return fast, other, torch.from_numpy(kept)


def f1(predicted, target):
    return float(2 * (predicted & target).sum() / (predicted.sum() + target.sum()).clamp(min=1))


def patches(body, count, radius_m, seed=0):
    """Connected patches: all that is within a random distance of a random place, by area."""
    generator = torch.Generator().manual_seed(seed)
    a, b, c = body.canonical_vertices[body.faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1)
    faces = torch.multinomial(area, count, generator=generator, replacement=True)
    low, high = radius_m
    radius = low + (high - low) * torch.rand(count, 1, generator=generator)
    distance = geodesic_distances(
        body.canonical_vertices, body.faces, body.faces[faces, 0], limit=high
    )
    return distance <= radius


def side_mask(body, side):
    return torch.stack([body.part_mask(p) for p in PART_NAMES if p.startswith(side)]).any(0)


def mean_round_trip(there, back, masks, *, between=lambda values: values):
    again = back.apply(between(there.apply(masks.float()))) >= 0.5
    return float(np.mean([f1(a, b) for a, b in zip(again, masks, strict=True)]))


def test_a_map_is_a_mean_of_few_vertices(small_pair):
    for names in (("anny-fast", "smpl"), ("smpl", "anny-fast")):
        way = topology_map.topology_map(*names)
        total = torch.zeros(way.num_target).index_add(0, way.target_index, way.weight)
        torch.testing.assert_close(total, torch.ones(way.num_target))
        assert (way.weight >= 0).all() and way.changes_vertices
        assert torch.bincount(way.target_index).max() == 3
        ones = way.apply(torch.ones(2, 5, way.num_source))
        torch.testing.assert_close(ones, torch.ones(2, 5, way.num_target))


def test_map_finds_the_true_place_on_a_body_of_other_build(small_pair):
    fast, _, kept = small_pair
    way = topology_map.topology_map("anny-fast", "smpl")
    found = way.apply_to_points(fast.canonical_vertices)
    gap = (found - fast.canonical_vertices[kept]).norm(dim=1)
    assert gap.mean() < 0.01 and gap.max() < 0.06


def test_sides_and_parts_are_kept(small_pair):
    fast, other, _ = small_pair
    for given, wanted in ((fast, other), (other, fast)):
        way = topology_map.topology_map(given.name, wanted.name)
        for part in PART_NAMES:
            moved = way.apply(given.part_mask(part).float()) >= 0.5
            assert f1(moved, wanted.part_mask(part)) > 0.8, part
        for side, other_side in (("left", "right"), ("right", "left")):
            moved = way.apply(side_mask(given, side).float())
            assert moved[side_mask(wanted, other_side)].max() <= 0.5
            assert moved[side_mask(wanted, side)].mean() > 0.9


def test_soft_round_trip_keeps_patches_on_small_meshes(small_pair):
    fast, other, _ = small_pair
    there, back = (
        topology_map.topology_map(*names)
        for names in (("anny-fast", "smpl"), ("smpl", "anny-fast"))
    )
    assert mean_round_trip(back, there, patches(other, 40, (0.1, 0.4))) > 0.95
    assert mean_round_trip(there, back, patches(fast, 40, (0.1, 0.4))) > 0.9


def test_maps_are_kept_and_follow_the_body(small_pair, own_cache, monkeypatch, caplog):
    _, other, _ = small_pair
    first = topology_map.topology_map("anny-fast", "smpl")
    (entry,) = own_cache.glob("topology-map-*")
    monkeypatch.setattr(topology_map, "registered", None)  # a second making would fail
    again = topology_map.topology_map("anny-fast", "smpl")
    assert torch.equal(again.source_index, first.source_index) and again.origin == first.origin
    assert "apart on average" in repr(again)
    monkeypatch.undo()
    monkeypatch.setenv("INTERACTVLM_CACHE", str(own_cache))
    bodies = {
        "anny-fast": get_topology("anny-fast"),
        "smpl": dataclasses.replace(other, canonical_vertices=other.canonical_vertices * 1.01),
    }
    monkeypatch.setattr(topology_map, "get_topology", lambda name, folder=None: bodies[name])
    topology_map.topology_map("anny-fast", "smpl")
    assert len(list(own_cache.glob("topology-map-*"))) == 2
    assert not caplog.records and entry.is_file()


def test_bodies_that_do_not_fit_are_told(small_pair, monkeypatch, caplog):
    fast, other, _ = small_pair
    scattered = other.canonical_vertices + torch.randn(
        other.canonical_vertices.shape, generator=torch.Generator().manual_seed(0)
    )
    bodies = {
        "anny-fast": fast,
        "smpl": dataclasses.replace(other, canonical_vertices=scattered),
    }
    monkeypatch.setattr(topology_map, "get_topology", lambda name, folder=None: bodies[name])
    topology_map.topology_map("anny-fast", "smpl")
    assert "do not rely on maps" in caplog.text


def test_gradients_flow_to_where_values_came_from(small_pair):
    way = topology_map.topology_map("anny-fast", "smpl")
    values = torch.zeros(way.num_source, requires_grad=True)
    way.apply(values).sum().backward()
    expected = torch.zeros(way.num_source).index_add(0, way.source_index, way.weight)
    assert values.grad is not None
    torch.testing.assert_close(values.grad, expected)


def test_smpl_and_smplh_share_their_vertices(monkeypatch):
    monkeypatch.delenv(smpl_files.FOLDER_VARIABLE, raising=False)
    way = topology_map.topology_map("smplh", "smpl")
    values = torch.rand(6890)
    assert way.apply(values) is values and not way.changes_vertices
    assert way.num_source == way.num_target == 6890
    with pytest.raises(InputError, match="6890 vertices, got 10475"):
        way.apply(torch.rand(10475))


def test_unknown_names_and_absent_files_are_told(own_cache):
    with pytest.raises(InputError, match=r"'star'.*allowed"):
        topology_map.topology_map("anny", "star")
    with pytest.raises(AssetError, match=r"from the body 'anny' to 'smplx'.*smpl-x\.is\.tue"):
        topology_map.topology_map("anny", "smplx")


def _flat(height, part, upside_down=False):
    """A square of two triangles at a height, all of one part."""
    vertices = np.array([[0.0, 0, height], [1, 0, height], [1, 1, height], [0, 1, height]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    index = PART_NAMES.index(part)
    return PartSurface(vertices, faces[:, ::-1] if upside_down else faces, np.full(4, index))


def _both(first, second):
    return PartSurface(
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.faces, second.faces + len(first.vertices)]),
        np.concatenate([first.part_of_vertex, second.part_of_vertex]),
    )


@pytest.mark.parametrize(
    ("near", "far", "given"),
    [
        (_flat(0.01, "right thigh"), _flat(0.03, "left thigh"), _flat(0.0, "left thigh")),
        (_flat(0.01, "left thigh"), _flat(0.03, "left hand"), _flat(0.0, "left hand")),
        (_flat(0.01, "torso", True), _flat(0.03, "torso"), _flat(0.0, "torso")),
    ],
    ids=["other side", "another part", "facing away"],
)
def test_the_nearest_surface_is_passed_over_where_it_does_not_fit(near, far, given):
    target = _both(near, far)
    places = closest_places(given, target, neighbouring_parts(given, target))
    np.testing.assert_allclose(places.interpolated(target.vertices)[:, 2], 0.03)


def test_a_part_that_is_not_there_is_looked_for_everywhere():
    given, target = _flat(0.0, "head"), _flat(0.5, "left foot")
    places = closest_places(given, target, neighbouring_parts(given, target))
    np.testing.assert_allclose(places.interpolated(target.vertices)[:, 2], 0.5)


def test_a_surface_without_faces_is_refused():
    given, empty = (
        _flat(0.0, "head"),
        PartSurface(np.zeros((1, 3)), np.zeros((0, 3), int), np.zeros(1, int)),
    )
    with pytest.raises(InputError, match="0 faces"):
        closest_places(given, empty, neighbouring_parts(given, empty))


SIZES = {"smpl": 6, "smplh": 6, "smplx": 9}


@pytest.fixture
def tiny_counts(monkeypatch, tmp_path):
    """The family with few vertices, so that a published matrix is small."""
    for name, count in SIZES.items():
        spec = dataclasses.replace(smpl_files.SPECS[name], num_vertices=count)
        monkeypatch.setitem(smpl_files.SPECS, name, spec)
    monkeypatch.setenv(smpl_files.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def _matrix():
    rng = np.random.default_rng(0)
    matrix = np.zeros((9, 6))
    for row in range(9):
        matrix[row, rng.choice(6, 3, replace=False)] = rng.dirichlet(np.ones(3))
    return matrix


def _put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("given", ["smpl", "smplh"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("smpl_to_smplx.pkl", {"matrix": _matrix()}),
        ("model_transfer/smpl2smplx_deftrafo_setup.pkl", {
            "mtx": scipy.sparse.csc_matrix(np.hstack([_matrix(), np.ones((9, 6))]))
        }),
        ("transfer/smplh2smplx_deftrafo_setup.pkl", {"mtx": scipy.sparse.csr_matrix(_matrix())}),
    ],
    ids=["matrix", "with normals", "sparse"],
)  # fmt: skip
def test_the_publishers_map_is_used_where_it_is(tiny_counts, given, name, content):
    _put(tiny_counts / name, content)
    way = topology_map.topology_map(given, "smplx")
    values = torch.rand(2, 6)
    torch.testing.assert_close(way.apply(values), values @ torch.from_numpy(_matrix().T).float())
    assert name.rpartition("/")[2] in way.origin
    assert find_published_map("smplx", given) is None
    assert find_published_map(given, "anny") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"matrix": _matrix().T}, r"shape \(6, 9\), expected \(9, 6\)"),
        ({"matrix": 2 * _matrix()}, "of 9 vertices do not sum to one"),
        ({"matrix": np.full((9, 6), np.nan)}, "do not sum to one"),
        ({"matrix": np.array(["a"])}, "not numbers"),
        ({"matrix": np.zeros(3)}, "two axes"),
        ({"faces": 1}, r"neither 'matrix' nor 'mtx', but \['faces'\]"),
        ([], "must hold a dictionary"),
    ],
    ids=["transposed", "scaled", "nan", "text", "vector", "another file", "list"],
)
def test_a_published_map_that_is_none_is_refused_by_name(tiny_counts, content, reason):
    _put(tiny_counts / "smpl_to_smplx.pkl", content)
    with pytest.raises(AssetError, match=rf"{reason}.*smpl_to_smplx\.pkl"):
        topology_map.topology_map("smpl", "smplx")


def test_a_web_page_in_place_of_a_published_map_is_named(tiny_counts):
    (tiny_counts / "smplx_to_smpl.pkl").write_text("<!DOCTYPE html>")
    with pytest.raises(AssetError, match=r"web page.*smpl-x\.is\.tue.*smplx_to_smpl\.pkl"):
        topology_map.topology_map("smplx", "smplh")


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """SMPL+H and SMPL-X at their true sizes: a heavy tall man and a light short woman."""
    folder = tmp_path_factory.mktemp("bodies")
    return folder, {
        "smplh": write_stand_in(folder, "smplh", [0.2, 0.6, 0.7, 0.6, 0.8, 0.4], seed=1),
        "smplx": write_stand_in(folder, "smplx", [0.8, 0.4, 0.4, 0.35, 0.3, 0.7], seed=2),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"), [("anny", "smplh"), ("anny", "smplx"), ("smplx", "smplh")]
)
def test_round_trips_at_true_size_keep_patches_and_sides(own_cache, stand_ins, first, second):
    """Patches of 3 to 20 cm around a place; thresholding between the two steps costs some."""
    folder, truth = stand_ins
    bodies = {name: get_topology(name, folder) for name in (first, second)}
    ways = {
        (a, b): topology_map.topology_map(a, b, folder)
        for a, b in ((first, second), (second, first))
    }
    for (a, b), there in ways.items():
        masks = patches(bodies[a], 100, (0.03, 0.2))
        soft = mean_round_trip(there, ways[b, a], masks)
        hard = mean_round_trip(there, ways[b, a], masks, between=lambda v: (v >= 0.5).float())
        print(f"{a} > {b} > {a}: F1 {soft:.3f}, thresholded between {hard:.3f}; {there.origin}")
        left = there.apply(side_mask(bodies[a], "left").float())
        assert left[side_mask(bodies[b], "right")].max() <= 0.5
        assert soft >= 0.95 and hard >= 0.92
    if first == "anny":
        found = ways[first, second].apply_to_points(bodies[first].canonical_vertices)
        place = bodies[first].canonical_vertices[truth[second].anny_vertex]
        error_m = (found - place).norm(dim=1)
        print(f"{first} > {second}: place wrong by {1000 * error_m.mean():.1f} mm on average")
        assert error_m.mean() < 0.015
