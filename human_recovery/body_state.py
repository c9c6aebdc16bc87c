"""A person's body in the camera of a photo: model parameters or vertices alone, and their file.

Frame everywhere: the camera's, x right, y down, z forward, metres; the pixel of a point is K p / z,
pixel centres at +0.5. The model's own world is the camera, so the root's rotation and the
translation lead there at once, as regressors of the SMPL family have it; `camera_from_upright` is
the root rotation of somebody upright. Knows no photo and no fitting.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.body_model import BodyModel
from human_recovery.output import KEYPOINT_NAMES, BodyOutput
from human_recovery.smpl_files import SPECS
from human_recovery.topology import TOPOLOGY_NAMES
from renders.cache import atomic_write
from renders.camera import Camera
from renders.errors import InputError

VERSION = 1
"""Of the layout of `body.npz`."""
_ANNY_VERTICES = {"anny": 13718, "anny-fast": 1229}
_OFF_ROTATION = 1e-3


def camera_from_upright(up_axis: Literal["y", "z"]) -> Float[Tensor, "3 3"]:
    """The root rotation that stands a model upright and facing the camera, left at +x."""
    if up_axis == "y":  # the SMPL family: facing +z
        return torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # Anny: facing -y


def num_vertices(topology: str) -> int:
    """Vertices of a named topology.

    Raises:
        InputError: the name is not one of `TOPOLOGY_NAMES`.
    """
    if topology not in TOPOLOGY_NAMES:
        raise InputError(
            f"body topology {topology!r} is unknown; allowed: {', '.join(TOPOLOGY_NAMES)}"
        )
    return _ANNY_VERTICES.get(topology) or SPECS[topology].num_vertices


@dataclass(frozen=True, eq=False)
class BodyState:
    """Parameters of a body model that place it in the camera.

    Raises:
        InputError: unknown model, values that are not finite, or matrices that are no rotations.
    """

    model: str
    """One of `TOPOLOGY_NAMES`."""
    shape: Float[Tensor, "shape"]
    """Anny's phenotypes in [0, 1], or the family's betas."""
    bone_rotations: Float[Tensor, "bones 3 3"]
    """As the model takes them; that of the root (the first) leads into the camera's axes."""
    translation_m: Float[Tensor, "3"]
    """Added to the posed model, in the camera's axes."""
    hand_curl: tuple[float, float] | None = None
    """Left and right, 0 open to 1 a fist, for "anny-fast", which has no fingers of its own."""

    def __post_init__(self) -> None:
        if self.model not in TOPOLOGY_NAMES:
            raise InputError(
                f"body model {self.model!r} is unknown; allowed: {', '.join(TOPOLOGY_NAMES)}"
            )
        values = (self.shape, self.bone_rotations, self.translation_m)
        if not all(bool(torch.isfinite(value).all()) for value in values):
            raise InputError("a body's shape, rotations and translation must be finite numbers")
        rotations = self.bone_rotations
        off = rotations @ rotations.transpose(1, 2) - torch.eye(3).to(rotations)
        if bool((off.abs() > _OFF_ROTATION).any()) or bool((torch.linalg.det(rotations) < 0).any()):
            raise InputError("a body's bone rotations must be rotation matrices")
        if self.hand_curl is not None and self.model != "anny-fast":
            raise InputError(
                f"hand_curl is for the body 'anny-fast'; {self.model!r} has finger bones"
            )

    def output(self, model: BodyModel) -> BodyOutput:
        """The posed body, a batch of one, in the camera's frame.

        Raises:
            InputError: the state is of another model; one of "anny-fast" may be posed on "anny".
        """
        rotations = self.bone_rotations[None]
        if self.model != model.topology_name:
            rotations = self._on_full_anny(model)
        if len(self.shape) != len(model.shape_names):
            raise InputError(
                f"the state has {len(self.shape)} shape numbers, the model {model.topology_name!r} "
                f"takes {len(model.shape_names)}"
            )
        return model(self.shape[None], rotations, self.translation_m[None])

    def vertices_camera(self, model: BodyModel) -> Float[Tensor, "verts 3"]:
        """Vertices of `model` in the camera's frame, metres. Raises as `output` does."""
        return self.output(model).vertices[0]

    def keypoints_camera(self, model: BodyModel) -> Float[Tensor, "23 3"]:
        """The points of `KEYPOINT_NAMES` in the camera's frame, metres."""
        return model.keypoints(self.output(model))[0]

    def full(self, model: BodyModel) -> "BodyState":
        """A state of "anny-fast" as one of "anny"; `model` is the full body."""
        rotations = self._on_full_anny(model)[0]
        return replace(self, model="anny", bone_rotations=rotations, hand_curl=None)

    def moved(
        self, rotation: Float[Tensor, "3 3"], shift_m: Float[Tensor, "3"], model: BodyModel
    ) -> "BodyState":
        """The state whose vertices are `rotation @ p + shift_m` of this one's."""
        # The root turns about its own head, not about the origin.
        with torch.no_grad():
            pivot = self.output(model).bone_heads[0, 0] - self.translation_m
        rotations = self.bone_rotations.clone()
        rotations[0] = rotation @ rotations[0]
        translation = rotation @ (pivot + self.translation_m) + shift_m - pivot
        return replace(self, bone_rotations=rotations, translation_m=translation)

    def _on_full_anny(self, model: BodyModel) -> Float[Tensor, "1 bones 3 3"]:
        from human_recovery.anny_body import AnnyBody

        if self.model != "anny-fast" or not isinstance(model, AnnyBody):
            raise InputError(
                f"the state is of the body {self.model!r}, not of {model.topology_name!r}"
            )
        curl = None if self.hand_curl is None else torch.tensor([self.hand_curl])
        return model.full_rotations(self.bone_rotations[None], hand_curl=curl)

    def __repr__(self) -> str:
        x, y, z = self.translation_m.tolist()
        return f"BodyState({self.model!r} at {x:.2f}, {y:.2f}, {z:.2f} m)"


