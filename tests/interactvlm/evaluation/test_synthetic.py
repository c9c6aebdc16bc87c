"""Numbers of the evaluation on hand-made answers, and the whole command on two scenes."""

import json

import pytest
import torch

from interactvlm.assets_dir import assets_dir
from interactvlm.evaluation.config import EvaluateConfig
from interactvlm.evaluation.priors import ContactPriors, measure_priors
from interactvlm.evaluation.synthetic import (
    Question,
    calibrate,
    calibrate_refusal,
    evaluate,
    scores,
)
from interactvlm.metrics import ContactSample

SHIPPED = assets_dir() / "mini"


def _mask(*indices: int) -> torch.Tensor:
    mask = torch.zeros(13718, dtype=torch.bool)
    mask[list(indices)] = True
    return mask


def test_semantic_binary_and_untouched_are_separate():
    samples = [
        ContactSample("0", "chair", _mask(1, 2), _mask(1, 2)),
        ContactSample("0", "cup", _mask(5), _mask()),
        ContactSample("1", "chair", _mask(), _mask(3)),
    ]
    report = scores(samples, geodesic=False)
    assert report["semantic"]["f1"] == pytest.approx(0.5)
    assert report["semantic"]["count"] == 2
    assert report["untouched_false_contact"] == 1.0
    assert report["touched_denied"] == 0.5
    assert report["binary"]["count"] == 2
    assert report["binary"]["precision"] == pytest.approx((2 / 3 + 0) / 2)
    assert set(report["semantic"]["per_label"]) == {"chair"}


def test_calibration_takes_the_best_threshold():
    truth = _mask(1, 2)
    said = truth.float() * 0.3
    names = ("model", "direct", "label_mean", "interaction_oracle")
    found = calibrate(
        [Question(0, "chair", truth, dict.fromkeys(names, said))], grid=[0.1, 0.2, 0.5]
    )
    assert (found.model, found.direct, found.label_mean) == (0.1, 0.1, 0.1)
    assert found.interaction_oracle == 0.1


def _asked(margin: float, *, touched: bool, right: bool = True) -> Question:
    said = _mask(1, 2).float() if right else _mask(9).float()
    return Question(0, "cup", _mask(1, 2) if touched else _mask(), {"model": said}, margin)


def test_refusal_is_biased_just_enough():
    sure = [_asked(-5.0, touched=True)] * 20
    stray = [_asked(-1.0, touched=False), _asked(-2.0, touched=False), _asked(3.0, touched=False)]
    bias, worth = calibrate_refusal(sure + stray, 0.5)
    assert 2.0 < bias < 2.1
    assert worth == pytest.approx(1.0)
    assert calibrate_refusal(sure, 0.5)[0] == 0
    unsure = [_asked(2.0, touched=True), _asked(2.5, touched=False)]
    assert -2.5 < calibrate_refusal(unsure, 0.5)[0] < -2.0


def test_empty_maps_need_no_refusal():
    empty = Question(0, "cup", _mask(), {"model": _mask().float()}, -1.0)
    touched = [_asked(1.0, touched=True), _asked(-1.0, touched=True)]
    bias, worth = calibrate_refusal([*touched, empty], 0.5)
    assert bias < -1.0
    assert worth == pytest.approx(1.0)


def test_refusal_costs_no_more_true_contact_than_it_is_worth():
    weak = [_asked(-0.5, touched=True)] * 9 + [_asked(-5.0, touched=True)]
    stray = [_asked(-0.1, touched=False), _asked(-2.0, touched=False)] + [
        _asked(9.0, touched=False)
    ] * 8
    bias, worth = calibrate_refusal(weak + stray, 0.5)
    assert 0.1 < bias < 0.2  # 90 % of the true contact for the second stray answer is too much
    assert worth == pytest.approx(1 - 2 * (0.1 - 0.08))
    wrong = [_asked(-0.5, touched=True, right=False)] * 9 + [_asked(-5.0, touched=True)]
    assert 2.0 < calibrate_refusal(wrong + stray, 0.5)[0] < 2.1


def test_threshold_and_refusal_are_chosen_together():
    """Where the words doubt true contact most, a threshold that empties stray maps is better."""
    others = dict.fromkeys(("direct", "label_mean", "interaction_oracle"), _mask(1, 2).float())
    touched = Question(0, "cup", _mask(1, 2), {"model": _mask(1, 2) * 0.9, **others}, 0.5)
    stray = Question(0, "cup", _mask(), {"model": _mask(1, 2) * 0.4, **others}, 0.0)
    found = calibrate([touched] * 9 + [stray] * 3, grid=[0.3, 0.6])
    assert found.model == 0.6
    assert found.no_contact_bias < -0.5


def test_priors_survive_saving_and_unknown_keys_fall_back(tmp_path):
    mean = {"cup": torch.linspace(0, 1, 13718), "cup/hold/left": torch.zeros(13718)}
    ContactPriors(mean).save(tmp_path / "priors.npz")
    loaded = ContactPriors.load(tmp_path / "priors.npz")
    torch.testing.assert_close(loaded.label("cup"), mean["cup"], atol=0.003, rtol=0)
    assert not loaded.interaction("cup", "hold", "left").any()
    torch.testing.assert_close(loaded.interaction("cup", "kick", "left"), loaded.label("cup"))
    assert not loaded.label("dragon").any()


def test_measured_priors_are_means_over_touched_scenes(tmp_path):
    from interactvlm.synthetic.config import SynthConfig
    from interactvlm.synthetic.dataset import generate
    from interactvlm.synthetic.shards import SceneShards

    generate(SynthConfig(out=tmp_path, split="val", count=3, size_px=96))
    shards = SceneShards(tmp_path / "val")
    priors = measure_priors(shards)
    touched = {o.label for s in shards.scenes for o in s.objects if o.touched}
    assert touched == {key for key in priors.mean if "/" not in key}


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED.is_dir(), reason="the shipped weights are not in this checkout")
def test_the_command_writes_every_number(tmp_path):
    out = tmp_path / "numbers.json"
    evaluate(EvaluateConfig(data=tmp_path, count=4, json=out, split="test"))
    report = json.loads(out.read_text())
    assert report["dataset"] == "synthetic" and report["count"] == 4
    for part in (report, *report["baselines"].values()):
        assert {"f1", "precision", "recall", "geodesic_cm"} <= part["binary"].keys()
        assert {"f1", "precision", "recall", "geodesic_cm", "per_label"} <= part["semantic"].keys()
    assert set(report["ceilings"]) == {"lift", "interaction_oracle"}
    assert report["ceilings"]["lift"] > 0.85
