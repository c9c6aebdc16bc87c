"""SMPL, SMPL+H and SMPL-X from the user's own files, behind the interface of `BodyModel`.

Frame: y up, facing +z, the person's left at +x, metres, as published. Skinning is that of the
`smplx` package; the files are read by `human_recovery.smpl_files`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from human_recovery.output import KEYPOINT_NAMES, BodyOutput
from human_recovery.regions import HipLandmarks, part_of_smpl_joint, parts_from_weights
from human_recovery.smpl_files import SPECS, FamilyName, find_model_file, read_model_file
from human_recovery.symmetry import mirror_partners
from human_recovery.topology import BodyTopology
from renders.errors import InputError

VITRUVIAN_HIP_RAD = float(np.deg2rad(30.0))
"""Source: the published canonical body turns both hips by 30 degrees about z, outwards."""


class SmplBody(nn.Module):
    """A model of the SMPL family; `forward` takes betas, joint rotations and a translation.

    Hands are flat at identity. Expression stays neutral.

    Raises:
        AssetError: the file is missing, malformed or of another model.
        InputError: unknown name or gender, or more betas asked for than the file has.
    """

    faces: Int[Tensor, "faces 3"]
    template: Float[Tensor, "verts 3"]
    shape_directions: Float[Tensor, "verts 3 betas"]
    pose_directions: Float[Tensor, "features coordinates"]
    joint_regressor: Float[Tensor, "joints verts"]
    skinning_weights: Float[Tensor, "verts joints"]
    parents: Int[Tensor, "joints"]

    def __init__(
        self,
        name: str,
        folder: str | Path | None = None,
        gender: str = "neutral",
        num_betas: int = 10,
    ) -> None:
        super().__init__()
        self.path = find_model_file(name, folder, gender)
        self.spec = SPECS[name]
        self.topology_name: FamilyName = name  # pyright: ignore[reportAttributeAccessIssue]
        self.bone_names = self.spec.joint_names
        self._folder = folder
        arrays = read_model_file(self.spec, self.path)
        available = arrays["shapedirs"].shape[2]
        if not 0 < num_betas <= available:
            raise InputError(f"num_betas must lie in 1..{available}, got {num_betas}: {self.path}")
        features = arrays["posedirs"].shape[2]
        floats = {
            "template": arrays["v_template"],
            "shape_directions": arrays["shapedirs"][:, :, :num_betas],
            "pose_directions": arrays["posedirs"].reshape(-1, features).T,
            "joint_regressor": arrays["J_regressor"],
            "skinning_weights": arrays["weights"],
        }
        for key, value in floats.items():
            tensor = torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))
            self.register_buffer(key, tensor, persistent=False)
        parents = arrays["kintree_table"][0].astype(np.int64)
        parents[0] = -1
        self.register_buffer("parents", torch.from_numpy(parents), persistent=False)
        faces = torch.from_numpy(arrays["f"].astype(np.int64))
        self.register_buffer("faces", faces, persistent=False)

    @property
    def up_axis(self) -> Literal["y"]:
        return "y"

    @property
    def shape_names(self) -> tuple[str, ...]:
        return tuple(f"beta{index}" for index in range(self.shape_directions.shape[2]))

    @property
    def topology(self) -> BodyTopology:
        return smpl_topology(self.topology_name, self._folder)

    def neutral_shape(self, batch: int = 1) -> Float[Tensor, "batch betas"]:
        """Betas of the average body."""
        return torch.zeros(batch, self.shape_directions.shape[2], device=self.template.device)

    def rest_rotations(self, batch: int = 1) -> Float[Tensor, "batch joints 3 3"]:
        """No rotation anywhere: the T-pose."""
        eye = torch.eye(3, device=self.template.device)
        return eye.expand(batch, len(self.bone_names), 3, 3).clone()

    def forward(
        self,
        betas: Float[Tensor, "batch betas"],
        bone_rotations: Float[Tensor, "batch joints 3 3"],
        translation: Float[Tensor, "batch 3"],
    ) -> BodyOutput:
        """Posed bodies: rotations relative to the parent joint, identity everywhere the T-pose."""
        from smplx import lbs as skinning

        lbs: Any = skinning.lbs
        if bone_rotations.shape[1] != len(self.bone_names):
            raise InputError(
                f"{self.spec.title} has {len(self.bone_names)} joints, got rotations for "
                f"{bone_rotations.shape[1]}"
            )
        vertices, joints = lbs(
            betas, bone_rotations.contiguous(), self.template[None], self.shape_directions,
            self.pose_directions, self.joint_regressor, self.parents, self.skinning_weights,
            pose2rot=False,
        )  # fmt: skip
        offset = translation[:, None]
        return BodyOutput(vertices + offset, joints + offset)

    def keypoints(self, output: BodyOutput) -> Float[Tensor, "batch 23 3"]:
        """The 23 points of `KEYPOINT_NAMES`: joints of the limbs, landmark vertices elsewhere."""
        from smplx.vertex_ids import vertex_ids

        landmark = vertex_ids[self.spec.landmarks]
        points = []
        for name in KEYPOINT_NAMES:
            if name in self.bone_names and "eye" not in name:
                points.append(output.bone_heads[:, self.bone_names.index(name)])
            else:
                points.append(output.vertices[:, landmark[_landmark_key(name)]])
        return torch.stack(points, dim=1)


def _landmark_key(name: str) -> str:
    """The `smplx` package's name of a landmark: "left_big_toe" -> "LBigToe"."""
    side, _, what = name.partition("_")
    if name == "nose":
        return name
    if what in ("eye", "ear"):
        return side[0] + what
    return side[0].upper() + "".join(word.capitalize() for word in what.split("_"))


def smpl_topology(name: str, folder: str | Path | None = None) -> BodyTopology:
    """Topology of a family model in the published canonical pose, from the neutral file."""
    path = find_model_file(name, folder)
    return _topology_of_file(name, str(path), path.stat().st_mtime_ns, folder)


@lru_cache(maxsize=3)
def _topology_of_file(
    name: str, path: str, changed_ns: int, folder: str | Path | None
) -> BodyTopology:
    del path, changed_ns  # part of the cache key only
    body = SmplBody(name, folder)
    rotations = body.rest_rotations()
    for joint, sign in (("left_hip", 1.0), ("right_hip", -1.0)):
        cosine, sine = np.cos(VITRUVIAN_HIP_RAD), sign * np.sin(VITRUVIAN_HIP_RAD)
        rotations[0, body.bone_names.index(joint), :2, :2] = torch.tensor(
            [[cosine, -sine], [sine, cosine]]
        )
    nowhere = torch.zeros(1, 3)
    with torch.no_grad():
        posed = body(body.neutral_shape(), rotations, nowhere)
        rest = body(body.neutral_shape(), body.rest_rotations(), nowhere)
    heads = dict(zip(body.bone_names, rest.bone_heads[0], strict=True))
    partner = mirror_partners(body.template)
    parts = parts_from_weights(
        body.template,
        body.skinning_weights,
        [part_of_smpl_joint(joint) for joint in body.bone_names],
        HipLandmarks(heads["left_hip"], heads["right_hip"], heads["left_knee"]),
        partner,
    )
    return BodyTopology(body.topology_name, body.faces, posed.vertices[0], parts, partner)
