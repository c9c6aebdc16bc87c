"""Part names in texts and in contact maps."""

import pytest
import torch

from human_recovery.parts import PART_NAMES, mirror_part, parse_parts, part_shares, parts_in_contact
from human_recovery.topology import BodyTopology
from renders.errors import InputError

HANDS = ["left hand", "right hand"]
FEET = ["left foot", "right foot"]
LEGS = ["left leg", "right leg"]
THIGHS = ["left thigh", "right thigh"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left hand", ["left hand"]),
        ("LEFT HAND", ["left hand"]),
        ("right_forearm", ["right forearm"]),
        ("left-hand", ["left hand"]),
        ("hand (left)", ["left hand"]),
        ("hands", HANDS),
        ("hand", HANDS),
        ("both hands", HANDS),
        ("two hands", HANDS),
        ("left and right hand", HANDS),
        ("the palm of the right hand", ["right hand"]),
        ("left fingers", ["left hand"]),
        ("fingers", HANDS),
        ("left hand and foot", ["left hand", "left foot"]),
        ("left hand and feet", ["left hand", *FEET]),
        ("both feet and left hand", ["left hand", *FEET]),
        ("his left hand and his right foot", ["left hand", "right foot"]),
        ("left elbow and right knee", ["left forearm", "right leg"]),
        ("sole of the left foot", ["left foot"]),
        ("the bottom of the right foot", ["right foot"]),
        ("back of the head", ["head"]),
        ("the back of the thighs", THIGHS),
        ("back", ["torso"]),
        ("lower back and buttocks", ["torso", "buttocks"]),
        ("sits on his bottom", ["buttocks"]),
        ("knees", LEGS),
        ("shins and calves", LEGS),
        ("lap", THIGHS),
        ("arms and legs", ["left arm", "right arm", *LEGS]),
        ("upper arm", ["left arm", "right arm"]),
        ("right inner thigh", ["right thigh"]),
        ("shoulders and neck", ["head", "torso"]),
        ("face, chest", ["head", "torso"]),
        ("left thigh, right thigh, buttocks and torso", ["torso", "buttocks", *THIGHS]),
        ("hand of the man", HANDS),
        ("the person's left leg", ["left leg"]),
        ("right on the head", ["head"]),
        ("not the feet, only the hands", HANDS),
        ("not only the hands but also the feet", [*HANDS, *FEET]),
        ("with the hands and without the feet", HANDS),
        ("no hands", []),
        ("leg of the table", []),
        ("chair leg", []),
        ("at the back of the bus", []),
        ("the bottom of the bowl", []),
        ("behind the chair", []),
        ("handbag", []),
        ("On the other hand, the head", ["head"]),
        ("the parts of the body are the left hand", ["left hand"]),
        ("", []),
        ("   ", []),
        ("右手", []),
        ("(((", []),
        ("left", []),
    ],
)
def test_parse_parts(text, expected):
    assert parse_parts(text) == expected


@pytest.mark.parametrize("name", PART_NAMES)
def test_every_part_name_parses_to_itself(name):
    assert parse_parts(name) == [name]
    assert mirror_part(mirror_part(name)) == name
    assert parse_parts(mirror_part(name)) == [mirror_part(name)]


def test_all_names_in_one_list_are_all_found():
    assert parse_parts(", ".join(PART_NAMES)) == list(PART_NAMES)
    assert parse_parts(" and ".join(reversed(PART_NAMES))) == list(PART_NAMES)


def test_a_long_text_is_read_quickly():
    assert parse_parts("the left hand of nobody and " * 5000 + "right foot") == ["right foot"]


def test_mirror_part():
    assert mirror_part("left hand") == "right hand"
    assert mirror_part("head") == "head"
    with pytest.raises(InputError, match="did you mean"):
        mirror_part("left palm")


def _tiny_topology() -> BodyTopology:
    """Twenty vertices of the head, ten of the left hand."""
    part = torch.tensor([PART_NAMES.index("head")] * 20 + [PART_NAMES.index("left hand")] * 10)
    return BodyTopology(
        "anny", torch.zeros(0, 3, dtype=torch.long), torch.zeros(30, 3), part, torch.arange(30)
    )


def test_a_part_is_named_from_ten_per_cent():
    topology = _tiny_topology()
    contact = torch.zeros(30, dtype=torch.bool)
    assert parts_in_contact(contact, topology) == []
    contact[0] = True
    assert parts_in_contact(contact, topology) == []
    contact[1] = True
    assert parts_in_contact(contact, topology) == ["head"]
    contact[25] = True
    assert parts_in_contact(contact, topology) == ["head", "left hand"]
    assert parts_in_contact(contact, topology, minimum_share=0.5) == []
    assert parts_in_contact(~contact & False, topology, minimum_share=0.0) == []
    assert part_shares(contact, topology)[PART_NAMES.index("head")] == pytest.approx(0.1)


def test_whole_body_contact_names_every_part(topology):
    everything = torch.ones(topology.num_vertices, dtype=torch.bool)
    assert parts_in_contact(everything, topology) == list(PART_NAMES)
    only = topology.part_mask("left thigh")
    assert parts_in_contact(only, topology) == ["left thigh"]


def test_contact_of_another_topology_is_refused():
    with pytest.raises(InputError, match="30 values, got 29"):
        parts_in_contact(torch.zeros(29, dtype=torch.bool), _tiny_topology())


def test_scores_in_place_of_a_mask_are_caught_by_the_type_checker():
    with pytest.raises(Exception, match="contact"):
        parts_in_contact(torch.zeros(30), _tiny_topology())
