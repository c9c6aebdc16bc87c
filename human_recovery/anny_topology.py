"""Anny's surface in the published canonical ("Vitruvian") pose, with parts and partners.

Knows Anny's bones; `human_recovery.topology` is the entry that caches what is built here.
"""

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.anny_body import FAST_BONE_NAMES, AnnyBody, BodyOutput
from human_recovery.hands import palm_frame
from human_recovery.regions import HipLandmarks, part_of_anny_bone, parts_from_weights
from human_recovery.symmetry import mirror_partners
from human_recovery.topology import BodyTopology

LEG_SPREAD_DEG = 30.0
"""Each leg from the vertical. Source: the published canonical body (both hips turned by 30°)."""
_PELVIS_M = (0.0, -0.23, 0.03)
"""Where SMPL's template has its pelvis; the published camera looks at that frame's origin."""


def y_up_from_anny(points_anny: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Anny's frame (z up, facing -y) to the SMPL family's (y up, facing +z); left stays +x."""
    x, y, z = points_anny.unbind(-1)
    return torch.stack([x, z, -y], dim=-1)


def anny_from_y_up(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """The inverse of `y_up_from_anny`."""
    x, y, z = points.unbind(-1)
    return torch.stack([x, -z, y], dim=-1)


def vitruvian_fast_rotations(full_body: AnnyBody) -> Float[Tensor, "bones 3 3"]:
    """Rotations of the fast rig for the canonical pose: arms level, legs spread, palms down.

    Found from the average adult's rest skeleton, so that each limb is straight.
    """
    rest = _rest(full_body)
    heads = dict(zip(full_body.bone_names, rest.bone_heads[0], strict=True))
    rotations = {name: torch.eye(3) for name in FAST_BONE_NAMES}
    spread = math.radians(LEG_SPREAD_DEG)
    for end, outwards in (("L", 1.0), ("R", -1.0)):
        level = torch.tensor([outwards, 0.0, 0.0])
        upper = _turn_onto(heads[f"lowerarm01.{end}"] - heads[f"upperarm01.{end}"], level)
        fore = _turn_onto(heads[f"wrist.{end}"] - heads[f"lowerarm01.{end}"], level)
        hand = _level_hand(heads, end)
        half_twisted = _halfway_about(level, fore, hand)
        rotations[f"upperarm01.{end}"] = upper
        rotations[f"lowerarm01.{end}"] = upper.T @ fore
        rotations[f"lowerarm02.{end}"] = fore.T @ half_twisted
        rotations[f"wrist.{end}"] = half_twisted.T @ hand
        down = torch.tensor([outwards * math.sin(spread), 0.0, -math.cos(spread)])
        thigh = _turn_onto(heads[f"lowerleg01.{end}"] - heads[f"upperleg01.{end}"], down)
        shin = _turn_onto(heads[f"foot.{end}"] - heads[f"lowerleg01.{end}"], down)
        rotations[f"upperleg01.{end}"] = thigh
        rotations[f"lowerleg01.{end}"] = thigh.T @ shin
        # Feet turn with the spread leg as a whole, as in the published pose.
        whole = roma.rotvec_to_rotmat(torch.tensor([0.0, -outwards * spread, 0.0]))
        rotations[f"foot.{end}"] = shin.T @ whole
    return torch.stack([rotations[name] for name in FAST_BONE_NAMES])


def build_anny_topology(body: AnnyBody) -> BodyTopology:
    """Topology of one resolution of Anny; the average adult is its canonical body."""
    full = body if body.resolution == "full" else AnnyBody("full")
    rotations = vitruvian_fast_rotations(full)[None]
    if body.resolution == "full":
        rotations = body.full_rotations(rotations)
    with torch.no_grad():
        posed = body(body.neutral_shape(), rotations, torch.zeros(1, 3)).vertices[0]
    rest = _rest(body)
    vertices = y_up_from_anny(rest.vertices[0])
    heads = dict(zip(body.bone_names, y_up_from_anny(rest.bone_heads[0]), strict=True))
    partner = mirror_partners(body.anny.template_vertices)
    part_of_vertex = parts_from_weights(
        vertices,
        body.anny.dense_vertex_bone_weights,
        [part_of_anny_bone(name) for name in body.bone_names],
        HipLandmarks(heads["upperleg01.L"], heads["upperleg01.R"], heads["lowerleg01.L"]),
        partner,
    )
    canonical = y_up_from_anny(posed) + torch.tensor(_PELVIS_M)
    return BodyTopology(body.topology_name, body.faces, canonical, part_of_vertex, partner)


def _rest(body: AnnyBody) -> BodyOutput:
    with torch.no_grad():
        return body(body.neutral_shape(), body.rest_rotations(), torch.zeros(1, 3))


def _turn_onto(direction: Float[Tensor, "3"], target: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """The smallest rotation that turns `direction` onto the unit vector `target`."""
    unit = direction / direction.norm()
    axis = torch.linalg.cross(unit, target)
    sine = axis.norm()
    angle = torch.atan2(sine, unit @ target)
    return roma.rotvec_to_rotmat(axis / sine.clamp(min=1e-9) * angle)


def _level_hand(heads: dict[str, Tensor], end: str) -> Float[Tensor, "3 3"]:
    """The rotation that lays a hand along its level arm with the palm down (z up frame)."""
    side = "left" if end == "L" else "right"
    along, palm, _ = palm_frame(heads, side)
    rest = torch.stack([along, palm, torch.linalg.cross(along, palm)], dim=1)
    level = torch.tensor([1.0 if end == "L" else -1.0, 0.0, 0.0])
    down = torch.tensor([0.0, 0.0, -1.0])
    return torch.stack([level, down, torch.linalg.cross(level, down)], dim=1) @ rest.T


def _halfway_about(
    axis: Float[Tensor, "3"], start: Float[Tensor, "3 3"], end: Float[Tensor, "3 3"]
) -> Float[Tensor, "3 3"]:
    """`start` turned about `axis` by half of the twist that leads from it to `end`."""
    twist = roma.rotmat_to_rotvec(end @ start.T) @ axis
    return roma.rotvec_to_rotmat(axis * twist / 2) @ start
