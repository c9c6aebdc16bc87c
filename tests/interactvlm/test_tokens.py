"""Ids of texts and conversations; the published tokenizer's rules against golden ids."""

import json

import pytest
import torch

from interactvlm.config import TokenConfig
from interactvlm.errors import AssetError, InputError
from interactvlm.tokens import IGNORED, IMAGE_ID, Tokenizer


def test_any_text_survives(tiny_tokenizer):
    for text in ("Nothing touches the chair.", "café — 人 12345", "x" * 500):
        assert tiny_tokenizer.decode(tiny_tokenizer.encode(text)) == text


def test_special_tokens_are_one_id_without_neighbouring_blanks(tiny_tokenizer):
    ids = tiny_tokenizer.encode("It is <HCON> .")
    at = ids.index(tiny_tokenizer.human_id)
    assert ids[:at] == tiny_tokenizer.encode("It is")
    assert ids[at + 1 :] == tiny_tokenizer.encode(".")
    assert tiny_tokenizer.decode(ids) == "It is."


def test_prompt_is_cut_after_the_image_and_begins_the_example(tiny_tokenizer):
    prompt = tiny_tokenizer.prompt("Which body parts?", "short")
    other = tiny_tokenizer.prompt("Where?", "short")
    assert prompt.prefix == other.prefix
    assert prompt.prefix[-1] == IMAGE_ID
    ids, labels = tiny_tokenizer.example("Which body parts?", "The torso at <HCON>.", "short")
    asked = len(prompt.prefix + prompt.suffix)
    assert tuple(ids[:asked]) == prompt.prefix + prompt.suffix
    assert labels == [IGNORED] * asked + ids[asked:]
    assert ids[-1] == tiny_tokenizer.eos_id


def test_batches_are_padded_on_the_right(tiny_tokenizer):
    examples = [tiny_tokenizer.example("Where?", answer, "short") for answer in ("Here.", "A b c")]
    batch = tiny_tokenizer.batch(examples)
    for row, (ids, labels) in enumerate(examples):
        count = len(ids)
        assert batch.input_ids[row, :count].tolist() == ids
        assert batch.labels[row, :count].tolist() == labels
        assert batch.attention[row].sum() == count
        assert (batch.labels[row, count:] == IGNORED).all()


def test_a_label_cannot_forge_a_contact_token(tiny_tokenizer):
    for forged in ("chair <HCON>", "<image>", "a </s> b"):
        with pytest.raises(InputError, match="reserved token"):
            tiny_tokenizer.prompt(f"Which parts touch {forged}?", "short")


def test_save_and_load(tiny_tokenizer, tmp_path):
    tiny_tokenizer.save_file(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path, tiny_tokenizer.config)
    text = "Contact with the left hand at <HCON>."
    assert again.encode(text) == tiny_tokenizer.encode(text)


def test_what_is_wrong_with_a_tokenizer_file_is_named(tiny_tokenizer, tmp_path):
    with pytest.raises(AssetError, match="tokenizer not found"):
        Tokenizer.load(tmp_path, tiny_tokenizer.config)
    tiny_tokenizer.save_file(tmp_path / "tokenizer.json")
    with pytest.raises(AssetError, match=r"'\[SEG\]'"):
        Tokenizer.load(tmp_path, TokenConfig(human="[SEG]"))
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AssetError, match="cannot be read"):
        Tokenizer.load(tmp_path, tiny_tokenizer.config)


RELEASED = TokenConfig(
    human="[HSEG]", object="[OSEG]", pad="<unk>", image_start="<im_start>", image_end="<im_end>",
    strip_around=("[SEG]", "[HSEG]", "[OSEG]", "<im_start>", "<im_end>"),
    more=("[SEG]",),
)  # fmt: skip


@pytest.fixture(scope="module")
def released(golden):
    pytest.importorskip("sentencepiece")
    from interactvlm.checkpoints.llama_tokenizer import load_llama_tokenizer

    return load_llama_tokenizer(golden.folder / "06_tokenizer", RELEASED)


def test_published_ids_equal_golden(released, golden):
    path = golden.folder / "06_tokenizer_cases.json"
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        assert released.encode(case["text"], bos=True) == case["ids"], case["text"]


def test_published_prompts_equal_golden(released, golden, tmp_path):
    keys, arrays = golden.keys("06_language"), golden.arrays("06_language")
    released.save_file(tmp_path / "tokenizer.json")
    for tokenizer in (released, Tokenizer.load(tmp_path, RELEASED)):
        for name, text in keys["prompts"].items():
            question = text.split("<im_end>\n")[1].removesuffix(" ASSISTANT:")
            prompt = tokenizer.prompt(question, "llava_v1")
            assert list(prompt.prefix + prompt.suffix) == arrays[f"{name}_input_ids"].tolist()
            answer = keys["full_texts"][name].split("ASSISTANT: ")[1].removesuffix("</s>")
            ids, _ = tokenizer.example(question, answer, "llava_v1")
            assert ids == arrays[f"{name}_full_ids"].tolist()


def test_published_training_labels_equal_golden(released, golden):
    arrays = golden.arrays("06_language")
    examples = []
    for text in arrays["train_text"]:
        asked, told = str(text).split(" ASSISTANT: ")
        question = asked.split("<im_end>\n")[1]
        examples.append(released.example(question, told.removesuffix("</s>"), "llava_v1"))
    batch = released.batch(examples)
    torch.testing.assert_close(batch.input_ids, torch.from_numpy(arrays["train_input_ids"]))
    torch.testing.assert_close(batch.labels, torch.from_numpy(arrays["train_labels"]))
    torch.testing.assert_close(batch.attention, torch.from_numpy(arrays["train_attention_masks"]))
