"""The 15 named body parts."""

from jaxtyping import Bool
from torch import Tensor

PART_NAMES = (
    "head", "torso", "buttocks", "left arm", "right arm", "left forearm", "right forearm", "left hand",
    "right hand", "left thigh", "right thigh", "left leg", "right leg", "left foot", "right foot",
)  # fmt: skip


def mirror_part(name: str) -> str:
    """`left hand` <-> `right hand`; others unchanged."""
    if name.startswith("left "):
        return "right " + name[5:]
    return "left " + name[6:] if name.startswith("right ") else name


def parts_in_contact(contact: Bool[Tensor, "verts"], topology, minimum_share: float = 0.10) -> list[str]:
    """Parts of which at least `minimum_share` of the vertices are in contact; else the largest share."""
    count = contact.new_zeros(len(PART_NAMES), dtype=int).long()
    total = count.clone()
    part = topology.part_of_vertex.long()
    total.index_add_(0, part, contact.new_ones(len(part)).long())
    count.index_add_(0, part, contact.long())
    return [n for n, c, t in zip(PART_NAMES, count.tolist(), total.tolist(), strict=True) if t and c >= minimum_share * t and c]
