"""Open models in the real layout on a real photo: geometry, files, faults."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from interactvlm.cli.main import main
from interactvlm.errors import AssetError, InputError
from interactvlm.open_models.boxes import (
    BoxDetector,
    Detection,
    corner_boxes,
    label_spans,
    strongest,
)
from interactvlm.open_models.depth import DepthEstimator
from interactvlm.open_models.keypoints import PoseEstimator
from interactvlm.open_models.loading import Source, resolved_revision
from interactvlm.open_models.masks import MaskPrompt, Segmenter
from interactvlm.open_models.photo_perception import PERSON, PhotoPerception
from interactvlm.open_models.registry import OPEN_MODELS, default_model


@pytest.fixture(scope="module")
def photo():
    return Image.fromarray(data.astronaut()).crop((0, 0, 300, 200))


def test_label_spans_are_the_words_between_full_stops():
    ids = torch.tensor([2, 9, 7, 5, 8, 5, 3])  # [CLS] office chair . cup . [SEP]
    assert [s.tolist() for s in label_spans(ids, 5, 2)] == [[1, 2], [4]]


def test_corner_boxes_are_pixels_inside_the_photo():
    boxes = torch.tensor([[0.5, 0.5, 0.5, 1.0], [0.0, 0.0, 0.4, 0.2]])
    expected = torch.tensor([[75.0, 0.0, 225.0, 200.0], [0.0, 0.0, 60.0, 20.0]])
    torch.testing.assert_close(corner_boxes(boxes, 300, 200), expected)


def test_near_copies_weak_and_empty_boxes_are_left_out():
    boxes = torch.tensor(
        [[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [5, 5, 5, 9], [40, 40, 50, 50]]
    ).float()
    score = torch.tensor([0.6, 0.9, 0.5, 0.99, 0.1])
    assert strongest(boxes, score, 0.3).tolist() == [1, 2]
    assert strongest(boxes[:0], score[:0], 0.3).tolist() == []


def test_boxes_equal_the_library_post_processing(models_folder, photo):
    from transformers import GroundingDinoProcessor

    detector = BoxDetector(Source(str(models_folder / "boxes")), threshold=0.0)
    found = detector.find(photo, ["office chair"])
    assert found
    processor = GroundingDinoProcessor(detector.image_processor, detector.tokenizer)
    inputs = processor(images=photo, text="office chair.", return_tensors="pt")
    with torch.no_grad():
        output = detector.model(**inputs)
    library = processor.post_process_grounded_object_detection(
        output, inputs["input_ids"], threshold=0.0, target_sizes=[(200, 300)]
    )[0]["boxes"].clamp(min=0)
    library = torch.minimum(library, torch.tensor([300.0, 200.0, 300.0, 200.0]))
    for detection in found:
        assert float((library - torch.tensor(detection.box_xyxy_px)).abs().amax(1).min()) < 1e-3


def test_no_labels_find_nothing_and_odd_labels_are_refused(models_folder, photo):
    detector = BoxDetector(Source(str(models_folder / "boxes")))
    assert detector.find(photo, []) == []
    for label in ("", "a cup. a dog"):
        with pytest.raises(InputError, match="full stop"):
            detector.find(photo, [label])


BOX = (10.0, 20.0, 200.0, 180.0)
ON, OFF = ((60.0, 70.0), (90.5, 100.0)), ((200.0, 20.0),)
PROMPTS = (
    MaskPrompt(BOX),
    MaskPrompt(points_on_px=ON),
    MaskPrompt(points_on_px=ON[:1], points_off_px=OFF),
    MaskPrompt(BOX, ON, OFF),
    MaskPrompt((0.0, 0.0, 50.0, 50.0)),
)


def test_masks_have_the_photo_size(models_folder, photo):
    segmenter = Segmenter(Source(str(models_folder / "masks")))
    masks, quality = segmenter.segment(photo, PROMPTS)
    assert masks.shape == (5, 200, 300) and masks.dtype == bool
    assert quality.shape == (5,) and len(set(quality.tolist())) == 5
    assert segmenter.segment(photo, [])[0].shape == (0, 200, 300)


def test_masks_equal_the_library_processing(models_folder, photo):
    """Every kind of prompt, alone or with others, against the library's own processor."""
    from transformers import SamProcessor

    segmenter = Segmenter(Source(str(models_folder / "masks")))
    masks, quality = segmenter.segment(photo, PROMPTS)
    processor = SamProcessor(segmenter.processor)
    for prompt, mask, rated in zip(PROMPTS, masks, quality, strict=True):
        given = {}
        if prompt.box_xyxy_px is not None:
            given["input_boxes"] = [[list(prompt.box_xyxy_px)]]
        points = (*prompt.points_on_px, *prompt.points_off_px)
        if points:
            kinds = [1] * len(prompt.points_on_px) + [0] * len(prompt.points_off_px)
            given["input_points"] = [[[list(point) for point in points]]]
            given["input_labels"] = [[kinds]]
        inputs = processor(images=photo, return_tensors="pt", **given)
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        inputs = {k: v.float() if v.is_floating_point() else v for k, v in inputs.items()}
        with torch.no_grad():
            output = segmenter.model(**inputs, multimask_output=False)
        library = segmenter.processor.post_process_masks(output.pred_masks, *sizes)[0][0, 0]
        assert (library.numpy() != mask).mean() < 1e-3
        assert rated == pytest.approx(float(output.iou_scores), rel=1e-4)


