"""The 15 named body parts: names, synonyms, parts in a text, parts in a contact map.

Knows words and vertex labels; the words are in `human_recovery.part_words`, how
a vertex gets its label in `human_recovery.regions`.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from human_recovery.part_words import find_parts
from renders.errors import InputError

if TYPE_CHECKING:
    from human_recovery.topology import BodyTopology

PART_NAMES: tuple[str, ...] = (
    *("head", "torso", "buttocks"),
    *("left arm", "right arm", "left forearm", "right forearm", "left hand", "right hand"),
    *("left thigh", "right thigh", "left leg", "right leg", "left foot", "right foot"),
)
"""Fifteen parts. An arm ends at the elbow, a leg begins at the knee; the neck belongs to the head.

The published system also has 15 names, of which 14 are these; its 15th is not determined by
anything published. "buttocks" is our choice.
"""

MINIMUM_SHARE = 0.10
"""A part is named when at least this share of its vertices is in contact (the published rule)."""

_COLORS_HEX = {
    "head": "#f2c14e",
    "torso": "#5b8e7d",
    "buttocks": "#b56576",
    "arm": ("#f4845f", "#4d96c9"),
    "forearm": ("#f7b267", "#7fb8dc"),
    "hand": ("#d1495b", "#1f4e79"),
    "thigh": ("#c77dba", "#6a7fdb"),
    "leg": ("#e3a6d3", "#a3b1f2"),
    "foot": ("#8e3b8a", "#35408f"),
}
"""Left parts warm, right parts cool."""


def mirror_part(name: str) -> str:
    """The part on the other side: "left hand" <-> "right hand"; unsided parts are their own.

    Raises:
        InputError: not one of `PART_NAMES`.
    """
    part_index(name)
    if name.startswith("left "):
        return "right " + name.removeprefix("left ")
    return "left " + name.removeprefix("right ") if name.startswith("right ") else name


def part_index(name: str) -> int:
    """Place of a part in `PART_NAMES`.

    Raises:
        InputError: not one of `PART_NAMES`.
    """
    try:
        return PART_NAMES.index(name)
    except ValueError:
        found = parse_parts(name)
        hint = f"did you mean {found}?" if found else f"allowed: {', '.join(PART_NAMES)}"
        raise InputError(f"body part {name!r} is not one of the 15 parts; {hint}") from None


def part_shares(contact: Bool[Tensor, "verts"], topology: "BodyTopology") -> Float[Tensor, "parts"]:
    """Share of each part's vertices that are in contact, in the order of `PART_NAMES`.

    Raises:
        InputError: the map has another number of vertices than the topology.
    """
    if len(contact) != topology.num_vertices:
        raise InputError(
            f"a contact map of {topology.name!r} has {topology.num_vertices} values, "
            f"got {len(contact)}"
        )
    part = topology.part_of_vertex.to(contact.device)
    zeros = torch.zeros(len(PART_NAMES), device=contact.device)
    touched = zeros.index_add(0, part, contact.float())
    total = zeros.index_add(0, part, torch.ones_like(contact, dtype=torch.float32))
    return touched / total.clamp(min=1.0)


def parts_in_contact(
    contact: Bool[Tensor, "verts"],
    topology: "BodyTopology",
    minimum_share: float = MINIMUM_SHARE,
) -> list[str]:
    """Names of the parts of which at least `minimum_share` is in contact, in table order.

    A part without any contact is never named, whatever the share asked for.
    """
    shares = part_shares(contact, topology)
    # A share is a quotient of small integers in float32: 2 of 20 must count as one tenth.
    reached = (shares >= minimum_share - 1e-6) & (shares > 0)
    return [name for name, named in zip(PART_NAMES, reached.tolist(), strict=True) if named]


def parse_parts(text: str) -> list[str]:
    """The parts a text names, in table order, each once.

    Plurals and a missing side mean both sides ("hands", "hand", "both hands"); knees are legs and
    elbows forearms; a negated part ("not the feet") does not count. Text that names nothing gives
    an empty list.
    """
    found = find_parts(text)
    return [name for name in PART_NAMES if name in found]


def body_render_colors_part(topology: "BodyTopology") -> Float[Tensor, "verts 3"]:
    """A fixed colour per vertex for pictures, RGB in [0, 1]: left parts warm, right parts cool."""
    table = torch.tensor([_part_color(name) for name in PART_NAMES])
    return table[topology.part_of_vertex.cpu()]


def _part_color(name: str) -> tuple[float, float, float]:
    side, _, part = name.rpartition(" ")
    chosen = _COLORS_HEX[part]
    text = chosen if isinstance(chosen, str) else chosen[side == "right"]
    red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
