"""`interactvlm retrieve` and `evaluate retrieval`: files in, table, JSON and contact sheet out."""

import json

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from interactvlm import retrieval_job
from interactvlm.cli import main as cli
from object_retrieval.picture_encoder import PictureEncoder, PictureEncoderConfig, save_encoder
from object_retrieval.views import picture_of
from tests.object_retrieval.solids import SolidLibrary, solid


@pytest.fixture(autouse=True)
def small_library(monkeypatch, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "retrieve-cache"
    monkeypatch.setenv("INTERACTVLM_CACHE", str(cache))
    library = SolidLibrary()
    monkeypatch.setattr(retrieval_job, "open_library", lambda folder: library)
    return library


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_encoder(PictureEncoder(PictureEncoderConfig(side_px=32, width=4, dim=16)), tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def crop(tmp_path):
    picture = picture_of(solid("chair"), 64)
    Image.fromarray(picture).save(tmp_path / "crop.png")
    Image.fromarray(((picture < 250).any(-1) * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    return tmp_path / "crop.png"


def ask(*arguments):
    return cli.main(["retrieve", *map(str, arguments)])


def test_a_label_prints_a_table_and_draws_a_sheet(capsys, tmp_path):
    assert ask("--label", "cardboard boxes", "--out", tmp_path / "sheet.png", "--top", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "label 'cardboard boxes' is taken as 'box' (synonym)"
    assert lines[1].split()[:3] == ["rank", "shape", "category"]
    assert [line.split()[2] for line in lines[2:4]] == ["box", "box"]
    assert "±" in lines[2] and str(tmp_path / "sheet.png") in lines[-1]
    assert Image.open(tmp_path / "sheet.png").width > 300


@pytest.mark.parametrize("up", ["y", "z"])
def test_a_mesh_of_a_file_is_found_whichever_axis_is_up(capsys, tmp_path, up):
    mesh = solid("chair", 1.1)
    x, y, z = mesh.vertices.unbind(1)
    points = torch.stack([x, z, -y], dim=1) if up == "y" else mesh.vertices
    path = tmp_path / "a chair.ply"
    trimesh.Trimesh(100 * points.numpy(), mesh.faces.numpy(), process=False).export(path)
    out = tmp_path / "sheet.png"
    assert ask("--mesh", path, "--up", up, "--json", "--out", out) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["candidates"][0]["category"] == "chair"
    assert next(iter(answer["categories"])) == "chair"
    assert answer["candidates"][0]["size_m"] > 0.5
    assert answer["label"] is None and answer["sheet"] == str(out)


def test_a_mesh_in_metres_tells_its_size(capsys, tmp_path):
    """A plate as large as the rings is likelier a ring when its size counts."""
    probability = []
    for extra in ((), ("--metres",)):
        mesh = solid("plate", 1.1)
        x, y, z = mesh.vertices.unbind(1)
        points = 2.5 * torch.stack([x, z, -y], dim=1)
        path = tmp_path / "plate.ply"
        trimesh.Trimesh(points.numpy(), mesh.faces.numpy(), process=False).export(path)
        assert ask("--mesh", path, "--json", "--out", tmp_path / "s.png", *extra) == 0
        probability.append(json.loads(capsys.readouterr().out)["categories"])
    assert probability[1]["ring"] > 100 * probability[0]["ring"]


def test_a_crop_with_its_mask(capsys, tmp_path, crop, weights):
    mask = crop.with_name("mask.png")
    out = tmp_path / "sheet.png"
    arguments = ("--image", crop, "--mask", mask, "--weights", weights, "--out", out, "--json")
    assert ask(*arguments, "--label", "chair") == 0
    answer = json.loads(capsys.readouterr().out)
    assert {c["category"] for c in answer["candidates"]} == {"chair"}
    assert answer["label"] == {"asked": "chair", "category": "chair", "rule": "name"}
    assert all(-1 <= c["similarity"] <= 1.01 for c in answer["candidates"])


def test_the_first_column_of_a_sheet_is_the_question(tmp_path, crop, weights):
    out = tmp_path / "sheet.png"
    assert ask("--image", crop, "--weights", weights, "--top", 1, "--out", out) == 0
    sheet = Image.open(out)
    assert sheet.width == 2 * 192


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), "nothing to look for"),
        (("--label", "giraffe"), "names no category"),
        (("--label", "chiar"), "chair"),
        (("--label", "x" * 400), "400 characters"),
        (("--label", "box", "--top", "0"), "at least 1"),
        (("--label", "box", "--size", "-1"), "positive"),
        (("--mask", "m.png", "--label", "box"), "--image"),
        (("--label", "box", "--metres"), "--mesh"),
        (("--image", "nowhere.png"), "not found"),
        (("--mesh", "nowhere.obj"), "not found"),
        (("--label", "box", "--clip", "folder"), "--openshape"),
        (("--label", "box", "--openshape", "nowhere"), "not found"),
        (("--label", "box", "--openshape", "nowhere", "--device", "tpu"), "device must be"),
    ],
)
def test_every_fault_is_one_sentence_and_exit_2(capsys, arguments, words):
    assert ask(*arguments) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in told and "Traceback" not in told


def test_missing_weights_say_how_to_make_them(capsys, tmp_path, crop):
    assert ask("--image", crop, "--weights", tmp_path / "none") == 2
    assert "interactvlm train retrieval" in capsys.readouterr().err


def test_a_mask_of_another_shape_or_of_nothing(capsys, tmp_path, crop, weights):
    Image.new("L", (64, 32), 255).save(tmp_path / "wide.png")
    Image.new("L", (64, 64), 0).save(tmp_path / "black.png")
    for name, words in (("wide.png", "does not fit"), ("black.png", "none is white")):
        assert ask("--image", crop, "--mask", tmp_path / name, "--weights", weights) == 2
        assert words in capsys.readouterr().err


def test_a_point_cloud_has_no_picture_of_its_own(tmp_path):
    points = np.random.default_rng(0).standard_normal((300, 3))
    np.savetxt(tmp_path / "points.xyz", points / np.linalg.norm(points, axis=1, keepdims=True))
    assert ask("--mesh", tmp_path / "points.xyz", "--out", tmp_path / "sheet.png") == 0
    assert Image.open(tmp_path / "sheet.png").width == 5 * 192


def test_evaluation_counts_places(monkeypatch, tmp_path, weights, capsys):
    from interactvlm.evaluation import retrieval

    def one_scan(categories, count, seed):
        del count, seed
        for category in categories:
            yield category, solid(category, 1.1)

    monkeypatch.setattr(retrieval, "open_library", lambda folder: SolidLibrary())
    monkeypatch.setattr(retrieval, "scanned_shapes", one_scan)
    monkeypatch.setattr(retrieval, "load_split", lambda config: OneScene())
    target = tmp_path / "numbers.json"
    arguments = ["--count", "1", "--weights", str(weights), "--json", str(target)]
    assert cli.main(["evaluate", "retrieval", *arguments]) == 0
    numbers = json.loads(target.read_text())
    assert list(numbers) == ["image", "shape", "label", "library"]
    assert all(set(numbers[n]) == {"top1", "top5", "count"} for n in ("image", "shape", "label"))
    assert numbers["library"] == {"categories": 6, "items": 13}
    assert numbers["shape"] == {"top1": 1.0, "top5": 1.0, "count": 6}
    # Of the scene's objects one is too small and one of no known category.
    assert numbers["image"]["count"] == 1
    assert "shape  top-1 1.000" in capsys.readouterr().out


class OneScene:
    """A picture with a chair, a speck of a box, and a thing that no library has."""

    class Thing:
        def __init__(self, label):
            self.label = label

    class Scene:
        pass

    def __init__(self):
        scene = self.Scene()
        scene.objects = [self.Thing(name) for name in ("chair", "box", "dragon")]
        self.scenes = [scene]

    def picture(self, scene):
        from interactvlm.synthetic.shards import Picture

        rgb = picture_of(solid("chair"), 64)
        instance = np.where((rgb < 250).any(-1), 2, 0).astype(np.uint8)
        instance[:2, :2], instance[50:, :20] = 3, 4
        nothing = np.zeros((64, 64), np.uint16)
        points = np.zeros((25, 3), np.float32)
        return Picture(rgb, instance, nothing.astype(np.uint8), nothing, points)
