"""Regions finer than the 15 parts, by the words that name them: palm, fingertips, sole, lap.

Places are told from the canonical pose alone (arms level, palms down, feet forward), as fractions
of a part's extent and directions of the surface, so they hold for every topology in that pose.
Knows surfaces and words; no contact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from human_recovery.part_words import SIDED_PARTS
from human_recovery.parts import part_index
from human_recovery.topology import BodyTopology
from renders.errors import InputError
from renders.mesh import vertex_normals

Side = Literal["left", "right"]

_NEARER_THE_TRUNK = {
    "hand": "forearm", "forearm": "arm", "leg": "thigh", "foot": "leg", "thigh": "buttocks",
    "arm": "torso",
}  # fmt: skip
"""The part from which each limb's axis comes."""


@dataclass(frozen=True)
class _Place:
    """Where the vertices of one part are; fractions run over the part's own extent."""

    along: Float[Tensor, "verts"]
    """0 where the limb begins, 1 at its far end; for head and trunk the height."""
    height: Float[Tensor, "verts"]
    """0 lowest, 1 highest."""
    depth: Float[Tensor, "verts"]
    """0 rearmost, 1 foremost."""
    lateral: Float[Tensor, "verts"]
    """0 on the middle plane of the body, 1 farthest from it."""
    faces_front: Float[Tensor, "verts"]
    """Cosine between the surface's normal and straight ahead."""
    faces_down: Float[Tensor, "verts"]
    """Cosine between the surface's normal and straight down."""
    faces_along: Float[Tensor, "verts"]
    """Cosine between the surface's normal and the limb's axis."""


_Rule = Callable[[_Place], Tensor]

_RULES: dict[str, dict[tuple[str, ...], _Rule]] = {
    "hand": {
        ("palm", "palms"): lambda p: (p.along < 0.65) & (p.faces_down > 0.3),
        ("fingertip", "fingertips"): lambda p: p.along > 0.8,
        ("finger", "fingers", "index finger", "index fingers", "little finger", "pinky"): (
            lambda p: p.along > 0.5
        ),
        ("thumb", "thumbs"): lambda p: (p.depth > 0.75) & (p.along > 0.2),
        ("wrist", "wrists"): lambda p: p.along < 0.25,
    },
    "forearm": {("elbow", "elbows"): lambda p: p.along < 0.3},
    "foot": {
        ("sole", "soles"): lambda p: p.faces_along > 0.5,
        ("heel", "heels"): lambda p: p.depth < 0.3,
        ("toe", "toes", "big toe", "big toes"): lambda p: p.depth > 0.75,
        ("ankle", "ankles"): lambda p: p.height > 0.6,
    },
    "thigh": {
        ("lap",): lambda p: p.faces_front > 0.3,
        ("hamstring", "hamstrings"): lambda p: p.faces_front < -0.2,
    },
    "leg": {
        ("knee", "knees", "kneecap", "kneecaps"): lambda p: p.along < 0.3,
        ("shin", "shins"): lambda p: p.faces_front > 0.2,
        ("calf", "calves"): lambda p: p.faces_front < -0.2,
    },
    "torso": {
        ("back", "backs", "spine"): lambda p: p.faces_front < -0.2,
        ("upper back", "shoulder blade", "shoulder blades"): (
            lambda p: (p.faces_front < -0.2) & (p.height > 0.55)
        ),
        ("lower back",): lambda p: (p.faces_front < -0.2) & (p.height <= 0.55),
        ("chest", "chests", "breast", "breasts"): (
            lambda p: (p.faces_front > 0.2) & (p.height > 0.55)
        ),
        ("belly", "stomach", "abdomen", "tummy"): (
            lambda p: (p.faces_front > 0.2) & (p.height <= 0.6) & (p.height > 0.2)
        ),
        ("shoulder", "shoulders"): lambda p: (p.height > 0.75) & (p.lateral > 0.5),
        ("hip", "hips"): lambda p: (p.height < 0.4) & (p.lateral > 0.6),
    },
    "head": {
        ("neck", "throat", "nape"): lambda p: p.height < 0.25,
        ("face", "faces"): lambda p: (p.faces_front > 0.2) & (p.height > 0.25) & (p.depth > 0.4),
        ("ear", "ears"): lambda p: (p.lateral > 0.75) & (p.height > 0.3),
        ("hair", "scalp", "skull"): lambda p: (p.height > 0.5) & (p.faces_front < 0.2),
    },
}
"""Words of each region and the vertices they mean. A word that is not here means the whole part.

The bounds are ours, chosen by eye on the canonical bodies; no dataset defines such regions.
"""
_RULE_OF_WORDS = {
    (part, words): rule
    for part, regions in _RULES.items()
    for names, rule in regions.items()
    for words in names
}
_PAIRED = {
    *("shoulder", "shoulders", "shoulder blade", "shoulder blades", "hip", "hips", "breast"),
    *("ear", "ears", "cheek", "cheeks", "eye", "eyes", "buttock", "butt cheek"),
}
"""Words of unsided parts that exist left and right all the same."""


