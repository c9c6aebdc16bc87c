"""Files that hold a value per pixel of a photo: finding, choosing a part, fitting to the photo.

Knows sizes and files; knows neither masks nor depth.
"""

import json
import logging
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.photo import MAX_FILE_BYTES, MAX_PIXELS, Photo, printable

PICTURE_FORMATS = ("PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG", "PPM")

_LOGGER = logging.getLogger(__name__)

Map = TypeVar("Map", bound=np.ndarray)


def tell(notes: list[str] | None, sentence: str) -> None:
    """What a person should know: logged, and added to the notes of the result if there are any."""
    _LOGGER.warning("%s", sentence)
    if notes is not None:
        notes.append(sentence)


def split_choice(path: Path | str) -> tuple[Path, str]:
    """`mask.png:3` as the file and the text behind the colon, which is "" without one.

    Raises InputError when there is no such file.
    """
    before, colon, choice = str(path).rpartition(":")
    if colon and choice and not _is_file(Path(path)) and _is_file(Path(before)):
        return existing_file(before), choice
    return existing_file(path), ""


def choice_number(choice: str) -> int | None:
    """The choice as a number, None where it is none."""
    return int(choice) if choice.isdecimal() and len(choice) < 10 else None


def existing_file(path: Path | str) -> Path:
    """The path of a file of usable size. Raises InputError when there is none."""
    file = Path(path).expanduser()
    if not _is_file(file):
        raise InputError(f"file not found (no such file): {printable(path)!r}")
    size = file.stat().st_size
    if not 0 < size <= MAX_FILE_BYTES:
        raise InputError(
            f"file has {size:,} bytes; between 1 and {MAX_FILE_BYTES:,} are read: "
            f"{printable(path)!r}"
        )
    return file


def read_json(path: Path) -> Any:
    """Content of a JSON file. Raises InputError when it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"file cannot be read as JSON ({error!s:.80}): {printable(path)!r}"
        ) from None


def read_array(path: Path, choice: str, usual_key: str) -> tuple[np.ndarray, str]:
    """The array of a .npy file, or one of a .npz, and what of the choice it did not use.

    A .npz gives the array that the choice names, else that under `usual_key`, else its only one.
    Raises InputError for a file that cannot be read or leaves the choice open.
    """
    name = printable(path)
    try:
        with open(path, "rb") as stream:
            stored = np.load(stream, allow_pickle=False)
            keys, key, array = [], None, stored
            if not isinstance(stored, np.ndarray):
                keys = list(stored.files)
                key = _key(keys, choice, usual_key)
                array = None if key is None else _unpacked(stored, key)
    except Exception as error:  # zip, header and pickle errors share no base class
        raise InputError(f"array file cannot be read ({error!s:.80}): {name!r}") from None
    if array is None:
        raise InputError(
            f"file holds the arrays {keys}; name one as {path.name}:{(keys or ['KEY'])[0]}: "
            f"{name!r}"
        )
    if array.dtype.kind not in "biuf" or not 2 <= array.ndim <= 3 or array.size > MAX_PIXELS:
        raise InputError(
            f"array must hold numbers of (height, width), found {array.shape} of {array.dtype}: "
            f"{name!r}"
        )
    return array, "" if key == choice else choice


def open_picture(path: Path) -> Image.Image:
    """A decoded picture in the mode it is stored in. Raises InputError when it cannot be read."""
    name = printable(path)
    try:
        picture = Image.open(path, formats=PICTURE_FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise InputError(
                f"picture has {picture.width}x{picture.height} px; at most {MAX_PIXELS:,} pixels "
                f"are read: {name!r}"
            )
        picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"file is damaged or no picture that can be read ({error!s:.80}); read are "
            f"{', '.join(PICTURE_FORMATS)}: {name!r}"
        ) from None
    return picture


def same_aspect(width: int, height: int, other_width: int, other_height: int) -> bool:
    """Whether two sizes show the same picture, each side being rounded to whole pixels."""
    slack = max(width + height, other_width + other_height)
    return abs(width * other_height - height * other_width) <= slack


def fit_map(values: Map, photo: Photo, what: str, name: str, notes: list[str] | None) -> Map:
    """A map at the size of `photo.image`, by nearest pixel.

    Nothing is said of a map of the photo's own size, which may exceed that of `photo.image`.
    Raises InputError for a map of another aspect.
    """
    height, width = values.shape
    if not height or not width or not same_aspect(width, height, photo.width, photo.height):
        turned = same_aspect(height, width, photo.width, photo.height)
        hint = "; it may be of the photo before it was turned upright" if turned else ""
        raise InputError(
            f"{what} is {width}x{height} px and the photo {photo.width}x{photo.height} px, another "
            f"aspect{hint}: {name!r}"
        )
    target = (photo.image.height, photo.image.width)
    if (width, height) not in ((photo.width, photo.height), photo.image.size):
        tell(notes, f"{what} of {width}x{height} px was scaled to {target[1]}x{target[0]} px")
    if (height, width) == target:
        return values
    rows = ((np.arange(target[0]) + 0.5) * height / target[0]).astype(np.int64)
    columns = ((np.arange(target[1]) + 0.5) * width / target[1]).astype(np.int64)
    return values[rows[:, None], columns]  # pyright: ignore[reportReturnType]


def _is_file(path: Path) -> bool:
    try:
        return path.expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _key(keys: list[str], choice: str, usual_key: str) -> str | None:
    for key in (choice, usual_key):
        if key in keys:
            return key
    return keys[0] if len(keys) == 1 else None


def _unpacked(stored: Any, key: str) -> np.ndarray:
    """An array of a .npz, which may be packed so that it bursts memory."""
    size = stored.zip.getinfo(f"{key}.npy").file_size
    if size > 8 * MAX_PIXELS + 4096:
        raise ValueError(f"{key!r} unpacks to {size:,} bytes")
    return np.asarray(stored[key])
