"""Reads one person out of the arrays that pose regressors write: pose, shape, place and camera.

Rotations may be axis-angle or matrices, flattened or not, of one person or of many. Only what is
said is used: a focal length is never assumed, a box never guessed to be corners or sizes. Knows
fields; no files and no body models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.smpl_files import SPECS
from renders.camera import NEAR_M, Camera
from renders.errors import InputError

ROOT = ("global_orient", "root_orient")
BODY = ("body_pose", "pose_body")
WHOLE = ("pose", "poses", "fullpose")
SHAPE = ("betas", "shape", "pred_betas")
PLACE = ("pred_cam_t_full", "transl", "trans", "translation", "pred_cam_t", "cam_t")
FOCAL = ("scaled_focal_length", "focal_length", "focal")
CENTRE = ("princpt", "principal_point", "camera_center")
LOCAL_VERTICES = ("pred_vertices",)
"""Vertices as the model made them, not yet placed."""
CAMERA_VERTICES = ("smpl_vertices",)
"""Vertices in the regressor's own camera."""
BOXES = ("bbox_2", "bbox_xywh", "bbox_xyxy")
UNSAID_BOXES = ("bbox", "bboxes", "box")

_HANDS = ("left_hand_pose", "right_hand_pose")
_FACE = ("jaw_pose", "leye_pose", "reye_pose")
_BODY_JOINTS = {21: ("smplh", "smplx"), 23: ("smpl",)}
_WHOLE_JOINTS = {24: "smpl", 52: "smplh", 55: "smplx"}
_OSX_CROP = (192.0, 256.0)
_OSX_FOCAL_PX = 5000.0


@dataclass(frozen=True, eq=False)
class FamilyPose:
    """One person's parameters of a model of the SMPL family."""

    model: str
    betas: Float[Tensor, "betas"]
    bone_rotations: Float[Tensor, "bones 3 3"]


@dataclass(frozen=True, eq=False)
class PixelsOf:
    """How a regressor's points, after a shift, fall on the photo's pixels."""

    shift_m: Float[Tensor, "3"]
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    weak: bool = False
    """Weak perspective: `focal_px` is in pixels per metre, depth does not matter."""

    def __call__(self, points_m: Float[Tensor, "points 3"]) -> Float[Tensor, "points 2"]:
        """Raises InputError when a point lies behind the regressor's camera."""
        moved = points_m + self.shift_m
        if not self.weak:
            if bool((moved[:, 2] < NEAR_M).any()):
                raise InputError("the body reaches behind the camera it was predicted in")
            moved = moved / moved[:, 2:]
        scale, centre = torch.tensor(self.focal_px), torch.tensor(self.centre_px)
        return moved[:, :2] * scale + centre

    def is_of(self, camera: Camera) -> bool:
        """Whether this is the photo's camera already."""
        if self.weak:
            return False
        mine = torch.tensor(
            [[self.focal_px[0], 0, self.centre_px[0]], [0, self.focal_px[1], self.centre_px[1]],
             [0, 0, 1]]
        )  # fmt: skip
        return torch.allclose(mine, camera.intrinsics.cpu().float(), rtol=1e-5, atol=1e-2)


def first_of(fields: Mapping[str, np.ndarray], names: Sequence[str]) -> str | None:
    """The first of these names that the file has."""
    return next((name for name in names if name in fields), None)


@dataclass(frozen=True)
class People:
    """The arrays of a file with one row per person, and which person is meant."""

    fields: Mapping[str, np.ndarray]
    count: int
    person: int
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 <= self.person < self.count:
            people = "1 person" if self.count == 1 else f"{self.count} people"
            raise InputError(f"person {self.person} was asked for, the file holds {people}")

    def numbers(self, name: str, *sizes: int) -> Float[Tensor, "numbers"]:
        """This person's numbers of a field that has one of these sizes per person."""
        values = np.asarray(self.fields[name])
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise InputError(f"{name!r} must hold finite numbers")
        for size in sizes:
            if values.size == self.count * size:
                row = values.reshape(self.count, size)[self.person]
                return torch.from_numpy(row.astype(np.float32))
        raise InputError(
            f"{name!r} must have {' or '.join(map(str, sizes))} numbers for each of {self.count} "
            f"people, found {values.shape}"
        )

    def rotations(self, name: str, joints: int) -> Float[Tensor, "joints 3 3"]:
        """This person's rotations, axis-angle or matrices."""
        values = self.numbers(name, 3 * joints, 9 * joints)
        if len(values) == 3 * joints:
            return roma.rotvec_to_rotmat(values.view(joints, 3))
        matrices = values.view(joints, 3, 3)
        # Networks' matrices are rotations up to rounding; anything else is another layout.
        near = cast(Tensor, roma.special_procrustes(matrices))
        if not torch.allclose(near, matrices, atol=1e-2):
            raise InputError(f"{name!r} holds {9 * joints} numbers that are no rotation matrices")
        return near


