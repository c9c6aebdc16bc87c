"""Regions finer than the parts: inside their part, on the right side, where they should lie."""

import pytest
import torch

from human_recovery.part_regions import _RULES, is_paired, is_region, region_mask
from human_recovery.part_words import SIDED_PARTS
from human_recovery.parts import PART_NAMES
from human_recovery.topology import BodyTopology, get_topology
from renders.errors import InputError

REGIONS = [(part, names[0]) for part, regions in _RULES.items() for names in regions]


@pytest.fixture(scope="module")
def anny():
    return get_topology("anny")


def centre(topology, mask):
    return topology.canonical_vertices[mask].float().mean(0)


@pytest.mark.parametrize(("part", "words"), REGIONS)
def test_every_region_is_a_true_piece_of_its_part_and_mirrors(anny, part, words):
    side = "left" if part in SIDED_PARTS else None
    whole, piece = region_mask(anny, part, side=side), region_mask(anny, part, words, side)
    assert not bool((piece & ~whole).any())
    # A part is named in a report from a tenth of its vertices on.
    assert 0.04 <= float(piece.sum() / whole.sum()) <= 0.85, float(piece.sum() / whole.sum())
    if side:
        other = region_mask(anny, part, words, "right")
        differing = (other != piece[anny.symmetric_partner]).sum()
        assert int(differing) <= 0.05 * int(piece.sum()) + 2
    assert is_region(part, words)


def test_regions_lie_where_they_should(anny):
    def at(part, words="", side=None):
        return centre(anny, region_mask(anny, part, words, side))

    hand = at("hand", side="left")
    assert at("hand", "fingertips", "left")[0] > hand[0] > at("hand", "wrist", "left")[0]
    assert at("hand", "palm", "left")[1] < hand[1]
    assert at("hand", "thumb", "left")[2] > hand[2]
    assert at("forearm", "elbow", "right")[0] > at("forearm", side="right")[0]
    foot = at("foot", side="left")
    assert at("foot", "toes", "left")[2] > foot[2] > at("foot", "heel", "left")[2]
    assert at("foot", "sole", "left")[1] < foot[1] < at("foot", "ankle", "left")[1]
    assert at("thigh", "lap", "left")[2] > at("thigh", "hamstrings", "left")[2]
    assert at("leg", "knee", "left")[1] > at("leg", side="left")[1]
    assert at("leg", "shin", "left")[2] > at("leg", "calf", "left")[2]
    assert at("torso", "chest")[2] > at("torso", "back")[2]
    assert at("torso", "upper back")[1] > at("torso", "lower back")[1]
    assert at("torso", "shoulders")[1] > at("torso", "hips")[1]
    assert at("head", "face")[2] > at("head", "hair")[2]
    assert at("head", "neck")[1] < at("head", "ears")[1]


def test_a_side_of_the_trunk_is_its_half(anny):
    left = region_mask(anny, "torso", "shoulder", "left")
    assert bool((anny.canonical_vertices[left, 0] > 0).all()) and bool(left.any())
    right = region_mask(anny, "buttocks", "buttock", "right")
    assert bool((anny.canonical_vertices[right, 0] <= 0).all()) and bool(right.any())


def test_unknown_words_mean_the_whole_part(anny):
    assert torch.equal(region_mask(anny, "hand", "hand", "left"), anny.part_mask("left hand"))
    assert torch.equal(region_mask(anny, "head", "moustache"), anny.part_mask("head"))
    assert not is_region("hand", "hand") and not is_region("foot", "palm")


def test_a_limb_without_its_side_and_an_unknown_part_are_refused(anny):
    with pytest.raises(InputError, match="exists twice"):
        region_mask(anny, "hand", "palm")
    with pytest.raises(InputError, match="not one of the 15 parts"):
        region_mask(anny, "tail")


def test_a_body_too_coarse_for_a_region_still_has_the_part():
    part = torch.tensor([PART_NAMES.index("head")] * 3)
    vertices = torch.zeros(3, 3)
    topology = BodyTopology("anny", torch.tensor([[0, 1, 2]]), vertices, part, torch.arange(3))
    assert region_mask(topology, "head", "ears").tolist() == [True] * 3
    assert region_mask(topology, "torso", "back").tolist() == [False] * 3


def test_pairs():
    assert is_paired("hand", "hand") and is_paired("torso", "shoulder")
    assert not is_paired("torso", "back") and not is_paired("head", "head")
