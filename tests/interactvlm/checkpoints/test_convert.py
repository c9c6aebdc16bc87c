"""Tiny checkpoints of every published layout become model folders that load and answer."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from safetensors.torch import load_file

from interactvlm.checkpoints import convert as converting
from interactvlm.checkpoints.convert import Conversion, convert
from interactvlm.checkpoints.loading import load_segment_anything
from interactvlm.checkpoints.released import CLIP_RULES, RELEASED_RULES
from interactvlm.checkpoints.renaming import rename_keys
from interactvlm.checkpoints.segment_anything import sam_rules
from interactvlm.cli import main as cli
from interactvlm.errors import AssetError, InputError, ResourceError
from interactvlm.int8 import MATRIX
from interactvlm.model import InteractVLM
from interactvlm.provenance import weights_sha256
from interactvlm.surface_views import SurfaceViews
from interactvlm.weights import weight_files
from renders.canonical import build_human_view_set
from renders.mesh import Mesh
from tests.interactvlm.checkpoints.published import (
    TINY,
    mixed,
    random_state,
    sam_shapes,
    save_state,
)

LAYOUTS = ("bin", "sharded-bin", "safetensors", "sharded-safetensors")
LISA = {"token_type": None, "architectures": ["LISAForCausalLM"], "cam_encoder_type": None}
VARIANTS = {
    "Gen": {},
    "Gen-Hu-Obj": {"sizes": {"splitter": True}},
    "Gen-Hu-Obj-DifDe": {"sizes": {"splitter": True, "separate": True}},
    "2D": {"sizes": {"camera": "none"}, "multiview_channels": 1},
    "LISA": {"sizes": {"camera": "none"}, **LISA},
}


@pytest.fixture(scope="module")
def sphere_views(tmp_path_factory):
    """A sphere in place of the canonical body."""
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=0.8)
    mesh = Mesh(torch.tensor(sphere.vertices).float(), torch.tensor(sphere.faces).long())
    return build_human_view_set(mesh, 64, tmp_path_factory.mktemp("views"))


@pytest.fixture
def ask(sphere_views):
    """The contact that a model folder finds for one label on a fixed photo."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))

    def ask(folder, dtype=torch.float32):
        model = InteractVLM.from_pretrained(folder, dtype=dtype)
        model._human_views = SurfaceViews(
            embeddings=model.localizer.encode_views(sphere_views.images),
            cameras=sphere_views.camera_vectors,
            surface_map=sphere_views.surface_map,
            view_set=sphere_views,
        )
        (contact,) = model.predict_contact(photo, ["chair"])
        return contact

    return ask


def expected(state, clip_state):
    """What the new weights should be."""
    renamed = rename_keys(state, RELEASED_RULES, family="test")
    return renamed | rename_keys(clip_state, CLIP_RULES, family="test")


def stored(folder):
    return {key: value for path in weight_files(folder) for key, value in load_file(path).items()}


def require_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0, msg=key)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_becomes_the_same_model(
    publish, clip_folder, clip_state, ask, tmp_path, layout
):
    release = publish(layout)
    target = tmp_path / "model"
    convert(Conversion(release.folder, target, clip_folder))
    require_equal(stored(target), expected(release.state, clip_state))
    assert len(weight_files(target)) == (4 if "sharded" in layout else 2)
    contact = ask(target)
    assert contact.finished and contact.view_probability.shape == (4, 16, 16)
    assert 0 < contact.vertex_probability.max() < 1
    assert contact.topology == "smplh"
    assert json.loads((target / "published_config.json").read_text())["model_type"] == "llava"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_loads_and_answers(publish, clip_folder, clip_state, ask, tmp_path, variant):
    release = publish("sharded-bin", dtype=torch.bfloat16, **VARIANTS[variant])
    found = convert(Conversion(release.folder, tmp_path / "model", clip_folder))
    assert found.title.startswith("LISA" if variant == "LISA" else "InteractVLM")
    state = {key: value.to(torch.bfloat16) for key, value in release.state.items()}
    require_equal(stored(tmp_path / "model"), expected(state, clip_state))
    if found.config.answers_on == "body":
        assert ask(tmp_path / "model").view_probability is not None
    else:  # see test_photo_contact.py
        assert variant in ("2D", "LISA")


