"""Body models, their surfaces and named parts. Knows no photos, objects or language models.

Importing this package is cheap: no body model is loaded before it is used.
"""

from human_recovery.body_model import BodyModel, load_body_model
from human_recovery.output import KEYPOINT_NAMES, BodyOutput
from human_recovery.parts import (
    PART_NAMES,
    body_render_colors_part,
    mirror_part,
    parse_parts,
    parts_in_contact,
)
from human_recovery.topology import TOPOLOGY_NAMES, BodyTopology, get_topology

__all__ = [
    "BodyModel",
    "load_body_model",
    "BodyOutput",
    "KEYPOINT_NAMES",
    "BodyTopology",
    "TOPOLOGY_NAMES",
    "get_topology",
    "PART_NAMES",
    "body_render_colors_part",
    "mirror_part",
    "parse_parts",
    "parts_in_contact",
]
