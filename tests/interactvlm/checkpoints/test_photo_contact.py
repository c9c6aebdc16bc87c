"""The release that marks contact on the photo: converted, asked, written as masks."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from interactvlm.checkpoints.convert import Conversion, convert
from interactvlm.cli import main as cli
from interactvlm.config import InteractVLMConfig
from interactvlm.errors import AssetError, InputError
from interactvlm.generation import GeneratedAnswer
from interactvlm.model import InteractVLM
from interactvlm.photo import Photo
from interactvlm.photo_contact import PhotoContact, limited_to_box
from interactvlm.photo_marks import PhotoMarks
from interactvlm.preprocessing import sam_pixels
from interactvlm.questions import body_question

WIDTH, HEIGHT = 60, 40


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))


@pytest.fixture
def release(publish, clip_folder, tmp_path):
    """Converts a tiny 2D release; the number of repeated tokens is the publisher's setting."""

    def release(channels=1):
        made = publish("bin", sizes={"camera": "none"}, multiview_channels=channels)
        convert(Conversion(made.folder, tmp_path / "model", clip_folder))
        return tmp_path / "model"

    return release


@torch.no_grad()
def expected_probability(model, photo, hidden):
    """As published: the photo repeated for every channel, transformers' own decoder, upscaling."""
    local = model.config.localizer
    pixels = sam_pixels(photo, local.image_size_px)[None].expand(local.num_views, -1, -1, -1)
    vectors = model.token_projection(hidden)[:, None].expand(-1, local.num_views, -1)
    embeddings = model.localizer.encode(pixels)
    masks = model.localizer._decode_plain(vectors, embeddings, "human")[:, :1]
    side = local.image_size_px
    masks = F.interpolate(masks, (side, side), mode="bilinear", align_corners=False)
    masks = masks[..., : int(side * HEIGHT / WIDTH + 0.5), :]
    size = (HEIGHT, WIDTH)
    return F.interpolate(masks, size, mode="bilinear", align_corners=False)[0, 0].sigmoid()


@pytest.mark.parametrize("channels", [1, 4])
def test_the_mask_is_what_the_published_steps_give(release, photo, channels):
    model = InteractVLM.from_pretrained(release(channels), dtype=torch.float32)
    assert model.config.localizer.num_views == channels
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # larger than the release's, so that masks differ from place to place
        for weight in (*model.localizer.parameters(), *model.token_projection.parameters()):
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.4)
    (contact,) = model.predict_photo_contact(photo, ["chair"])
    (answer,) = model._answers(photo, [body_question(model.config, "chair")], "human", None)
    hidden = answer.states[model.tokenizer.human_id][None]
    wanted = expected_probability(model, photo, hidden)
    torch.testing.assert_close(contact.pixel_probability, wanted, atol=1e-5, rtol=0)
    assert contact.pixel_probability.std() > 0.05
    question = body_question(model.config, "tennis_racket")
    assert question.startswith("Segment") and "tennis racket in this image" in question


def test_labels_are_asked_together_and_a_box_limits_the_mask(release, photo):
    model = InteractVLM.from_pretrained(release(), dtype=torch.float32)
    one, two = model.predict_photo_contact(photo, ["chair", "cup"])
    assert (one.label, two.label) == ("chair", "cup")
    (boxed,) = model.predict_photo_contact(photo, ["chair"], box_xyxy_px=(10.5, 5, 30.2, 20))
    inside = boxed.pixel_probability > 0
    assert inside[5:20, 10:31].all() and int(inside.sum()) == 15 * 21


def test_no_token_is_an_empty_mask(release, photo, monkeypatch):
    model = InteractVLM.from_pretrained(release(), dtype=torch.float32)
    monkeypatch.setattr("interactvlm.model.generate_answers", lambda *_: [GeneratedAnswer(())])
    (contact,) = model.predict_photo_contact(photo, ["chair"])
    assert not contact.in_contact and contact.pixel_probability.shape == (HEIGHT, WIDTH)


def test_a_model_is_asked_about_what_it_marks(release, photo, tiny_model):
    model = InteractVLM.from_pretrained(release(), dtype=torch.float32)
    with pytest.raises(InputError, match="on the photo, not on the body"):
        model.predict_contact(photo, ["chair"])
    with pytest.raises(InputError, match="on the body, not on the photo"):
        tiny_model.predict_photo_contact(photo, ["chair"])


def test_one_command_writes_masks_overlay_and_report(release, photo, tmp_path, capsys):
    folder = release()
    photo.save(tmp_path / "photo.png")
    arguments = ["contact", str(tmp_path / "photo.png"), "--weights", str(folder)]
    labels = ["--label", "Tennis_Racket", "--label", "chair"]
    assert cli.main([*arguments, *labels, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    out = tmp_path / "out"
    files = {path.name for path in out.iterdir()}
    masks = {"mask_1_tennis_racket.png", "mask_2_chair.png"}
    assert files == masks | {
        "overlay.png", "report.html", "report.json", "config.json", "provenance.json"
    }  # fmt: skip
    report = json.loads((out / "report.json").read_text())
    for entry in report["contacts"]:
        mask = np.asarray(Image.open(out / entry["mask"]))
        assert mask.shape == (HEIGHT, WIDTH) and set(np.unique(mask)) <= {0, 255}
        assert entry["surface"] == "photo"
        assert entry["share_of_photo"] == pytest.approx((mask == 255).mean(), abs=1e-6)
        assert f"{entry['label']}: " in said
    assert "Contact on the photo" in (out / "report.html").read_text()


@pytest.mark.parametrize("value", ["photo", "body"])
def test_a_folder_of_an_older_version_still_loads(release, value):
    path = release() / "config.json"
    values = json.loads(path.read_text())
    assert values.pop("answers_on") == "photo"
    path.write_text(json.dumps(values))
    assert InteractVLMConfig.load(path).answers_on == "body"
    path.write_text(json.dumps(values | {"answers_on": value}))
    assert InteractVLMConfig.load(path).answers_on == value
    path.write_text(json.dumps(values | {"answers_on": "moon"}))
    with pytest.raises(AssetError, match="answers_on"):
        InteractVLMConfig.load(path)


def test_masks_are_in_pixels_of_the_original(tmp_path):
    probability = torch.zeros(10, 20)
    probability[:5] = 0.9
    scaled = Photo(Image.new("RGB", (20, 10)), "large.png", "a" * 64, 200, 100)
    marks = PhotoMarks([PhotoContact(probability, "Größe/..", 0.5)], scaled)
    marks.save(tmp_path)
    mask = np.asarray(Image.open(tmp_path / "mask_1_gr_e.png"))
    assert mask.shape == (100, 200) and (mask[:50] == 255).all() and not mask[50:].any()
    assert marks.described()[0]["share_of_photo"] == 0.5


@pytest.mark.parametrize("box", [(-5, -5, 3, 4), (0, 0, 99, 99), (19, 9, 20, 10)])
def test_a_box_beyond_the_photo_marks_only_the_photo(box):
    inside = limited_to_box(torch.ones(10, 20), box)
    x0, y0, x1, y1 = np.clip(box, 0, [20, 10, 20, 10])
    assert int(inside.sum()) == (x1 - x0) * (y1 - y0)
