"""The folder that a scene is kept in between stages.

Every part is a file of its own, so that any stage's work can be replaced by hand: `photo.png`,
`camera.json`, `body.npz`, `object_mask.png`, `person_mask.png`, `contact.npz`, `depth.npy`, and the
files of `candidate_files`. Knows files; what they are good for is the fit's.
"""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from hoi_fit.ground import Ground
from human_recovery.body_files import read_body
from human_recovery.body_state import save_body
from interactvlm.body_transfer import on_topology
from interactvlm.errors import InputError
from interactvlm.reconstruction.candidate_files import (
    CANDIDATES_FILE,
    load_candidates,
    save_candidates,
    shape_files,
)
from interactvlm.reconstruction.scene import Scene
from interactvlm.reconstruction_inputs.map_files import read_json
from interactvlm.results import ContactMap, load_contact_npz, save_contact_npz
from renders.cache import atomic_write

JOINT_FILE = "body_joint.npz"
_PERSON_MASK, _CONTACT, _DEPTH = "person_mask.png", "contact.npz", "depth.npy"
_GROUND = "ground.json"
_OPTIONAL = re.compile(
    r"person_mask\.png|contact\.npz|depth\.npy|ground\.json|body_joint\.npz|"
    r"object_[1-9]\d*\.ply|affordance_[1-9]\d*\.npz"
)
"""Files that one scene has and another does not."""
_PHOTOS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def save_scene(folder: Path, scene: Scene) -> None:
    """Writes every part of the scene; what an earlier scene left there and this one lacks goes.

    Files of other names stay as they are.
    """
    from interactvlm.reconstruction_inputs.camera_file import write_camera_file

    folder.mkdir(parents=True, exist_ok=True)
    # Removed first and written last: a folder that was half written is not read as a scene.
    (folder / CANDIDATES_FILE).unlink(missing_ok=True)
    written = {name for names in shape_files(scene.candidates) for name in names if name}
    with atomic_write(folder / "photo.png") as temporary:
        scene.photo.save(temporary, format="PNG")
    write_camera_file(folder / "camera.json", scene.camera)
    save_body(folder / "body.npz", scene.body)
    _save_mask(folder / "object_mask.png", scene.object_mask)
    if scene.person_mask is not None:
        _save_mask(folder / _PERSON_MASK, scene.person_mask)
        written.add(_PERSON_MASK)
    if scene.contact is not None:
        save_contact_npz(folder / _CONTACT, [scene.contact])
        written.add(_CONTACT)
    if scene.depth_m is not None:
        with atomic_write(folder / _DEPTH) as temporary, temporary.open("wb") as stream:
            np.save(stream, scene.depth_m.float().numpy(), allow_pickle=False)
        written.add(_DEPTH)
    if scene.ground is not None:
        with atomic_write(folder / _GROUND) as temporary:
            temporary.write_text(json.dumps(asdict(scene.ground)) + "\n", encoding="utf-8")
        written.add(_GROUND)
    for path in folder.iterdir():
        if path.name not in written and _OPTIONAL.fullmatch(path.name) and path.is_file():
            path.unlink()
    save_candidates(folder, scene.label, scene.candidates, scene.notes)


def load_scene(folder: Path) -> Scene:
    """What `save_scene` wrote, perhaps with some files replaced, or put together by hand.

    Raises:
        InputError: a file is missing or damaged, or does not fit the others.
        AssetError: the contact file is damaged, or a body model's file is missing.
    """
    from interactvlm.photo import read_photo
    from interactvlm.reconstruction_inputs.camera_file import read_camera_file
    from interactvlm.reconstruction_inputs.masks import read_mask
    from interactvlm.reconstruction_inputs.photo_depth import read_depth

    if not folder.is_dir():
        raise InputError(f"folder of a scene not found; expected it at {str(folder)!r}")
    photo = read_photo(_photo_file(folder))
    listed = load_candidates(folder)
    notes = [*listed.notes, *photo.warnings]
    camera = read_camera_file(folder / "camera.json", photo)
    camera = camera.resized(photo.image.height, photo.image.width)
    body = read_body(folder / "body.npz", camera)
    mask = torch.from_numpy(read_mask(folder / "object_mask.png", photo, notes=notes))
    contact = person = depth = None
    if (folder / _CONTACT).is_file():
        contact = contact_of(folder / _CONTACT, listed.label, body.topology)
    if (folder / _PERSON_MASK).is_file():
        person = torch.from_numpy(read_mask(folder / _PERSON_MASK, photo, notes=notes))
    if (folder / _DEPTH).is_file():
        depth = torch.from_numpy(read_depth(folder / _DEPTH, photo, notes=notes))
    return Scene(
        photo=photo.image, camera=camera, body=body, label=listed.label, object_mask=mask,
        candidates=listed.candidates, person_mask=person, contact=contact, depth_m=depth,
        ground=_read_ground(folder / _GROUND),
        notes=tuple(dict.fromkeys((*notes, *body.notes))),
    )  # fmt: skip


def contact_of(path: Path, label: str, topology: str) -> ContactMap:
    """The map of a label in a contact file, or its only one, on a body of that topology.

    Raises:
        InputError: there are several maps and none is the label's, or it is of no whole body.
        AssetError: the file is missing or damaged, or a body model's file is missing.
    """
    maps = load_contact_npz(path)
    found = maps if len(maps) == 1 else [one for one in maps if one.label == label]
    if not found:
        labels = ", ".join(repr(one.label) for one in maps) or "none at all"
        raise InputError(f"contact file has no map of {label!r}, it has {labels}: {str(path)!r}")
    try:
        return on_topology(found[0], topology)
    except InputError as error:
        raise InputError(f"{error}: {str(path)!r}") from None


def _read_ground(path: Path) -> Ground | None:
    """None where there is no such file."""
    if not path.is_file():
        return None
    told = read_json(path)
    try:
        up, height = told["up_camera"], float(told["height_m"])
        return Ground((float(up[0]), float(up[1]), float(up[2])), height)
    except (KeyError, IndexError, TypeError, ValueError, InputError) as error:
        raise InputError(
            f"floor file must have 'up_camera' (three numbers) and 'height_m' ({error}): "
            f"{str(path)!r}"
        ) from None


def _save_mask(path: Path, mask: Bool[Tensor, "height width"]) -> None:
    with atomic_write(path) as temporary:
        Image.fromarray((255 * mask.numpy()).astype(np.uint8)).save(temporary, format="PNG")


def _photo_file(folder: Path) -> Path:
    """The folder's photo; the one that `save_scene` writes before any other."""
    found = [p for p in sorted(folder.glob("photo.*")) if p.suffix.lower() in _PHOTOS]
    if not found:
        raise InputError(f"the folder holds no photo (photo.png or photo.jpg): {str(folder)!r}")
    return min(found, key=lambda path: _PHOTOS.index(path.suffix.lower()))
