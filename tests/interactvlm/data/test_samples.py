"""Readers on real files of the publishers; skipped where those are not."""

import json

import numpy as np
import pytest

from interactvlm.data.folder import DataFolder
from interactvlm.data.lemon import AFFORDANCES as LEMON
from interactvlm.data.piad import AFFORDANCES as PIAD
from interactvlm.data.pickled import load_pickle
from interactvlm.data.point_files import PointFormat
from interactvlm.data.registry import open_dataset
from interactvlm.data.sources import SOURCES
from interactvlm.errors import AssetError
from interactvlm.photo import read_photo

from .make_tiny import make_damon


def _linked(target, source):
    """A real file under the name the publisher's full data set has it; nothing is copied."""
    target.parent.mkdir(parents=True)
    target.symlink_to(source)


def test_piad_on_the_published_bag(samples, tmp_path):
    real = samples / "IAGNet-NONCOMMERCIAL"
    photo = "Img/Test/Bag/lift/Img_Test_Bag_lift_1.jpg"
    points = "Point/Test/Bag/Point_Test_Bag_1.txt"
    _linked(tmp_path / "Seen" / photo, real / "Img_Test_Bag_lift_1.jpg")
    _linked(tmp_path / "Seen" / points, real / "Point_Test_Bag_1.txt")
    (tmp_path / "Seen/Img_Test.txt").write_text(f"Data/Seen/{photo}\n")
    (tmp_path / "Seen/Point_Test.txt").write_text(f"Data/Seen/{points}\n")
    sample = open_dataset("piad", tmp_path, "seen-test")[0]
    assert (sample.entry.label, sample.entry.affordance) == ("Bag", "lift")
    assert read_photo(sample.entry.image).image.size == (408, 612)
    assert sample.object.surface.num_points == 2048
    assert int((sample.object.heat > 0).sum()) == 128
    low, high = sample.object.surface.points.amin(0), sample.object.surface.points.amax(0)
    np.testing.assert_allclose(low, [-0.754, -0.326, -0.162], atol=1e-3)
    np.testing.assert_allclose(high, [0.757, 0.999, 0.163], atol=1e-3)


def test_all_scores_of_the_published_bag(samples):
    folder = DataFolder(SOURCES["piad"], samples / "IAGNet-NONCOMMERCIAL")
    table = PointFormat(folder, PIAD, identified=True).read(folder.root / "Point_Test_Bag_1.txt")
    assert table.category == "Bag"
    assert (table.scores > 0).sum(0).tolist() == [2048, 1883, 128, 1920, *[0] * 13]


def test_3dir_on_the_published_backpack(samples):
    folder = DataFolder(SOURCES["3dir"], samples / "lemon_3d-NONCOMMERCIAL")
    path = folder.root / "Backpack_object_demo.txt"
    table = PointFormat(folder, LEMON, identified=False).read(path)
    assert table.category == "Backpack" and table.points.shape == (2048, 3)
    used = [LEMON[i] for i in range(17) if bool((table.scores[:, i] > 0).any())]
    assert used == ["carry"] and int((table.scores[:, 16] > 0).sum()) == 501
    with pytest.raises(AssetError, match="20 fields in line 1, expected 22"):
        PointFormat(folder, PIAD, identified=True).read(path)


def test_the_published_curvature_pickle_is_read_without_running_it(samples):
    path = samples / "lemon_3d-NONCOMMERCIAL/Backpack_curvature.pkl"
    values = load_pickle(path, SOURCES["3dir"])
    assert values.shape == (2048,) and values.dtype == np.float64
    assert values.min() == 0.0 and values.max() < 1.0


def test_a_real_pickle_of_another_kind_is_named_as_malformed(samples, tmp_path):
    make_damon(tmp_path)
    path = tmp_path / "test/contact_label_objectwise.pkl"
    path.unlink()
    path.symlink_to(samples / "lemon_3d-NONCOMMERCIAL/Backpack_curvature.pkl")
    with pytest.raises(AssetError, match="labels 2048 photos, 3 are listed"):
        open_dataset("damon", tmp_path, "test")


def test_real_boxes_are_no_conversations(samples, tmp_path):
    (tmp_path / "hoi_vqa").mkdir()
    target = tmp_path / "hoi_vqa/lemon.json"
    target.symlink_to(samples / "IAGNet-NONCOMMERCIAL/Img_Test_Bag_lift_1.json")
    assert "shapes" in json.loads(target.read_text())
    with pytest.raises(AssetError, match="must hold a list of records, found dict"):
        open_dataset("hoi-vqa", tmp_path, "lemon")
