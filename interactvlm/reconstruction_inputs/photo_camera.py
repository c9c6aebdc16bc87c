"""The camera that took a photo: from a file, a flag, the photo's EXIF, else assumed.

Always one pinhole camera with square pixels (a file may say otherwise), at the origin, in pixels
of the upright original photo, and always with how sure its focal length is. Knows numbers of
lenses and pictures; nothing of people or models.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from PIL import ExifTags
from torch import Tensor

from interactvlm.errors import InputError
from interactvlm.photo import Photo, printable
from interactvlm.reconstruction_inputs.camera_file import read_camera_file
from interactvlm.reconstruction_inputs.map_files import same_aspect
from renders.camera import Camera, intrinsics_from_fov

CameraSource = Literal["file", "flag", "exif", "assumed"]

EXIF_SPREAD = 0.03
"""Relative standard deviation of a focal length in whole millimetres of 35 mm film: rounding, and
makers who relate it to the picture's width instead of its diagonal."""
RESIZED_SPREAD = 0.10
"""Of a photo that was scaled after it was taken, or does not tell: it may have been cropped too."""
CROPPED_SPREAD = 0.25
"""Of a photo that was cropped after it was taken."""
ASSUMED_SPREAD = 0.30
"""Of the assumed focal length: the relative standard deviation over fields of view drawn evenly
from 30 to 75 degrees, those of the generated scenes."""

_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""FocalPlaneResolutionUnit: inch and centimetre; millimetre and micrometre as some cameras add."""
_PLAUSIBLE = (0.15, 50.0)
"""Focal length over the picture's diagonal: from a fisheye of 6 mm to a lens of 2000 mm."""


@dataclass(frozen=True, eq=False)
class PhotoCamera:
    """A photo's camera and how it is known."""

    camera: Camera
    """At the origin, looking along z, in pixels of the upright original photo."""
    source: CameraSource
    """Where it came from."""
    focal_spread: float
    """Relative standard deviation of the focal length; 0 where a person gave it."""
    note: str
    """The same in a sentence."""

    def __repr__(self) -> str:
        return f"PhotoCamera({self.source}, {self.camera!r}, spread {self.focal_spread:.2f})"


class _Focal(NamedTuple):
    focal_px: float
    spread: float
    note: str


def camera_for_photo(
    photo: Photo,
    *,
    camera_file: Path | None = None,
    focal_px: float | None = None,
    fov_deg: float | None = None,
) -> PhotoCamera:
    """The camera of a photo. `fov_deg` is the vertical field of view.

    Without file and flag: EXIF, else the diagonal in pixels as focal length (a diagonal field of
    view of 53 degrees). Source of that: Kissos et al., "Beyond weak perspective for monocular 3D
    human pose estimation", 2020.

    Raises:
        InputError: more than one of the three is given, or the one given cannot be used.
    """
    named = {"--camera": camera_file, "--focal-px": focal_px, "--fov-deg": fov_deg}
    given = [flag for flag, value in named.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} each say what the camera is; give only one")
    if camera_file is not None:
        camera = read_camera_file(camera_file, photo)
        return PhotoCamera(camera, "file", 0.0, f"camera as given by {printable(camera_file)!r}")
    if focal_px is not None:
        if not math.isfinite(focal_px) or focal_px <= 0:
            raise InputError(f"--focal-px must be a positive number of pixels, got {focal_px!r}")
        return _known(
            photo, "flag", _Focal(focal_px, 0.0, f"focal length {focal_px:g} px as given")
        )
    if fov_deg is not None:
        intrinsics = intrinsics_from_fov(fov_deg, photo.height, photo.width)
        note = f"vertical field of view of {fov_deg:g} degrees as given"
        return PhotoCamera(_camera(photo, intrinsics), "flag", 0.0, note)
    stored = _from_exif(photo)
    if stored is not None:
        return _known(photo, "exif", stored)
    diagonal = math.hypot(photo.width, photo.height)
    note = (
        f"the photo does not tell its camera: a focal length of {diagonal:.0f} px is assumed, give "
        f"or take {ASSUMED_SPREAD:.0%}; --camera, --focal-px or --fov-deg says it"
    )
    return _known(photo, "assumed", _Focal(diagonal, ASSUMED_SPREAD, note))


