"""Evaluation on tiny copies of published data sets: numbers, resuming, faults, reports."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from human_recovery import topology_map
from human_recovery.topology import BodyTopology
from interactvlm.assets_dir import assets_dir
from interactvlm.cli import main as cli
from interactvlm.data.registry import open_dataset
from interactvlm.errors import AssetError, InputError
from interactvlm.evaluation import benchmark, benchmark_report
from interactvlm.evaluation.benchmark import KINDS, run_benchmark
from interactvlm.evaluation.config import BENCHMARK_CONFIGS, BenchmarkConfig, DamonConfig
from interactvlm.presets import preset
from interactvlm.results import ContactMap
from renders.mesh import PointCloud

from ..data.make_tiny import MAKERS, POINTS, make_damon, make_pico

SHIPPED = assets_dir() / "mini"


class FakeModel:
    """Says for each label what it was told to say; counts what it was asked."""

    def __init__(self, said=None, *, fail_at=None, **config):
        config = {"topology": "smplh", "labels": ("chair", "tennis racket"), **config}
        self.config = dataclasses.replace(preset("mini"), **config)
        self.said, self.fail_at = said or {}, fail_at
        self.asked, self.object_jobs, self.photos = [], [], 0

    def predict_contact(self, image, labels=("",), *, known_only=True):
        assert not known_only
        self.photos += 1
        if self.photos == self.fail_at:
            raise KeyboardInterrupt
        self.asked += labels
        return [self._map(self.said.get(label, {}), label, 6890, "smplh") for label in labels]

    def predict_affordance(self, image, label, surface, *, ask=None, known_only=True):
        self.asked.append(label)
        self.object_jobs.append(ask)
        count = surface.num_points if isinstance(surface, PointCloud) else surface.num_vertices
        return self._map(self.said.get(label, {0: 0.9}), label, count, "object")

    def _map(self, said, label, count, topology):
        probability = torch.zeros(count)
        for index, value in said.items():
            probability[index] = value
        seen = torch.ones(count, dtype=torch.bool)
        return ContactMap(probability, topology, label, self.config.threshold, seen)


@pytest.fixture(autouse=True)
def without_body_models(monkeypatch, tmp_path):
    monkeypatch.delenv("INTERACTVLM_BODY_MODELS", raising=False)
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))


def oracle(dataset, model=None):
    """What a model would have to say to be right about every body."""
    spell = (model or FakeModel()).config.labels
    names = {name.replace(" ", "_"): name for name in spell}
    return {
        names.get(e.label, e.label.replace("_", " ")): dict.fromkeys(_touched(dataset[i]), 0.9)
        for i, e in enumerate(dataset.entries)
    }


def _touched(sample):
    return torch.nonzero(sample.body.in_contact).flatten().tolist()


def config(name, root, out, **settings) -> BenchmarkConfig:
    return BENCHMARK_CONFIGS[name](root=root, out=out, resamples=50, **settings)


@pytest.mark.parametrize("name", BENCHMARK_CONFIGS)
def test_every_benchmark_runs_and_writes_both_reports(name, tmp_path):
    root = MAKERS[name](tmp_path / "data")
    asked = config(name, root, tmp_path / "out")
    report = run_benchmark(asked, FakeModel())
    written = json.loads((tmp_path / "out/report.json").read_text())
    assert written == json.loads(json.dumps(report)) and not report["failures"]
    page = (tmp_path / "out/report.md").read_text()
    assert report["title"] in page and report["licence"] in page
    assert ("body" in report, "object" in report) == tuple(
        k in KINDS[name] for k in ("body", "object")
    )
    count = len(open_dataset(name, root, asked.split_name))
    for part in ("body", "object"):
        if part in report:
            table = report["body"]["semantic"] if part == "body" else report["object"]["all"]
            assert table["count"] == count
    assert any("was not trained on" in note for note in report["notes"])
    untrained = [note for note in report["notes"] if "never trained on objects" in note]
    assert bool(untrained) == ("object" in report)


def test_a_model_that_is_right_scores_one_everywhere(tmp_path):
    root = make_damon(tmp_path / "data")
    model = FakeModel(oracle(open_dataset("damon", root, "test")))
    body = run_benchmark(config("damon", root, tmp_path / "out"), model)["body"]
    for part in ("semantic", "binary"):
        assert (body[part]["f1"], body[part]["precision_micro"]) == (1.0, 1.0)
    assert body["semantic"]["count"] == 5 and body["binary"]["count"] == 3
    assert body["per_category"]["furniture"]["count"] == 3
    assert body["per_category"]["sports"]["f1"] == 1.0
    assert next(iter(body["per_label"])) == "bench" and "supporting" in body["per_label"]


def test_numbers_by_hand(tmp_path):
    """30 vertices of the chair: 15 found and 5 wrong; nothing else found."""
    root = make_damon(tmp_path / "data")
    dataset = open_dataset("damon", root, "test")
    true = _touched(dataset[0])
    wrong = [v for v in range(100) if v not in true and v not in _touched(dataset[1])][:5]
    model = FakeModel({"chair": dict.fromkeys([*true[:15], *wrong], 0.5)})
    body = run_benchmark(config("damon", root, tmp_path / "out"), model)["body"]
    precision, recall = 15 / 20, 15 / 30
    f1 = 2 * precision * recall / (precision + recall)
    assert body["per_label"]["chair"]["f1"] == pytest.approx(f1)
    assert body["semantic"]["f1"] == pytest.approx(f1 / 5)
    assert body["semantic"]["recall_micro"] == pytest.approx(15 / (30 + 12 + 20 + 50 + 9))
    union = set(true) | set(_touched(dataset[1]))
    recall = 15 / len(union)
    assert body["binary"]["f1"] == pytest.approx(2 * 0.75 * recall / (0.75 + recall) / 3)


def test_labels_are_asked_in_the_models_spelling_or_as_published(tmp_path):
    root = make_damon(tmp_path / "data")
    closed, open_ended = FakeModel(), FakeModel(labels=())
    run_benchmark(config("damon", root, tmp_path / "a"), closed)
    report = run_benchmark(config("damon", root, tmp_path / "b"), open_ended)
    assert closed.asked == ["chair", "supporting", "tennis racket", "bench", "dining table"]
    assert open_ended.asked[2:] == ["tennis_racket", "bench", "dining_table"]
    assert not any("not trained" in note for note in report["notes"])


def test_published_numbers_stand_beside_ours_with_their_source(tmp_path):
    root = make_damon(tmp_path / "data")
    report = run_benchmark(config("damon", root, tmp_path / "out"), FakeModel())
    page = (tmp_path / "out/report.md").read_text()
    assert (
        "InteractVLM, parts | 0.703 | 0.647 | 0.755 | - | - | InteractVLM repository, FIX.md"
        in page
    )
    assert "DECO | 0.550 | 0.650 | 0.570 | 21.32" in page and "table 1, teacher-forced" in page
    assert report["published_label_f1"]["dining_table"] == 0.352
    fixed = [r for r in report["published"] if r["part"] == "semantic"]
    assert [r["values"]["f1"] for r in fixed] == [0.6649, 0.6098]
    assert len({r["part"] for r in report["published"]}) == 2 + 7


def test_published_affordance_is_per_setting_and_the_error_not_times_ten(tmp_path):
    root = MAKERS["piad"](tmp_path / "data")
    report = run_benchmark(config("piad", root, tmp_path / "out"), FakeModel())
    iagnet = next(r for r in report["published"] if r["method"] == "IAGNet")
    assert iagnet["values"] == {
        "similarity": 0.545, "auc": 0.8485, "aiou": 0.2051, "absolute_error": 0.098,
    }  # fmt: skip
    assert iagnet["generated"]


def test_object_scores_are_those_of_the_metrics(tmp_path):
    from interactvlm.metrics import affordance_scores

    root = MAKERS["piad"](tmp_path / "data")
    said = {i: 0.9 - 0.01 * i for i in range(POINTS)}
    model = FakeModel(dict.fromkeys(("bag", "chair", "storage furniture"), said))
    report = run_benchmark(config("piad", root, tmp_path / "out"), model)
    predicted = torch.tensor([said[i] for i in range(POINTS)])
    each = [
        affordance_scores(predicted, s.object.heat) for s in open_dataset("piad", root, "seen-test")
    ]
    table = report["object"]
    assert table["all"]["auc"] == pytest.approx(np.mean([s.auc for s in each]))
    assert table["all"]["similarity"] == pytest.approx(np.mean([s.similarity for s in each]))
    assert set(table["per_affordance"]) == {"lift", "sit", "open"}
    assert "storagefurniture" in table["per_label"]


def test_a_killed_run_goes_on_and_ends_with_the_same_report(tmp_path):
    root = make_damon(tmp_path / "data")
    said = {"chair": {1: 0.9, 2: 0.9}, "bench": dict.fromkeys(range(3000), 0.8)}
    whole = run_benchmark(config("damon", root, tmp_path / "whole"), FakeModel(said))
    asked = config("damon", root, tmp_path / "cut")
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(asked, FakeModel(said, fail_at=2))
    kept = tmp_path / "cut/answers.jsonl"
    assert len(kept.read_text().splitlines()) == 2
    with kept.open("a") as stream:
        stream.write('{"key": "half a li')
    model = FakeModel(said)
    assert run_benchmark(asked, model) == whole
    assert model.photos == 2
    again = FakeModel(said)
    assert run_benchmark(asked, again) == whole and again.photos == 0


def test_answers_of_another_run_are_never_mixed_in(tmp_path):
    root = make_damon(tmp_path / "data")
    asked = config("damon", root, tmp_path / "out")
    run_benchmark(asked, FakeModel())
    with pytest.raises(InputError, match=r"threshold was 0\.\d+, is 0\.9.*another --out"):
        run_benchmark(asked, FakeModel(threshold=0.9))


def test_a_damaged_line_is_named(tmp_path):
    root = make_damon(tmp_path / "data")
    asked = config("damon", root, tmp_path / "out")
    run_benchmark(asked, FakeModel())
    kept = tmp_path / "out/answers.jsonl"
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join([lines[0], "{}", *lines[2:]]) + "\n")
    with pytest.raises(AssetError, match="line 2 of the answers is damaged"):
        run_benchmark(asked, FakeModel())


def test_a_few_photos_and_then_all_of_them(tmp_path):
    root = make_damon(tmp_path / "data")
    few = run_benchmark(config("damon", root, tmp_path / "out", limit=2), FakeModel())
    assert few["body"]["binary"]["count"] == 2
    assert any("--limit 2" in note and "another set" in note for note in few["notes"])
    model = FakeModel()
    full = run_benchmark(config("damon", root, tmp_path / "out"), model)
    assert model.photos == 1 and full["body"]["binary"]["count"] == 3
    with pytest.raises(InputError, match="limit must be at least 1"):
        DamonConfig(limit=0)


def test_missing_photos_are_told_or_left_out(tmp_path):
    root = make_damon(tmp_path / "data")
    (root / "test/images/hake_3.jpg").unlink()
    with pytest.raises(AssetError, match=r"photos of 2 of its 5 samples.*--skip-missing.*hake_3"):
        run_benchmark(config("damon", root, tmp_path / "out"), FakeModel())
    asked = config("damon", root, tmp_path / "out", skip_missing=True)
    report = run_benchmark(asked, FakeModel())
    assert report["body"]["semantic"]["count"] == 3
    assert any("2 samples have no photo here" in note for note in report["notes"])


def test_an_unreadable_photo_fails_its_samples_and_is_asked_again(tmp_path, monkeypatch, capsys):
    root = make_damon(tmp_path / "data")
    photo = root / "test/images/hake_3.jpg"
    photo.write_bytes(b"no photo")
    model = FakeModel()
    monkeypatch.setattr(benchmark, "load_model", lambda weights, device: model)
    monkeypatch.setattr(benchmark, "default_weights", lambda: tmp_path / "weights")
    arguments = ["evaluate", "damon", "--root", str(root), "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 1
    said = capsys.readouterr().out
    assert "2 samples could not be asked about" in said and "hake_3" in said
    Image.new("RGB", (40, 40)).save(photo)
    assert cli.main(arguments) == 0
    assert "could not be asked" not in capsys.readouterr().out
    assert model.photos == 3


def test_a_model_that_answers_nan_is_damaged(tmp_path):
    root = make_damon(tmp_path / "data")
    with pytest.raises(AssetError, match="NaN about 'chair'"):
        run_benchmark(
            config("damon", root, tmp_path / "out"), FakeModel({"chair": {3: float("nan")}})
        )


def test_another_body_needs_the_users_file_and_says_so_before_anything_is_asked(tmp_path):
    root = make_damon(tmp_path / "data")
    model = FakeModel(topology="smplx")
    with pytest.raises(
        AssetError, match=r"on the body 'smplx'.*on 'smpl'.*INTERACTVLM_BODY_MODELS"
    ):
        run_benchmark(config("damon", root, tmp_path / "out"), model)
    assert not model.asked


def _ball(name, subdivisions, stretch):
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    vertices = torch.tensor(np.asarray(mesh.vertices) * stretch, dtype=torch.float32)
    none = torch.zeros(len(vertices), dtype=torch.long)
    faces = torch.tensor(np.asarray(mesh.faces), dtype=torch.long)
    return BodyTopology(name, faces, vertices, none, none)


def test_values_are_carried_over_between_bodies_of_other_build(tmp_path, monkeypatch):
    bodies = {"anny": _ball("anny", 4, (1, 1, 1)), "smpl": _ball("smpl", 3, (0.8, 1.1, 1.1))}
    monkeypatch.setattr(topology_map, "get_topology", lambda name, folder=None: bodies[name])
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
    bridge = topology_map.topology_map("anny", "smpl")
    assert bridge.changes_vertices
    height = bodies["anny"].canonical_vertices[:, 1]
    moved = bridge.apply(height)
    wanted = bodies["smpl"].canonical_vertices[:, 1] / 1.1
    # A ball of two metres without features: places may slide along it a little.
    assert moved.shape == wanted.shape and float((moved - wanted).abs().max()) < 0.03
    assert not topology_map.topology_map("smplh", "smpl").changes_vertices


def test_distances_are_measured_where_a_body_file_or_matrix_is(tmp_path, monkeypatch):
    root = make_damon(tmp_path / "data")
    report = run_benchmark(config("damon", root, tmp_path / "a"), FakeModel())
    assert any("geodesic distances are not measured: SMPL needs" in n for n in report["notes"])
    assert "geodesic_cm" not in report["body"]["semantic"]
    away = torch.linspace(0, 1, 6890)
    monkeypatch.setattr(benchmark_report, "distance_on_topology", lambda name: lambda members: away)
    found = oracle(open_dataset("damon", root, "test"))
    report = run_benchmark(config("damon", root, tmp_path / "b"), FakeModel(found))
    each = [100 * away[list(said)].mean() for said in found.values()]
    assert report["body"]["semantic"]["geodesic_cm"] == pytest.approx(
        float(np.mean(each)), rel=1e-5
    )
    np.save(tmp_path / "small.npy", np.zeros((3, 3), np.float32))
    small = config("damon", root, tmp_path / "c", geodesic_matrix=tmp_path / "small.npy")
    with pytest.raises(AssetError, match=r"array \(3, 3\).*smpl_neutral_geodesic_dist"):
        run_benchmark(small, FakeModel())


@pytest.mark.parametrize(
    ("trained_for", "asked"),
    [(("body",), None), (("affordance",), None), (("body", "object", "affordance"), "object")],
)
def test_contact_is_asked_of_weights_that_know_it_beside_affordance(tmp_path, trained_for, asked):
    model = FakeModel(trained_for=trained_for)
    root = make_pico(tmp_path / "data")
    report = run_benchmark(config("pico", root, tmp_path / "out", limit=1), model)
    assert set(model.object_jobs) == {asked}
    never = [note for note in report["notes"] if "never trained" in note]
    assert len(never) == ("body" not in trained_for) + ("affordance" not in trained_for)


def test_pico_scores_body_and_object_of_one_sample(tmp_path):
    root = make_pico(tmp_path / "data")
    said = dict.fromkeys(range(4), 1.0)
    report = run_benchmark(config("pico", root, tmp_path / "out"), FakeModel({"cup": said}))
    cup = report["object"]["per_label"]["cup"]
    assert cup["iou"] == cup["f1"] == cup["auc"] == 1.0
    assert report["body"]["per_label"]["cup"]["count"] == 1
    assert report["published"] == []


def test_a_real_model_is_asked_about_bodies_and_objects(
    tmp_path, tiny_model, tiny_surface, monkeypatch
):
    """Random weights, and spheres in place of both bodies: every step of a true run."""
    directions = torch.nn.functional.normalize(
        torch.randn(6890, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    some = torch.zeros(1, 3, dtype=torch.long)
    none = torch.zeros(6890, dtype=torch.long)
    bodies = {
        "anny": _ball("anny", 2, (1, 1, 1)),
        "smpl": BodyTopology("smpl", some, directions, none, none),
        "smplh": BodyTopology("smplh", some, directions, none, none),
    }
    monkeypatch.setattr(topology_map, "get_topology", lambda name, folder=None: bodies[name])
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
    for name in ("piad", "pico"):
        root = MAKERS[name](tmp_path / name / "data")
        report = run_benchmark(
            config(name, root, tmp_path / name / "out", geodesic=False), tiny_model
        )
        told = [note for note in report["notes"] if "carried over" in note]
        assert bool(told) == ("body" in report)
        if "object" in report:
            scores = report["object"]["all"]
            assert all(0 <= scores[n] <= 1 for n in ("similarity", "auc", "aiou", "absolute_error"))


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED.is_dir(), reason="the shipped weights are not in this checkout")
def test_the_shipped_model_runs_on_objects(tmp_path, capsys):
    root = MAKERS["piad"](tmp_path / "data")
    out = str(tmp_path / "out")
    assert cli.main(["evaluate", "piad", "--root", str(root), "--out", out]) == 0
    assert "never trained on objects" not in capsys.readouterr().out
