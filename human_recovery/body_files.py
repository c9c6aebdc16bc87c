"""Reads a person's body from a file, ours or a pose regressor's, into the camera of the photo.

A regressor's virtual camera is left behind: the body keeps its size in metres and its place in the
photo, and gets the depth and the turn that the true camera asks for. Formats: docs/body.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery import regressor_fields as known
from human_recovery.array_pickle import load_array_pickle
from human_recovery.body_model import BodyModel, load_body_model
from human_recovery.body_placement import place_on_pixels
from human_recovery.body_state import (
    BodyInCamera,
    BodyState,
    body_from_fields,
    read_plain_npz,
    require_camera_at_origin,
)
from human_recovery.pickle_stand_ins import dense_array
from human_recovery.regressor_fields import People, PixelsOf
from human_recovery.smpl_files import SPECS
from renders.camera import Camera
from renders.errors import InputError

_NESTED = ("pred_smpl_params", "smpl_params", "smplx_params", "smpl", "smplx", "camera")
"""Dictionaries inside a pickle whose fields count as the file's own."""
_NOTABLE_SHARE = 0.02
"""Share of the body's size in the photo above which a moved projection is told."""


def read_body(path: Path, camera: Camera, person: int = 0) -> BodyInCamera:
    """The body of one person of a `.npz` or `.pkl` file, in `camera`.

    Read are our own `body.npz`; OSX's vertices; parameters of SMPL, SMPL+H and SMPL-X, and HMR
    2.0's vertices, with a focal length or a weak perspective and its box. Parameters need the
    user's own model file, see `human_recovery.smpl_files`.

    Raises:
        InputError: the file is missing, damaged, of no known kind, has no such person, or does not
            say where in the photo the body stands.
        AssetError: a pickle asks for more than arrays, or the body model's file is missing.
    """
    path = Path(path)
    require_camera_at_origin(camera)
    fields = _fields(path)
    if "vertices_camera_m" in fields:
        if person != 0:
            raise InputError(f"a body file of ours holds one person, number 0: {str(path)!r}")
        return _in_camera(body_from_fields(fields, path), camera)
    try:
        if known.first_of(fields, known.CAMERA_VERTICES) and "bbox_2" in fields:
            return _from_osx(fields, camera, person)
        if known.first_of(fields, known.LOCAL_VERTICES):
            return _from_vertices(fields, camera, person)
        if known.first_of(fields, (*known.BODY, *known.WHOLE)):
            return _from_parameters(fields, camera, person)
    except InputError as error:
        raise InputError(f"{error}: {str(path)!r}") from None
    raise InputError(
        f"the file is no body that is read here: found {_names(fields)}; expected ours "
        "('vertices_camera_m'), OSX's ('smpl_vertices' with 'bbox_2'), or SMPL or SMPL-X "
        f"parameters ('global_orient', 'body_pose', 'betas', a place and a camera): {str(path)!r}"
    )