def people_in(fields: Mapping[str, np.ndarray], name: str, sizes: Sequence[int]) -> int:
    """How many people a field tells of that has one of these sizes for each.

    Raises InputError when its shape fits none.
    """
    shape = np.shape(fields[name])
    if len(shape) > 1 and int(np.prod(shape[1:])) in sizes and shape[0] > 0:
        return int(shape[0])
    if int(np.prod(shape)) in sizes:
        return 1
    raise InputError(
        f"{name!r} must have {', '.join(map(str, sizes))} numbers per person, found {shape}"
    )


def family_pose(fields: Mapping[str, np.ndarray], person: int) -> tuple[FamilyPose, People]:
    """The person's parameters, whichever way they are written.

    Raises:
        InputError: a field is missing, of an unknown size, or tells no one model.
    """
    whole = first_of(fields, WHOLE)
    root, body, shape = (first_of(fields, names) for names in (ROOT, BODY, SHAPE))
    if shape is None or (whole is None and (root is None or body is None)):
        raise InputError(
            f"parameters of a body need one of {', '.join(SHAPE)}, and either one of "
            f"{', '.join(WHOLE)} or one of {', '.join(ROOT)} with one of {', '.join(BODY)}"
        )
    if root is not None and body is not None:
        people = People(fields, people_in(fields, body, _sizes(_BODY_JOINTS)), person)
        model, rotations = _parted(people, root, body)
    else:
        assert whole is not None
        people = People(fields, people_in(fields, whole, _sizes(_WHOLE_JOINTS)), person)
        count = np.size(fields[whole]) // people.count
        joints = next(j for j in _WHOLE_JOINTS if count in (3 * j, 9 * j))
        model, rotations = _WHOLE_JOINTS[joints], people.rotations(whole, joints)
    betas = people.numbers(shape, np.size(fields[shape]) // people.count)
    return FamilyPose(model, betas, rotations), people


def _sizes(joint_counts: Mapping[int, object]) -> list[int]:
    return [size * joints for joints in joint_counts for size in (3, 9)]


def _parted(people: People, root: str, body: str) -> tuple[str, Float[Tensor, "bones 3 3"]]:
    """Model and rotations from a root, a body and perhaps face and hands."""
    count = np.size(people.fields[body]) // people.count
    joints = next(j for j in _BODY_JOINTS if count in (3 * j, 9 * j))
    model = _named_model(people, joints)
    names = SPECS[model].joint_names
    rotations = torch.eye(3).repeat(len(names), 1, 1)
    rotations[:1] = people.rotations(root, 1)
    rotations[1 : joints + 1] = people.rotations(body, joints)
    fingers = len(names) - 30
    for start, hand in ((fingers, _HANDS[0]), (fingers + 15, _HANDS[1])):
        if model == "smpl" or hand not in people.fields:
            continue
        size = np.size(people.fields[hand]) // people.count
        if size in (45, 135):
            rotations[start : start + 15] = people.rotations(hand, 15)
        else:
            people.notes.append(f"{hand} has {size} numbers, not 45 or 135: the hand is left flat")
    for index, name in enumerate(_FACE, start=22):
        if model == "smplx" and name in people.fields:
            rotations[index : index + 1] = people.rotations(name, 1)
    return model, rotations


def _named_model(people: People, joints: int) -> str:
    fields = people.fields
    told = first_of(fields, ("model", "model_type"))
    possible = _BODY_JOINTS[joints]
    if told is not None:
        name = str(np.asarray(fields[told]).ravel()[0]).lower().replace("-", "").replace("+", "")
        if name not in possible:
            raise InputError(
                f"{joints} body joints are those of {' or '.join(possible)}, the file says {name!r}"
            )
        return name
    if len(possible) == 1:
        return possible[0]
    if first_of(fields, (*_FACE, "expression")) is not None:
        return "smplx"
    raise InputError(
        f"{joints} body joints are those of SMPL+H and of SMPL-X; add a field 'model' that says "
        "'smplh' or 'smplx'"
    )


def pixels_of(people: People, camera: Camera) -> PixelsOf:
    """The camera a person was predicted in.

    A weak perspective with its box says most; then comes a translation with its focal length. A
    principal point that is not told is the middle of the photo.

    Raises:
        InputError: the file does not say where in the photo the body stands.
    """
    fields = people.fields
    if "pred_cam" in fields:
        box = _square_box(people)
        if box is not None:
            scale, x, y = people.numbers("pred_cam", 3).tolist()
            if not scale > 0:
                raise InputError(f"the scale of 'pred_cam' must be positive, found {scale:.3g}")
            centre_x, centre_y, side = box
            per_m = scale * side / 2
            shift = torch.tensor([x, y, 0.0])
            return PixelsOf(shift, (per_m, per_m), (centre_x, centre_y), weak=True)
    place, focal = first_of(fields, PLACE), first_of(fields, FOCAL)
    if place is None or focal is None:
        unsaid = first_of(fields, UNSAID_BOXES)
        hint = (
            f"; {unsaid!r} may be corners or sizes, name it 'bbox_xyxy' or 'bbox_xywh'"
            if unsaid and "pred_cam" in fields
            else ""
        )
        raise InputError(
            "the file does not say where in the photo the body stands: it needs one of "
            f"{', '.join(PLACE)} with the focal length in pixels it belongs to "
            f"({', '.join(FOCAL)}), or 'pred_cam' with 'box_center' and 'box_size' or a box{hint}"
        )
    return PixelsOf(people.numbers(place, 3), _focal(people, focal), _centre(people, camera))


def osx_pixels(people: People) -> PixelsOf:
    """The camera of OSX's vertices: 5000 px for a crop of 192 x 256, in the box `bbox_2`.

    Source: OSX, demo; InteractVLM, joint reconstruction.
    """
    x, y, width, height = people.numbers("bbox_2", 4).tolist()
    if not (width > 0 and height > 0):
        raise InputError(f"'bbox_2' must be x, y, width, height, found {width:.4g} x {height:.4g}")
    focal = (_OSX_FOCAL_PX / _OSX_CROP[0] * width, _OSX_FOCAL_PX / _OSX_CROP[1] * height)
    return PixelsOf(torch.zeros(3), focal, (x + width / 2, y + height / 2))


def _focal(people: People, name: str) -> tuple[float, float]:
    values = np.asarray(people.fields[name], dtype=np.float64).ravel()
    if values.size == 1:
        values = np.repeat(values, 2)
    elif values.size == people.count != 2:
        values = np.repeat(values[people.person], 2)
    elif values.size == 2 * people.count:
        values = values.reshape(people.count, 2)[people.person]
    if values.size != 2 or not np.isfinite(values).all() or not (values > 0).all():
        raise InputError(
            f"{name!r} must be one positive number, one per person or fx and fy, found "
            f"{np.shape(people.fields[name])}"
        )
    return float(values[0]), float(values[1])


def _centre(people: People, camera: Camera) -> tuple[float, float]:
    name = first_of(people.fields, CENTRE)
    if name is None:
        return camera.width_px / 2, camera.height_px / 2
    values = np.asarray(people.fields[name], dtype=np.float64)
    if values.size == 2:
        x, y = values.ravel().tolist()
    else:
        x, y = people.numbers(name, 2).tolist()
    return float(x), float(y)


def _square_box(people: People) -> tuple[float, float, float] | None:
    """Centre and side of the square crop, where the file tells it beyond doubt."""
    fields = people.fields
    if "box_center" in fields and "box_size" in fields:
        x, y = people.numbers("box_center", 2).tolist()
        side = people.numbers("box_size", 1).item()
    else:
        name = first_of(fields, BOXES)
        if name is None:
            return None
        a, b, c, d = people.numbers(name, 4).tolist()
        width, height = (c - a, d - b) if name == "bbox_xyxy" else (c, d)
        x, y, side = a + width / 2, b + height / 2, max(width, height)
    if not side > 0:
        raise InputError(f"the box of the person must have a positive size, found {side:.4g}")
    return x, y, side
