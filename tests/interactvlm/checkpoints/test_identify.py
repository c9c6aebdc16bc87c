"""`interactvlm doctor --weights` names what a folder is and what it lacks."""

import pytest
import torch

from interactvlm.checkpoints.convert import Conversion, convert
from interactvlm.checkpoints.identify import identify
from interactvlm.cli import main as cli
from interactvlm.doctor import examine
from tests.interactvlm.checkpoints.published import TINY, random_state, sam_shapes
from tests.interactvlm.checkpoints.test_convert import VARIANTS

NAMES = {
    "Gen": "hcontact-damon",
    "Gen-Hu-Obj": "hcontact-ocontact",
    "Gen-Hu-Obj-DifDe": "separate mask decoders",
    "2D": "2d-hcontact",
    "LISA": "LISA, vocabulary",
}


def weights_finding(folder):
    return next(f for f in examine(folder) if f.name == "model")


@pytest.mark.parametrize("variant", VARIANTS)
def test_released_variants_are_named_by_their_structure(publish, variant):
    found = identify(publish("sharded-bin", dtype=torch.bfloat16, **VARIANTS[variant]).folder)
    assert found.whole and NAMES[variant] in found.text
    assert "of bfloat16 in 3 files" in found.text and "convert" in found.advice


def test_adapters_that_are_not_merged_are_told(publish):
    assert "4 adapters not merged" in identify(publish(adapters=True).folder).text


def test_what_is_missing_is_told(publish):
    folder = publish("sharded-bin").folder
    (folder / "config.json").unlink()
    found = identify(folder)
    assert not found.whole and "config.json is not there" in found.text
    (folder / "pytorch_model-00001-of-00003.bin").unlink()
    found = identify(folder)
    assert "released InteractVLM or LISA weights; 'pytorch_model-00001-of-00003.bin'" in found.text
    assert not weights_finding(folder).fine


def test_parts_and_unknown_weights(tmp_path, clip_folder):
    torch.save(random_state(sam_shapes(TINY)), tmp_path / "sam.pth")
    found = identify(tmp_path / "sam.pth")
    assert found.whole and "segment-anything of width 16" in found.text
    assert "CLIP photo tower, 28 px, width 16" in identify(clip_folder).text
    torch.save({"conv1.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    found = identify(tmp_path / "other.pth")
    assert not found.whole and "does not know" in found.text


def test_doctor_of_a_converted_folder(publish, clip_folder, tmp_path, capsys):
    release, folder = publish("sharded-bin"), tmp_path / "model"
    assert "convert" in weights_finding(release.folder).advice
    convert(Conversion(release.folder, folder, clip_folder))
    found = weights_finding(folder)
    assert found.fine and "open vocabulary" in found.found and not found.advice
    (folder / "model-00003-of-00004.safetensors").unlink()
    assert cli.main(["doctor", "--weights", str(folder)]) == 1
    assert "model-00003-of-00004.safetensors" in capsys.readouterr().out
