"""SMPL, SMPL+H and SMPL-X from the user's own files, behind the interface of `BodyModel`.

Frame: y up, facing +z, the person's left at +x, metres, as published. No file of these models is
shipped or downloaded; skinning is that of the `smplx` package. Files are read without running any
code they may hold.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from human_recovery.array_pickle import dense_array, load_array_pickle
from human_recovery.output import KEYPOINT_NAMES, BodyOutput
from human_recovery.regions import HipLandmarks, part_of_smpl_joint, parts_from_weights
from human_recovery.symmetry import mirror_partners
from human_recovery.topology import BodyTopology
from renders.errors import AssetError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

FamilyName = Literal["smpl", "smplh", "smplx"]
Gender = Literal["neutral", "male", "female"]

FOLDER_VARIABLE = "INTERACTVLM_BODY_MODELS"
"""Environment variable that names the folder with the user's body models."""

_BODY_JOINTS = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2"),
    *("left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck"),
    *("left_collar", "right_collar", "head", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist"),
)
_FINGER_JOINTS = tuple(
    f"{side}_{finger}{joint}"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for joint in (1, 2, 3)
)


@dataclass(frozen=True)
class FamilySpec:
    """What a published model of the family must look like, and where to get it."""

    title: str
    num_vertices: int
    joint_names: tuple[str, ...]
    landmarks: str
    """Key of the landmark vertices in the `smplx` package."""
    site: str
    """Where a person registers for the files."""


SPECS: dict[str, FamilySpec] = {
    "smpl": FamilySpec(
        "SMPL", 6890, (*_BODY_JOINTS, "left_hand", "right_hand"), "smplh",
        "https://smpl.is.tue.mpg.de",
    ),
    "smplh": FamilySpec(
        "SMPL+H", 6890, (*_BODY_JOINTS, *_FINGER_JOINTS), "smplh", "https://mano.is.tue.mpg.de"
    ),
    "smplx": FamilySpec(
        "SMPL-X", 10475, (*_BODY_JOINTS, "jaw", "left_eye", "right_eye", *_FINGER_JOINTS), "smplx",
        "https://smpl-x.is.tue.mpg.de",
    ),
}  # fmt: skip

VITRUVIAN_HIP_RAD = float(np.deg2rad(30.0))
"""Source: the published canonical body turns both hips by 30 degrees about z, outwards."""


def model_folder(folder: str | Path | None = None) -> Path | None:
    """The folder given, else the one `INTERACTVLM_BODY_MODELS` names, else none."""
    if folder is not None:
        return Path(folder).expanduser()
    chosen = os.environ.get(FOLDER_VARIABLE, "").strip()
    return Path(chosen).expanduser() if chosen else None


def find_model_file(name: str, folder: str | Path | None = None, gender: str = "neutral") -> Path:
    """The user's file of a model.

    Looked for in `folder` and its subfolder of the model's name, under the publisher's names.

    Raises:
        InputError: the model or gender is unknown.
        AssetError: there is no such file.
    """
    if name not in SPECS:
        raise InputError(f"body model {name!r} is unknown; allowed: {', '.join(SPECS)}")
    if gender not in get_args(Gender):
        raise InputError(f"gender {gender!r} is unknown; allowed: {', '.join(get_args(Gender))}")
    root = model_folder(folder)
    expected = f"{name}/{name.upper()}_{gender.upper()}.npz (or .pkl)"
    how = f"register and download at {SPECS[name].site}"
    if root is None:
        raise AssetError(
            f"{SPECS[name].title} needs your own file {expected}: {how}, then set "
            f"{FOLDER_VARIABLE} to the folder, or use the open body 'anny'"
        )
    for candidate in _candidates(root, name, gender):
        if candidate.is_file():
            return candidate
    raise AssetError(
        f"{SPECS[name].title} needs {expected}, not found; {how}, or use the open body 'anny'; "
        f"looked in: {root}"
    )


def _candidates(root: Path, name: str, gender: str) -> "Iterator[Path]":
    stem = f"{name.upper()}_{gender.upper()}"
    letter = {"neutral": "neutral", "male": "m", "female": "f"}[gender]
    names = [f"{stem}.npz", f"{stem}.pkl", f"{gender}/model.npz", f"{gender}/model.pkl"]
    if name == "smpl":
        names += [f"basicmodel_{letter}_lbs_10_207_0_v1.1.0.pkl"]
    for file_name in names:
        yield root / name / file_name
        if "/" not in file_name:
            yield root / file_name


def _read(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The named arrays of a model file."""
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as stored:
                content: dict[str, Any] = {key: stored[key] for key in keys if key in stored}
        except Exception as error:  # a damaged archive may fail in any way
            raise AssetError(f"body model cannot be read ({error}): {path}") from error
    else:
        content = load_array_pickle(path)
    missing = [key for key in keys if key not in content]
    if missing:
        raise AssetError(f"body model lacks {', '.join(missing)}: {path}")
    arrays = {}
    for key in keys:
        try:
            arrays[key] = dense_array(content[key])
        except ValueError as error:
            raise AssetError(f"body model has an unusable {key!r} ({error}): {path}") from error
    return arrays


def _checked(spec: FamilySpec, path: Path) -> dict[str, np.ndarray]:
    keys = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
    arrays = _read(path, keys)
    vertices, joints = spec.num_vertices, len(spec.joint_names)
    shapes = {
        "v_template": (vertices, 3),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
        "J_regressor": (joints, vertices),
        "weights": (vertices, joints),
        "kintree_table": (2, joints),
    }
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise AssetError(
                f"{spec.title} has {key} of shape {shape}, found {arrays[key].shape}: {path}"
            )
        if not np.isfinite(arrays[key]).all():
            raise AssetError(f"body model has values in {key} that are not finite: {path}")
    if arrays["shapedirs"].ndim != 3 or arrays["shapedirs"].shape[:2] != (vertices, 3):
        raise AssetError(
            f"{spec.title} has shapedirs of shape ({vertices}, 3, n), found "
            f"{arrays['shapedirs'].shape}: {path}"
        )
    faces, parents = arrays["f"], arrays["kintree_table"][0, 1:].astype(np.int64)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= vertices:
        raise AssetError(f"body model has faces that name no vertex of its own: {path}")
    if (parents < 0).any() or (parents >= np.arange(1, joints)).any():
        raise AssetError(f"body model has joints in the wrong order: {path}")
    return arrays


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
        arrays = _checked(self.spec, self.path)
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
