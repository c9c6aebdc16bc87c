"""A release made of golden weights: converted and loaded, it computes the published numbers."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.checkpoints.convert import Conversion, convert
from interactvlm.generation import GenerationOptions, generate_answers
from interactvlm.localizer import upscale_masks
from interactvlm.model import InteractVLM
from tests.interactvlm.checkpoints.published import Sizes, save_state, settings


@pytest.fixture(scope="module")
def released(golden, tmp_path_factory):
    """The golden joint model as its publisher would have released it, converted."""
    pytest.importorskip("sentencepiece")
    keys, arrays = golden.keys("06_language"), golden.arrays("06_language")
    folder, clip = tmp_path_factory.mktemp("joint"), tmp_path_factory.mktemp("clip")
    state = golden.weights(keys["keys"], keys["set_seed"])
    state["lm_head.weight"] = torch.from_numpy(arrays["lm_head_weight"])
    state |= {k: torch.zeros(v["shape"]) for k, v in keys["keys"].items() if k not in state}
    save_state(state, folder, "sharded-bin")
    save_state(golden.weights(keys["clip_keys"], keys["set_seed"]), clip, "bin")
    llm, clip_sizes = keys["config"]["llm"], keys["config"]["clip"]
    sizes = Sizes(
        vocab=keys["vocab_size"], hidden=llm["hidden_size"], layers=llm["num_hidden_layers"],
        heads=llm["num_attention_heads"], splitter=True,
    )  # fmt: skip
    values = settings(sizes, keys["token_ids"], rms_norm_eps=llm["rms_norm_eps"])
    (folder / "config.json").write_text(json.dumps(values | {"img_emb_len": keys["img_emb_len"]}))
    (clip / "config.json").write_text(json.dumps({"vision_config": clip_sizes}))
    for name in ("tokenizer.model", "added_tokens.json"):
        shutil.copyfile(golden.folder / "06_tokenizer" / name, folder / name)
    convert(Conversion(folder, folder / "converted", clip))
    return InteractVLM.from_pretrained(folder / "converted"), keys, arrays


def _close(got, wanted, atol):
    difference = np.abs(got.detach().numpy() - wanted).max()
    assert difference <= atol, f"largest difference {difference:.2e}"


@torch.no_grad()
@pytest.mark.parametrize("query", ["human", "object"])
def test_a_converted_release_answers_and_marks_as_published(released, query):
    model, keys, arrays = released
    question = keys["prompts"][query].split("\n", 1)[1].removesuffix(" ASSISTANT:")
    prompt = model.tokenizer.prompt(question, model.config.template_style)
    asked = [*prompt.prefix, *prompt.suffix]
    assert asked == arrays[f"{query}_input_ids"].tolist()
    pixels = model.language.vision.preprocess([Image.fromarray(arrays["photo_uint8"])])
    token = model._token_id(query)
    options = GenerationOptions(model.tokenizer.eos_id, (token,), model.config.max_new_tokens)
    image = model.language.encode_image(pixels)[0]
    (answer,) = generate_answers(model.language, image, [prompt], options)
    assert answer.token_ids == tuple(arrays[f"{query}_output_ids"][len(asked) : -1].tolist())
    cameras = torch.tensor(keys["cam_params"][query])
    vectors = model.prompt_vectors(answer.states[token][None], cameras, query)
    embeddings = model.localizer.encode_views(torch.from_numpy(arrays["sam_images_uint8"]))
    masks = upscale_masks(
        model.localizer.decode(vectors, embeddings, query),
        image_size_px=128, resized_hw=(128, 128), target_hw=(64, 64),
    )  # fmt: skip
    _close(masks[0], arrays[f"{query}_masks"], 5e-5)
