"""Labels: what people say for a category, and what is no category at all."""

import pytest

from object_retrieval.labels import SYNONYMS, match_label, tidy_label
from renders.errors import InputError

CATEGORIES = (
    "chair", "sofa", "bench", "cup", "bicycle", "backpack", "knife", "scissors", "box", "shelf",
    "wine glass", "hair dryer", "ball", "racket", "cell phone", "battery",
)  # fmt: skip


@pytest.mark.parametrize(
    "label, category, rule",
    [
        ("chair", "chair", "name"),
        ("  The CHAIR! ", "chair", "name"),
        ("wine_glass", "wine glass", "name"),
        ("wineglass", "wine glass", "name"),
        ("hair-dryer", "hair dryer", "name"),
        ("scissors", "scissors", "name"),
        ("chairs", "chair", "plural"),
        ("benches", "bench", "plural"),
        ("boxes", "box", "plural"),
        ("knives", "knife", "plural"),
        ("shelves", "shelf", "plural"),
        ("batteries", "battery", "plural"),
        ("hair dryers", "hair dryer", "plural"),
        ("couch", "sofa", "synonym"),
        ("bikes", "bicycle", "synonym"),
        ("mug", "cup", "synonym"),
        ("rucksacks", "backpack", "synonym"),
        ("Smartphone", "cell phone", "synonym"),
        ("office chair", "chair", "main word"),
        ("a red plastic chair", "chair", "main word"),
        ("tennis rackets", "racket", "synonym"),
        ("leather couch", "sofa", "synonym"),
        ("chair with four legs", "chair", "main word"),
        ("cup of tea", "cup", "main word"),
        ("a pair of scissors", "scissors", "main word"),
        ("photo of my old bike", "bicycle", "synonym"),
        ("carry-on backpack", "backpack", "main word"),
        ("cup full of tea", "cup", "main word"),
        ("ｃｈａｉｒ", "chair", "name"),
    ],
)
def test_what_people_say(label, category, rule):
    match = match_label(label, CATEGORIES)
    assert (match.category, match.rule) == (category, rule)
    assert bool(match.explain()) == (rule != "name")


@pytest.mark.parametrize(
    "label, near", [("chiar", "chair"), ("bycicle", "bicycle"), ("backpak", "backpack"),
                    ("rucksak", "backpack"), ("office chiar", "chair")]
)  # fmt: skip
def test_near_misses_are_suggested_not_taken(label, near):
    match = match_label(label, CATEGORIES)
    assert match.category is None
    assert match.near[0] == near
    assert near in match.explain()


@pytest.mark.parametrize("label", ["giraffe", "Stuhl", "椅子", "chair of", "of"])
def test_words_for_nothing_here(label):
    match = match_label(label, CATEGORIES)
    assert match.category == ("chair" if label == "chair of" else None)


def test_wombat_is_no_bat():
    assert match_label("wombat", ("bat", "chair")).category is None


@pytest.mark.parametrize("label", ["", "   ", "123", "!?", "x" * 301])
def test_no_label_at_all(label):
    with pytest.raises(InputError):
        match_label(label, CATEGORIES)


def test_an_own_name_comes_before_a_synonym():
    assert match_label("mug", ("cup", "mug")).category == "mug"
    assert match_label("couch", ("couch",)).category == "couch"
    assert match_label("sofa", ("couch",)).category == "couch"


def test_the_longest_phrase_counts():
    assert match_label("bottle opener", ("bottle",)).category is None
    assert match_label("trash can", ("can", "trash can")).category == "trash can"


def test_no_word_has_two_meanings():
    words = [word.replace(" ", "") for group in SYNONYMS for word in group]
    assert sorted(words) == sorted(set(words))


def test_an_empty_library_knows_nothing():
    assert match_label("chair", ()).category is None


def test_tidy_keeps_a_label_of_articles_only():
    assert tidy_label("The") == "the"
