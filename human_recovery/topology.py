"""Body surfaces: faces, canonical pose, named parts, left/right partners."""

from dataclasses import dataclass
from functools import lru_cache

import roma
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from human_recovery.anny_body import AnnyBody
from human_recovery.parts import PART_NAMES, mirror_part


@dataclass(frozen=True, eq=False)
class BodyTopology:
    name: str
    faces: Int[Tensor, "faces 3"]
    canonical_vertices: Float[Tensor, "verts 3"]
    part_of_vertex: Int[Tensor, "verts"]
    symmetric_partner: Int[Tensor, "verts"]

    @property
    def num_vertices(self) -> int:
        return len(self.canonical_vertices)


@lru_cache(maxsize=4)
def get_topology(name: str) -> BodyTopology:
    body = AnnyBody("full" if name == "anny" else "fast")
    bones = body.bone_names
    rotations = torch.eye(3).repeat(1, len(bones), 1, 1)
    with torch.no_grad():
        rest = body(torch.full((1, 6), 0.5), rotations, torch.zeros(1, 3))
        heads = {n: rest.bone_heads[0, i] for i, n in enumerate(bones)}
        for side, sign in (("L", 1.0), ("R", -1.0)):
            arm = heads[f"lowerarm01.{side}"] - heads[f"upperarm01.{side}"]
            angle = torch.atan2(arm[2], arm[0] * sign)
            rotations[0, bones.index(f"upperarm01.{side}")] = roma.rotvec_to_rotmat(torch.tensor([0.0, float(angle) * sign, 0.0]))
            upper = torch.nn.functional.normalize(arm, dim=0)
            fore = torch.nn.functional.normalize(heads[f"wrist.{side}"] - heads[f"lowerarm01.{side}"], dim=0)
            axis = torch.cross(fore, upper, dim=0)
            straight = torch.nn.functional.normalize(axis, dim=0) * torch.asin(axis.norm())
            rotations[0, bones.index(f"lowerarm01.{side}")] = roma.rotvec_to_rotmat(straight)
            rotations[0, bones.index(f"upperleg01.{side}")] = roma.rotvec_to_rotmat(torch.tensor([0.0, -sign * 0.38, 0.0]))
        posed = body(torch.full((1, 6), 0.5), rotations, torch.zeros(1, 3)).vertices[0]
    canonical = torch.stack([posed[:, 0], posed[:, 2], -posed[:, 1]], dim=1)
    points = rest.vertices[0]
    weights = torch.zeros(len(points), len(bones)).scatter_add_(
        1, body.anny.vertex_bone_indices.long(), body.anny.vertex_bone_weights.float())
    part = torch.tensor([_part(bones[i]) for i in weights.argmax(1).tolist()])
    low = (part == PART_NAMES.index("torso")) | (part == PART_NAMES.index("left thigh")) | (part == PART_NAMES.index("right thigh"))
    part[low & (points[:, 1] > 0.03) & (points[:, 2] > -0.13) & (points[:, 2] < 0.06)] = PART_NAMES.index("buttocks")
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    from scipy.spatial import cKDTree

    partner = torch.from_numpy(cKDTree(points.numpy()).query(mirrored.numpy())[1]).long()
    return BodyTopology(name, body.faces, canonical, part, partner)


def _part(bone: str) -> int:
    side = {"L": "left ", "R": "right "}.get(bone[-1], "") if "." in bone else ""
    for key, name in (("finger", "hand"), ("metacarpal", "hand"), ("wrist", "hand"), ("lowerarm", "forearm"),
                      ("upperarm", "arm"), ("shoulder", "arm"), ("upperleg", "thigh"), ("lowerleg", "leg"),
                      ("foot", "foot"), ("toe", "foot")):
        if bone.startswith(key):
            return PART_NAMES.index(side + name)
    return PART_NAMES.index("head" if bone.startswith(("head", "eye", "neck", "jaw", "tongue")) else "torso")
