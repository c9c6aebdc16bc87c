"""Files as the published code writes them come in whole; damaged and hostile ones are refused."""

import os
import pickle

import numpy as np
import pytest
import torch

from interactvlm.errors import AssetError, InputError
from interactvlm.published_files import (
    load_human_lift_map,
    load_object_lift_map,
    load_published_contact,
    load_published_parts,
    load_published_results,
    load_view_lift_map,
)

VIEWS = ("topfront", "bottomfront", "topback", "bottomback")
CORNERS = (8, 8, 3)


@pytest.fixture
def maps():
    """Vertex and weight map of one small view; the first row is background."""
    rng = np.random.default_rng(0)
    vertices = rng.integers(0, 6890, CORNERS)
    weights = rng.dirichlet([1, 1, 1], CORNERS[:2]).astype(np.float32)
    vertices[0], weights[0] = -1, -1
    return vertices, weights


def test_a_human_contact_archive_has_both_bodies(tmp_path):
    path = tmp_path / "chair__1_hcontact_vertices.npz"
    smplh = np.random.default_rng(0).random((1, 6890)).astype(np.float32)
    np.savez(path, pred_contact_3d_smplh=smplh, pred_contact_3d_smplx=np.zeros(10475))
    human, expressive = load_published_contact(path, label="chair", threshold=0.3)
    assert (human.topology, expressive.topology) == ("smplh", "smplx")
    assert human.label == "chair" and int(human.mask().sum()) == int((smplh >= 0.3).sum())
    assert not expressive.in_contact


@pytest.mark.parametrize("shape", [(500,), (1, 500)])
def test_an_object_archive_has_any_number_of_vertices(tmp_path, shape):
    np.savez(tmp_path / "a.npz", pred_contact_3d=np.full(shape, 0.7))
    (contact,) = load_published_contact(tmp_path / "a.npz")
    assert contact.topology == "object" and contact.vertex_probability.shape == (500,)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"other": np.zeros(3)}, "holds none of"),
        ({"pred_contact_3d_smplh": np.zeros((1, 6889))}, r"shape \(1, 6889\)"),
        ({"pred_contact_3d_smplx": np.zeros((2, 10475))}, "expected 10475"),
        ({"pred_contact_3d": np.zeros(0)}, "expected N"),
        ({"pred_contact_3d": np.array([0.5, np.nan])}, "outside 0 to 1"),
        ({"pred_contact_3d": np.array([0.5, 2.0])}, "outside 0 to 1"),
        ({"pred_contact_3d": np.array(["a"])}, "no array of numbers"),
        ({"pred_contact_3d": np.array([{}], dtype=object)}, "cannot be read"),
    ],
)
def test_an_archive_that_does_not_fit_is_one_sentence(tmp_path, arrays, said):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(AssetError, match=said):
        load_published_contact(tmp_path / "a.npz")


def test_an_absent_archive_and_an_odd_threshold_are_told(tmp_path):
    with pytest.raises(AssetError, match="expected it at"):
        load_published_contact(tmp_path / "absent.npz")
    with pytest.raises(InputError, match="threshold"):
        load_published_contact(tmp_path / "absent.npz", threshold=1.5)


def test_body_maps_are_read_in_the_order_of_the_views(tmp_path, maps):
    vertices, weights = maps
    # Stored in another order than the model's, as a dictionary may be.
    np.savez(tmp_path / "pixel_to_vertex_map_1024.npz",
             **dict.fromkeys(sorted(VIEWS), vertices + 0))  # fmt: skip
    shifted = {name: np.roll(weights, i, axis=2) for i, name in enumerate(VIEWS)}
    np.savez(tmp_path / "bary_coords_map_1024.npz", **shifted)
    surface = load_human_lift_map(tmp_path)
    assert (surface.num_views, surface.num_vertices) == (4, 6890)
    np.testing.assert_array_equal(surface.vertex_of_pixel[2].numpy(), vertices)
    for view in (0, 1, 2):
        np.testing.assert_allclose(
            surface.weight_of_pixel[view, 1:].numpy(), np.roll(weights, view, axis=2)[1:], atol=1e-6
        )
    assert not surface.valid[:, 0].any() and surface.valid[:, 1:].all()


def test_a_body_map_without_a_view_is_refused(tmp_path, maps):
    np.savez(tmp_path / "pixel_to_vertex_map_1024.npz", topfront=maps[0])
    np.savez(tmp_path / "bary_coords_map_1024.npz", topfront=maps[1])
    with pytest.raises(AssetError, match="bottomfront"):
        load_human_lift_map(tmp_path)


def test_object_maps_of_the_demo_and_of_the_data(tmp_path, maps):
    joblib = pytest.importorskip("joblib")
    vertices, weights = maps
    content = {
        "pixel_to_vertices_map": [vertices] * 4, "bary_coords_map": [weights] * 4,
        "num_vertices": 7000,
    }  # fmt: skip
    joblib.dump(content, tmp_path / "lift2d_dict.pkl")
    surface = load_object_lift_map(tmp_path / "lift2d_dict.pkl")
    assert (surface.num_views, surface.num_vertices) == (4, 7000)
    one = {key: value[0] if isinstance(value, list) else value for key, value in content.items()}
    np.savez(tmp_path / "p2vmap_a_frontleft.npz", **one)
    view = load_view_lift_map(tmp_path / "p2vmap_a_frontleft.npz")
    values = torch.rand(1, 4, 8, 8)
    np.testing.assert_allclose(
        surface.lift(values[:, :1].expand(1, 4, 8, 8)), view.lift(values[:, :1]), atol=1e-6
    )
    joblib.dump(content | {"num_vertices": 10}, tmp_path / "few.pkl")
    with pytest.raises(AssetError, match="beyond the 10"):
        load_object_lift_map(tmp_path / "few.pkl")
    joblib.dump(content | {"bary_coords_map": [weights] * 3}, tmp_path / "odd.pkl")
    with pytest.raises(AssetError, match="maps of the shapes"):
        load_object_lift_map(tmp_path / "odd.pkl")


def test_body_parts_keep_their_order(tmp_path):
    path = tmp_path / "smpl_segmentation_merged.pkl"
    path.write_bytes(pickle.dumps({"right foot": [3, 1], "head": np.array([5])}))
    parts = load_published_parts(path)
    assert list(parts) == ["right foot", "head"] and parts["right foot"].tolist() == [3, 1]
    path.write_bytes(pickle.dumps({"head": [6890]}))
    with pytest.raises(AssetError, match="0 to 6889"):
        load_published_parts(path)


def test_evaluation_results_are_read_without_their_scores(tmp_path):
    joblib = pytest.importorskip("joblib")
    content = {
        "imgnames": ["/a/1.jpg", "/a/2.jpg"], "objnames": ["chair", "cup"],
        "pred": np.full((2, 6890), 0.25, np.float32), "gt": np.zeros((2, 6890)), "f1": [0.1, 0.2],
    }  # fmt: skip
    path = tmp_path / "damon_results.pkl"
    joblib.dump(content, path)
    results = load_published_results(path)
    assert results.labels == ("chair", "cup") and float(results.predicted_prob.max()) == 0.25
    joblib.dump(content | {"objnames": ["chair"]}, path)
    with pytest.raises(AssetError, match="2 photos, 1 objects"):
        load_published_results(path)


class Hostile:
    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize(
    "read", [load_object_lift_map, load_published_parts, load_published_results]
)
def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path, monkeypatch, read):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"head": Hostile()}))
    with pytest.raises(AssetError, match=r"asks for .*system"):
        read(path)
    assert not (tmp_path / "harmed").exists()
