"""The ladders: truth as the camera sees it, errors of poses, and a whole run on two scenes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hoi_fit.similarity import Similarity
from interactvlm.evaluation.config import ReconstructionConfig
from interactvlm.evaluation.reconstruction import (
    evaluate_reconstruction,
    format_numbers,
    near_object,
    placement_errors,
    summary,
    true_contacts,
    with_parts_as_contact,
    without_contact,
)
from interactvlm.evaluation.seen_objects import seen_scenes
from interactvlm.reconstruction.placing import Reconstruction, place_object
from interactvlm.synthetic.config import SynthConfig
from interactvlm.synthetic.dataset import generate
from interactvlm.synthetic.shards import SceneShards
from renders.mesh import Mesh
from renders.rasterizer import rasterize


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    generate(SynthConfig(out=folder, split="test", count=3))
    return folder


@pytest.fixture(scope="module")
def scenes(folder):
    return list(seen_scenes(SceneShards(folder / "test"), 3, 16))


@pytest.fixture(scope="module")
def pair(scenes):
    """A scene and the object of it that is seen best."""
    seen = max((o for s in scenes for o in s.objects), key=lambda o: int(o.mask.sum()))
    return scenes[seen.scene], seen


@pytest.mark.slow
def test_truth_projects_onto_what_the_picture_shows(scenes):
    for scene in scenes:
        drawn = rasterize(scene.body, scene.fine_camera).covered
        assert (drawn & scene.fine_covered).sum() > 0.9 * drawn.sum()
        for seen in scene.objects:
            covered = rasterize(seen.placed(), scene.fine_camera).covered
            assert not (seen.fine_mask & ~_grown(covered)).any()
            # The fine mask and the picture's own differ at the edge only.
            own = torch.nn.functional.interpolate(seen.mask[None, None].float(), covered.shape)
            inside = -_grown(-own[0, 0], 9)
            lost = (inside > 0) & ~seen.fine_mask
            assert lost.sum() <= 0.01 * seen.fine_mask.sum()
            # Contact of both sides is in one place.
            near = near_object(scene.body, seen.placed())
            true = scene.contact[seen.label]
            hits = float((near & true).sum())
            assert 2 * hits / float(near.sum() + true.sum()) > 0.7
            assert bool((seen.heat > 0.99).any())


def _grown(mask: torch.Tensor, side: int = 3) -> torch.Tensor:
    grown = torch.nn.functional.max_pool2d(mask.float()[None, None], side, 1, side // 2)[0, 0]
    return grown > 0 if mask.dtype == torch.bool else grown


@pytest.mark.slow
def test_errors_of_a_shifted_turned_and_scaled_truth(pair):
    scene, seen = pair
    quick = place_object(scene.asked(seen, *true_contacts(scene, seen)))
    truth = seen.camera_from_object

    def errors(pose: Similarity):
        fit = replace(quick.fit, pose=replace(quick.fit.pose, camera_from_object=pose))
        result: Reconstruction = replace(quick, fit=fit)
        return placement_errors(scene, seen, result, 1.0)

    none = errors(truth)
    assert none.translation_cm == pytest.approx(0, abs=1e-3)
    assert none.rotation_deg == pytest.approx(0, abs=1e-2)
    assert none.chamfer_cm == pytest.approx(0, abs=0.05)
    assert none.human_chamfer_cm == pytest.approx(0, abs=0.05)
    assert none.contact_f1 > 0.7
    aside = errors(replace(truth, translation_m=truth.translation_m + np.array([0.1, 0, 0])))
    assert aside.translation_cm == pytest.approx(10, abs=1e-3)
    assert aside.chamfer_cm > 1
    larger = errors(replace(truth, scale=1.1))
    assert larger.scale_percent == pytest.approx(10, abs=1e-3)
    # And the fit itself is near.
    assert placement_errors(scene, seen, quick, 1.0).chamfer_procrustes_cm < 5


@pytest.mark.slow
def test_coarse_and_absent_contact_of_the_baselines(pair):
    scene, seen = pair
    asked = scene.asked(seen, *true_contacts(scene, seen))
    silent = without_contact(asked)
    assert silent.contact is None
    assert silent.candidates[0].heat is None
    coarse = with_parts_as_contact(asked)
    assert bool((coarse.candidates[0].heat == 1).all())
    assert int(coarse.contact.mask().sum()) > int(asked.contact.mask().sum())
    assert with_parts_as_contact(silent) is None


@pytest.mark.slow
def test_the_command_writes_the_numbers_others_rely_on(folder, tmp_path):
    path = tmp_path / "numbers.json"
    config = ReconstructionConfig(
        split="test", ladder=1, data=folder, count=1, least_px=16, json=path
    )
    numbers = evaluate_reconstruction(config)
    written = json.loads(path.read_text())
    objects = written.pop("objects")
    assert written == numbers and len(objects) == numbers["count"]
    assert {"photo", "label", "translation_cm", "true_penetration_cm3"} <= set(objects[0])
    assert {
        "count", "ladder", "translation_cm_median", "rotation_deg_median",
        "scale_percent_median", "object_chamfer_cm_median",
        "object_chamfer_procrustes_cm_median", "human_chamfer_cm_median",
        "better_than_contact_free", "penetration_cm3_median", "phosa_like",
        "seconds_per_fit_median",
    } <= set(numbers)  # fmt: skip
    assert numbers["count"] >= 1
    assert numbers["human_chamfer_cm_median"] < 0.1
    assert "phosa_like.object_chamfer_cm_median" in format_numbers(numbers)


def test_nothing_measured_is_told_as_nothing():
    numbers = summary([])
    assert numbers["count"] == 0
    assert numbers["object_chamfer_cm_median"] is None
    assert "-" in format_numbers(numbers)


def test_points_behind_the_surface_count_as_near_and_far_ones_do_not():
    square = Mesh(
        torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]),
        torch.tensor([[0, 1, 2], [0, 2, 3]]),
    )
    body = Mesh(
        torch.tensor([[0.0, 0, 0.01], [0, 0, -0.03], [0, 0, 0.03], [0, 0, -0.2]]), square.faces
    )
    assert near_object(body, square).tolist() == [True, True, False, False]
