"""The whole model: predictions, training pass, and folders that are not as they should be."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.errors import AssetError, InputError
from interactvlm.generation import GeneratedAnswer
from interactvlm.model import InteractVLM


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (50, 70, 3), dtype=np.uint8))


@pytest.fixture
def speaking(tiny_model, tiny_surface, monkeypatch):
    """A model whose answers hold the contact token for every label but "nothing"."""
    del tiny_surface
    human = tiny_model.tokenizer.human_id
    words = tuple(tiny_model.tokenizer.encode("Contact here"))

    def answers(language, image_tokens, prompts, options):
        del language, options
        found = []
        for prompt in prompts:
            if "nothing" in tiny_model.tokenizer.decode(prompt.suffix):
                found.append(GeneratedAnswer(words))
                continue
            torch.manual_seed(sum(prompt.suffix))
            state = torch.randn(image_tokens.shape[-1])
            found.append(GeneratedAnswer((*words, human), {human: state}))
        return found

    monkeypatch.setattr("interactvlm.model.generate_answers", answers)
    return tiny_model


def test_contact_comes_in_the_order_of_the_labels(speaking, photo):
    labels = ["chair", "nothing", "tennis_racket", ""]
    maps = speaking.predict_contact(photo, labels)
    assert [m.label for m in maps] == ["chair", "nothing", "tennis racket", ""]
    for contact in maps:
        assert contact.vertex_probability.shape == (162,)
        assert bool(((contact.vertex_probability >= 0) & (contact.vertex_probability <= 1)).all())
        assert contact.answer == "Contact here"
        assert contact.topology == "anny"
    assert maps[0].view_probability.shape == (4, 16, 16)


def test_an_answer_without_the_token_is_an_empty_contact_with_words(speaking, photo):
    (contact,) = speaking.predict_contact(photo, ["nothing"])
    assert not contact.in_contact
    assert contact.view_probability is None
    assert contact.answer


def test_ten_labels_at_once_equal_one_by_one(speaking, photo):
    labels = [f"thing {i}" for i in range(10)]
    together = speaking.predict_contact(photo, labels)
    alone = [speaking.predict_contact(photo, [label])[0] for label in labels]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a.vertex_probability, b.vertex_probability, atol=1e-5, rtol=1e-4)


def test_real_generation_of_a_random_model_gives_maps(tiny_model, tiny_surface, photo):
    del tiny_surface
    maps = tiny_model.predict_contact(photo, ["chair", ""], box_xyxy_px=(10, 5, 40, 45))
    assert len(maps) == 2
    assert all(not m.finished or m.answer is not None for m in maps)


def test_affordance_lives_on_the_objects_mesh(tiny_model, photo, monkeypatch, tmp_path):
    import trimesh

    from renders.mesh import Mesh

    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path))
    tiny_model.config = dataclasses.replace(tiny_model.config, trained_for=("body", "object"))
    token = tiny_model.tokenizer.object_id
    answer = GeneratedAnswer((token,), {token: torch.randn(32)})
    monkeypatch.setattr("interactvlm.model.generate_answers", lambda *_: [answer])
    box = trimesh.creation.icosphere(subdivisions=1)
    mesh = Mesh(torch.tensor(box.vertices).float(), torch.tensor(box.faces).long())
    contact = tiny_model.predict_affordance(photo, "cup", mesh)
    assert contact.topology == "object"
    assert contact.vertex_probability.shape == (mesh.num_vertices,)


@pytest.mark.parametrize(
    ("label", "message"),
    [("chiar", r"did you mean \['chair'\]"), ("zebra", "known are"), ("x" * 500, "500 characters")],
)
def test_unknown_labels_name_the_nearest(tiny_model, photo, label, message):
    tiny_model.config = dataclasses.replace(tiny_model.config, labels=("chair", "tennis_racket"))
    with pytest.raises(InputError, match=message):
        tiny_model.predict_contact(photo, [label])
    assert tiny_model.known_label(" Tennis Racket ") == "tennis_racket"
    assert tiny_model.known_label("") == ""


def test_a_label_cannot_carry_a_contact_token(tiny_model, photo):
    with pytest.raises(InputError, match="reserved token"):
        tiny_model.predict_contact(photo, ["chair <HCON>"])


def test_training_pass_reaches_every_trained_part(tiny_model, tiny_surface, photo):
    tokenizer, language = tiny_model.tokenizer, tiny_model.language
    examples = [
        tokenizer.example("Where?", "Contact at <HCON>.", "short"),
        tokenizer.example("Which parts touch the chair?", "Nothing.", "short"),
        tokenizer.example("Which parts touch the chair?", "The torso at <HCON>.", "short"),
    ]
    batch = tokenizer.batch(examples)
    pixels = language.vision.preprocess([photo.crop((0, 0, 50, 50))] * 3)
    out = tiny_model(pixels, batch.input_ids, batch.attention)
    assert out.query_sample.tolist() == [0, 2]
    assert out.mask_logits.shape == (2, 4, 16, 16)
    assert out.vertex_probability.shape == (2, 162)
    assert out.logits.shape[1] == batch.input_ids.shape[1] + language.num_image_tokens - 1
    (out.vertex_probability.sum() + out.logits.mean()).backward()
    for name in ("token_projection.inner", "feat_lift.spatial.0", "feat_lift.views.3",
                 "localizer.mask_decoder.upscale_conv1", "language.llama.lm_head",
                 "language.llama.model.layers.0.mlp.up_proj", "language.projector.0"):  # fmt: skip
        gradient = tiny_model.get_submodule(name).weight.grad
        assert gradient is not None, name
        assert gradient.abs().sum() > 0, name
    seen = tiny_surface.view_set.seen
    assert (out.vertex_probability[:, ~seen] == 0).all()


def test_training_state_is_the_generated_state(tiny_model):
    """Teacher forcing reads the very state that generation has when it emits the token."""
    from interactvlm.generation import GenerationOptions, _generate_plain

    language = tiny_model.language
    prompt = tiny_model.tokenizer.prompt("Where?", "short")
    image = torch.randn(language.num_image_tokens, 32)
    free = _generate_plain(language, image, [prompt], GenerationOptions(-1, (), 4))[0]
    watched = free.token_ids[-1]
    options = GenerationOptions(-1, (watched,), 4)
    (answer,) = _generate_plain(language, image, [prompt], options)
    ids = torch.tensor([[*prompt.prefix, *prompt.suffix, *answer.token_ids]])
    with torch.no_grad():
        hidden = language(ids, image[None]).hidden
    row, at = language.emitting(ids, watched)
    first = at[at >= len(prompt.prefix + prompt.suffix) + language.num_image_tokens - 2][0]
    torch.testing.assert_close(hidden[row[0], first], answer.states[watched], atol=1e-5, rtol=1e-4)


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_saved_model_computes_the_same(tiny_model, folder, photo):
    again = InteractVLM.from_pretrained(folder)
    assert again.config == tiny_model.config
    assert not again.training
    state = again.state_dict()
    for name, value in tiny_model.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    pixels = tiny_model.language.vision.preprocess([photo.crop((0, 0, 50, 50))])
    ids = torch.tensor([[1, -200, 7, 8, 9]])
    with torch.no_grad():
        outs = [m.language(ids, m.language.encode_image(pixels)).hidden
                for m in (tiny_model, again)]  # fmt: skip
    torch.testing.assert_close(*outs)
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "tokenizer.json", "model.safetensors"}  # fmt: skip


def test_a_model_with_adapters_is_saved_merged(tiny_model, tmp_path):
    tiny_model.language.add_lora()
    tiny_model.save_pretrained(tmp_path / "model")
    again = InteractVLM.from_pretrained(tmp_path / "model")
    assert not any("lora" in name for name in again.state_dict())


def test_half_precision_loads(folder):
    model = InteractVLM.from_pretrained(folder, dtype=torch.bfloat16)
    assert model.language.dtype == torch.bfloat16
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(AssetError, match=missing):
        InteractVLM.from_pretrained(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(AssetError, match="model folder expected, found nothing"):
        InteractVLM.from_pretrained(tmp_path / "absent")


def test_truncated_weights_are_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(AssetError, match=r"damaged or truncated.*model\.safetensors"):
        InteractVLM.from_pretrained(folder)
    path.write_bytes(b"")
    with pytest.raises(AssetError, match="damaged"):
        InteractVLM.from_pretrained(folder)


def test_pickles_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(AssetError, match=r"pytorch_model\.bin.*pickles"):
        InteractVLM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("token_projection.inner.bias"), r"1 missing \['token_projection\.inner"),
        (lambda s: s.update(extra=torch.zeros(1)), r"1 unknown \['extra'\]"),
        (
            lambda s: s.update({"token_projection.inner.bias": torch.zeros(3)}),
            r"token_projection\.inner\.bias.*\(3,\).*\(32,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(folder, change, message):
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")
    with pytest.raises(AssetError, match=message):
        InteractVLM.from_pretrained(folder)
