"""Configs survive a round trip; what is wrong in a file is named."""

import json
import subprocess
import sys

import pytest

from interactvlm.config import InteractVLMConfig, LanguageConfig, LocalizerConfig
from interactvlm.errors import AssetError, InputError
from interactvlm.presets import preset


@pytest.mark.parametrize("name", ["mini", "lisa-7b", "lisa-13b"])
def test_presets_survive_a_json_round_trip(name, tmp_path):
    config = preset(name)
    config.save(tmp_path / "config.json")
    assert InteractVLMConfig.load(tmp_path / "config.json") == config


def test_released_sizes():
    config = preset("lisa-13b")
    language, local = config.language, config.localizer
    assert (language.hidden, language.layers, language.vocab_size) == (5120, 40, 32003)
    assert (local.grid, local.low_res_px, local.dim) == (64, 256, 256)
    assert preset("lisa-7b").language.hidden == 4096
    with pytest.raises(InputError, match="unknown preset"):
        preset("lisa-70b")


def _damaged(change):
    values = json.loads(json.dumps(preset("mini").to_dict()))
    change(values)
    return values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["vision"].update(depht=3), r"unknown config key 'vision\.depht'"),
        (lambda v: v["language"]["lora"].pop("rank"), r"missing config key 'language\.lora\.rank'"),
        (lambda v: v["localizer"].update(prompt_mode="some"), r"localizer\.prompt_mode.*all_views"),
        (lambda v: v["vision"].update(width="wide"), r"vision\.width.*int.*'wide'"),
        (lambda v: v["vision"].update(width=True), r"vision\.width"),
        (lambda v: v.update(labels=["chair", 3]), r"labels\[1\]"),
        (lambda v: v.update(tokens=[]), r"'tokens\.' must be an object"),
    ],
)
def test_damaged_values_are_named(change, message):
    with pytest.raises(AssetError, match=message):
        InteractVLMConfig.from_dict(_damaged(change))


def test_files_that_are_no_config_are_named(tmp_path):
    with pytest.raises(AssetError, match="not found"):
        InteractVLMConfig.load(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{half", encoding="utf-8")
    with pytest.raises(AssetError, match="not valid JSON"):
        InteractVLMConfig.load(tmp_path / "config.json")
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AssetError, match="not valid JSON"):
        InteractVLMConfig.load(tmp_path / "config.json")


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="heads"):
        LanguageConfig(hidden=100, heads=3, key_value_heads=3)
    with pytest.raises(InputError, match="multiple"):
        LocalizerConfig(image_size_px=100)
    with pytest.raises(InputError, match="positive"):
        LocalizerConfig(depth=0)


def test_importing_the_package_loads_no_framework():
    code = "import sys, interactvlm; print([m for m in ('torch', 'transformers', 'numpy') " \
           "if m in sys.modules])"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