@dataclass(frozen=True, eq=False)
class BodyInCamera:
    """A person's surface in the camera, with the model's parameters where they are known.

    Raises:
        InputError: vertices of another number than the topology has, that are not finite or all
            behind the camera, or a camera that stands elsewhere than at the origin.
    """

    topology: str
    """One of `TOPOLOGY_NAMES`."""
    vertices_m: Float[Tensor, "verts 3"]
    """In the camera's frame."""
    camera: Camera
    """Of the photo; its pose is the identity, because the camera is the world here."""
    state: BodyState | None = None
    joint_spread_m: Float[Tensor, "23"] | None = None
    """How uncertain each of `KEYPOINT_NAMES` is relative to the pelvis, one standard deviation."""
    notes: tuple[str, ...] = ()
    """What a user should know, as sentences."""

    def __post_init__(self) -> None:
        require_camera_at_origin(self.camera)
        wanted = num_vertices(self.topology)
        if len(self.vertices_m) != wanted:
            raise InputError(
                f"a body {self.topology!r} has {wanted} vertices, found {len(self.vertices_m)}"
            )
        if not bool(torch.isfinite(self.vertices_m).all()):
            raise InputError("a body's vertices must be finite numbers")
        nearest, farthest = (float(z) for z in self.vertices_m[:, 2].aminmax())
        if farthest < 0:
            raise InputError(
                f"the body lies behind the camera, at depths of {nearest:.2f} to {farthest:.2f} m; "
                "wanted is the camera's frame with z forward"
            )

    def __repr__(self) -> str:
        depth = float(self.vertices_m[:, 2].mean())
        known = "with" if self.state is not None else "without"
        return f"BodyInCamera({self.topology!r}, {depth:.2f} m away, {known} parameters)"


def require_camera_at_origin(camera: Camera) -> None:
    """Raises InputError when the camera has a pose: bodies are told in the camera's own frame."""
    if not torch.equal(camera.camera_from_world.cpu(), torch.eye(4).to(camera.camera_from_world)):
        raise InputError(
            "bodies are told in the camera's frame; give a camera whose camera_from_world is the "
            "identity"
        )


