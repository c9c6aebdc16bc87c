"""Everything that can be wrong with a download: one sentence that names it, and nothing written."""

import json
import os
import pickle

import pytest
import torch

from interactvlm.checkpoints.files import list_tensors
from interactvlm.cli import main as cli
from interactvlm.errors import AssetError
from interactvlm.model import InteractVLM

KEY = "model.layers.1.mlp.up_proj.weight"


class Payload:
    """What an attacker puts into a pickle: a command that leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewrite(release, change):
    change(release.state)
    torch.save(release.state, release.folder / "pytorch_model.bin")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


SINGLE = {
    "missing key": (lambda r: rewrite(r, lambda s: s.pop(KEY)), f"'{KEY}' is missing"),
    "missing head": (lambda r: rewrite(r, lambda s: s.pop("lm_head.weight")), "'lm_head.weight'"),
    "missing table": (
        lambda r: rewrite(r, lambda s: s.pop("model.embed_tokens.weight")),
        "'model.embed_tokens.weight' is missing",
    ),
    "missing block": (
        lambda r: rewrite(
            r, lambda s: s.pop("model.visual_model.image_encoder.blocks.0.attn.rel_pos_h")
        ),
        "blocks.0.attn.rel_pos_h' is missing",
    ),
    "surplus key": (
        lambda r: rewrite(r, lambda s: s.update({"model.layers.7.mlp.up_proj.weight": s[KEY]})),
        "'model.layers.7.mlp.up_proj.weight' is one too many",
    ),
    "unknown key": (
        lambda r: rewrite(r, lambda s: s.update(extra=torch.zeros(1))),
        "key 'extra' is not known",
    ),
    "wrong shape": (
        lambda r: rewrite(r, lambda s: s.update({KEY: torch.zeros(5, 5)})),
        f"'{KEY}' has shape (5, 5), the model needs (48, 32)",
    ),
    "whole numbers": (
        lambda r: rewrite(r, lambda s: s.update({KEY: s[KEY].int()})),
        f"'{KEY}' is stored as 'torch.int32'",
    ),
    "no tensor": (
        lambda r: rewrite(r, lambda s: s.update({KEY: "text"})),
        f"entry '{KEY}' is of type 'str'",
    ),
    "no table": (
        lambda r: torch.save([1], r.folder / "pytorch_model.bin"), "table of named tensors",
    ),
    "truncated": (lambda r: cut(r.folder / "pytorch_model.bin"), "damaged or truncated"),
    "empty": (lambda r: (r.folder / "pytorch_model.bin").write_bytes(b""), "damaged or truncated"),
    "web page": (
        lambda r: (r.folder / "pytorch_model.bin").write_text("<html>Log in</html>"),
        "damaged or truncated",
    ),
    "git lfs": (
        lambda r: (r.folder / "pytorch_model.bin").write_text(
            "version https://git-lfs.github.com/spec/v1\n"
        ),
        "git lfs pull",
    ),
    "no weights": (lambda r: (r.folder / "pytorch_model.bin").unlink(), "no weights found"),
    "two weights": (
        lambda r: [(r.folder / n).write_bytes(b"") for n in ("a.pth", "b.pth")]
        and (r.folder / "pytorch_model.bin").unlink(),
        "several weight files ['a.pth', 'b.pth']",
    ),
    "no index": (
        lambda r: (r.folder / "pytorch_model.bin").rename(
            r.folder / "pytorch_model-00001-of-00003.bin"
        )
        and (r.folder / "pytorch_model-00002-of-00003.bin").write_bytes(b""),
        "without their index",
    ),
    "no config": (lambda r: (r.folder / "config.json").unlink(), "config.json is not there"),
    "broken config": (lambda r: (r.folder / "config.json").write_text("{"), "not valid JSON"),
    "config of a list": (lambda r: (r.folder / "config.json").write_text("[]"), "JSON object"),
    "no heads": (
        lambda r: edit_json(r.folder / "config.json", num_attention_heads=None),
        "'num_attention_heads' is missing",
    ),
    "other layers": (
        lambda r: edit_json(r.folder / "config.json", num_hidden_layers=3),
        "'model.layers.2.self_attn.q_proj.weight' is missing",
    ),
    "no added tokens": (lambda r: (r.folder / "added_tokens.json").unlink(), "added_tokens.json"),
    "other ids": (
        lambda r: edit_json(r.folder / "config.json", seg_token_idx=5), "seg_token_idx 5",
    ),
    "token without id": (
        lambda r: (r.folder / "added_tokens.json").write_text('{"<im_start>": 340}'),
        "'[SEG]'",
    ),
    "token of a text": (
        lambda r: edit_json(r.folder / "added_tokens.json", **{"[SEG]": "x"}), "found 'x'",
    ),
    "no tokenizer": (lambda r: (r.folder / "tokenizer.model").unlink(), "tokenizer.model"),
    "other tokenizer": (
        lambda r: (r.folder / "tokenizer.model").write_bytes(b"\xff" * 99), "SentencePiece",
    ),
}  # fmt: skip


@pytest.fixture
def refused(clip_folder, tmp_path, capsys):
    """Converts on the command line and returns the one sentence it ends with."""

    def refused(source, *arguments):
        before = sorted(path.name for path in tmp_path.iterdir())
        chosen = arguments or ("--clip", str(clip_folder))
        assert cli.main(["convert", str(source), str(tmp_path / "model"), *chosen]) == 2
        (sentence,) = capsys.readouterr().err.strip().splitlines()
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        return sentence

    return refused


@pytest.mark.parametrize("fault", SINGLE)
def test_faults_of_one_file(publish, refused, fault):
    release = publish("bin")
    damage, message = SINGLE[fault]
    damage(release)
    assert message in refused(release.folder)


SHARDED = {
    "lost shard": (
        lambda f: (f / "pytorch_model-00002-of-00003.bin").unlink(),
        "'pytorch_model-00002-of-00003.bin', one of 3 files",
    ),
    "cut shard": (lambda f: cut(f / "pytorch_model-00003-of-00003.bin"), "-00003-of-00003.bin"),
    "broken index": (
        lambda f: (f / "pytorch_model.bin.index.json").write_text('{"weight_map": 3}'),
        "weight index cannot be read",
    ),
    "path out of the folder": (
        lambda f: (f / "pytorch_model.bin.index.json").write_text(
            '{"weight_map": {"a": "../../etc/passwd"}}'
        ),
        "a plain file name is expected",
    ),
    "empty index": (
        lambda f: (f / "pytorch_model.bin.index.json").write_text('{"weight_map": {}}'),
        "lists no weights",
    ),
}


@pytest.mark.parametrize("fault", SHARDED)
def test_faults_of_shards(publish, refused, fault):
    folder = publish("sharded-bin").folder
    damage, message = SHARDED[fault]
    damage(folder)
    assert message in refused(folder)


def test_index_and_shards_must_agree(publish, refused):
    folder = publish("sharded-bin").folder
    index = folder / "pytorch_model.bin.index.json"
    table = json.loads(index.read_text())["weight_map"]
    edit_json(index, weight_map=table | {"model.more": table[KEY]})
    assert f"'model.more' is missing in '{table[KEY]}'" in refused(folder)
    del table[KEY]
    edit_json(index, weight_map=table)
    assert f"'{KEY}' is not where" in refused(folder)


def test_truncated_safetensors(publish, refused):
    folder = publish("safetensors").folder
    cut(folder / "model.safetensors")
    assert "damaged or truncated" in refused(folder)


@pytest.mark.parametrize("kind", ["zip", "legacy", "plain"])
def test_a_malicious_pickle_is_refused_and_its_payload_never_runs(publish, refused, tmp_path, kind):
    folder, mark = publish("bin").folder, tmp_path / "release" / "mark"
    path, content = folder / "pytorch_model.bin", {"lm_head.weight": Payload(mark)}
    if kind == "plain":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    sentence = refused(folder)
    assert (
        "system', which is no part of weights" in sentence and "nothing in it was run" in sentence
    )
    assert not mark.exists()
    assert "weights_only" not in sentence


def test_a_pickle_of_a_newer_protocol_is_refused_too(publish, refused, tmp_path):
    folder, mark = publish("bin").folder, tmp_path / "release" / "mark"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(mark), protocol=4))
    assert "nothing in it was run" in refused(folder)
    assert not mark.exists()


def test_a_half_adapter_is_named(publish, refused):
    release = publish("bin", adapters=True)
    at = "base_model.model.model.layers.0.self_attn.v_proj"
    rewrite(release, lambda s: s.pop(f"{at}.lora_B.default.weight"))
    assert f"'{at}.lora_A.default.weight' lacks its other half" in refused(release.folder)
    rewrite(release, lambda s: s.update({f"{at}.lora_B.default.weight": torch.zeros(32, 3)}))
    assert "do not fit a layer of (32, 32)" in refused(release.folder)
    rewrite(release, lambda s: s.pop(f"{at}.weight"))
    assert "which is not there" in refused(release.folder)


def test_the_photo_tower_must_be_a_clip(publish, clip_folder, refused):
    folder = publish("bin").folder
    assert "--clip" in refused(folder, "--dtype", "keep")
    edit_json(folder / "config.json", mm_vision_tower="openai/clip-vit-large-patch14")
    assert "sees 28 px and is 16 wide" in refused(folder)
    edit_json(folder / "config.json", mm_vision_tower=None, img_emb_len=255)
    assert "lengthens a text by 3 tokens" in refused(folder)
    assert "keys are of another model" in refused(folder, "--clip", str(folder))
    (clip_folder / "config.json").unlink()
    assert "config.json is not there" in refused(folder)
    (clip_folder / "pytorch_model.bin").unlink()
    assert "no weights found" in refused(folder)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("image_encoder.pos_embed", "segment-anything"),
        ("vision_model.post_layernorm.bias", "is CLIP"),
        ("model.mm_projector.bias", "is LLaVA without SAM"),
        ("language.llama.lm_head.weight", "already"),
        ("conv1.weight", "no checkpoint this package knows"),
    ],
)
def test_other_checkpoints_are_told_apart(tmp_path, refused, key, message):
    torch.save({key: torch.zeros(1)}, tmp_path / "some.pth")
    assert message in refused(tmp_path / "some.pth")


def test_folders_that_are_not_there_or_cannot_be_read(publish, refused, tmp_path, monkeypatch):
    assert "checkpoint not found" in refused(tmp_path / "absent")
    folder = publish("bin").folder

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("interactvlm.checkpoints.files.os.listdir", forbidden)
    with pytest.raises(AssetError, match="cannot be read .Permission denied"):
        list_tensors(folder)


def test_a_release_that_was_not_converted_says_so(publish):
    with pytest.raises(AssetError, match="convert it first with `interactvlm convert`"):
        InteractVLM.from_pretrained(publish("bin").folder)