def is_region(part: str, words: str) -> bool:
    """Whether `words` name less than the whole of `part`."""
    return (part, words) in _RULE_OF_WORDS


def is_paired(part: str, words: str) -> bool:
    """Whether what `words` name exists left and right."""
    return part in SIDED_PARTS or words in _PAIRED


def region_mask(
    topology: BodyTopology, part: str, words: str = "", side: Side | None = None
) -> Bool[Tensor, "verts"]:
    """Vertices that `words` mean; the whole part when they name no finer region.

    `part` carries no side ("hand"). Of head, torso and buttocks a side is the half on that side.

    Raises:
        InputError: no such part, or a limb without its side.
    """
    if part in SIDED_PARTS and side is None:
        raise InputError(f"body part {part!r} exists twice; its side must be left or right")
    if part not in SIDED_PARTS:
        part_index(part)
    mask = topology.part_mask(part if part not in SIDED_PARTS else f"{side} {part}")
    vertices = topology.canonical_vertices.float()
    if part not in SIDED_PARTS and side is not None:
        mask = mask & ((vertices[:, 0] > 0) == (side == "left"))
    rule = _RULE_OF_WORDS.get((part, words))
    if rule is None or not mask.any():
        return mask
    inside = torch.zeros_like(mask)
    inside[mask] = rule(_place(topology, part, side, mask))
    # A body too coarse to have such a region still has the part.
    return inside if inside.any() else mask


def _place(
    topology: BodyTopology, part: str, side: Side | None, mask: Bool[Tensor, "verts"]
) -> _Place:
    vertices = topology.canonical_vertices.float()
    normals = vertex_normals(vertices, topology.faces)[mask]
    points = vertices[mask]
    axis = _axis(topology, part, side)
    return _Place(
        along=_fraction(points @ axis),
        height=_fraction(points[:, 1]),
        depth=_fraction(points[:, 2]),
        lateral=points[:, 0].abs() / points[:, 0].abs().max().clamp(min=1e-6),
        faces_front=normals[:, 2],
        faces_down=-normals[:, 1],
        faces_along=normals @ axis,
    )


def _axis(topology: BodyTopology, part: str, side: Side | None) -> Float[Tensor, "3"]:
    """Unit vector along the limb, away from the trunk; straight up for head and trunk."""
    if part not in SIDED_PARTS:
        return torch.tensor([0.0, 1.0, 0.0])
    nearer = _NEARER_THE_TRUNK[part]
    before = nearer if nearer not in SIDED_PARTS else f"{side} {nearer}"
    # A foot points forward; its sole faces on along the lower leg.
    ends = (before, f"{side} {part}") if part != "foot" else (f"{side} thigh", before)
    begin, end = (topology.canonical_vertices[topology.part_mask(n)].float().mean(0) for n in ends)
    axis = end - begin
    return axis / axis.norm().clamp(min=1e-6)


def _fraction(values: Float[Tensor, "verts"]) -> Float[Tensor, "verts"]:
    low, high = values.min(), values.max()
    return (values - low) / (high - low).clamp(min=1e-6)