def _known(photo: Photo, source: CameraSource, focal: _Focal) -> PhotoCamera:
    f = focal.focal_px
    intrinsics = torch.tensor(
        [[f, 0.0, photo.width / 2], [0.0, f, photo.height / 2], [0.0, 0.0, 1.0]]
    )
    return PhotoCamera(_camera(photo, intrinsics), source, focal.spread, focal.note)


def _camera(photo: Photo, intrinsics: Float[Tensor, "3 3"]) -> Camera:
    return Camera(intrinsics, torch.eye(4), photo.height, photo.width)


def _from_exif(photo: Photo) -> _Focal | None:
    """Focal length in pixels of the photo as it is now; None where EXIF has no plausible one."""
    taken = _size_when_taken(photo)
    width, height = taken or (photo.width, photo.height)
    found = _focal_when_taken(photo, math.hypot(width, height))
    if found is None:
        return None
    focal_px, how = found
    across, down = photo.width / width, photo.height / height
    if taken is None:
        scale, spread, since = 1.0, RESIZED_SPREAD, "; whether it was cropped since is not told"
    elif (across, down) == (1.0, 1.0):
        scale, spread, since = 1.0, EXIF_SPREAD, ""
    elif same_aspect(width, height, photo.width, photo.height):
        scale, spread = photo.width / width, RESIZED_SPREAD
        since = f"; the photo was taken with {width}x{height} px and scaled since"
    else:
        # The largest part of the picture that has this aspect: right for a crop of full width or
        # height, scaled or not, and too small a focal length for any other.
        scale, spread = max(across, down), CROPPED_SPREAD
        since = f"; the photo was taken with {width}x{height} px and cropped since, so it is unsure"
    focal_px *= scale
    return _Focal(focal_px, spread, f"focal length {focal_px:.0f} px from EXIF ({how}){since}")


def _size_when_taken(photo: Photo) -> tuple[int, int] | None:
    """Width and height EXIF tells of the upright photo; None where it tells none."""
    tags = ExifTags.Base
    width, height = (
        round(photo.exif.get(tag, 0.0)) for tag in (tags.ExifImageWidth, tags.ExifImageHeight)
    )
    if width < 1 or height < 1:
        return None
    if 5 <= photo.exif.get(tags.Orientation, 1.0) <= 8:
        width, height = height, width
    here = photo.width, photo.height
    # Programs that turn the pixels upright often leave these two numbers as they were.
    turned = same_aspect(height, width, *here) and not same_aspect(width, height, *here)
    return (height, width) if turned else (width, height)


def _focal_when_taken(photo: Photo, diagonal_px: float) -> tuple[float, str] | None:
    """Focal length in pixels of the photo as it was taken, and what it follows from.

    Source: EXIF 2.32, tags FocalLengthIn35mmFilm (0 means unknown; the film's diagonal is the
    picture's, CIPA DCG-001) and FocalPlaneXResolution.
    """
    tags = ExifTags.Base
    film_mm = photo.exif.get(tags.FocalLengthIn35mmFilm, 0.0)
    if _plausible(film_mm / _FILM_DIAGONAL_MM):
        return film_mm * diagonal_px / _FILM_DIAGONAL_MM, f"{film_mm:g} mm on 35 mm film"
    focal_mm = photo.exif.get(tags.FocalLength, 0.0)
    per_unit = photo.exif.get(tags.FocalPlaneXResolution, 0.0)
    unit_mm = _UNIT_MM.get(round(photo.exif.get(tags.FocalPlaneResolutionUnit, 2.0)), 0.0)
    if unit_mm <= 0:
        return None
    # Digital zoom enlarges the middle of the sensor, which the tags of the sensor do not tell.
    zoom = max(photo.exif.get(tags.DigitalZoomRatio, 1.0), 1.0)
    focal_px = focal_mm * per_unit / unit_mm * zoom
    if not _plausible(focal_px / diagonal_px):
        return None
    return focal_px, f"{focal_mm:g} mm and the size of the sensor"


def _plausible(focal_over_diagonal: float) -> bool:
    return _PLAUSIBLE[0] <= focal_over_diagonal <= _PLAUSIBLE[1]
