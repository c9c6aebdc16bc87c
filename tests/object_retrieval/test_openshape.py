"""OpenShape and CLIP: the published key layout, faults of files, the frame that encoders saw.

No published weight is here: small random ones in the published layout stand for them, and a plain
twin written after the published code computes what they must give.
"""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from object_retrieval.backend import EmbeddingBackend, ObjectPicture
from object_retrieval.openshape.clip import CLIP_OF, ClipEmbedder
from object_retrieval.openshape.encoder import (
    SHAPES,
    EncoderShape,
    PointEncoder,
    ball_members,
    farthest_points,
)
from object_retrieval.openshape.openshape_backend import (
    GREY,
    OpenShapeBackend,
    published_points,
)
from object_retrieval.openshape.precomputed import index_objaverse
from object_retrieval.openshape.weights import fill, load_encoder, read_table, renamed_keys
from renders.errors import AssetError, InputError
from renders.mesh import PointCloud

TINY = EncoderShape(16, 2, 2, 24, 12, 6, 0.5, 5, 20, "z", head_width=8)
NAME = "openshape-pointbert-vitg14-rgb"


def published_state(shape=TINY, seed=0):
    """Random weights under the published keys, in their published forms (convolutions)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*sizes):
        return 0.4 * torch.randn(*sizes, generator=generator)

    state = {"cls_token": draw(shape.width)}
    widths = (9, 64, 64, shape.patch_width)
    for i in range(3):
        state[f"sa.mlp_convs.{i}.weight"] = draw(widths[i + 1], widths[i], 1, 1)
        state[f"sa.mlp_convs.{i}.bias"] = draw(widths[i + 1])
        state[f"sa.mlp_bns.{i}.weight"] = 1 + draw(widths[i + 1])
        state[f"sa.mlp_bns.{i}.bias"] = draw(widths[i + 1])
        state[f"sa.mlp_bns.{i}.running_mean"] = draw(widths[i + 1])
        state[f"sa.mlp_bns.{i}.running_var"] = 1 + draw(widths[i + 1]).abs()
        state[f"sa.mlp_bns.{i}.num_batches_tracked"] = torch.tensor(7)
    state["lift.0.weight"] = draw(shape.width, shape.patch_width + 3, 1)
    state["lift.0.bias"] = draw(shape.width)
    norms = ["lift.2"]
    inner = shape.heads * shape.head_width
    for i in range(shape.depth):
        layer = f"transformer.layers.{i}"
        norms += [f"{layer}.0.norm", f"{layer}.1.norm"]
        state[f"{layer}.0.fn.to_qkv.weight"] = draw(3 * inner, shape.width)
        state[f"{layer}.0.fn.to_out.0.weight"] = draw(shape.width, inner)
        state[f"{layer}.0.fn.to_out.0.bias"] = draw(shape.width)
        state[f"{layer}.1.fn.net.0.weight"] = draw(shape.mlp_width, shape.width)
        state[f"{layer}.1.fn.net.0.bias"] = draw(shape.mlp_width)
        state[f"{layer}.1.fn.net.3.weight"] = draw(shape.width, shape.mlp_width)
        state[f"{layer}.1.fn.net.3.bias"] = draw(shape.width)
    for norm in norms:
        state[f"{norm}.weight"], state[f"{norm}.bias"] = 1 + draw(shape.width), draw(shape.width)
    if shape.out_dim is not None:
        state = {f"ppat.{key}": value for key, value in state.items()}
        state["proj.weight"] = draw(shape.out_dim, shape.width)
        state["proj.bias"] = draw(shape.out_dim)
    return state


def encode_plain(state, shape, points, colors):
    """One cloud, point by point, from the published keys: loops, convolutions as products."""
    key = {k.removeprefix("ppat."): v.double() for k, v in state.items()}
    points, colors = points.double(), colors.double()
    centres = [0]
    while len(centres) < shape.patches:
        gap = torch.stack([(points - points[c]).square().sum(1) for c in centres]).amin(0)
        centres.append(int(gap.argmax()))
    tokens = []
    for centre in centres:
        near = [
            i for i in range(len(points)) if (points[i] - points[centre]).norm() <= shape.radius
        ]
        near = (near + near[:1] * shape.points_per_patch)[: shape.points_per_patch]
        rows = torch.cat([points[near] - points[centre], points[near], colors[near]], dim=1)
        for i in range(3):
            rows = (
                rows @ key[f"sa.mlp_convs.{i}.weight"].flatten(1).T + key[f"sa.mlp_convs.{i}.bias"]
            )
            mean, var = key[f"sa.mlp_bns.{i}.running_mean"], key[f"sa.mlp_bns.{i}.running_var"]
            rows = (rows - mean) / (var + 1e-5).sqrt()
            rows = (rows * key[f"sa.mlp_bns.{i}.weight"] + key[f"sa.mlp_bns.{i}.bias"]).relu()
        token = torch.cat([points[centre], rows.amax(0)])
        token = key["lift.0.weight"].flatten(1) @ token + key["lift.0.bias"]
        tokens.append(_norm(token, key, "lift.2"))
    x = torch.stack([key["cls_token"], *tokens])
    for i in range(shape.depth):
        layer = f"transformer.layers.{i}"
        q, k, v = (_norm(x, key, f"{layer}.0.norm") @ key[f"{layer}.0.fn.to_qkv.weight"].T).chunk(
            3, 1
        )
        heads = []
        for h in range(shape.heads):
            part = slice(h * shape.head_width, (h + 1) * shape.head_width)
            weight = (q[:, part] @ k[:, part].T * shape.head_width**-0.5).softmax(1)
            heads.append(weight @ v[:, part])
        out = torch.cat(heads, 1) @ key[f"{layer}.0.fn.to_out.0.weight"].T
        x = x + out + key[f"{layer}.0.fn.to_out.0.bias"]
        hidden = _norm(x, key, f"{layer}.1.norm") @ key[f"{layer}.1.fn.net.0.weight"].T
        hidden = functional.gelu(hidden + key[f"{layer}.1.fn.net.0.bias"])
        x = x + hidden @ key[f"{layer}.1.fn.net.3.weight"].T + key[f"{layer}.1.fn.net.3.bias"]
    if shape.out_dim is None:
        return x[0]
    return key["proj.weight"] @ x[0] + key["proj.bias"]


def _norm(x, key, name):
    return functional.layer_norm(x, x.shape[-1:], key[f"{name}.weight"], key[f"{name}.bias"])


@pytest.fixture
def cloud():
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(1, 60, 3, generator=generator)
    points = points / points.norm(dim=2).amax()
    return points, torch.rand(1, 60, 3, generator=generator)


@pytest.mark.parametrize("out_dim", [20, None])
def test_published_keys_give_what_the_published_code_computes(cloud, out_dim):
    shape = dataclasses.replace(TINY, out_dim=out_dim)
    state = published_state(shape)
    encoder = PointEncoder(shape).eval()
    fill(encoder, state, where="test")
    points, colors = cloud
    with torch.no_grad():
        vector = encoder(points, colors)[0]
    expected = encode_plain(state, shape, points[0], colors[0])
    torch.testing.assert_close(vector.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_every_published_encoder_is_filled_without_a_key_left(name):
    shape = SHAPES[name]
    with torch.device("meta"):
        own = PointEncoder(shape).state_dict()
    small = dataclasses.replace(shape, width=8, mlp_width=8, heads=1, head_width=8, patch_width=8)
    small = dataclasses.replace(small, out_dim=shape.out_dim and 8)
    assert renamed_keys(published_state(small), small, where="test").keys() == own.keys()
    assert (shape.out_dim or shape.width) == {"vitg14": 1280, "vitl14": 768, "vitb32": 512}[
        name.split("-")[2]
    ]
    assert name in CLIP_OF


def _wrapped_g14(state):
    return {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3, "optimizer": {}}


def _wrapped_l14(state):
    return {f"pc_encoder.{k}": v for k, v in state.items()} | {"logit_scale": torch.ones(())}


@pytest.mark.parametrize("wrap", [_wrapped_g14, _wrapped_l14, dict])
def test_published_wrappings_are_understood(tmp_path, monkeypatch, wrap):
    state = published_state()
    monkeypatch.setitem(SHAPES, NAME, TINY)
    folder = tmp_path / NAME
    folder.mkdir()
    torch.save(wrap(state), folder / "model.pt")
    loaded = load_encoder(folder).state_dict()
    torch.testing.assert_close(loaded["class_token"], state["ppat.cls_token"])
    assert not load_encoder(folder / "model.pt").training


def test_safetensors_come_before_a_pickle(tmp_path, monkeypatch):
    monkeypatch.setitem(SHAPES, NAME, TINY)
    folder = tmp_path / NAME
    folder.mkdir()
    save_file(published_state(seed=1), folder / "model.safetensors")
    (folder / "model.pt").write_bytes(b"never read")
    token = load_encoder(folder).state_dict()["class_token"]
    torch.testing.assert_close(token, published_state(seed=1)["ppat.cls_token"])


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda s: s.pop("ppat.cls_token") is None or s, "1 missing.*class_token"),
        (lambda s: s | {"ppat.extra": torch.zeros(1)}, "'ppat.extra' is not known"),
        (lambda s: s | {"proj.bias": torch.zeros(3)}, "'projection.bias' has shape"),
        (lambda s: {"ppat.cls_token": 3}, "named tensors"),
        (lambda s: [1, 2], "named tensors"),
        (lambda s: {"a": Evil()}, "nothing in it was run"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, monkeypatch, capsys, spoil, words):
    monkeypatch.setitem(SHAPES, NAME, TINY)
    state = published_state()
    spoiled = spoil(state)
    torch.save(state if spoiled is True else spoiled, tmp_path / "model.pt")
    with pytest.raises(AssetError, match=words):
        load_encoder(tmp_path / "model.pt", name=NAME)
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("model.pt", b"", "damaged"),
        ("model.pt", b"\x80garbage", "damaged"),
        ("model.safetensors", b"\x00" * 20, "damaged"),
        ("absent.pt", None, "not found"),
    ],
)
def test_damaged_files(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssetError, match=words):
        read_table(path)


def test_an_encoder_without_a_telling_name_is_refused(tmp_path):
    torch.save(published_state(), tmp_path / "model.pt")
    with pytest.raises(AssetError, match="openshape-pointbert-vitl14-rgb"):
        load_encoder(tmp_path / "model.pt")


def test_few_points_and_far_points():
    points = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0.1, 0, 0], [3, 0, 0]]])
    assert farthest_points(points, 4)[0].tolist() == [0, 3, 1, 2]
    assert farthest_points(points, 6).shape == (1, 6)
    member = ball_members(points, points[:, :1], 0.5, 6)
    assert member[0, 0].tolist() == [0, 2, 0, 0, 0, 0]


def test_points_are_laid_as_the_encoders_saw_them():
    """An L of points: up, front (-y) and left (+x) differ in length."""
    corner = torch.tensor([[0.0, 0, 0], [0, 0, 4], [0, -2, 0], [1, 0, 0]])
    up_y = published_points(PointCloud(corner), "y")
    up_z = published_points(PointCloud(corner), "z")
    for cloud, (up, front) in ((up_y, (1, 2)), (up_z, (2, 1))):
        tips = cloud.points - cloud.points[0]
        assert tips[1].argmax() == up and tips[1, up] > 0
        assert tips[2].argmax() == front and tips[2, front] > 0  # y up: front at +z; swapped: +y
        assert tips[3].argmax() == 0
        torch.testing.assert_close(cloud.points.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
        assert float(cloud.points.norm(dim=1).amax()) == pytest.approx(1)
        assert float(cloud.colors.amax()) == pytest.approx(GREY)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A tiny CLIP in the published layout."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPConfig,
        CLIPImageProcessorPil,
        CLIPModel,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
             "num_attention_heads": 2}  # fmt: skip
    words = ["[UNK]", "[PAD]", "[BOS]", "[EOS]", "chair", "red", "a"]
    config = CLIPConfig(
        text_config=small | {"vocab_size": len(words), "max_position_embeddings": 8,
                             "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3},
        vision_config=small | {"image_size": 32, "patch_size": 8},
        projection_dim=20,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    plain = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="[UNK]", pad_token="[PAD]", bos_token="[BOS]",
        eos_token="[EOS]", model_max_length=8,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_one_space_for_shapes_pictures_and_words(clip_folder, library):
    encoder = PointEncoder(TINY).eval()
    fill(encoder, published_state(), where="test")
    backend: EmbeddingBackend = OpenShapeBackend(encoder, ClipEmbedder(str(clip_folder)))
    rgb = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    vectors = [
        backend.embed_shapes([library.mesh("chair/0")]),
        backend.embed_images([ObjectPicture(rgb), ObjectPicture(rgb, rgb[..., 0] > 100)]),
        backend.embed_texts(["a red chair", "chair " * 30]),
    ]
    for rows in vectors:
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))
        assert rows.shape[1] == backend.dim == 20
    assert backend.abilities == {"shape", "image", "text"}
    assert not torch.allclose(vectors[1][0], vectors[1][1])


def test_clip_vectors_are_those_of_transformers(clip_folder):
    from transformers import AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(clip_folder).eval()
    tokens = AutoTokenizer.from_pretrained(clip_folder)("red chair", return_tensors="pt")
    with torch.no_grad():
        pooled = model.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        expected = functional.normalize(model.text_projection(pooled), dim=1)
    torch.testing.assert_close(ClipEmbedder(str(clip_folder)).embed_texts(["red chair"]), expected)


def test_other_weights_are_another_back_end():
    names = []
    for seed in (0, 0, 1):
        encoder = PointEncoder(TINY)
        fill(encoder, published_state(seed=seed), where="test")
        names.append(OpenShapeBackend(encoder).name)
    assert names[0] == names[1] != names[2]


def test_without_clip_only_shapes():
    backend = OpenShapeBackend(PointEncoder(TINY))
    assert backend.abilities == {"shape"}
    with pytest.raises(InputError, match="embeds shape, not image"):
        backend.embed_images([])
    with pytest.raises(InputError, match="not text"):
        backend.embed_texts(["chair"])


def test_spaces_that_do_not_belong_together(clip_folder):
    with pytest.raises(AssetError, match="20"):
        OpenShapeBackend(
            PointEncoder(dataclasses.replace(TINY, out_dim=21)), ClipEmbedder(str(clip_folder))
        )


def test_clip_that_is_not_there(tmp_path):
    with pytest.raises(AssetError, match="cannot be loaded"):
        ClipEmbedder(str(tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(AssetError, match="cannot be loaded"):
        ClipEmbedder(str(tmp_path))


def test_published_vectors_of_objaverse_become_an_index(tmp_path):
    vectors = torch.randn(30, 12, generator=torch.Generator().manual_seed(0)).half()
    names = [f"uid{i}" for i in range(30)]
    torch.save({"us": names, "feats": vectors}, tmp_path / "objaverse.pt")
    index = index_objaverse(tmp_path / "objaverse.pt", tmp_path / "index")
    found = index.search(vectors[4:5].float(), 1)
    assert index.names(found.rows[0]) == ["uid4"]
    assert float(found.scores[0, 0]) == pytest.approx(float(vectors[4].float().norm()), rel=1e-2)


@pytest.mark.parametrize(
    "content", [{"us": ["a"], "feats": torch.zeros(2, 3)}, {"us": ["a"]}, [1], {"us": Evil()}]
)
def test_other_files_are_no_published_vectors(tmp_path, content):
    torch.save(content, tmp_path / "objaverse.pt")
    with pytest.raises(AssetError, match="objaverse.pt"):
        index_objaverse(tmp_path / "objaverse.pt", tmp_path / "index")
    with pytest.raises(AssetError, match="not found"):
        index_objaverse(tmp_path / "absent.pt", tmp_path / "index")
