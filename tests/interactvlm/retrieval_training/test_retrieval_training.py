"""Training of the picture encoder: its pictures, its batches, going on after a kill."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from interactvlm.errors import InputError
from interactvlm.retrieval_training.config import RetrievalTrainConfig
from interactvlm.retrieval_training.pictures import PictureChances, draw_picture
from interactvlm.retrieval_training.run import PictureBank, build_batch, draw_pictures, train
from interactvlm.retrieval_training.scene_crops import scene_crops
from interactvlm.synthetic.config import SynthConfig
from interactvlm.synthetic.dataset import generate
from interactvlm.synthetic.shards import SceneShards
from object_retrieval.crops import square_crop
from object_retrieval.picture_encoder import load_encoder
from tests.object_retrieval.solids import SOLIDS, SolidLibrary, solid


@pytest.mark.parametrize("category", SOLIDS)
def test_pictures_show_the_object_where_the_mask_says(category):
    mesh = solid(category)
    for seed in range(6):
        picture = draw_picture(mesh, np.random.default_rng(seed))
        assert picture.mask.any() and picture.rgb.shape[:2] == picture.mask.shape
        crop = square_crop(picture, 32, blank=False)
        assert crop.mask.any()


def test_pictures_depend_on_the_seed_only():
    first, second, other = (
        draw_picture(solid("chair"), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.rgb, second.rgb)
    assert first.rgb.shape != other.rgb.shape or (first.rgb != other.rgb).any()


def test_something_in_front_takes_from_the_mask():
    never = PictureChances(tilted=0.0, hidden=0.0, cut=0.0, rough_mask=0.0)
    always = replace(never, hidden=1.0)
    seen = [
        [
            draw_picture(solid("box"), np.random.default_rng(seed), c).mask.sum()
            for seed in range(12)
        ]
        for c in (never, always)
    ]
    assert sum(seen[1]) < 0.95 * sum(seen[0])
    assert all(after >= 0.2 * before for before, after in zip(*seen, strict=True))


def small(tmp_path, **changes):
    settings = {"out": tmp_path, "pictures": 2, "steps": 4, "batch": 4, "save_every": 2,
                "log_every": 2, "warmup": 1}  # fmt: skip
    return RetrievalTrainConfig(**(settings | changes))


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    library = SolidLibrary(("box", "pole"))
    whole = load_encoder(train(small(tmp_path / "whole"), library)).state_dict()
    calls = []

    def stopping(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return build_batch(*arguments)

    monkeypatch.setattr("interactvlm.retrieval_training.run.build_batch", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(small(tmp_path / "parts"), library)
    folder = train(small(tmp_path / "parts"), library)
    assert len(calls) == 4 + 2  # steps 3 and 4 again
    for key, value in load_encoder(folder).state_dict().items():
        torch.testing.assert_close(value, whole[key], atol=2e-3, rtol=0)
    rows = list(csv.reader((tmp_path / "whole" / "log.csv").open()))
    assert [row[1] for row in rows[1:]] == ["2", "4"]
    assert (folder / "training.json").is_file()


def test_pictures_are_drawn_once(tmp_path, monkeypatch):
    library = SolidLibrary(("box", "pole"))
    first = np.array(draw_pictures(small(tmp_path), library, 32))

    def never(*_):
        raise AssertionError

    monkeypatch.setattr("interactvlm.retrieval_training.run.draw_picture", never)
    np.testing.assert_array_equal(draw_pictures(small(tmp_path), library, 32), first)
    assert set(np.unique(first[..., 3])) == {0, 255}


def test_a_batch_holds_two_pictures_of_each_shape():
    pictures = np.random.default_rng(0).integers(0, 255, (5, 3, 16, 16, 4), dtype=np.uint8)
    banks = [PictureBank(pictures, np.arange(5))]
    pixels, category = build_batch(banks, 4, np.random.default_rng(1))
    assert pixels.shape == (2, 4, 4, 16, 16) and len(set(category.tolist())) == 4
    assert float(pixels[:, :, :3].abs().amax()) <= 0.5
    assert set(pixels[:, :, 3].unique().tolist()) <= {0.0, 1.0}
    # Colours are 0 where the mask is.
    assert not (pixels[:, :, :3].abs().amax(2) * (pixels[:, :, 3] == 0)).any()


def test_half_of_a_batch_is_of_the_scenes():
    pictures = np.zeros((5, 3, 16, 16, 4), dtype=np.uint8)
    banks = [PictureBank(pictures, np.full(5, at)) for at in (0, 1)]
    pixels, category = build_batch(banks, 7, np.random.default_rng(1))
    assert pixels.shape[:2] == (2, 7) and category.tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    config = SynthConfig(out=tmp_path_factory.mktemp("scenes"), split="val", count=3, views=2)
    generate(config)
    return config.out / config.split


def test_crops_of_scenes_show_the_object(scenes):
    categories = sorted({thing.label for scene in SceneShards(scenes).scenes
                         for thing in scene.objects})  # fmt: skip
    crops, category = scene_crops(scenes, categories, 3, 2, 32)
    assert crops.shape == (len(category), 2, 32, 32, 4) and 0 < len(category) <= 3
    assert (crops[..., 3] == 255).any(axis=(2, 3)).all()
    with pytest.raises(InputError, match="no object of the library"):
        scene_crops(scenes, ["submarine"], 3, 2, 32)


def test_a_checkpoint_of_another_library_is_refused(tmp_path):
    train(small(tmp_path), SolidLibrary(("box", "pole")))
    with pytest.raises(InputError, match="choose another --out"):
        train(small(tmp_path), SolidLibrary(("box", "pole", "ball")))


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"steps": 0}, "steps"),
        ({"pictures": 1}, "at least 2"),
        ({"batch": 0}, "batch"),
        ({"scene_pictures": 1}, "at least 2"),
    ],
)
def test_settings_that_make_no_sense(settings, words):
    with pytest.raises(InputError, match=words):
        RetrievalTrainConfig(**settings)


def test_one_category_teaches_nothing(tmp_path):
    with pytest.raises(InputError, match="two categories"):
        train(small(tmp_path), SolidLibrary(("box",)))
