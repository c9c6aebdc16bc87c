"""Answers as models give them, and what they say: sides, negations, layouts, nothing at all."""

import json
import time

import pytest

from human_recovery.part_words import find_mentions
from interactvlm.reasoners.interface import LONGEST_ANSWER
from interactvlm.reasoners.reading import read_answer

BOTH_HANDS = {"left hand": 1.0, "right hand": 1.0}


def weights(text, label="chair"):
    """Weight by side, region and part as one name: {"left hand": 1.0, "lower back": 1.0}."""
    reading = read_answer(text, label)
    return {
        f"{region.side or ''} {region.words or region.part}".strip(): region.weight
        for region in reading.regions
    }


SEATED = {"buttocks": 1.0, "left thigh": 1.0, "right thigh": 1.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The buttocks and thighs rest on the chair.", SEATED),
        ("Both hands.", BOTH_HANDS),
        ("hands", BOTH_HANDS),
        ("left and right hand", BOTH_HANDS),
        ("The left hand touches it.", {"left hand": 1.0}),
        ("The palm of the right hand presses it.", {"right palm": 1.0}),
        ("The left hand's palm and the fingers on the right hand touch the chair.",
         {"left palm": 1.0, "right fingers": 1.0}),
        ("His fingertips of the left hand touch the chair.", {"left fingertips": 1.0}),
        ("palms of both hands", {"left palms": 1.0, "right palms": 1.0}),
        ("The lower back leans against the chair.", {"lower back": 1.0}),
        ("It lies on her lap.", {"left lap": 1.0, "right lap": 1.0}),
        ("the left shoulder and the neck", {"left shoulder": 1.0, "neck": 1.0}),
        ("The soles of the feet press against it.", {"left soles": 1.0, "right soles": 1.0}),
        ("Possibly the left hand might touch it.", {"left hand": 0.5}),
        ("The left hand.\n\nThe other hand grips it too.", BOTH_HANDS),
        ("One hand touches the chair: the left hand.", {"left hand": 1.0}),
        ("One hand touches it; the right hand does not.", {"left hand": 1.0}),
    ],
)  # fmt: skip
def test_parts_sides_and_regions(text, expected):
    assert weights(text) == expected


@pytest.mark.parametrize(
    "text", ["One hand.", "a hand", "left or right hand", "one of the hands", "Either hand."]
)
def test_a_side_left_open_is_half_on_both_and_told(text):
    reading = read_answer(text)
    assert {(r.side, r.weight) for r in reading.regions} == {("left", 0.5), ("right", 0.5)}
    assert reading.open_sides == ("hand",) or reading.open_sides == ("hands",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The left hand does not touch the chair.", {}),
        ("The left hand rests on it but the right hand does not.", {"left hand": 1.0}),
        ("The left hand touches the chair, the right hand does not.", {"left hand": 1.0}),
        ("The left hand contacts the chair and the right hand does not.", {"left hand": 1.0}),
        ("The hands, feet and head do not touch the chair.", {}),
        ("The hands touch it, not the feet.", BOTH_HANDS),
        ("The hands touch it, the feet are not in contact with the chair.", BOTH_HANDS),
        ("There is no contact with the hands or the feet.", {}),
        ("There is no contact between the hands and the chair.", {}),
        ("Neither hand touches it; the buttocks do.", {"buttocks": 1.0}),
        ("The hands do not touch, nor the feet.", {}),
        ("Not only the left hand but also the right hand.", BOTH_HANDS),
        ("The left hand, not the right, touches it.", {"left hand": 1.0}),
        ("The left hand isn't touching the chair. The right one is hidden.", {}),
        ("The buttocks rest on it, with the feet dangling in the air.", {"buttocks": 1.0}),
        ("The buttocks are on the chair and the feet are on the floor.", {"buttocks": 1.0}),
        ("The buttocks are on the chair and the feet on the floor.", {"buttocks": 1.0}),
        ("The buttocks touch the chair. No other parts touch it.", {"buttocks": 1.0}),
        ("The right hand rests on the chair's arm.", {"right hand": 1.0}),
        ("I cannot see the feet, but the left hand touches it.", {"left hand": 1.0}),
        ("The left hand touches it. Actually the left hand does not touch it.", {}),
        ("The left hand is near the chair but not touching it.", {}),
        ("The hands are close to but not in contact with the chair.", {}),
        ("His legs are crossed and do not touch the chair, but the buttocks do.",
         {"buttocks": 1.0}),
        ("The buttocks rest on the seat. His hands are resting on his knees.", {"buttocks": 1.0}),
        ("The left hand holds it, while the right hand is in his pocket.", {"left hand": 1.0}),
        ("The left palm touches it but the left fingertips do not.", {"left palm": 1.0}),
        ("The chest touches it, the back does not.", {"chest": 1.0}),
        ("The left hand rests on the arm rest and the torso against its back.",
         {"left hand": 1.0, "torso": 1.0}),
        ("The left hand touches it. The right hand is not visible, the feet are out of frame.",
         {"left hand": 1.0}),
        ("No body parts except the left hand touch the chair.", {"left hand": 1.0}),
        ("The torso touches it without the arms.", {"torso": 1.0}),
        ("The person isn't holding it with the left hand but with the right hand.",
         {"right hand": 1.0}),
        ("Only the left hand touches the chair rather than the right hand.", {"left hand": 1.0}),
    ],
)  # fmt: skip
def test_negations(text, expected):
    assert weights(text) == expected
    assert read_answer(text, "chair").outcome == ("contact" if expected else "no contact")


