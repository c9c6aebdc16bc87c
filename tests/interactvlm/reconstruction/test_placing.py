"""The object of a scene is placed, the right shape chosen, and doubt told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from hoi_fit.problem import FitSettings
from interactvlm.errors import InputError
from interactvlm.reconstruction.placing import place_object
from interactvlm.reconstruction.scene import ShapeCandidate
from tests.interactvlm.reconstruction.chair_scene import TRUTH, as_mesh

QUICK = FitSettings(stages=((48, 16, 30), (96, 3, 40)), yaw_starts=12, any_way_up=False)


@pytest.fixture(scope="module")
def found(scene):
    ball = ShapeCandidate(
        "ball", "library", as_mesh(trimesh.creation.icosphere(radius=0.3)), 0.1, score=0.9
    )
    return place_object(replace(scene, candidates=(ball, *scene.candidates)), QUICK)


def test_the_true_shape_wins_in_its_true_pose(found):
    assert found.candidate.name == "chair.obj"
    pose = found.camera_from_object
    turn = np.degrees(Rotation.from_matrix(pose.rotation.T @ TRUTH.rotation).magnitude())
    assert turn < 8
    assert np.linalg.norm(pose.translation_m - TRUTH.translation_m) < 0.08
    assert found.fit.contact_used
    assert [shape.name for shape, _ in found.others] == ["ball"]


def test_what_is_written_is_plain_and_complete(found):
    told = found.to_dict()
    assert set(told["camera_from_object"]) == {"rotation", "translation_m", "scale"}
    assert {"source", "label", "mesh_sha256"} <= set(told["object"])
    assert told["hypotheses"][0]["mesh"] == "chair.obj"
    assert told["hypotheses"][-1]["mesh"] == "ball"
    assert told["contact_used"] is True
    assert told["spread"]["hypotheses"] >= 1
    assert told["penetration_cm3"] >= 0


def test_without_contact_it_is_told(scene):
    silent = place_object(replace(scene, contact=None), QUICK)
    assert not silent.fit.contact_used
    assert any("no contact" in note for note in silent.notes)


def test_contact_on_one_side_only_is_no_contact(scene):
    nothing = replace(
        scene.contact, vertex_probability=torch.zeros_like(scene.contact.vertex_probability)
    )
    assert not place_object(replace(scene, contact=nothing), QUICK).fit.contact_used


def test_nothing_to_fit_is_refused(scene):
    with pytest.raises(InputError, match="no shape"):
        place_object(replace(scene, candidates=()))
    empty = torch.zeros_like(scene.object_mask)
    with pytest.raises(InputError, match="mask is empty"):
        place_object(replace(scene, object_mask=empty), QUICK)
