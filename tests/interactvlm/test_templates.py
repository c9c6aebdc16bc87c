"""Questions and answers: what they say, and what they must not say."""

import random

import pytest

from interactvlm import templates

TOKEN = "<HCON>"


@pytest.mark.parametrize("target", ["human", "object"])
@pytest.mark.parametrize("label", ["chair", "tennis_racket", ""])
def test_inference_always_asks_the_same(label, target):
    first = templates.question(label, target=target)
    assert first == templates.question(label, target=target)
    assert "{" not in first
    assert ("any object" in first) == (not label)
    assert "_" not in first
    assert "the any" not in first.lower()


def test_no_contact_answers_carry_no_token():
    rng = random.Random(0)
    for _ in range(20):
        for target in ("human", "object"):
            told = templates.answer(
                "chair", TOKEN, touched=False, parts=["torso"], target=target, rng=rng
            )
            assert TOKEN not in told
            assert "torso" not in told


def test_contact_answers_carry_one_token_and_the_parts():
    rng = random.Random(0)
    parts = ["left hand", "right hand"]
    for _ in range(20):
        told = templates.answer("chair", TOKEN, touched=True, parts=parts, rng=rng)
        assert told.count(TOKEN) == 1
        assert "left hand, right hand" in told
    simple = templates.answer("chair", TOKEN, touched=True)
    assert simple.count(TOKEN) == 1


def test_seed_fixes_the_draw():
    def draw(seed):
        rng = random.Random(seed)
        return [templates.sample("cup", TOKEN, touched=True, parts=["torso"], rng=rng)
                for _ in range(10)]  # fmt: skip

    assert draw(3) == draw(3)
    assert len(set(draw(3))) > 3


def test_part_dropout_drops_words_and_asks_simply():
    rng = random.Random(0)
    drawn = [
        templates.sample("cup", TOKEN, touched=True, parts=["torso"], rng=rng, drop_parts=p)
        for p in (0.0, 1.0)
        for _ in range(30)
    ]
    assert all("torso" in told for _, told in drawn[:30])
    assert not any("torso" in told for _, told in drawn[30:])
    simple = {templates.fill(q, "cup") for q in templates.HUMAN_SIMPLE_QUESTIONS}
    assert {asked for asked, _ in drawn[30:]} <= simple


def test_answers_about_objects_say_what_they_are_used_for():
    rng = random.Random(0)
    for _ in range(20):
        told = templates.answer(
            "chair", "<OCON>", touched=True, affordance="sit", target="object", rng=rng
        )
        assert told.startswith("Used to sit. ")
        assert told.count("<OCON>") == 1
        plain = templates.answer("chair", "<OCON>", touched=True, target="object", rng=rng)
        assert "Used" not in plain
    denied = templates.answer("cup", "<OCON>", touched=False, affordance="", target="object")
    assert "Used" not in denied


def test_the_corpus_holds_every_affordance():
    text = " ".join(templates.corpus(["chair"], ["torso"], ["sit", "ride"]))
    assert "Used to sit." in text
    assert "Used to ride." in text