LIST = """Here are the body parts in contact with the chair:

1. **Buttocks** – resting on the seat
2. **Left hand**: gripping the armrest
3. Right hand: no
4) Lower back - leaning

Not touching:
- head
- both feet
"""
TABLE = """| Body part | Touching? | Remark |
|---|:---:|---|
| Left hand | Yes | on the armrest |
| Right hand | No | in the pocket |
| Buttocks | ✓ | |
| Head | - | |
"""
SIDED_TABLE = """Part | Left | Right
| Part | Left | Right |
|------|------|-------|
| Hand | yes | no |
| Thigh | yes | yes |
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LIST, {"buttocks": 1.0, "left hand": 1.0, "lower back": 1.0}),
        (TABLE, {"left hand": 1.0, "buttocks": 1.0}),
        (SIDED_TABLE, {"left hand": 1.0, "left thigh": 1.0, "right thigh": 1.0}),
        ("part\tcontact\nleft foot\tyes\nright foot\tno", {"left foot": 1.0}),
        ("| part | how |\n|---|---|\n| head | does not touch |\n| torso | leans |", {"torso": 1.0}),
        ("- Feet (not touching)\n- Hand (left)", {"left hand": 1.0}),
        ("Left: hand, forearm\nRight: foot", {"left hand": 1, "left forearm": 1, "right foot": 1}),
        ("Not touching: feet, head\nTouching: left hand", {"left hand": 1.0}),
        ("left hand (0.9), right hand (0.2), head (0)", {"left hand": 0.9, "right hand": 0.2}),
        ("Left hand - 90%\nRight hand: 0 %", {"left hand": 0.9}),
        ("1. left hand 2. right hand", BOTH_HANDS),
        ("**Touching:**\n- Hands\n\n**NOT touching:**\n- Feet", BOTH_HANDS),
    ],
)
def test_lists_and_tables(text, expected):
    assert weights(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"touching": ["left hand", "right palm"]}, {"left hand": 1.0, "right palm": 1.0}),
        ({"touching": ["hands"], "not_touching": ["feet", "head"]}, BOTH_HANDS),
        ({"left_hand": True, "right_hand": False, "head": "no"}, {"left hand": 1.0}),
        ({"leftHand": "yes"}, {"left hand": 1.0}),
        ({"hands": {"left": True, "right": False}}, {"left hands": 1.0}),
        ({"left": ["hand", "thigh"], "right": ["foot"]},
         {"left hand": 1.0, "left thigh": 1.0, "right foot": 1.0}),
        ({"hand": "left"}, {"left hand": 1.0}),
        ({"chair": {"buttocks": True, "head": False}}, {"buttocks": 1.0}),
        ({"left hand": 0.8, "right hand": 0, "torso": 60}, {"left hand": 0.8, "torso": 0.6}),
        ([{"part": "hand", "side": "left", "contact": True, "confidence": 0.7},
          {"part": "head", "contact": False, "confidence": 0.9}], {"left hand": 0.7}),
        ({"left_hand": {"touching": False, "confidence": 0.9}, "torso": {"contact": True}},
         {"torso": 1.0}),
        ({"contact": "The left hand touches it, the right hand does not."}, {"left hand": 1.0}),
        ({"parts": ["left hand (gripping)"], "explanation": "the feet touch the floor"},
         {"left hand": 1.0}),
        ({"left hand": "grips the armrest", "head": "does not touch"}, {"left hand": 1.0}),
        ({"part": "torso", "visible": True, "occluded": False}, {"torso": 1.0}),
    ],
)  # fmt: skip
def test_json(value, expected):
    for text in (json.dumps(value), f"Sure!\n```json\n{json.dumps(value, indent=1)}\n```\nDone."):
        found = {name.replace("hands", "hand"): weight for name, weight in weights(text).items()}
        assert found == {name.replace("hands", "hand"): w for name, w in expected.items()}


@pytest.mark.parametrize(
    "text",
    [
        '{"touching": []}', '{"contact": false}', '{"contact": "none"}', '{"touching": null}',
        '{"chair": []}', '{"left hand": false}', "No.", "None", "No contact.",
        "Nothing touches it.",
        "No part of the body touches the chair.", "The person does not touch the chair.",
        "There isn't any contact with the chair.", "The person is standing next to it, untouched.",
        "| hands | no |\n| feet | no |",
    ],
)  # fmt: skip
def test_no_contact_is_an_answer(text):
    assert read_answer(text, "chair").outcome == "no contact"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("", "unusable"),
        ("   \n", "unusable"),
        ("A person in a park on a sunny day.", "unusable"),
        ("{", "unusable"),
        ("[" * 5000, "unusable"),
        ('{"answer": 42}', "unusable"),
        ("[1, 2]", "unusable"),
        ("右手", "unusable"),
        ("Nothing else to say.", "unusable"),
        ("Everything except the head touches the bed.", "unusable"),
        ("It is not possible to tell which body parts touch the chair.", "unusable"),
        ("He is riding it.", "unusable"),
        ("The left hand is hidden behind the chair.", "unusable"),
        ('{"left hand": "unclear", "head": "not visible"}', "unusable"),
        ("| part | contact |\n|---|---|\n| left hand | unclear |", "unusable"),
        ("I'm sorry, but I can't help with identifying people.", "refused"),
        ("I am unable to determine whether the person is touching the chair.", "refused"),
        ("As an AI, I cannot see photos.", "refused"),
    ],
)
def test_what_says_nothing_is_not_no_contact(text, outcome):
    assert read_answer(text, "chair").outcome == outcome


def test_thinking_aloud_does_not_count():
    text = "<think>Maybe the feet touch it? The head too.</think>The left hand touches it."
    assert weights(text) == {"left hand": 1.0}
    assert read_answer("<think>the feet, no, wait").outcome == "unusable"


@pytest.mark.parametrize(
    "text",
    ["{'left hand': True, 'head': False}", '{"touching": ["left hand",],}',
     "{'touching': ['left hand'], 'not_touching': ['head'],}"],
)  # fmt: skip
def test_json_in_pythons_spelling_is_read(text):
    assert weights(text) == {"left hand": 1.0}


def test_a_cut_json_is_read_as_far_as_it_goes():
    assert weights('{"touching": ["left hand", "torso", "ri') == {"left hand": 1.0, "torso": 1.0}


@pytest.mark.parametrize(
    ("label", "text", "expected"),
    [
        ("hand mixer", "The right hand holds the hand mixer.", {"right hand": 1.0}),
        ("arm_chair", "The buttocks rest on the arm chair.", {"buttocks": 1.0}),
        ("floor", "Both feet are on the floor.", {"left foot": 1.0, "right foot": 1.0}),
        ("bed", "The right arm rests on the bed's foot.", {"right arm": 1.0}),
        ("", "The left hand touches a cup.", {"left hand": 1.0}),
        ("c++ [book]", "The left hand holds the c++ [book].", {"left hand": 1.0}),
    ],
)
def test_words_of_the_label_are_no_body_parts(label, text, expected):
    assert weights(text, label) == expected


@pytest.mark.parametrize(
    "piece", ["the left hand touches it and ", "| a | b |\n", "not ", "no x ", '{"a":', "[{", "1 "]
)
def test_a_long_answer_is_read_quickly(piece):
    began = time.perf_counter()
    read_answer(piece * (LONGEST_ANSWER // len(piece)), "chair")
    assert time.perf_counter() - began < 5.0


def test_mentions_tell_open_sides_from_plurals():
    found = find_mentions("one hand and both feet")
    assert [(m.part, sorted(m.sides)) for m in found] == [("hand", []), ("foot", ["left", "right"])]
