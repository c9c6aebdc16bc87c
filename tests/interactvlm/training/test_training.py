"""A minute model on a handful of scenes: stages run, resume exactly, and save what loads."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm.assets_dir import default_weights
from interactvlm.errors import InputError
from interactvlm.evaluation.config import EvaluateConfig
from interactvlm.evaluation.synthetic import evaluate, format_report
from interactvlm.localizer import listed_patches
from interactvlm.model import InteractVLM
from interactvlm.perception import FINE_STRIDE
from interactvlm.synthetic.config import SynthConfig
from interactvlm.synthetic.dataset import generate
from interactvlm.synthetic.shards import NO_VERTEX, Picture, SceneShards
from interactvlm.training.config import TrainConfig
from interactvlm.training.data import (
    KEYPOINT_MIRROR,
    PART_MIRROR,
    SceneSampler,
    class_map,
    part_mirror_table,
    warp,
)
from interactvlm.training.localizer_stage import _decoded_objects, object_terms
from interactvlm.training.run import main
from interactvlm.training.schedule import RunningAverage, rate_factor
from interactvlm.training.token_banks import collect_object_tokens, collect_tokens
from interactvlm.training.trainer import build_model, build_workspace, start_tower
from object_retrieval.procedural.objects import CATEGORIES


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 6), ("val", 3)):
        generate(SynthConfig(out=folder, split=split, count=count))
    return folder


@pytest.fixture(scope="module")
def settings(data):
    return TrainConfig(
        data=data, perception_steps=2, language_steps=4, view_steps=2, localizer_steps=2, batch=3,
        queries=6, localizer_batch=2, object_batch=2, object_surfaces=4, log_every=1, save_every=2,
        device="cpu", precision="fp32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    config = replace(settings, out=tmp_path_factory.mktemp("run"))
    return config, main(config)


@pytest.mark.slow
def test_all_stages_log_and_the_weights_load(trained):
    config, folder = trained
    with (config.out / "log.csv").open() as stream:
        stages = {row["stage"] for row in csv.DictReader(stream)}
    assert stages == {"perception", "language", "views", "localizer"}
    model = InteractVLM.from_pretrained(folder)
    thresholds = json.loads((folder / "calibration.json").read_text())
    assert model.config.threshold == thresholds["model"]
    assert json.loads((folder / "training.json").read_text())["config"]["seed"] == config.seed


@pytest.mark.slow
def test_trained_weights_answer_about_objects_and_are_measured(trained):
    config, folder = trained
    report = evaluate(
        EvaluateConfig(split="val", data=config.data, count=3, weights=folder, geodesic=False)
    )
    assert report["object"].keys() == {"sim", "auc", "aiou", "mae", "count"}
    assert report["object"]["count"] == report["semantic"]["count"]
    assert report["baselines"]["label_mean"]["object"]["count"] == report["object"]["count"]
    assert "objects, model: SIM" in format_report(report)


@pytest.mark.slow
def test_a_run_killed_between_steps_ends_with_the_same_weights(
    settings, trained, tmp_path, monkeypatch
):
    from interactvlm.training import trainer

    config = replace(settings, out=tmp_path / "killed")
    real, calls = trainer.build_language_batch, []

    def dies_in_the_third_step(*arguments):
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(trainer, "build_language_batch", dies_in_the_third_step)
    with pytest.raises(KeyboardInterrupt):
        main(config)
    monkeypatch.setattr(trainer, "build_language_batch", real)
    main(config)
    first = torch.load(trained[0].out / "language.pt", weights_only=True)["module"]
    second = torch.load(config.out / "language.pt", weights_only=True)["module"]
    for key, value in first.items():
        torch.testing.assert_close(value, second[key], rtol=0, atol=0, msg=key)


@pytest.mark.slow
def test_other_settings_do_not_continue_a_run(trained):
    config, _ = trained
    with pytest.raises(InputError, match="rate"):
        main(replace(config, rate=0.5))


def test_mirroring_swaps_sides_of_everything(data):
    topology = get_topology("anny")
    table = part_mirror_table()
    left, right = (1 + PART_NAMES.index(f"{side} hand") for side in ("left", "right"))
    assert table[left] == right and table[right] == left and table[0] == 0
    assert [KEYPOINT_MIRROR[i] for i in KEYPOINT_MIRROR] == list(range(25))
    sampler = SceneSampler(SceneShards(data / "train"), topology, CATEGORIES, 0)
    batch = sampler.draw(np.random.default_rng(0), 8, with_queries=True, absent=1.0)
    for query in batch.queries:
        mirrored = topology.part_of_vertex[topology.symmetric_partner]
        names = {PART_NAMES[i] for i in mirrored[query.contact].unique().tolist()}
        assert query.touched == bool(names)
        assert set(query.parts) <= {
            PART_NAMES[i] for i in topology.part_of_vertex[query.contact].unique().tolist()
        }


def test_the_tower_and_the_later_stages_learn_on_scenes_of_their_own(settings, tmp_path):
    work = build_workspace(replace(settings, out=tmp_path, tower_scenes=4))
    everything = work.shards.scenes
    assert (work.tower_sampler.scenes, work.sampler.scenes) == (everything[:4], everything[4:])
    alone = build_workspace(replace(settings, out=tmp_path, tower_scenes=100))
    assert alone.tower_sampler.scenes == alone.sampler.scenes == everything


def test_a_run_can_start_from_the_tower_of_other_weights(settings, tmp_path):
    work = build_workspace(replace(settings, out=tmp_path, tower=default_weights()))
    shipped = InteractVLM.from_pretrained(default_weights(), dtype=torch.float32)
    tower = shipped.language.vision.state_dict()
    for key, value in work.model.language.vision.state_dict().items():
        torch.testing.assert_close(value, tower[key], rtol=0, atol=0, msg=key)
    assert not torch.equal(
        work.model.token_projection.outer.weight, shipped.token_projection.outer.weight
    )
    of_one_label = build_model(settings, ("chair",))
    with pytest.raises(InputError, match="another shape"):
        start_tower(of_one_label, default_weights())


def test_tokens_are_of_answers_that_never_deny(settings, tmp_path):
    shipped = InteractVLM.from_pretrained(default_weights())
    work = replace(build_workspace(replace(settings, out=tmp_path, batch=8)), model=shipped)
    bank = collect_tokens(work, 12)
    rng = np.random.default_rng([settings.seed, 10_000_000])  # what the bank drew first
    drawn = work.sampler.draw(rng, 8, with_queries=True).queries
    asked = [query for query in drawn if query.target == "human"]
    assert not all(query.touched for query in asked)
    told = torch.stack([query.contact for query in asked])
    torch.testing.assert_close(bank.contact(np.arange(len(asked))), told)


def test_the_object_bank_holds_each_question_with_the_views_of_its_object(settings, tmp_path):
    shipped = InteractVLM.from_pretrained(default_weights())
    work = replace(build_workspace(replace(settings, out=tmp_path, batch=4)), model=shipped)
    bank = collect_object_tokens(work, 4)
    scenes, total = [], 0
    for scene in work.sampler.scenes:
        if total < settings.object_surfaces:
            scenes.append(scene)
            total += len(scene.objects)
    assert len(bank.embeddings) == len(bank.target) == len(bank.cover) == total
    assert len(bank.hidden) == len(bank.surface) >= 4
    touched = [o.touched for scene in scenes for o in scene.objects]
    assert [bool(target.any()) for target in bank.target] == touched
    hot = (bank.target > 0) & ~bank.valid
    assert not hot.any()
    terms = object_terms(work, bank, torch.tensor([0, 1]))
    assert all(term.isfinite() for term in terms.values())
    again = collect_object_tokens(work, 4)
    torch.testing.assert_close(again.hidden, bank.hidden)


def test_views_of_several_objects_decode_as_each_alone(settings, tmp_path):
    shipped = InteractVLM.from_pretrained(default_weights(), dtype=torch.float32)
    local, generator = shipped.config.localizer, torch.Generator().manual_seed(0)
    prompts = torch.randn(3, local.num_views, local.dim, generator=generator)
    embeddings = torch.randn(
        3, local.num_views, local.dim, local.grid, local.grid, generator=generator
    )
    cover = torch.rand(3, local.num_views, local.grid**2, generator=generator) > 0.99
    cover[0, 0] = cover[1, 0] = cover[2, 0] = torch.arange(local.grid**2) < 30  # the fullest view
    with torch.no_grad():
        together = _decoded_objects(shipped.localizer, prompts, embeddings, cover)
        for at in range(3):
            alone = shipped.localizer.decode(
                prompts[at, None], embeddings[at], "object", listed_patches(cover[at])
            )
            torch.testing.assert_close(together[at], alone[0], atol=1e-3, rtol=1e-3)


def test_questions_about_objects_carry_their_heat(data):
    topology, shards = get_topology("anny"), SceneShards(data / "train")
    sampler = SceneSampler(shards, topology, CATEGORIES, 0, about_objects=1.0)
    batch = sampler.draw(np.random.default_rng(0), 8, with_queries=True, mirroring=False)
    asked = [q for q in batch.queries if q.target == "object"]
    assert asked
    for query in asked:
        scene, place = query.surface
        assert query.label == scene.objects[place].label
        assert bool(query.affordance) == query.touched == bool(query.grid.heat.any())
        assert query.grid.heat[~query.grid.filled].max() == 0
    mirrored = sampler.draw(np.random.default_rng(0), 8, with_queries=True)
    for one, other in zip(batch.queries, mirrored.queries, strict=True):
        if one.target == "object":
            same = torch.equal(one.grid.heat, other.grid.heat)
            assert same or torch.equal(one.grid.heat.flip(0), other.grid.heat)


def test_batches_depend_on_seed_and_step_only(data):
    topology = get_topology("anny")
    shards = SceneShards(data / "train")
    one = SceneSampler(shards, topology, CATEGORIES, 1).batches(2, 0, with_queries=True)
    next(one)
    resumed = SceneSampler(shards, topology, CATEGORIES, 1).batches(2, 1, with_queries=True)
    a, b = next(one), next(resumed)
    torch.testing.assert_close(a.rgb, b.rgb)
    assert [q.label for q in a.queries] == [q.label for q in b.queries]


def test_canonical_places_lie_on_the_part_they_belong_to(data):
    topology = get_topology("anny")
    sampler = SceneSampler(SceneShards(data / "train"), topology, CATEGORIES, 0)
    batch = sampler.draw(np.random.default_rng(0), 8, with_queries=False)
    assert batch.on_body.any(dim=(1, 2)).all()
    np.testing.assert_array_equal(
        batch.on_body.numpy(), ((batch.classes >= 1) & (batch.classes <= 15)).numpy()
    )
    for part, side in (("left hand", 1), ("right hand", -1), ("left foot", 1), ("right foot", -1)):
        seen = batch.classes == 1 + PART_NAMES.index(part)
        x = batch.surface.permute(0, 2, 3, 1)[seen][:, 0]
        assert (side * x > 0).all(), part
    assert (batch.surface.permute(0, 2, 3, 1)[~batch.on_body] == 0).all()


def test_warping_moves_annotations_with_the_picture():
    size = 128
    rgb = np.zeros((size, size, 3), np.uint8)
    instance = np.zeros((size, size), np.uint8)
    vertex = np.full((size, size), NO_VERTEX, np.uint16)
    spot = (slice(60, 84), slice(36, 60))
    rgb[spot], instance[spot], vertex[spot] = 255, 1, 40_000
    middle = np.array([[48.0, 72.0, 1.0], [-1e4, -1e4, 0.0]], np.float32)
    picture = Picture(rgb, instance, instance, vertex, middle)
    for seed in range(20):
        moved = warp(picture, np.random.default_rng(seed))
        assert moved.instance.shape == (size // FINE_STRIDE, size // FINE_STRIDE)
        rows, columns = FINE_STRIDE * np.array(np.nonzero(moved.instance)) + FINE_STRIDE // 2
        centre_px = np.array([columns.mean(), rows.mean()])
        assert np.abs(moved.keypoints_px[0, :2] - centre_px).max() < FINE_STRIDE / 2
        assert (moved.vertex[moved.instance == 1] == 40_000).all()
        assert (moved.vertex[moved.instance == 0] == NO_VERTEX).all()
        assert (moved.rgb[rows, columns].mean(0) > 150).all()
        assert (moved.keypoints_px[1, :2] < -1e3).all()


def test_every_object_says_which_parts_touch_it(data):
    sampler = SceneSampler(SceneShards(data / "train"), get_topology("anny"), CATEGORIES, 0)
    batch = sampler.draw(np.random.default_rng(0), 8, with_queries=True)
    assert batch.object_at.max() <= batch.touched_by.shape[1]
    seen = [q for q in batch.queries if q.label]
    assert any(query.touched for query in seen)
    for query in seen:
        rows = batch.touched_by[query.picture]
        named = torch.tensor([name in query.parts for name in PART_NAMES])
        assert any((row[named] == 1).all() for row in rows), query.parts
    assert batch.touched_by.any()


def test_mirrored_parts_are_their_own_partners_twice():
    assert [PART_MIRROR[i] for i in PART_MIRROR] == list(range(len(PART_NAMES)))
    assert PART_MIRROR[PART_NAMES.index("left hand")] == PART_NAMES.index("right hand")
    assert PART_MIRROR[PART_NAMES.index("torso")] == PART_NAMES.index("torso")


def test_objects_the_model_does_not_know_are_background():
    instance = np.zeros((8, 8), np.uint8)
    instance[:4] = 2
    part = np.zeros((8, 8), np.uint8)
    assert class_map(instance, part, ["dragon"], ("chair",)).max() == 0
    assert class_map(instance, part, ["chair"], ("chair",)).max() == 16


def test_rate_warms_up_and_falls():
    rates = [rate_factor(step, 100, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.05


def test_running_average_of_constant_weights_is_the_weights():
    module = torch.nn.Linear(2, 2)
    average = RunningAverage(module, 0.99)
    for _ in range(5):
        average.update(module)
    torch.testing.assert_close(average.state["weight"], module.weight.detach())


def test_settings_are_checked():
    with pytest.raises(InputError, match="part_dropout"):
        TrainConfig(part_dropout=2.0)