def _names(fields: Mapping[str, Any]) -> str:
    names = sorted(fields)
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return (shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")) or "nothing"


def _fields(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() == ".npz":
        return read_plain_npz(path)
    if path.suffix.lower() not in (".pkl", ".pickle"):
        raise InputError(f"a body's file is .npz or .pkl, got {str(path)!r}")
    if not path.is_file():
        raise InputError(f"body file not found; expected a file at {str(path)!r}")
    content = load_array_pickle(path)
    for name in _NESTED:
        inner = content.get(name)
        if isinstance(inner, dict):
            content |= {str(k): v for k, v in inner.items() if str(k) not in content}
    fields = {}
    for name, value in content.items():
        if isinstance(value, str):
            fields[name] = np.array(value)
            continue
        try:
            fields[name] = dense_array(value)
        except ValueError:  # text and lists beside the numbers; what is needed is asked for by name
            continue
    return fields


def _in_camera(body: BodyInCamera, camera: Camera) -> BodyInCamera:
    """Our own body, moved when the photo's camera is another than when it was saved."""
    # The same view with another number of pixels is the same camera.
    k = body.camera.resized(camera.height_px, camera.width_px).intrinsics
    pixels = PixelsOf(
        torch.zeros(3), (float(k[0, 0]), float(k[1, 1])), (float(k[0, 2]), float(k[1, 2]))
    )
    if pixels.is_of(camera):
        return replace(body, camera=camera)
    model = None if body.state is None else _model(body.state)
    moved = _placed(body.topology, body.vertices_m, pixels, camera, body.state, model)
    notes = (*body.notes, *moved.notes)
    return replace(moved, joint_spread_m=body.joint_spread_m, notes=notes)


def _from_osx(fields: Mapping[str, np.ndarray], camera: Camera, person: int) -> BodyInCamera:
    topology, vertices, people = _vertices(fields, "smpl_vertices", person)
    placed = _placed(topology, vertices, known.osx_pixels(people), camera)
    return replace(placed, notes=(*people.notes, *placed.notes))


def _from_vertices(fields: Mapping[str, np.ndarray], camera: Camera, person: int) -> BodyInCamera:
    topology, vertices, people = _vertices(fields, "pred_vertices", person)
    placed = _placed(topology, vertices, known.pixels_of(people, camera), camera)
    return replace(placed, notes=(*people.notes, *placed.notes))


def _vertices(
    fields: Mapping[str, np.ndarray], name: str, person: int
) -> tuple[str, Float[Tensor, "verts 3"], People]:
    """Topology, by the number of vertices, and the vertices of one person."""
    sizes = [3 * spec.num_vertices for spec in SPECS.values()]
    people = People(fields, known.people_in(fields, name, sizes), person)
    vertices = people.numbers(name, *sizes).view(-1, 3)
    topology = "smplx" if len(vertices) == SPECS["smplx"].num_vertices else "smpl"
    people.notes.append(f"taken as {SPECS[topology].title} by its {len(vertices)} vertices")
    return topology, vertices, people


def _from_parameters(fields: Mapping[str, np.ndarray], camera: Camera, person: int) -> BodyInCamera:
    pose, people = known.family_pose(fields, person)
    pixels = known.pixels_of(people, camera)
    state = BodyState(pose.model, pose.betas, pose.bone_rotations, torch.zeros(3))
    model = _model(state)
    with torch.no_grad():
        vertices = state.vertices_camera(model)
    placed = _placed(pose.model, vertices, pixels, camera, state, model)
    return replace(placed, notes=(*people.notes, *placed.notes))


def _model(state: BodyState) -> BodyModel:
    if not state.model.startswith("smpl"):
        return load_body_model(state.model)
    from human_recovery.smpl_family import SmplBody

    return SmplBody(state.model, num_betas=len(state.shape))


def _placed(
    topology: str,
    vertices_m: Float[Tensor, "verts 3"],
    pixels: PixelsOf,
    camera: Camera,
    state: BodyState | None = None,
    model: BodyModel | None = None,
) -> BodyInCamera:
    """The body in the true camera, from vertices and the camera they were predicted in."""
    rotation, shift_m, notes = torch.eye(3), pixels.shift_m, ()
    if not pixels.is_of(camera):
        wanted = pixels(vertices_m)
        there = place_on_pixels(vertices_m, wanted, camera)
        rotation, shift_m = there.rotation, there.shift_m
        size_px = float((wanted.amax(0) - wanted.amin(0)).max())
        if there.worst_px > _NOTABLE_SHARE * size_px:
            notes = (
                "the true camera shows the body a little differently than the one it was predicted "
                f"in: points moved by {there.median_px:.1f} px (median), {there.worst_px:.1f} px "
                f"at most, of {size_px:.0f} px",
            )
    if state is not None and model is not None:
        state = state.moved(rotation, shift_m, model)
    return BodyInCamera(
        topology, vertices_m @ rotation.T + shift_m, camera, state, None, notes
    )  # fmt: skip
