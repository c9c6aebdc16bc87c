"""Every activity solves, touches what it says, and stays out of the floor."""

import numpy as np
import pytest
import torch

from interactvlm.synthetic.articulation import (
    build_articulation,
    build_patches,
    fast_body,
    mirror_pose,
)
from interactvlm.synthetic.draft import KICK_RIGHT
from interactvlm.synthetic.sampling import MAIN, SPLITS, draw_recipe
from interactvlm.synthetic.solver import SceneRecipe, Touch, solve


def test_the_same_split_and_seed_give_the_same_recipe():
    first, second = draw_recipe("train", 5), draw_recipe("train", 5)
    assert [p.instance.name for p in first.objects] == [p.instance.name for p in second.objects]
    np.testing.assert_array_equal(first.phenotypes, second.phenotypes)
    assert first.pose == second.pose


def test_splits_draw_different_scenes():
    names = {split: draw_recipe(split, 5).objects[0].instance.name for split in SPLITS}
    assert len(set(names.values())) == len(SPLITS)


@pytest.mark.parametrize("seed", range(30))
def test_labels_of_one_scene_are_distinct(seed):
    labels = [plan.instance.category for plan in draw_recipe("train", seed).objects]
    assert len(labels) == len(set(labels))


def test_test_instances_never_come_from_the_training_pool():
    for seed in range(20):
        for plan in draw_recipe("test", seed).objects:
            assert "/test/" in plan.instance.name


def test_mirroring_a_pose_twice_gives_it_back():
    assert mirror_pose(mirror_pose(KICK_RIGHT)) == KICK_RIGHT


def test_mirrored_angles_mirror_the_body():
    body = fast_body()
    joints = build_articulation(body.bone_names)
    poses = torch.stack([joints.pack(KICK_RIGHT), joints.pack(mirror_pose(KICK_RIGHT))])
    with torch.no_grad():
        out = body(torch.full((2, 6), 0.5), joints.rotations(poses), torch.zeros(2, 3)).vertices
    mirrored = out[1][body.topology.symmetric_partner] * torch.tensor([-1.0, 1.0, 1.0])
    assert (out[0] - mirrored).abs().max() < 2e-3


def test_patches_are_mirror_partners():
    body = fast_body()
    patches = build_patches(body)
    partner = body.topology.symmetric_partner
    for name in ("palm", "sole", "toes", "thigh_back"):
        left, right = patches.index[f"{name}.L"], patches.index[f"{name}.R"]
        assert set(partner[left].tolist()) == set(right.tolist())


def test_solving_nothing_gives_nothing():
    assert solve([]) == []


def test_scenes_of_a_batch_do_not_influence_one_another():
    pair = [draw_recipe("train", 1), draw_recipe("train", 2)]
    alone, together = solve(pair[:1])[0], solve(pair)[0]
    np.testing.assert_allclose(alone.bone_rotations, together.bone_rotations, atol=2e-3)


def test_an_impossible_touch_is_rejected_with_its_reason():
    recipe = draw_recipe("train", 3)
    far = Touch("palm.L", -1, (9.0, 9.0, 9.0), tolerance_m=0.05)
    impossible = SceneRecipe(
        recipe.posture,
        recipe.pose,
        recipe.place_m,
        recipe.objects,
        (far,),
        recipe.standing,
        recipe.phenotypes,
    )
    solution = solve([impossible])[0]
    assert not solution.accepted
    assert solution.reason == "touch not reached"


@pytest.mark.slow
def test_most_scenes_of_every_main_activity_are_accepted():
    drawn = [draw_recipe("train", seed) for seed in range(96)]
    accepted = [s.accepted for s in solve(drawn)]
    assert np.mean(accepted) > 0.75
    assert (
        len({(plan.instance.category, plan.interaction) for r in drawn for plan in r.objects}) > 30
    )
    assert len(MAIN) > 40
