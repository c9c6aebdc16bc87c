"""Generation on a shared cache equals generation without one."""

import pytest
import torch

from interactvlm import generation
from interactvlm.generation import GenerationOptions
from interactvlm.tokens import Prompt


@pytest.fixture
def case(tiny_model, tiny_tokenizer):
    torch.manual_seed(3)
    labels = ("chair", "tennis racket", "", "bicycle", "a rather long name of an object")
    prompts = [
        tiny_tokenizer.prompt(f"Which parts touch the {label}?", "short") for label in labels
    ]
    image = torch.randn(tiny_model.language.num_image_tokens, 32)
    return tiny_model.language, image, prompts


def _common_token(language, image, prompts):
    """An id that the random model does emit, to be watched."""
    plain = generation._generate_plain(language, image, prompts, GenerationOptions(2, (), 6))
    return plain[0].token_ids[2]


def _check_equal(fast, plain):
    for a, b in zip(fast, plain, strict=True):
        assert a.token_ids == b.token_ids
        assert a.finished == b.finished
        assert a.states.keys() == b.states.keys()
        for token in a.states:
            torch.testing.assert_close(a.states[token], b.states[token], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_shared_cache_equals_the_plain_twin(case, batch_size):
    language, image, prompts = case
    watched = _common_token(language, image, prompts)
    options = GenerationOptions(2, (watched,), max_new_tokens=6, batch_size=batch_size)
    fast = generation.generate_answers(language, image, prompts, options)
    plain = generation._generate_plain(language, image, prompts, options)
    _check_equal(fast, plain)
    assert any(answer.states for answer in fast)


def test_ten_questions_at_once_equal_one_by_one(case):
    language, image, prompts = case
    options = GenerationOptions(2, (5,), max_new_tokens=6)
    ten = prompts * 2
    together = generation.generate_answers(language, image, ten, options)
    alone = [generation.generate_answers(language, image, [p], options)[0] for p in ten]
    _check_equal(together, alone)


def test_ended_rows_stop_and_the_rest_go_on(case):
    language, image, prompts = case
    options = GenerationOptions(-1, (), max_new_tokens=6)
    free = generation._generate_plain(language, image, prompts, options)
    eos = free[0].token_ids[1]
    options = GenerationOptions(eos, (), max_new_tokens=6)
    fast = generation.generate_answers(language, image, prompts, options)
    plain = generation._generate_plain(language, image, prompts, options)
    _check_equal(fast, plain)
    assert fast[0].finished
    assert len(fast[0].token_ids) <= 1


def test_no_question_gives_no_answer_and_prefixes_must_agree(case):
    language, image, prompts = case
    options = GenerationOptions(2, (), 2)
    assert generation.generate_answers(language, image, [], options) == []
    other = Prompt((2, *prompts[0].prefix), prompts[0].suffix)
    with pytest.raises(ValueError, match="share their prefix"):
        generation.generate_answers(language, image, [prompts[0], other], options)


def test_a_biased_refusal_begins_the_answer_and_the_margin_ignores_the_bias(case):
    language, image, prompts = case
    free = GenerationOptions(2, (), max_new_tokens=3, refusal_ids=(7, 9))
    biased = GenerationOptions(2, (), max_new_tokens=3, refusal_ids=(7, 9), refusal_bias=1e3)
    for options in (free, biased):
        fast = generation.generate_answers(language, image, prompts, options)
        plain = generation._generate_plain(language, image, prompts, options)
        _check_equal(fast, plain)
        for a, b in zip(fast, plain, strict=True):
            assert a.refusal_margin == pytest.approx(b.refusal_margin, abs=1e-4)
        if options is free:
            margins = [a.refusal_margin for a in fast]
    assert [a.refusal_margin for a in fast] == pytest.approx(margins, abs=1e-4)
    assert all(a.token_ids[0] in (7, 9) for a in fast)


def test_questions_about_several_photos_equal_photo_by_photo(case):
    language, image, prompts = case
    images = torch.stack([image, torch.randn_like(image), torch.randn_like(image)])
    photo = torch.tensor([2, 0, 0, 1, 2])
    options = GenerationOptions(2, (5,), max_new_tokens=6)
    together = generation.generate_for_photos(language, images, photo, prompts, options)
    alone = [
        generation.generate_answers(language, images[p], [prompt], options)[0]
        for p, prompt in zip(photo.tolist(), prompts, strict=True)
    ]
    _check_equal(together, alone)
    assert generation.generate_for_photos(language, images, photo[:0], [], options) == []
