"""Every category of the embedded library: closed, metric, named parts, fit to carry contact."""

import functools

import numpy as np
import pytest
import torch
import trimesh

from object_retrieval.embedded_library import embedded_shape
from object_retrieval.procedural.objects import (
    CATEGORIES,
    GRIP_FRAME,
    LIBRARY_CATEGORIES,
    UNSEEN_CATEGORIES,
    object_from_name,
)
from object_retrieval.refine import FEWEST, MOST, split_long_edges

SCENE = {*CATEGORIES, *UNSEEN_CATEGORIES}
LARGEST_M = {
    "fork": (0.12, 0.25), "cell phone": (0.12, 0.18), "glasses": (0.12, 0.18),
    "book": (0.12, 0.35), "plate": (0.15, 0.32), "shoe": (0.22, 0.4), "helmet": (0.22, 0.4),
    "microwave": (0.4, 0.65), "toilet": (0.65, 0.95), "washing machine": (0.7, 1.0),
    "door": (1.9, 2.3), "bathtub": (1.4, 1.9), "snowboard": (1.3, 1.8), "skis": (1.4, 2.0),
    "motorcycle": (1.8, 2.4), "kayak": (2.6, 5.0), "boat": (2.5, 4.5), "car": (3.6, 5.2),
}  # fmt: skip
"""Range of the largest side of real ones."""


@functools.cache
def shapes(category, count=3):
    return [embedded_shape(f"{category}/{number:04d}") for number in range(count)]


def test_there_are_many_categories_and_scenes_keep_theirs():
    assert len(LIBRARY_CATEGORIES) >= 80
    assert set(LIBRARY_CATEGORIES) > SCENE
    assert list(LIBRARY_CATEGORIES) == sorted(LIBRARY_CATEGORIES)


@pytest.mark.parametrize("category", LIBRARY_CATEGORIES)
def test_shapes_are_closed_metric_and_have_named_parts(category):
    low_m, high_m = LARGEST_M.get(category, (0.05, 5.2))
    for shape in shapes(category):
        mesh = shape.mesh
        plain = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
        assert plain.is_watertight and plain.is_winding_consistent
        assert plain.volume > 0
        assert FEWEST <= mesh.num_faces <= MOST
        assert low_m < max(shape.extent_m) < high_m
        assert min(shape.extent_m) > 0.001
        assert len(shape.parts) == len(set(shape.parts)) >= 2
        assert shape.part_of_face.unique().tolist() == list(range(len(shape.parts)))
        assert mesh.vertex_colors is not None
        assert mesh.vertex_colors.min() >= 0 and mesh.vertex_colors.max() <= 1
        if category not in GRIP_FRAME:
            assert abs(float(mesh.vertices[:, 2].min())) < 0.005


@pytest.mark.parametrize("category", LIBRARY_CATEGORIES)
def test_variants_differ_and_come_again(category):
    hashes = [shape.content_hash() for shape in shapes(category)]
    assert embedded_shape(f"{category}/0001").content_hash() == hashes[1]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("category", sorted(SCENE))
def test_the_library_has_no_object_of_a_scene(category):
    def looks(pool, number):
        primitives = object_from_name(f"{category}/{pool}/{number:04d}").primitives
        return tuple((p.size, p.color) for p in primitives)

    scenes = {looks(pool, k) for pool in ("train", "test") for k in range(12)}
    assert not scenes & {looks("library", k) for k in range(12)}


@pytest.mark.parametrize(
    ("category", "front", "back"),
    [
        ("armchair", "seat", "back"),
        ("car", "headlight", "tail_light"),
        ("motorcycle", "headlight", "tail"),
        ("refrigerator", "handle", "body"),
        ("stroller", "leg_rest", "handlebar"),
        ("toilet", "bowl", "tank"),
        ("teapot", "spout", "handle"),
        ("wheelchair", "footrest", "push_handle"),
        ("teddy bear", "nose", "ear"),
        ("monitor", "screen", "case"),
    ],
)
def test_the_front_is_minus_y(category, front, back):
    for shape in shapes(category):
        y = shape.mesh.vertices[shape.mesh.faces].mean(1)[:, 1]
        ahead, behind = (
            y[shape.part_of_face == shape.parts.index(part)].mean() for part in (front, back)
        )
        assert ahead < behind


def test_cutting_keeps_the_surface_and_shortens_every_edge():
    box = trimesh.creation.box((1.0, 0.1, 0.02))
    vertices, faces = split_long_edges(np.array(box.vertices), np.array(box.faces), 0.07)
    fine = trimesh.Trimesh(vertices, faces, process=False)
    assert fine.edges_unique_length.max() <= 0.07
    assert fine.is_watertight and fine.is_winding_consistent
    assert np.isclose(fine.area, box.area) and np.isclose(fine.volume, box.volume)
    np.testing.assert_array_equal(vertices[:8], box.vertices)


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([(0, 0), (1, 0), (0.5, 0.1)], 2),  # one long side
        ([(0, 0), (0.4, 0), (0.2, 2)], 3),  # two long sides, cut again below
        ([(0, 0), (1, 0), (0.5, 0.9)], 4),  # three
        ([(0, 0), (0.3, 0), (0, 0.3)], 1),  # none
    ],
)
def test_a_triangle_is_cut_where_its_sides_are_long(corners, expected):
    vertices = np.array([(x, y, 0.0) for x, y in corners])
    longest = {2: 0.6, 3: 1.3, 4: 0.7, 1: 0.6}[expected]
    for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        finer, faces = split_long_edges(vertices, np.array([order]), longest)
        assert len(faces) == expected
        a, b, c = np.moveaxis(finer[faces], 1, 0)
        areas = np.cross(b - a, c - a)[:, 2] / 2
        whole = np.cross(vertices[1] - vertices[0], vertices[2] - vertices[0])[2] / 2
        assert (areas > 0).all() and np.isclose(areas.sum(), whole)


def test_nothing_to_cut_is_nothing():
    vertices, faces = split_long_edges(np.zeros((0, 3)), np.zeros((0, 3), np.int64), 1.0)
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)
    assert torch.is_tensor(embedded_shape("ball/0000").part_of_face)