def test_adapters_are_merged_in_float32_with_the_published_scale(
    publish, clip_folder, ask, tmp_path
):
    release = publish("sharded-bin", adapters=True, dtype=torch.bfloat16)
    found = convert(Conversion(release.folder, tmp_path / "model", clip_folder))
    assert len(found.adapters) == 2 * release.sizes.layers
    at = "base_model.model.model.layers.1.self_attn.q_proj"
    base, low, high = (
        release.state[f"{at}.{part}weight"].float()
        for part in ("", "lora_A.default.", "lora_B.default.")
    )
    wanted = (base + high * 2.0 @ low).to(torch.bfloat16)
    weights = stored(tmp_path / "model")
    assert torch.equal(weights["language.llama.model.layers.1.self_attn.q_proj.weight"], wanted)
    assert not any("lora" in key for key in weights)
    assert ask(tmp_path / "model").view_probability is not None


@pytest.mark.parametrize("values", [1, 50, 1000])
def test_pieces_of_any_size_give_the_same_weights(
    publish, clip_folder, tmp_path, monkeypatch, values
):
    release = publish("bin", adapters=True)
    convert(Conversion(release.folder, tmp_path / "whole", clip_folder))
    monkeypatch.setattr("interactvlm.checkpoints.adapters.PIECE_VALUES", values)
    convert(Conversion(release.folder, tmp_path / "pieces", clip_folder))
    whole, pieces = stored(tmp_path / "whole"), stored(tmp_path / "pieces")
    assert whole.keys() == pieces.keys()
    for key, value in whole.items():
        torch.testing.assert_close(pieces[key], value, atol=1e-7, rtol=1e-6, msg=key)


def test_another_alpha_is_read_beside_the_weights(publish, clip_folder, tmp_path):
    release = publish(adapters=True)
    (release.folder / "pretrained_config.json").write_text('{"lora_alpha": 4}')
    found = convert(Conversion(release.folder, tmp_path / "model", clip_folder))
    assert {adapter.alpha for adapter in found.adapters.values()} == {4.0}


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_weights_are_cast_and_half_precision_answers(
    publish, clip_folder, clip_state, ask, tmp_path, name, dtype
):
    release = publish()
    convert(Conversion(release.folder, tmp_path / "model", clip_folder, dtype=name))
    wanted = expected(release.state, clip_state)
    require_equal(stored(tmp_path / "model"), {key: v.to(dtype) for key, v in wanted.items()})
    if dtype == torch.bfloat16:
        assert ask(tmp_path / "model", dtype).view_probability is not None


def test_numbers_of_mixed_width_are_kept_and_loaded_as_wide_as_the_vocabulary(
    publish, clip_folder, clip_state, ask, tmp_path
):
    release = publish("bin")
    state = mixed(release.state)
    save_state(state, release.folder, "bin")
    found = convert(Conversion(release.folder, tmp_path / "model", clip_folder))
    assert found.dtypes == ["bfloat16", "float32"]
    require_equal(stored(tmp_path / "model"), expected(state, clip_state))
    model = InteractVLM.from_pretrained(tmp_path / "model")
    assert {value.dtype for value in model.state_dict().values()} == {torch.bfloat16}
    assert ask(tmp_path / "model", None).view_probability is not None
    wide = InteractVLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    assert {value.dtype for value in wide.state_dict().values()} == {torch.float32}


