"""What the doctor finds: everything in place, each thing missing or damaged, and the advice."""

import importlib
import json

import pytest

from interactvlm import assets_dir, doctor
from interactvlm.assets_dir import default_weights, verified_sha256, write_manifest
from interactvlm.cli import main as cli
from interactvlm.errors import AssetError
from interactvlm.presets import preset


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """An assets folder with a model's files, listed in a manifest."""
    folder = tmp_path / "assets"
    (folder / "mini").mkdir(parents=True)
    preset("mini").save(folder / "mini" / "config.json")
    (folder / "mini" / "tokenizer.json").write_text("{}")
    (folder / "mini" / "model.safetensors").write_bytes(b"weights")
    write_manifest(folder)
    monkeypatch.setattr(assets_dir, "assets_dir", lambda: folder)
    return folder


def finding(name, weights=None):
    return next(f for f in doctor.examine(weights) if f.name == name)


def test_whole_weights_are_told_with_their_hash(shipped):
    found = finding("shipped model")
    assert found.fine and found.needed
    assert found.found.startswith("marks contact of the body, ")
    assert verified_sha256(shipped / "mini" / "model.safetensors") in found.found
    assert default_weights() == shipped / "mini"


def test_changed_weights_are_damaged(shipped):
    (shipped / "mini" / "model.safetensors").write_bytes(b"weighTs")
    found = finding("shipped model")
    assert not found.fine and "damaged" in found.found and found.advice
    with pytest.raises(AssetError, match="expected"):
        verified_sha256(shipped / "mini" / "model.safetensors")


def test_truncated_weights_are_named_with_both_sizes(shipped):
    (shipped / "mini" / "model.safetensors").write_bytes(b"wei")
    with pytest.raises(AssetError, match="3 bytes, expected 7"):
        default_weights()


def test_missing_weights_are_named(shipped):
    (shipped / "mini" / "model.safetensors").unlink()
    with pytest.raises(AssetError, match="model.safetensors"):
        default_weights()
    assert not finding("shipped model").fine


def test_listed_file_that_is_gone_is_an_asset_error(shipped):
    (shipped / "mini" / "extra.npz").write_bytes(b"1")
    write_manifest(shipped)
    (shipped / "mini" / "extra.npz").unlink()
    with pytest.raises(AssetError, match="extra.npz"):
        default_weights()


def test_damaged_manifest_is_an_asset_error(shipped):
    (shipped / "manifest.json").write_text("{")
    with pytest.raises(AssetError, match="manifest"):
        default_weights()


def test_a_users_folder_is_looked_at_instead(shipped, tmp_path):
    found = finding("model", tmp_path)
    assert not found.fine and "lacks" in found.found
    assert finding("model", shipped / "mini").fine


def test_open3d_without_its_system_library(monkeypatch):
    real = importlib.import_module

    def without(name, *rest):
        if name == "open3d":
            raise OSError("libusb-1.0.so.0: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(doctor.importlib, "import_module", without)
    found = finding("Open3D")
    assert not found.fine and not found.needed and "libusb-1.0-0" in found.advice


def test_body_models_are_looked_for_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.delenv("INTERACTVLM_BODY_MODELS", raising=False)
    found = finding("SMPL-X body")
    assert not found.fine and not found.needed and "INTERACTVLM_BODY_MODELS" in found.advice
    (tmp_path / "smplx").mkdir()
    path = tmp_path / "smplx" / "SMPLX_NEUTRAL.npz"
    path.write_bytes(b"PK\x03\x04")
    monkeypatch.setenv("INTERACTVLM_BODY_MODELS", str(tmp_path))
    found = finding("SMPL-X body")
    assert found.fine and str(path) in found.found
    path.write_bytes(b"<html>")
    found = finding("SMPL-X body")
    assert not found.fine and "web page" in found.found and "smpl-x.is.tue.mpg.de" in found.advice


def test_published_vertex_maps_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("INTERACTVLM_BODY_MODELS", str(tmp_path))
    missing = finding("SMPL to SMPL-X maps")
    assert not missing.fine and not missing.needed and "made from the body files" in missing.found
    (tmp_path / "smpl_to_smplx.pkl").touch()
    assert "only" in finding("SMPL to SMPL-X maps").found
    (tmp_path / "transfer").mkdir()
    (tmp_path / "transfer" / "smplx2smplh_deftrafo_setup.pkl").touch()
    found = finding("SMPL to SMPL-X maps")
    assert found.fine and "smplx2smplh" in found.found


def test_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "file" / "below"))
    found = finding("cache")
    assert not found.fine and "INTERACTVLM_CACHE" in found.advice


def test_json_and_exit_codes(shipped, capsys):
    assert cli.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {"name", "fine", "needed", "found", "advice"} == set(findings[0])
    assert all(f["fine"] or f["advice"] for f in findings)
    (shipped / "mini" / "config.json").unlink()
    assert cli.main(["doctor"]) == 1
    assert "not there: shipped model" in capsys.readouterr().out


def test_data_sets_are_told_with_site_and_licence_and_found_by_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("INTERACTVLM_DATASETS", raising=False)
    missing = finding("DAMON data")
    assert not missing.fine and not missing.needed
    assert "deco.is.tue.mpg.de" in missing.advice and "non-commercial" in missing.advice
    monkeypatch.setenv("INTERACTVLM_DATASETS", str(tmp_path))
    assert str(tmp_path / "damon") in finding("DAMON data").found
    (tmp_path / "damon").mkdir()
    assert finding("DAMON data").fine
