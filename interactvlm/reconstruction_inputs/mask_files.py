"""A mask from a file that a person or another program made, fitted to a photo.

Pictures (1 bit, grey, palette, alpha), NumPy arrays, COCO's run lengths and labelme's outlines.
What of several things in a file is meant stands behind a colon: a palette index or label value
(`mask.png:3`), an array's name (`masks.npz:person`), a place in a list or stack from 1
(`masks.npy:2`, `results.json:2`), a label (`photo.json:object`).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Integer
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.photo import MAX_PIXELS, Photo, printable
from interactvlm.reconstruction_inputs.coco_masks import coco_mask
from interactvlm.reconstruction_inputs.labelme import fill_outlines, is_labelme, read_outlines
from interactvlm.reconstruction_inputs.map_files import (
    choice_number,
    fit_map,
    open_picture,
    read_array,
    read_json,
    split_choice,
)


def read_mask(
    path: Path | str, photo: Photo, *, notes: list[str] | None = None
) -> Bool[np.ndarray, "height width"]:
    """The mask in a file at the size of `photo.image`; what was done to it goes into `notes`.

    Raises InputError for a file that is no mask, holds several, is of another aspect than the
    photo, or marks nothing or everything.
    """
    file, choice = split_choice(path)
    name = printable(path)
    suffix = file.suffix.lower()
    if suffix == ".json":
        mask = _json_mask(file, choice, photo, name)
    elif suffix in (".npy", ".npz"):
        mask = _array_mask(*read_array(file, choice, "mask"), name)
    else:
        mask = _picture_mask(open_picture(file), choice, name)
    mask = np.ascontiguousarray(fit_map(mask, photo, "mask", name, notes))
    if not mask.any():
        raise InputError(f"mask marks no pixel: {name!r}")
    if mask.all():
        raise InputError(f"mask marks every pixel, so it says nothing: {name!r}")
    return mask


def _json_mask(
    file: Path, choice: str, photo: Photo, name: str
) -> Bool[np.ndarray, "rows columns"]:
    content = read_json(file)
    if not is_labelme(content):
        return coco_mask(content, choice, photo.width, photo.height, name)
    outlines = read_outlines(content, choice, name)
    drawn_on = content.get("imageWidth"), content.get("imageHeight")
    width, height = (photo.width, photo.height) if drawn_on == (None, None) else drawn_on
    if not all(isinstance(side, int) and side > 0 for side in (width, height)):
        raise InputError(f"labelme file tells no size of its picture, found {drawn_on!r}: {name!r}")
    if width * height > MAX_PIXELS:
        raise InputError(f"labelme file is of an impossible size {width}x{height} px: {name!r}")
    return fill_outlines(outlines, width, height)


def _array_mask(values: np.ndarray, choice: str, name: str) -> Bool[np.ndarray, "rows columns"]:
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.squeeze(0 if values.shape[0] == 1 else 2)
    if values.ndim == 3:
        number = choice_number(choice)
        if number is None or not 1 <= number <= len(values):
            raise InputError(
                f"array is a stack of {len(values)} masks; choose one by its number from 1, as in "
                f"FILE:1, got {choice!r}: {name!r}"
            )
        values, choice = values[number - 1], ""
    if values.dtype.kind in "iu":
        return _of_labels(values, choice, name)
    if choice:
        raise InputError(f"array holds one mask, so there is no {choice!r} to choose: {name!r}")
    if values.dtype.kind == "f":
        if not ((values >= 0) & (values <= 1)).all():
            raise InputError(f"array of floats must be probabilities from 0 to 1: {name!r}")
        return values > 0.5
    return values.astype(bool)


def _picture_mask(picture: Image.Image, choice: str, name: str) -> Bool[np.ndarray, "rows columns"]:
    mode = picture.mode
    if mode in ("P", "I", "I;16", "I;16B", "I;16L") or (mode == "L" and choice):
        return _of_labels(np.asarray(picture).astype(np.int64), choice, name)
    if choice:
        raise InputError(f"picture has no labels, so there is no {choice!r} to choose: {name!r}")
    if mode == "1":
        return np.asarray(picture, dtype=bool)
    if mode == "F":
        raise InputError(f"mask must not be a picture of floats; give 8 bits or a .npy: {name!r}")
    if "A" in picture.getbands():
        alpha = np.asarray(picture.getchannel("A")) > 127
        # An alpha that hides nothing was only carried along; the picture itself is the mask.
        if not alpha.all():
            return alpha
    grey = np.asarray(picture.convert("L"))
    if not (grey > 127).any() and grey.any():
        raise InputError(
            f"mask has no grey value above 127, its values are {_listed(grey)}; choose one as in "
            f"FILE:{int(grey.max())}: {name!r}"
        )
    return grey > 127


def _of_labels(
    values: Integer[np.ndarray, "rows columns"], choice: str, name: str
) -> Bool[np.ndarray, "rows columns"]:
    """The chosen value, or the only one that is not 0."""
    if choice:
        number = choice_number(choice)
        if number is None or not (values == number).any():
            raise InputError(
                f"mask holds no value {choice!r}, its values are {_listed(values)}: {name!r}"
            )
        return values == number
    if len(np.unique(values[values != 0])) > 1:
        raise InputError(
            f"mask holds several regions, its values are {_listed(values)}; choose one as in "
            f"FILE:{int(values.max())}: {name!r}"
        )
    return values != 0


def _listed(values: np.ndarray) -> str:
    found = np.unique(values)
    shown = ", ".join(str(int(value)) for value in found[:8])
    return shown if len(found) <= 8 else f"{shown} and {len(found) - 8} more"
