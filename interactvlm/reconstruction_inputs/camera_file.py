"""camera.json: a pinhole camera as `width`, `height`, `fx`, `fy`, `cx`, `cy`, all in pixels.

Pixel centres lie at +0.5, so the middle of a picture is (width / 2, height / 2). Knows files; how
a camera is found without one is told in `photo_camera`.
"""

import json
import math
from pathlib import Path
from typing import Any

import torch

from interactvlm.errors import InputError
from interactvlm.photo import Photo, printable
from interactvlm.reconstruction_inputs.map_files import existing_file, read_json, same_aspect
from renders.cache import atomic_write
from renders.camera import Camera

KEYS = ("width", "height", "fx", "fy", "cx", "cy")


def write_camera_file(path: Path, camera: Camera) -> None:
    """Intrinsics and size of a camera, whole or not at all; its pose is not written."""
    (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
    values = dict(zip(KEYS, (camera.width_px, camera.height_px, fx, fy, cx, cy), strict=True))
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_camera_file(path: Path, photo: Photo) -> Camera:
    """The camera in pixels of the original photo, scaled when it was written at another size.

    Raises InputError when a key is missing or no fitting number, or the aspect is another.
    """
    name = printable(path)
    content = read_json(existing_file(path))
    if not isinstance(content, dict):
        raise InputError(f"camera file must be an object with {', '.join(KEYS)}: {name!r}")
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise InputError(f"camera file lacks {', '.join(missing)} (pixels): {name!r}")
    fx, fy, cx, cy = (_number(content[key], key, name) for key in KEYS[2:])
    width, height = (_side(content[key], key, name) for key in KEYS[:2])
    if fx <= 0 or fy <= 0:
        raise InputError(
            f"camera file must have positive fx and fy, found {fx!r}, {fy!r}: {name!r}"
        )
    if not same_aspect(width, height, photo.width, photo.height):
        raise InputError(
            f"camera is of a photo of {width}x{height} px and this one has "
            f"{photo.width}x{photo.height} px, another aspect; give the camera of the upright "
            f"photo as it is: {name!r}"
        )
    intrinsics = torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    camera = Camera(intrinsics, torch.eye(4), height, width)
    if (width, height) == (photo.width, photo.height):
        return camera
    return camera.resized(photo.height, photo.width)


def _number(value: Any, key: str, name: str) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    # An integer of 400 digits is valid JSON and no float.
    if not known or abs(value) > 1e9 or not math.isfinite(value):
        raise InputError(
            f"camera file must have a finite number of pixels as {key!r}, found {value!r:.40}: "
            f"{name!r}"
        )
    return float(value)


def _side(value: Any, key: str, name: str) -> int:
    side = _number(value, key, name)
    if side < 1 or side != int(side):
        raise InputError(f"camera file must have a whole {key!r} of at least 1, found {value!r}: "
                         f"{name!r}")  # fmt: skip
    return int(side)