def test_eight_bits_halve_the_matrices_and_answer_the_same(publish, clip_folder, ask, tmp_path):
    release = publish("sharded-bin", adapters=True)
    convert(Conversion(release.folder, tmp_path / "wide", clip_folder, dtype="fp32"))
    convert(Conversion(release.folder, tmp_path / "narrow", clip_folder, dtype="int8"))
    wide, narrow = stored(tmp_path / "wide"), stored(tmp_path / "narrow")
    matrices = [key for key in wide if MATRIX.fullmatch(key)]
    assert len(matrices) == 7 * release.sizes.layers
    for key in matrices:
        at = key.removesuffix(".weight")
        values, scales = narrow.pop(f"{at}.values"), narrow.pop(f"{at}.scales")
        assert (values.dtype, scales.dtype) == (torch.int8, torch.float32)
        error = (values.float() * scales[:, None] - wide.pop(key)).abs()
        assert bool((error <= 0.5001 * scales[:, None]).all()), key
    assert narrow.keys() == wide.keys()
    assert {value.dtype for value in narrow.values()} == {torch.bfloat16}
    contacts = [ask(tmp_path / name, torch.float32) for name in ("wide", "narrow")]
    assert contacts[0].answer == contacts[1].answer
    probabilities = [contact.vertex_probability for contact in contacts]
    torch.testing.assert_close(*probabilities, atol=0.02, rtol=0)
    model = InteractVLM.from_pretrained(tmp_path / "narrow")
    model.save_pretrained(tmp_path / "again")
    assert stored(tmp_path / "again").keys() == stored(tmp_path / "narrow").keys()


def test_a_weight_beyond_fp16_is_named(publish, clip_folder, tmp_path):
    release = publish("safetensors")
    release.state["model.norm.weight"][0] = 1e6
    save_state(release.state, release.folder, "safetensors")
    with pytest.raises(InputError, match=r"'model\.norm\.weight' does not fit into fp16"):
        convert(Conversion(release.folder, tmp_path / "model", clip_folder, dtype="fp16"))
    assert not (tmp_path / "model").exists()


def test_a_weight_file_alone_may_be_named(publish, clip_folder, tmp_path):
    release = publish("bin")
    source = release.folder / "pytorch_model.bin"
    convert(Conversion(source, tmp_path / "model", clip_folder / "pytorch_model.bin"))
    assert InteractVLM.from_pretrained(tmp_path / "model").config.tokens.human == "[SEG]"


def test_the_old_pickle_format_is_read(publish, clip_folder, clip_state, tmp_path):
    release = publish("bin")
    path = release.folder / "pytorch_model.bin"
    torch.save(release.state, path, _use_new_zipfile_serialization=False)
    convert(Conversion(release.folder, tmp_path / "model", clip_folder))
    require_equal(stored(tmp_path / "model"), expected(release.state, clip_state))


def test_hash_of_several_files_follows_each(publish, clip_folder, tmp_path):
    convert(Conversion(publish("sharded-bin").folder, tmp_path / "model", clip_folder))
    before = weights_sha256(tmp_path / "model")
    assert before == weights_sha256(tmp_path / "model")
    path = weight_files(tmp_path / "model")[2]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert weights_sha256(tmp_path / "model") != before


