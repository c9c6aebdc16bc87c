"""Releases trained on objects: converted, asked about a mesh and about points, written out."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from interactvlm import pictures
from interactvlm.affordance_job import AffordanceRequest, run_affordance
from interactvlm.checkpoints.convert import Conversion, convert
from interactvlm.cli import main as cli
from interactvlm.config import CONFIG_FILE, InteractVLMConfig
from interactvlm.errors import AssetError, InputError
from interactvlm.model import InteractVLM
from interactvlm.questions import begun_answer, object_question

AFFORD = {"hC_loss_weight": 0.0, "oC_loss_weight": 3.0}
JOINT = {"sizes": {"splitter": True}, "hC_loss_weight": 3.0, "oC_loss_weight": 3.0}
FILES = {
    "affordance.npz", "object.ply", "overlay.png", "views.png", "report.html", "report.json",
    "provenance.json", "config.json",
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pictures, "DRAWN_PX", 128)


@pytest.fixture
def photo(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def chair(tmp_path):
    """A seat and a back: what is up and what is front can be told."""
    seat = trimesh.creation.box((1.0, 0.1, 1.0))
    back = trimesh.creation.box((1.0, 1.0, 0.1)).apply_translation((0, 0.5, -0.45))
    path = tmp_path / "chair.obj"
    trimesh.util.concatenate([seat, back]).export(path)
    return path


@pytest.fixture
def release(publish, clip_folder, tmp_path):
    """Converts a tiny release of objects, its renders narrowed so that tests are quick."""

    def release(**changes):
        made = publish("bin", **changes)
        folder = tmp_path / "model"
        convert(Conversion(made.folder, folder, clip_folder))
        config = InteractVLMConfig.load(folder / CONFIG_FILE)
        small = dataclasses.replace(config, view_resolution_px=128, lift_resolution_px=128)
        small.save(folder / CONFIG_FILE)
        return folder

    return release


def ask(photo, thing, folder, out, *more):
    arguments = ["affordance", str(photo), "--object", str(thing), "--weights", str(folder)]
    return cli.main([*arguments, "--out", str(out), *more])


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        (AFFORD, ("affordance",)),
        ({"hC_loss_weight": 3.0, "oC_loss_weight": 0.0}, ("body",)),
        ({}, ("body", "affordance")),
        (JOINT, ("body", "object", "affordance")),
        ({"sizes": {"splitter": True}}, ("body", "object", "affordance")),
        ({"sizes": {"camera": "none"}}, ("body",)),
    ],
)
def test_a_release_says_what_it_was_trained_for(release, changes, jobs):
    config = InteractVLMConfig.load(release(**changes) / CONFIG_FILE)
    assert config.trained_for == jobs
    assert bool(config.affordance_question) == ("affordance" in jobs)
    assert bool(config.object_question) == ("object" in jobs)


def test_one_command_on_a_mesh(release, photo, chair, tmp_path, capsys):
    out = tmp_path / "out"
    assert ask(photo, chair, release(**AFFORD), out, "--label", "Chair") == 0
    said = capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == FILES
    mesh = trimesh.load(chair, process=False)
    with np.load(out / "affordance.npz", allow_pickle=False) as stored:
        assert set(stored.files) == {
            "point_probability", "points", "faces", "label", "affordance"
        }  # fmt: skip
        heat = stored["point_probability"]
        assert heat.dtype == np.float32 and heat.shape == (len(mesh.vertices),)
        assert (heat >= 0).all() and (heat <= 1).all() and heat.max() > 0
        assert stored["points"].dtype == np.float32 and stored["faces"].dtype == np.int64
        np.testing.assert_allclose(stored["points"], mesh.vertices, atol=1e-6)
        np.testing.assert_array_equal(stored["faces"], mesh.faces)
        assert str(stored["label"]) == "chair" and str(stored["affordance"]) == ""
    report = json.loads((out / "report.json").read_text())
    (entry,) = report["contacts"]
    assert entry["surface"] == "object" and entry["points"] == len(heat)
    assert entry["marked_points"] == int((heat >= 0.5).sum())
    assert f"chair: {entry['marked_points']} of {len(heat)} points marked" in said
    assert report["object"]["faces"] == len(mesh.faces) and report["object"]["sha256"]
    written = trimesh.load(out / "object.ply", process=False)
    np.testing.assert_allclose(written.vertices, mesh.vertices, atol=1e-6)
    page = (out / "report.html").read_text()
    assert "Heat on the object" in page and "back right, from below" in page


def test_points_have_no_faces_and_json_is_the_report(release, photo, tmp_path, capsys):
    rng = np.random.default_rng(1)
    np.save(tmp_path / "cloud.npy", rng.normal(size=(200, 3)).astype(np.float32))
    out = tmp_path / "out"
    assert ask(photo, tmp_path / "cloud.npy", release(**AFFORD), out, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "report.json").read_text())
    assert printed["object"]["faces"] == 0 and printed["object"]["points"] == 200
    with np.load(out / "affordance.npz") as stored:
        assert stored["faces"].shape == (0, 3) and str(stored["label"]) == ""
    assert "drawn as discs" in (out / "report.html").read_text()


def test_the_joint_release_answers_about_object_and_body(release, photo, chair, tmp_path):
    folder = release(**JOINT, speaks="[OSEG]")
    model = InteractVLM.from_pretrained(folder)
    request = AffordanceRequest(photo, tmp_path / "out", ("chair",), object_file=chair)
    use = run_affordance(request, model)
    touch = run_affordance(dataclasses.replace(request, ask="object"), model)
    assert use.maps[0].vertex_probability.max() > 0 and touch.maps[0].in_contact is not None
    assert model.tokenizer.human_id != model.tokenizer.object_id
    model.config.require_trained_for("body")


def test_the_published_words_are_asked(release):
    config = InteractVLMConfig.load(release(**JOINT) / CONFIG_FILE)
    asked = object_question(config, "tennis_racket", "affordance")
    assert asked == (
        "What type of affordance does the human-object interaction suggest? Then, segment the area "
        "on the tennis racket where the human is making contact."
    )
    assert "on the object where" in object_question(config, "", "affordance")
    touched = object_question(config, "chair", "object")
    assert touched.startswith("Segment the area on the chair") and "direct contact" in touched
    assert begun_answer(config, "Sit", "affordance") == (
        "The affordance type is sit, and the contact region is"
    )


def test_a_given_affordance_begins_the_answer(release, photo, chair, tmp_path, capsys):
    folder, out = release(**AFFORD), tmp_path / "out"
    assert ask(photo, chair, folder, out, "--label", "chair", "--affordance", "Sit") == 0
    assert "chair: sit, " in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["contacts"][0]["affordance"] == "sit"
    assert report["warnings"] == ["the affordance 'sit' was given; the model did not choose it"]
    assert report["contacts"][0]["answer"].startswith("The affordance type is sit, and the contact")
    with np.load(out / "affordance.npz") as stored:
        assert str(stored["affordance"]) == "sit"
    assert "“sit” on “chair”" in (out / "report.html").read_text()


def test_the_begun_answer_is_what_training_saw(release):
    """The ids in front of the contact token equal those of a whole training conversation."""
    model = InteractVLM.from_pretrained(release(**AFFORD))
    style, tokenizer = model.config.template_style, model.tokenizer
    asked = object_question(model.config, "chair", "affordance")
    begun = begun_answer(model.config, "sit", "affordance")
    whole, _ = tokenizer.example(asked, f"{begun} [SEG].", style)
    prompt = tokenizer.prompt(asked, style, begun)
    ids = [*prompt.prefix, *prompt.suffix]
    assert whole[: len(ids)] == ids and whole[len(ids)] == tokenizer.object_id


FAULTS = [
    (("--affordance", "sti"), "did you mean ['sit'"),
    (("--ask", "contact"), "never trained to mark contact on objects"),
    (("--label", "chair [SEG]"), "reserved token"),
    (("--label", "x" * 100), "100 characters"),
    (("--label", " "), "must name an object"),
    (("--box", "9", "9", "1", "1"), "x0 < x1"),
    (("--up", "x"), "up"),
    (("--object", "absent.obj"), "object file not found"),
]


def test_faults_are_one_sentence(release, photo, chair, tmp_path, capsys):
    folder = release(**AFFORD)
    capsys.readouterr()
    for more, expected in FAULTS:
        assert ask(photo, chair, folder, tmp_path / "out", *more, "--json") == 2, more
        printed = capsys.readouterr()
        assert expected in json.loads(printed.out)["error"]["message"], more
        assert len(printed.err.strip().splitlines()) == 1, more
        assert not (tmp_path / "out").exists()


def test_a_given_affordance_does_not_go_with_a_question_about_touch(
    release, photo, chair, tmp_path
):
    model = InteractVLM.from_pretrained(release(**JOINT))
    request = AffordanceRequest(
        photo, tmp_path / "out", object_file=chair, affordance="sit", ask="object"
    )
    with pytest.raises(InputError, match="leave the affordance out"):
        run_affordance(request, model)


def test_weights_of_bodies_refuse_objects_and_the_other_way_round(
    release, photo, chair, tmp_path, capsys
):
    folder = release(hC_loss_weight=3.0, oC_loss_weight=0.0)
    assert ask(photo, chair, folder, tmp_path / "out") == 2
    assert "never trained to mark affordance on objects" in capsys.readouterr().err
    objects = dataclasses.replace(
        InteractVLMConfig.load(folder / CONFIG_FILE), trained_for=("object",)
    )
    objects.save(folder / CONFIG_FILE)
    assert cli.main(["contact", str(photo), "--weights", str(folder)]) == 2
    assert "never trained to mark contact of the body" in capsys.readouterr().err
    with pytest.raises(InputError, match="never trained to mark contact of the body"):
        InteractVLM.from_pretrained(folder).predict_contact(Image.open(photo), ["chair"])


@pytest.mark.slow
def test_the_shipped_weights_mark_objects_of_the_labels_they_know(photo, chair, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["affordance", str(photo), "--object", str(chair), "--out", str(out)]
    assert cli.main([*arguments, "--label", "chair"]) == 0
    with np.load(out / "affordance.npz") as stored:
        assert len(stored["point_probability"]) == len(stored["points"])
        assert np.isfinite(stored["point_probability"]).all()
    capsys.readouterr()
    assert cli.main([*arguments, "--label", "dragon"]) == 2
    assert "dragon" in capsys.readouterr().err


def test_a_folder_of_an_older_version_knows_bodies_only(release):
    path = release(**AFFORD) / CONFIG_FILE
    values = json.loads(path.read_text())
    for name in ("trained_for", "object_question", "affordance_question", "affordance_answer"):
        del values[name]
    path.write_text(json.dumps(values))
    assert InteractVLMConfig.load(path).trained_for == ("body",)
    path.write_text(json.dumps(values | {"trained_for": ["moon"]}))
    with pytest.raises(AssetError, match="trained_for"):
        InteractVLMConfig.load(path)


def test_points_and_meshes_are_lifted_by_their_own_rule(tiny_model):
    from renders.mesh import Mesh, PointCloud

    ball = trimesh.creation.icosphere(subdivisions=2)
    points = torch.tensor(ball.vertices).float()
    faces = torch.tensor(ball.faces).long()
    low = torch.full((1, 4, 16, 16), -2.0)  # probability 0.12, below the 0.3 of the mesh rule
    for surface, expected in ((PointCloud(points), 0.1192), (Mesh(points, faces), 0.0)):
        views = tiny_model.object_views(surface)
        lifted = tiny_model.lift(low, views, "object")[0]
        seen = lifted[views.view_set.seen]
        torch.testing.assert_close(seen, torch.full_like(seen, expected), atol=1e-3, rtol=0)
