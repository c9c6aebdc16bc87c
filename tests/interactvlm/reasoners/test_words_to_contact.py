"""Answers become probabilities on vertices, and what they left open becomes notes."""

import numpy as np
import pytest
import torch
from PIL import Image

from human_recovery.part_regions import region_mask
from human_recovery.topology import get_topology
from interactvlm.errors import InputError, ResourceError
from interactvlm.reasoners.interface import LONGEST_ANSWER, Reasoner, ReasonerAnswer, cleaned
from interactvlm.reasoners.question import LONGEST_SIDE_PX, contact_question, shown_photo
from interactvlm.reasoners.words_model import WordsModel
from interactvlm.results import load_contact_npz, save_contact_npz

PHOTO = Image.fromarray(np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3))


class Scripted:
    """A reasoner that says what it was given, in turn."""

    weights_sha256 = ""
    name = "scripted"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def ask(self, image, question, samples):
        self.asked.append((image, question, samples))
        told = [self.answers.pop(0) for _ in range(samples)]
        return [a if isinstance(a, ReasonerAnswer) else ReasonerAnswer(a) for a in told]


def ask(*answers, label="chair"):
    model = WordsModel(Scripted(*answers), samples=len(answers))
    return model.predict_contact(PHOTO, [label])[0]


@pytest.fixture(scope="module")
def anny():
    return get_topology("anny")


def test_one_answer_fills_its_parts_and_nothing_else(anny):
    contact = ask('{"touching": ["buttocks", "left palm"]}')
    expected = anny.part_mask("buttocks") | region_mask(anny, "hand", "palm", "left")
    assert torch.equal(contact.vertex_probability, expected.float())
    assert contact.parts() == ["buttocks", "left hand"] and contact.finished
    assert contact.answer == '{"touching": ["buttocks", "left palm"]}' and contact.notes == ()
    assert contact.topology == "anny" and bool(contact.seen.all())


def test_samples_become_the_share_that_names_a_vertex(anny):
    contact = ask("left hand", "left hand and buttocks", "The left hand.", "buttocks", "left palm")
    palm = region_mask(anny, "hand", "palm", "left")
    rest = anny.part_mask("left hand") & ~palm
    probability = contact.vertex_probability
    torch.testing.assert_close(probability[palm], torch.full((int(palm.sum()),), 4 / 5))
    torch.testing.assert_close(probability[rest], torch.full((int(rest.sum()),), 3 / 5))
    assert contact.parts() == ["left hand"]
    assert contact.answer.splitlines()[1] == "(2) left hand and buttocks"


def test_an_open_side_carries_half_on_both_and_is_told():
    contact = ask("One hand holds the chair.")
    assert contact.parts() == ["left hand", "right hand"]
    assert set(contact.vertex_probability.unique().tolist()) == {0.0, 0.5}
    assert contact.notes == (
        "1 of 1 answers about 'chair' did not say which hand; left and right carry half the weight "
        "each",
    )


def test_no_contact_is_an_empty_map_that_is_sure_of_itself():
    contact = ask("Nothing touches the chair.")
    assert not contact.in_contact and contact.finished and contact.notes == ()


def test_unusable_answers_are_left_out_and_told(anny):
    contact = ask("left hand", "", "I'm sorry, I can't help with that.", "left hand")
    assert float(contact.vertex_probability.max()) == 1.0 and contact.finished
    assert "2 of 4 answers about 'chair' said nothing" in contact.notes[0]
    assert "1 of them a refusal" in contact.notes[0] and "first was empty" in contact.notes[0]


def test_one_label_without_answer_does_not_lose_the_others():
    model = WordsModel(Scripted("left hand", "What a nice day."))
    known, unknown = model.predict_contact(PHOTO, ["cup", "kite"])
    assert known.finished and known.in_contact
    assert not unknown.finished and not unknown.in_contact
    assert "does not mean no contact" in unknown.notes[0]


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "\x00\ud800", "hm"])
def test_no_usable_answer_at_all_is_an_error(text):
    with pytest.raises(ResourceError, match="no usable answer.*--samples or another model"):
        ask(text)


def test_a_cut_answer_counts_but_is_not_finished():
    contact = ask(ReasonerAnswer('{"touching": ["left hand", "ri', finished=False))
    assert contact.parts() == ["left hand"] and not contact.finished
    assert "cut at the longest" in contact.notes[0]


def test_the_maps_go_through_the_same_file(tmp_path):
    model = WordsModel(Scripted("left hand", "No contact."))
    maps = model.predict_contact(PHOTO, ["cup", "ball"])
    save_contact_npz(tmp_path / "contact.npz", maps)
    again = load_contact_npz(tmp_path / "contact.npz")
    assert [m.label for m in again] == ["cup", "ball"]
    assert torch.equal(again[0].vertex_probability, maps[0].vertex_probability)


def test_the_question_and_the_photo(anny):
    scripted = Scripted("left hand", "left hand")
    model = WordsModel(scripted)
    model.predict_contact(PHOTO, ["Tennis_Racket"], box_xyxy_px=(10, 10, 30, 50))
    image, question, _ = scripted.asked[0]
    assert image.width == image.height == 60  # 40 px and a quarter on each side
    assert "touch the tennis racket?" in question and '{"touching": []}' in question
    model.predict_contact(PHOTO)
    assert "touch any object?" in scripted.asked[1][1] and scripted.asked[1][0].size == (80, 60)
    assert "{" not in contact_question("{odd}").replace('{"touching"', "").replace("{odd}", "")


def test_photos_are_bounded_and_labels_too():
    assert shown_photo(Image.new("RGB", (4000, 3000))).size == (LONGEST_SIDE_PX, 960)
    assert shown_photo(Image.new("L", (20, 10))).mode == "RGB"
    with pytest.raises(InputError, match="smallest usable side"):
        shown_photo(Image.new("RGB", (3, 300)))
    with pytest.raises(InputError, match="at most 80"):
        WordsModel(Scripted()).known_label("x" * 81)


def test_answers_are_made_safe_for_files():
    assert cleaned("a\x00b\ud800c\n\td ") == "abc\n\td"
    assert len(cleaned("x" * 99_999)) == LONGEST_ANSWER
    assert isinstance(Scripted(), Reasoner)