@pytest.mark.parametrize("kind", ["shard", "index", "key"])
def test_a_converted_folder_that_is_damaged_is_named(publish, clip_folder, tmp_path, kind):
    folder = tmp_path / "model"
    convert(Conversion(publish("sharded-bin").folder, folder, clip_folder))
    if kind == "shard":
        (folder / "model-00002-of-00004.safetensors").unlink()
        message = "model-00002-of-00004.safetensors"
    elif kind == "index":
        (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b"}}')
        message = "plain file name"
    else:
        first = folder / "model-00001-of-00004.safetensors"
        (folder / "model-00002-of-00004.safetensors").write_bytes(first.read_bytes())
        message = "in two files"
    with pytest.raises(AssetError, match=message):
        InteractVLM.from_pretrained(folder)


def test_command_line(publish, clip_folder, tmp_path, capsys):
    release, target = publish("sharded-bin"), tmp_path / "new" / "model"
    arguments = ["convert", str(release.folder), str(target), "--clip", str(clip_folder)]
    assert cli.main(arguments) == 0
    assert "hcontact-damon" in capsys.readouterr().out
    assert cli.main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    before = (target / "config.json").stat().st_ino
    assert cli.main([*arguments, "--force", "--dtype", "bf16"]) == 0
    assert (target / "config.json").stat().st_ino != before
    assert {value.dtype for value in stored(target).values()} == {torch.bfloat16}
    assert [p.name for p in target.parent.iterdir()] == ["model"]


def test_what_no_conversion_wrote_is_never_replaced(publish, clip_folder, tmp_path):
    release, target = publish(), tmp_path / "model"
    target.mkdir()
    (target / "thesis.docx").write_text("three years")
    with pytest.raises(InputError, match=r"thesis\.docx.*not replaced"):
        convert(Conversion(release.folder, target, clip_folder, force=True))
    with pytest.raises(InputError, match="same folder"):
        convert(Conversion(release.folder, release.folder, clip_folder, force=True))
    with pytest.raises(InputError, match="found a file"):
        convert(Conversion(release.folder, target / "thesis.docx", clip_folder, force=True))
    assert (target / "thesis.docx").read_text() == "three years"


def test_a_failure_midway_leaves_the_old_folder_and_nothing_else(
    publish, clip_folder, tmp_path, monkeypatch
):
    release, target = publish("sharded-bin"), tmp_path / "out" / "model"
    convert(Conversion(release.folder, target, clip_folder))
    before = weights_sha256(target)
    real, written = converting.write_pieces, []

    def failing(path, specs, pieces):
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device", str(path))
        real(path, specs, pieces)

    monkeypatch.setattr(converting, "write_pieces", failing)
    for force in (True, False):
        other = target if force else target.with_name("other")
        written.clear()
        with pytest.raises(OSError, match="No space"):
            convert(Conversion(release.folder, other, clip_folder, force=force))
    assert weights_sha256(target) == before
    assert [path.name for path in target.parent.iterdir()] == ["model"]


def test_a_disk_too_small_is_told_before_writing(publish, clip_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(converting.shutil, "disk_usage", lambda path: type("", (), {"free": 1000}))
    with pytest.raises(ResourceError, match="only 1,000 are free"):
        convert(Conversion(publish().folder, tmp_path / "model", clip_folder))


@torch.no_grad()
def test_segment_anything_is_loaded_as_it_is(tmp_path):
    state = random_state(sam_shapes(TINY))
    torch.save(state, tmp_path / "sam.pth")
    localizer = load_segment_anything(tmp_path / "sam.pth")
    require_equal(dict(localizer.state_dict()), rename_keys(state, sam_rules(), family="SAM"))
    embedding = localizer.encode(torch.randn(1, 3, 64, 64))
    assert localizer.decode(torch.randn(2, 1, 32), embedding).shape == (2, 1, 16, 16)
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, tmp_path / "sam.pth")
    with pytest.raises(AssetError, match=r"'mask_decoder\.iou_token\.weight' is missing"):
        load_segment_anything(tmp_path / "sam.pth")


# Not ru_maxrss: it starts at what the parent process held.
PEAK = """
import re, sys
from pathlib import Path
from interactvlm.checkpoints.convert import Conversion, convert
from interactvlm.checkpoints.inspection import inspect_released
def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
source, target, clip = map(Path, sys.argv[1:])
inspect_released(source, clip)
before = kilobytes("VmRSS")
convert(Conversion(source, target, clip, dtype="bf16"))
print(1024 * (kilobytes("VmHWM") - before))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.slow
@pytest.mark.parametrize("layout", ["sharded-bin", "sharded-safetensors"])
def test_conversion_needs_no_more_memory_than_its_largest_file(
    publish, clip_folder, tmp_path, layout
):
    release = publish(layout, adapters=True, sizes={"mlp": 300_000, "layers": 4})
    largest = max(path.stat().st_size for path in release.folder.iterdir())
    assert largest > 100 * 2**20
    command = [sys.executable, "-c", PEAK, release.folder, tmp_path / "model", clip_folder]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    peak = int(done.stdout.split()[-1])
    assert 0 < peak < 1.3 * largest, f"{peak / largest:.2f} times the largest file"
    print(f"{peak / largest:.2f} times the largest file")
