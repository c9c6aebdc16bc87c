"""Anny's topologies: canonical pose, parts, partners, cache."""

import pytest
import torch

from human_recovery.parts import PART_NAMES, body_render_colors_part, mirror_part
from human_recovery.symmetry import mirror_partners
from human_recovery.topology import BodyTopology, get_topology
from renders.errors import InputError


def test_partner_is_an_involution_that_mirrors_the_geometry(topology):
    partner = topology.symmetric_partner
    assert torch.equal(partner[partner], torch.arange(topology.num_vertices))
    mirrored = topology.canonical_vertices * torch.tensor([-1.0, 1.0, 1.0])
    gap = (mirrored - topology.canonical_vertices[partner]).norm(dim=1)
    assert gap.max() < 1e-3


def test_partner_maps_edges_onto_edges(topology):
    """A partner table that mixes up neighbours would tear mirrored contact apart."""
    from human_recovery.geodesic import surface_edges

    edges = {tuple(edge) for edge in surface_edges(topology.faces).tolist()}
    mirrored = topology.symmetric_partner[surface_edges(topology.faces)].sort(dim=1).values
    kept = sum(tuple(edge) in edges for edge in mirrored.tolist())
    assert kept / len(edges) > 0.99


def test_every_vertex_has_a_part_and_every_part_has_vertices(topology):
    assert topology.part_of_vertex.shape == (topology.num_vertices,)
    counts = torch.bincount(topology.part_of_vertex, minlength=len(PART_NAMES))
    assert len(counts) == 15 and (counts > 10).all()


@pytest.mark.parametrize("name", PART_NAMES)
def test_parts_mirror_exactly(topology, name):
    mask = topology.part_mask(name)
    assert torch.equal(mask[topology.symmetric_partner], topology.part_mask(mirror_part(name)))


def test_canonical_pose_is_vitruvian(topology):
    centre = {
        name: topology.canonical_vertices[topology.part_mask(name)].mean(0) for name in PART_NAMES
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm, forearm, hand = (centre[f"{side} {part}"] for part in ("arm", "forearm", "hand"))
        assert sign * arm[0] < sign * forearm[0] < sign * hand[0]
        along = forearm - arm
        assert abs(along[1]) < 0.1 * abs(along[0]) and abs(along[2]) < 0.15 * abs(along[0])
        down = centre[f"{side} leg"] - centre[f"{side} thigh"]
        angle = torch.rad2deg(torch.atan2(sign * down[0], -down[1]))
        assert 24 < angle < 36
        assert centre[f"{side} foot"][2] > centre[f"{side} leg"][2]
    assert centre["head"][1] > centre["torso"][1] > centre["buttocks"][1] > centre["left leg"][1]
    assert centre["buttocks"][2] < centre["torso"][2] - 0.05


def test_canonical_body_fits_the_published_views(topology):
    low, high = topology.canonical_vertices.aminmax(dim=0)
    assert (low > torch.tensor([-1.0, -1.3, -0.5])).all()
    assert (high < torch.tensor([1.0, 0.7, 0.5])).all()


def test_topology_survives_the_cache(topology, tmp_path):
    from human_recovery.topology import _load, _save

    _save(topology, tmp_path / "entry.npz")
    again = _load(tmp_path / "entry.npz")
    assert again.name == topology.name
    for field in ("faces", "canonical_vertices", "part_of_vertex", "symmetric_partner"):
        assert torch.equal(getattr(again, field), getattr(topology, field))
    assert get_topology(topology.name) is get_topology(topology.name)


def test_body_and_topology_share_faces(full_body, fast_body):
    for body in (full_body, fast_body):
        assert torch.equal(body.faces, body.topology.faces)
        assert body.topology.name == body.topology_name


def test_mirrored_exchanges_left_and_right(topology):
    left = topology.part_mask("left hand").float()
    assert torch.equal(topology.mirrored(left) > 0, topology.part_mask("right hand"))


def test_unknown_names_are_refused(topology):
    with pytest.raises(InputError, match=r"smpl-z.*allowed"):
        get_topology("smpl-z")
    with pytest.raises(InputError, match="left hand"):
        topology.part_mask("left palm")


def test_wrong_dtype_is_caught_by_the_type_checker(topology):
    with pytest.raises(Exception, match="part_of_vertex"):
        BodyTopology(
            "anny",
            topology.faces,
            topology.canonical_vertices,
            topology.part_of_vertex.float(),  # pyright: ignore[reportArgumentType]
            topology.symmetric_partner,
        )


def test_colours_are_one_per_part_in_range(topology):
    colours = body_render_colors_part(topology)
    assert colours.shape == (topology.num_vertices, 3)
    assert colours.min() >= 0 and colours.max() <= 1
    assert len(torch.unique(colours, dim=0)) == len(PART_NAMES)


@pytest.mark.parametrize(
    "vertices",
    [
        torch.zeros(0, 3),
        torch.tensor([[0.3, 0.0, 0.0]]),
        torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]),
        torch.rand(30, 3, generator=torch.Generator().manual_seed(1)),
    ],
    ids=["none", "one", "duplicates", "asymmetric"],
)
def test_partners_of_odd_meshes_are_still_an_involution(vertices):
    partner = mirror_partners(vertices)
    assert torch.equal(partner[partner], torch.arange(len(vertices)))


def test_partners_of_a_nearly_symmetric_mesh_are_found():
    generator = torch.Generator().manual_seed(0)
    half = torch.rand(200, 3, generator=generator) + torch.tensor([0.1, 0.0, 0.0])
    both = torch.cat([half, half * torch.tensor([-1.0, 1.0, 1.0])])
    both = both + 1e-4 * torch.randn(both.shape, generator=generator)
    expected = torch.cat([torch.arange(200, 400), torch.arange(200)])
    assert torch.equal(mirror_partners(both), expected)
