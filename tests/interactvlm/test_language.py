"""The language path against golden numbers; splice, padding and adapters on tiny models."""

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.checkpoints.released import CLIP_RULES, RELEASED_RULES
from interactvlm.checkpoints.renaming import rename_keys
from interactvlm.config import InteractVLMConfig, LanguageConfig, VisionConfig
from interactvlm.errors import InputError
from interactvlm.generation import GenerationOptions, generate_answers
from interactvlm.language import LanguageModel, merged_state_dict
from interactvlm.tokens import IMAGE_ID, Prompt


@pytest.fixture(scope="module")
def published(golden):
    """The language part of the golden joint model, its arrays and its key file."""
    keys, arrays = golden.keys("06_language"), golden.arrays("06_language")
    clip, llm = keys["config"]["clip"], keys["config"]["llm"]
    config = InteractVLMConfig(
        vision=VisionConfig(
            kind="clip", image_size_px=224, patch_px=14, width=clip["hidden_size"], depth=4,
            heads=4, mlp_width=clip["intermediate_size"],
        ),
        language=LanguageConfig(
            vocab_size=keys["vocab_size"], hidden=llm["hidden_size"], layers=3, heads=4,
            key_value_heads=4, mlp_width=llm["intermediate_size"], rms_eps=llm["rms_norm_eps"],
        ),
    )  # fmt: skip
    table = {k: v for k, v in keys["keys"].items() if "visual_model" not in k}
    released = golden.weights(table, keys["set_seed"])
    released["lm_head.weight"] = torch.from_numpy(arrays["lm_head_weight"])
    state = rename_keys(released, RELEASED_RULES, family="golden")
    clip_state = golden.weights(keys["clip_keys"], keys["set_seed"])
    state |= rename_keys(clip_state, CLIP_RULES, family="CLIP")
    language = LanguageModel(config).eval()
    own = {k.removeprefix("language."): v for k, v in state.items() if k.startswith("language.")}
    language.load_state_dict(own, strict=True)
    return language, arrays, keys, state


def _close(got, wanted, atol):
    difference = np.abs(got.detach().numpy() - wanted).max()
    assert difference <= atol, f"largest difference {difference:.2e}"


@torch.no_grad()
def test_clip_path_equals_golden(published):
    language, arrays, _, _ = published
    for photo, pixels in (("photo_uint8", "clip_pixel_values"), ("photo2_uint8", None)):
        got = language.vision.preprocess([Image.fromarray(arrays[photo])])
        wanted = arrays[pixels] if pixels else arrays["clip_pixel_values2"][None]
        _close(got, wanted, 1e-6)
    pixel_values = torch.from_numpy(arrays["clip_pixel_values"])
    _close(language.vision(pixel_values), arrays["clip_features"], 2e-5)
    _close(language.encode_image(pixel_values), arrays["clip_projected"], 3e-5)


@torch.no_grad()
@pytest.mark.parametrize("query", ["gen", "human", "object"])
def test_hidden_states_equal_golden(published, query):
    language, arrays, keys, _ = published
    image = torch.from_numpy(arrays["clip_projected"])
    ids = torch.from_numpy(arrays[f"{query}_full_ids"])[None]
    _close(language.embed(ids, image)[0], arrays[f"{query}_inputs_embeds"], 3e-5)
    out = language(ids, image)
    _close(out.hidden[0], arrays[f"{query}_hidden_states"], 4e-5)
    _close(out.logits[0, -12:], arrays[f"{query}_logits_last"], 5e-4)
    token = {"gen": "[SEG]", "human": "[HSEG]", "object": "[OSEG]"}[query]
    row, at = language.emitting(ids, keys["token_ids"][token])
    assert row.tolist() == [0]
    assert at.tolist() == [arrays[f"{query}_positions"][3]]