def test_prompts_that_point_at_nothing_are_refused(models_folder, photo):
    with pytest.raises(InputError, match="a box or a point"):
        MaskPrompt(points_off_px=OFF)
    with pytest.raises(InputError, match="finite"):
        MaskPrompt(points_on_px=((float("nan"), 3.0),))
    segmenter = Segmenter(Source(str(models_folder / "masks")))
    with pytest.raises(InputError, match="outside the photo of 300x200"):
        segmenter.segment(photo, [MaskPrompt(points_on_px=((301.0, 5.0),))])


def _peak_at(column: float, row: float) -> torch.Tensor:
    """Heat maps of one person, 16 x 12 cells, with every keypoint at one place."""
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(12), indexing="ij")
    away = (columns - column).square() + (rows - row).square()
    return torch.exp(-away / 4).expand(1, 17, 16, 12).contiguous()


def test_keypoints_come_back_to_pixels_of_the_photo(models_folder, photo, monkeypatch):
    estimator = PoseEstimator(Source(str(models_folder / "keypoints")))
    box = (200.0, 50.0, 260.0, 130.0)  # 3 : 4 as the crop, so only the 25 % margin is added

    def found(column, row):
        output = SimpleNamespace(heatmaps=_peak_at(column, row))
        monkeypatch.setattr(estimator.model, "forward", lambda *_: output)
        return estimator.find(photo, [box])[0]

    middle = found(5.5, 7.5)
    np.testing.assert_allclose(middle[:, :2], np.full((17, 2), (230.0, 90.0)), atol=1.0)
    assert (middle[:, 2] > 0.8).all()
    np.testing.assert_allclose(found(8.5, 7.5)[:, 0] - middle[:, 0], 3 * 75 / 11, atol=1.0)


def test_random_pose_model_runs_on_two_people(models_folder, photo):
    estimator = PoseEstimator(Source(str(models_folder / "keypoints")))
    found = estimator.find(photo, [(20.0, 30.0, 80.0, 150.0), (200.0, 50.0, 280.0, 190.0)])
    assert found.shape == (2, 17, 3) and np.isfinite(found).all()
    assert estimator.find(photo, []).shape == (0, 17, 3)


def test_depth_has_the_photo_size(models_folder, photo):
    depth = DepthEstimator(Source(str(models_folder / "depth"))).estimate(photo)
    assert depth.values.shape == (200, 300)
    assert np.isfinite(depth.values).all()
    assert not depth.metric


def test_one_command_writes_every_file(models_folder, photo, tmp_path, capsys):
    path = tmp_path / "photo.png"
    photo.save(path)
    arguments = ["perceive", str(path), "--label", "cup", "--offline", "--out", str(tmp_path / "o")]
    arguments += ["--box-threshold", "0"]
    for step in ("boxes", "masks", "keypoints", "depth"):
        arguments += [f"--{step}", str(models_folder / step)]
    assert main(arguments) == 0
    described = json.loads((tmp_path / "o" / "detections.json").read_text())
    labels = [d["label"] for d in described["detections"]]
    people = labels.count(PERSON)
    assert labels == [PERSON] * people + ["cup"] * (len(labels) - people) and people
    assert described["models"]["masks"].endswith("@folder")
    with np.load(tmp_path / "o" / "masks.npz") as stored:
        assert stored["masks"].shape == (len(labels), 200, 300)
    keypoints = json.loads((tmp_path / "o" / "keypoints.json").read_text())
    assert [len(person["keypoints"]) for person in keypoints] == [51] * people
    assert np.load(tmp_path / "o" / "depth.npy").shape == (200, 300)
    assert Image.open(tmp_path / "o" / "perception.png").size == (600, 200)
    assert "cup" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("facebook/no-such-model-anywhere", "local cache"),
        ("./nothing/here", "no model folder"),
        ("justaname", "owner/name"),
    ],
)
def test_a_model_that_is_not_there_is_one_sentence(name, said):
    with pytest.raises(AssetError, match=said):
        DepthEstimator(Source(name, offline=True))


def test_a_folder_of_another_model_or_a_damaged_one_is_refused(models_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError, match=r"config\.json"):
        Segmenter(Source(str(tmp_path / "empty")))
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in (models_folder / "masks").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(AssetError, match="cannot be read"):
        Segmenter(Source(str(broken)))


def test_results_are_given_in_pixels_of_the_original():
    seen = PhotoPerception(
        (Detection(PERSON, 0.9, (10.0, 20.0, 30.0, 40.0)),),
        width=100,
        height=50,
        keypoints=np.full((1, 17, 3), 10.0, np.float32),
    )
    large = seen.in_pixels_of(200, 100)
    assert large.detections[0].box_xyxy_px == (20.0, 40.0, 60.0, 80.0)
    assert large.keypoints is not None
    assert large.keypoints[0, 0].tolist() == [20.0, 20.0, 10.0]
    assert (large.width, large.height) == (200, 100)


def test_every_task_has_a_default_with_a_licence(capsys):
    tasks = {model.task for model in OPEN_MODELS}
    assert tasks == {"boxes", "masks", "keypoints", "depth", "words"}
    assert default_model("masks").transformers_class == "SamModel"
    assert resolved_revision(Source("no/such-model")) == ""
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert all(model.hub_id in printed and model.licence in printed for model in OPEN_MODELS)
