"""Masks of tiny data sets: names, values, the way back to the labels, stopping and going on."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.cli import main as cli
from interactvlm.data.registry import open_dataset
from interactvlm.errors import AssetError, InputError
from interactvlm.mask_generation import files, job
from interactvlm.mask_generation.config import MASK_CONFIGS
from interactvlm.mask_generation.layout import plain_name
from interactvlm.metrics import contact_scores
from interactvlm.published_files import load_human_lift_map, load_view_lift_map
from renders.canonical import HUMAN_VIEWS, OBJECT_VIEWS
from renders.lifting import PixelSurfaceMap
from tests.interactvlm.ball_body import patch
from tests.interactvlm.data.make_tiny import MAKERS, make_3dir, make_damon, make_pico, make_rich

HUMAN = [view.name for view in HUMAN_VIEWS]
OBJECT = [view.name for view in OBJECT_VIEWS]
SPLITS = {"damon": "test", "3dir": "val", "piad": "seen-test", "pico": "all", "rich": "val"}


def settings(name, tmp_path, **changes):
    changes = {"split": SPLITS[name], "resolution_px": 64, **changes}
    return MASK_CONFIGS[name](root=tmp_path / "data", out=tmp_path / "out", **changes)


def read(folder, name, views):
    return torch.stack([files.read_grey(folder / f"{name}_{view}.png") for view in views])


@pytest.mark.parametrize("name", MASK_CONFIGS)
def test_every_data_set_gets_the_published_names(name, tmp_path, ball_body):
    MAKERS[name](tmp_path / "data")
    report = job.generate_masks(settings(name, tmp_path, preview=True))
    wanted = {
        "damon": "hcontact_vitruvian_mv2/tennis_racket/vcoco_000000000002_topback.png",
        "3dir": "hcontact_vitruvian/Chair/sit/Chair_sit_7_bottomfront.png",
        "piad": "rendered_points_heatmap_1025_color/Test/Bag/lift/mask_Bag_1_lift_frontleft.png",
        "pico": "lowpoly_mesh_0507/cup/mask_cup__hake_5_backright.png",
        "rich": "hcontact_vitruvian/Gym_010_cam_3_00012_topfront.png",
    }[name]
    with Image.open(report.out / wanted) as image:
        assert image.mode == "L" and image.size == (64, 64)
    surfaces = len(job.SURFACES[name])
    assert report.written == surfaces * report.samples and not report.kept
    with Image.open(report.out / "preview.png") as sheet:
        assert sheet.width == 4 * 224


def test_contact_to_masks_and_back_is_the_contact(tmp_path, ball_body):
    """Exactly where a vertex's neighbours agree with it, nearly so on the rim of a patch."""
    make_rich(tmp_path / "data")
    dataset = open_dataset("rich", tmp_path / "data", "val")
    touched = patch(ball_body, 2000, 0.3) | patch(ball_body, 5200, 0.2)
    sample = dataset[0]
    body = dataclasses.replace(sample.body, in_contact=touched)
    config = settings("rich", tmp_path, resolution_px=256, min_vertices=2)
    views = job.body_views(256)
    files.write_body(config.out_folder, views)
    report = job.MaskReport(config.out_folder)
    job._draw_body(config, dataclasses.replace(sample, body=body), views, report, False)
    lift_map = load_human_lift_map(config.out_folder / "body")
    masks = read(config.out_folder / "hcontact_vitruvian_mv2", sample.entry.image.stem, HUMAN)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    back = lift_map.lift(masks) >= 0.5
    seen = lift_map.seen
    corners = ball_body.faces
    mixed = touched[corners].any(1) & ~touched[corners].all(1)
    rim = torch.zeros_like(touched)
    rim[corners[mixed].flatten()] = True
    assert int((back & touched & ~rim).sum()) > 50
    assert torch.equal(back[seen & ~rim], touched[seen & ~rim])
    assert contact_scores(back[seen], touched[seen]).f1 > 0.95
    valid = read(config.out_folder / "body", "valid", HUMAN) > 0.5
    assert torch.equal(valid, lift_map.valid) and not bool(masks[~valid].any())
    assert torch.equal(files.ignored(masks, valid) == -1, ~valid)


def test_a_pixel_touches_with_two_corners_or_with_three(tmp_path, ball_body):
    make_damon(tmp_path / "data")
    loose = job.generate_masks(settings("damon", tmp_path))
    strict = dataclasses.replace(settings("damon", tmp_path, min_vertices=3), out=tmp_path / "o3")
    job.generate_masks(strict)
    stem = "bench/hake_3"
    two = read(loose.out / "hcontact_vitruvian_mv2", stem, HUMAN) > 0
    three = read(strict.out_folder / "hcontact_vitruvian", stem, HUMAN) > 0
    assert bool((two | ~three).all())  # three corners are also two