@torch.no_grad()
@pytest.mark.parametrize("query", ["gen", "human", "object"])
def test_generation_equals_golden(published, query):
    """Cached generation emits the published ids and hands out the published state."""
    language, arrays, keys, state = published
    image = torch.from_numpy(arrays["clip_projected"])[0]
    ids = arrays[f"{query}_input_ids"].tolist()
    cut = ids.index(IMAGE_ID) + 2
    token = keys["token_ids"][{"gen": "[SEG]", "human": "[HSEG]", "object": "[OSEG]"}[query]]
    options = GenerationOptions(eos_id=2, watched_ids=(token,))
    prompt = Prompt(tuple(ids[:cut]), tuple(ids[cut:]))
    (answer,) = generate_answers(language, image, [prompt], options)
    assert [*ids, *answer.token_ids, 2] == arrays[f"{query}_output_ids"].tolist()
    hidden = answer.states[token]
    names = ("inner.weight", "inner.bias", "outer.weight", "outer.bias")
    weights = {name: state[f"token_projection.{name}"] for name in names}
    inner = (weights["inner.weight"] @ hidden + weights["inner.bias"]).relu()
    vector = weights["outer.weight"] @ inner + weights["outer.bias"]
    _close(vector[None], arrays[f"{query}_token_embedding"], 2e-5)


@torch.no_grad()
def test_stretched_labels_equal_golden(published):
    language, arrays, _, _ = published
    ids = torch.from_numpy(arrays["train_input_ids"])
    labels = language.expand(torch.from_numpy(arrays["train_labels"]), ids, -100)
    np.testing.assert_array_equal(labels.numpy(), arrays["train_expanded_labels"])


def _prompt_row(length):
    return torch.tensor([[1, IMAGE_ID, *range(5, 5 + length)]])


def test_image_may_stand_anywhere(tiny_model):
    language = tiny_model.language
    image = torch.randn(2, language.num_image_tokens, 32)
    ids = torch.tensor([[1, IMAGE_ID, 7, 8], [1, 6, IMAGE_ID, 8]])
    embedded = language.embed(ids, image)
    table = language.llama.model.embed_tokens.weight
    torch.testing.assert_close(embedded[1, 1], table[6])
    torch.testing.assert_close(embedded[1, 2:6], image[1])
    torch.testing.assert_close(embedded[0, 1:5], image[0])
    torch.testing.assert_close(embedded[:, -1], table[[8, 8]])


def test_missing_or_doubled_image_is_refused(tiny_model):
    image = torch.randn(1, tiny_model.language.num_image_tokens, 32)
    with pytest.raises(InputError, match="exactly one image"):
        tiny_model.language.embed(torch.tensor([[1, 2, 3]]), image)
    with pytest.raises(InputError, match="no image tokens"):
        tiny_model.language.embed(_prompt_row(2))


@torch.no_grad()
def test_padding_on_the_right_changes_nothing(tiny_model):
    language = tiny_model.language
    image = torch.randn(2, language.num_image_tokens, 32)
    short, long = _prompt_row(3), _prompt_row(6)
    padded = torch.cat([torch.cat([short, torch.zeros(1, 3, dtype=torch.long)], 1), long])
    attention = torch.ones_like(padded, dtype=torch.bool)
    attention[0, 5:] = False
    both = language(padded, image, attention).hidden
    alone = language(short, image[:1]).hidden
    torch.testing.assert_close(both[0, : alone.shape[1]], alone[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_merged_adapters_compute_the_same(tiny_model):
    language = tiny_model.language
    names = set(language.state_dict())
    language.add_lora()
    for name, parameter in language.named_parameters():
        if "lora_B" in name:
            parameter.copy_(torch.randn_like(parameter))
    ids, image = _prompt_row(4), torch.randn(1, language.num_image_tokens, 32)
    adapted = language(ids, image).hidden
    state = merged_state_dict(language)
    assert set(state) == names
    language.merge_lora()
    assert set(language.state_dict()) == names
    torch.testing.assert_close(language(ids, image).hidden, adapted, atol=1e-4, rtol=1e-4)
    for name, value in language.state_dict().items():
        torch.testing.assert_close(value, state[name])


def test_only_adapters_and_named_layers_are_adapted(tiny_model):
    tiny_model.language.add_lora()
    adapted = {n.split(".lora_")[0].split(".")[-1] for n, _ in
               tiny_model.language.named_parameters() if ".lora_" in n}  # fmt: skip
    assert adapted == {"q_proj", "v_proj"}
