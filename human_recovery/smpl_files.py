"""The files of SMPL, SMPL+H and SMPL-X: where a person's own copies are, and what they must hold.

None is shipped or downloaded. `.npz` and `.pkl` are read, old pickles with chumpy's values too,
without running anything they may hold. Knows file formats, not how a body is posed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Shaped

from human_recovery.array_pickle import load_array_pickle
from human_recovery.pickle_stand_ins import dense_array
from renders.errors import AssetError, InputError

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

_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_OTHER_BODIES = {778: "a MANO hand", 5023: "a FLAME head", 6890: "SMPL or SMPL+H", 10475: "SMPL-X"}
"""What has this many vertices."""
_WRONG_STARTS = (
    (b"<", "is a web page, as servers send where a login is missing"),
    (b"version https://git-lfs", "is a Git LFS pointer in place of the file"),
    (b"\x1f\x8b", "is a gzip archive; unpack it"),
    (b"Rar!", "is a RAR archive; unpack it"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it"),
)
_ZIP = b"PK\x03\x04"
"""How every `.npz` begins."""


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


def _candidates(root: Path, name: str, gender: str) -> Iterator[Path]:
    for file_name in _published_names(name, gender):
        yield root / name / file_name
        if "/" not in file_name:
            yield root / file_name


def _published_names(name: str, gender: str) -> Iterator[str]:
    """File names of all releases, in the order they are preferred."""
    for suffix in ("npz", "pkl"):
        yield f"{name.upper()}_{gender.upper()}.{suffix}"
    for suffix in ("npz", "pkl"):
        yield f"{name.upper()}_{gender}.{suffix}"  # SMPLH_male.pkl of MANO's archive
        yield f"{gender}/model.{suffix}"  # the extended SMPL+H, as AMASS uses it
    letter = {"neutral": "neutral", "male": "m", "female": "f"}[gender]
    if name == "smpl":
        for version in ("1.1.0", "1.0.0"):
            yield f"basicmodel_{letter}_lbs_10_207_0_v{version}.pkl"
            yield f"basicModel_{letter}_lbs_10_207_0_v{version}.pkl"
    if name == "smplx":
        yield f"SMPLX_{gender.upper()}_2020.npz"


def file_fault(path: Path) -> str:
    """What the first bytes say is wrong with a body model's file; empty when they look right.

    Raises:
        AssetError: the file cannot be opened.
    """
    try:
        with open(path, "rb") as stream:
            start = stream.read(32)
    except OSError as error:
        raise AssetError(f"body model cannot be opened ({error.strerror}): {path}") from error
    if not start:
        return "is empty"
    for wrong, what in _WRONG_STARTS:
        if start.lstrip().startswith(wrong):
            return what
    is_zip = start.startswith(_ZIP)
    if path.suffix == ".npz" and not is_zip:
        return "is no .npz archive; a pickle is named .pkl"
    if path.suffix == ".pkl" and is_zip:
        return "is a zip archive; unpack it, or name it .npz if it is one"
    return ""


def read_model_file(spec: FamilySpec, path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Arrays of a model, checked: shapes, finite values, faces and joints that exist.

    Keys are the publisher's: `v_template` (verts, 3), `shapedirs` (verts, 3, betas), `posedirs`
    (verts, 3, 9 · (joints - 1)), `J_regressor` (joints, verts), `weights` (verts, joints),
    `kintree_table` (2, joints) and `f` (faces, 3).

    Raises:
        AssetError: naming the file, what is wrong with it and what to do.
    """
    fault = file_fault(path)
    if fault:
        raise AssetError(f"{spec.title} body model {fault}; get it again at {spec.site}: {path}")
    content = _read_npz(path) if path.suffix == ".npz" else load_array_pickle(path)
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise AssetError(
            f"{spec.title} body model lacks {', '.join(missing)}; get it at {spec.site}: {path}"
        )
    arrays = {}
    for key in _KEYS:
        try:
            arrays[key] = dense_array(content[key])
        except ValueError as error:
            raise AssetError(
                f"{spec.title} body model has an unusable {key!r}: {error}: {path}"
            ) from error
    _check_shapes(spec, arrays, path)
    _check_values(spec, arrays, path)
    return arrays


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: _member(stored, key) for key in _KEYS if key in stored.files}
    except Exception as error:  # a damaged archive may fail in any way
        raise AssetError(
            f"body model cannot be read ({error}); get it again from its publisher: {path}"
        ) from error


def _member(stored: Any, key: str) -> np.ndarray:
    try:
        return stored[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(f"{key!r} is a pickled object, which is not read from .npz") from None


def _check_shapes(spec: FamilySpec, arrays: dict[str, Any], path: Path) -> None:
    vertices, joints = spec.num_vertices, len(spec.joint_names)
    shapes: dict[str, tuple[int | None, ...]] = {
        "v_template": (vertices, 3),
        "weights": (vertices, joints),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
        "shapedirs": (vertices, 3, None),
        "J_regressor": (joints, vertices),
        "kintree_table": (2, joints),
        "f": (None, 3),
    }
    for key, wanted in shapes.items():
        found = arrays[key].shape
        if len(found) == len(wanted) and all(
            size in (None, has) for size, has in zip(wanted, found, strict=True)
        ):
            continue
        expected = ", ".join("any" if size is None else str(size) for size in wanted)
        raise AssetError(
            f"{spec.title} has {key} of shape ({expected}), found {found}{_guess(arrays)}: {path}"
        )


def _guess(arrays: dict[str, Any]) -> str:
    """What a file of the wrong shapes is, as far as its numbers of vertices and joints tell."""
    vertices, joints = arrays["v_template"].shape[:1], arrays["weights"].shape[1:2]
    for other in SPECS.values():
        if (vertices, joints) == ((other.num_vertices,), (len(other.joint_names),)):
            return f"; the file is a model of {other.title}"
    what = _OTHER_BODIES.get(vertices[0]) if vertices else None
    return f"; {vertices[0]} vertices are those of {what}" if what else ""


def _check_values(spec: FamilySpec, arrays: dict[str, Any], path: Path) -> None:
    for key in _KEYS:
        if not np.isfinite(arrays[key]).all():
            raise AssetError(
                f"{spec.title} body model has values in {key} that are not finite; get it again "
                f"at {spec.site}: {path}"
            )
    faces, parents = arrays["f"], arrays["kintree_table"][0, 1:].astype(np.int64)
    if not faces.size or faces.min() < 0 or faces.max() >= spec.num_vertices:
        raise AssetError(
            f"{spec.title} body model has no faces or such that name no vertex of its own; get it "
            f"again at {spec.site}: {path}"
        )
    if (parents < 0).any() or (parents >= np.arange(1, len(parents) + 1)).any():
        raise AssetError(
            f"{spec.title} body model has joints in the wrong order; get it again at "
            f"{spec.site}: {path}"
        )