def test_feet_on_the_ground_keep_their_published_folder(tmp_path, ball_body):
    from tests.interactvlm.data.make_tiny import DAMON_LABELS, dump

    make_damon(tmp_path / "data")
    rows = [{"foot_ground": [1, 2, 3], "supporting": [4]}, *DAMON_LABELS[1:]]
    dump(rows, tmp_path / "data/test/contact_label_objectwise_wFootGround.pkl")
    report = job.generate_masks(settings("damon", tmp_path, split="test-scene"))
    folders = {path.name for path in (report.out / "hcontact_vitruvian_mv2").iterdir()}
    assert "foot_ground" in folders and not {"scene", "supporting"} & folders


def test_heat_maps_lift_back_to_the_scores(tmp_path, ball_body):
    make_3dir(tmp_path / "data")
    report = job.generate_masks(settings("3dir", tmp_path, resolution_px=128))
    (sample,) = [
        s for s in open_dataset("3dir", tmp_path / "data", "val") if "Chair" in s.entry.key
    ]
    folder = report.out / "lemon_ocontact/rendered_points_heatmap_1025_color/Chair/sit"
    masks = read(folder, "mask_Chair_2_sit", OBJECT)
    mapping = torch.stack([
        torch.from_numpy(np.load(folder / f"p2pmap_Chair_2_sit_{view}.npz")["mapping"])
        for view in OBJECT
    ])  # fmt: skip
    assert mapping.dtype == torch.int64 and int(mapping.min()) == -1
    points = PixelSurfaceMap.from_dense(
        mapping[..., None], torch.ones(*mapping.shape, 1), len(sample.object.heat)
    )
    lifted = points.lift(masks)
    seen = points.seen
    assert int(seen.sum()) > 20
    torch.testing.assert_close(lifted[seen], sample.object.heat[seen], atol=1 / 255, rtol=0)


def test_an_object_mesh_brings_its_maps_and_vertices(tmp_path, ball_body):
    make_pico(tmp_path / "data")
    report = job.generate_masks(settings("pico", tmp_path))
    folder = report.out / "lowpoly_mesh_0507/cup"
    with open(folder / "contact_vertices_cup__hake_5.pkl", "rb") as stream:
        contact = pickle.load(stream)
    assert contact.dtype == np.float32 and contact.shape == (8,) and set(contact) == {0.0, 1.0}
    lift_map = load_view_lift_map(folder / "p2vmap_cup__hake_5_frontleft.npz")
    assert lift_map.num_vertices == 8
    with Image.open(folder / "sam_cup__hake_5_frontleft.png") as render:
        assert render.mode == "RGB"


def test_a_stopped_run_goes_on_and_keeps_what_is_there(tmp_path, ball_body, monkeypatch):
    make_damon(tmp_path / "data")
    config = settings("damon", tmp_path)
    real, calls = files.write_image, []

    def dies(path, pixels):
        calls.append(path)
        if len(calls) == 8 + 10:  # renders and valid regions, two samples and a half
            raise KeyboardInterrupt
        real(path, pixels)

    monkeypatch.setattr(files, "write_image", dies)
    with pytest.raises(KeyboardInterrupt):
        job.generate_masks(config)
    monkeypatch.setattr(files, "write_image", real)
    before = {path: path.stat().st_mtime_ns for path in config.out_folder.rglob("*.png")}
    report = job.generate_masks(config)
    assert (report.kept, report.written) == (2, 3)
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    assert not list(config.out_folder.rglob(".*"))
    with pytest.raises(InputError, match="resolution_px"):
        job.generate_masks(dataclasses.replace(config, resolution_px=32))


def test_samples_without_an_object_are_counted(tmp_path, ball_body):
    make_3dir(tmp_path / "data")
    (tmp_path / "data/lemon_ocontact/lemon_lookup_results_train.pkl").unlink()
    report = job.generate_masks(settings("3dir", tmp_path, split="train"))
    assert report.without_object == 1 and report.written == 1
    assert any("no object" in line for line in report.lines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["masks"], "needs a data set"),
        (["masks", "coco"], "known are damon"),
        (["masks", "damon", "--root", "nowhere"], "is not here"),
        (["masks", "damon", "--resolution-px", "2"], "at least 16"),
        (["masks", "rich", "--limit", "0"], "at least 1"),
    ],
)
def test_wrong_input_is_one_sentence(arguments, said, capsys):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_no_body_file_is_one_sentence(tmp_path, monkeypatch):
    make_damon(tmp_path / "data")
    monkeypatch.delenv("INTERACTVLM_BODY_MODELS", raising=False)
    with pytest.raises(AssetError, match="SMPL"):
        job.generate_masks(settings("damon", tmp_path))


def test_the_command_says_what_it_did(tmp_path, ball_body, capsys):
    make_damon(tmp_path / "data")
    out = tmp_path / "out"
    arguments = ["--root", str(tmp_path / "data"), "--out", str(out), "--resolution-px", "64"]
    assert cli.main(["masks", "damon", *arguments, "--split", "test", "--limit", "2"]) == 0
    assert "2 drawn, 0 kept, of 2 samples" in capsys.readouterr().out


def test_labels_cannot_leave_the_folder():
    assert plain_name("../a\\b") == "_a_b" and plain_name("..") == "_"