def save_body(path: Path, body: BodyInCamera) -> Path:
    """Writes `body.npz`; the file is whole or not there.

    Fields: `version`; `topology`; `vertices_camera_m` (verts, 3) float32; `intrinsics_px` (3, 3);
    `image_size_px` (height, width); `notes`; where known `joint_spread_m` (23,), `keypoint_names`;
    and with parameters `model`, `shape`, `bone_rotations` (bones, 3, 3), `translation_m` (3,) and
    `hand_curl` (2,).
    """
    camera, state = body.camera, body.state
    fields: dict[str, Any] = {
        "version": VERSION,
        "topology": body.topology,
        "vertices_camera_m": _array(body.vertices_m),
        "intrinsics_px": camera.intrinsics.detach().cpu().double().numpy(),
        "image_size_px": np.array([camera.height_px, camera.width_px]),
        "notes": np.array(body.notes, dtype=np.str_),
    }
    if body.joint_spread_m is not None:
        fields["joint_spread_m"] = _array(body.joint_spread_m)
        fields["keypoint_names"] = np.array(KEYPOINT_NAMES)
    if state is not None:
        fields |= {
            "model": state.model, "shape": _array(state.shape),
            "bone_rotations": _array(state.bone_rotations),
            "translation_m": _array(state.translation_m),
        }  # fmt: skip
        if state.hand_curl is not None:
            fields["hand_curl"] = np.array(state.hand_curl, np.float32)
    path = Path(path)
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **fields)
    return path


def load_body(path: Path) -> BodyInCamera:
    """What `save_body` wrote, with the camera it was saved with.

    Raises:
        InputError: the file is missing, damaged, of a later version or lacks a field.
    """
    path = Path(path)
    return body_from_fields(read_plain_npz(path), path)


def body_from_fields(fields: dict[str, Any], path: Path) -> BodyInCamera:
    """The body in the fields that `save_body` documents. Raises InputError."""
    version = np.asarray(fields.get("version", VERSION)).ravel()
    if version.size != 1 or version[0] > VERSION:
        raise InputError(
            f"body file is of version {version.tolist()}, this program reads up to {VERSION}; "
            f"update it: {str(path)!r}"
        )
    try:
        return _body(fields)
    except KeyError as error:
        raise InputError(f"body file lacks {error.args[0]!r}: {str(path)!r}") from None
    except InputError as error:
        raise InputError(f"{error}: {str(path)!r}") from None
    except (TypeError, ValueError, RuntimeError) as error:  # wrong types and shapes
        raise InputError(f"body file is damaged ({error}): {str(path)!r}") from None


def _body(fields: dict[str, Any]) -> BodyInCamera:
    height, width = (int(size) for size in fields["image_size_px"])
    intrinsics = torch.from_numpy(np.array(fields["intrinsics_px"], np.float32).reshape(3, 3))
    state = None
    if "model" in fields:
        curl = fields.get("hand_curl")
        state = BodyState(
            str(fields["model"]),
            _tensor(fields["shape"], -1),
            _tensor(fields["bone_rotations"], -1, 3, 3),
            _tensor(fields["translation_m"], 3),
            None if curl is None else (float(curl[0]), float(curl[1])),
        )
    spread = fields.get("joint_spread_m")
    return BodyInCamera(
        topology=str(fields["topology"]),
        vertices_m=_tensor(fields["vertices_camera_m"], -1, 3),
        camera=Camera(intrinsics, torch.eye(4), height, width),
        state=state,
        joint_spread_m=None if spread is None else _tensor(spread, len(KEYPOINT_NAMES)),
        notes=tuple(str(note) for note in np.atleast_1d(fields.get("notes", ()))),
    )


def read_plain_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a `.npz`, none of which may be a pickled object.

    Raises:
        InputError: the file is missing, damaged or holds pickled objects.
    """
    if not path.is_file():
        raise InputError(f"body file not found; expected a file at {str(path)!r}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except Exception as error:  # zip, header and pickle errors share no base class
        raise InputError(f"body file cannot be read as .npz ({error}): {str(path)!r}") from None


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().float().numpy()


def _tensor(values: Any, *shape: int) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32).reshape(shape))
