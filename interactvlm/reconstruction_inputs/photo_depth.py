"""Depth of a photo from a file, and its unknown scale and shift from a part that is known.

Depth is the distance along the camera's axis. Models tell it only up to a scale and a shift, of
depth itself or of its inverse (disparity); `align_depth` finds both where depth is known, for
instance on a fitted body. Knows files and numbers; no model.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from interactvlm.errors import InputError
from interactvlm.photo import Photo, printable
from interactvlm.reconstruction_inputs.map_files import (
    fit_map,
    open_picture,
    read_array,
    split_choice,
)

LEAST_PIXELS = 20
"""Fewer known pixels do not fix two numbers safely."""
_STARTS = 256
"""Pairs of pixels that starting lines are drawn through; with half of all pixels wrong, the chance
that each pair has a wrong one is below 1e-30."""
_JUDGES = 2000
"""Pixels that starting lines are judged by."""
_STEPS = 50
_TUKEY = 4.685
"""Residuals beyond this many standard deviations count nothing: Tukey's biweight at 95 % of the
efficiency of least squares on normal noise."""
_MAD_TO_SIGMA = 1.4826

DepthUnit = Literal["m", "cm", "mm"]
_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}


class DepthAlignment(NamedTuple):
    """What makes relative depth metric: depth, or inverse depth, is `scale * relative + shift`."""

    scale: float
    shift: float
    residual: float
    """Median distance to the known depth afterwards, metres, over all pixels that were compared."""


def read_depth(
    path: Path | str,
    photo: Photo,
    *,
    unit: DepthUnit | None = None,
    inverse: bool = False,
    notes: list[str] | None = None,
) -> Float32[np.ndarray, "height width"]:
    """The depth in a file at the size of `photo.image`; NaN where it is unknown.

    Read are .npy and .npz (`FILE:KEY`, else `depth`), PNG of 16 bits and TIFF of floats. Without
    `unit` whole numbers are millimetres and floats stay as they are, metres or relative. NaN,
    infinity and 0 are unknown, and so is negative depth. `inverse` says that the file holds inverse
    depth, larger being nearer; it is given back as it is, for `align_depth`.

    Raises InputError for a file that is no depth map, is of another aspect than the photo, or knows
    no depth anywhere.
    """
    if inverse and unit is not None:
        raise InputError(
            "inverse depth has no unit of length; give the unit or say that it is inverse"
        )
    file, choice = split_choice(path)
    name = printable(path)
    if file.suffix.lower() in (".npy", ".npz"):
        values, left = read_array(file, choice, "depth")
    else:
        values, left = _picture_values(file, name), choice
    if left:
        raise InputError(f"depth file holds one map, so there is no {left!r} to choose: {name!r}")
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.squeeze(0 if values.shape[0] == 1 else 2)
    if values.ndim != 2 or values.dtype.kind not in "iuf" or values.dtype.itemsize < 2:
        raise InputError(
            "depth must be (height, width) of floats or of whole numbers of 16 bits or more, "
            f"found {values.shape} of {values.dtype}: {name!r}"
        )
    metres = 1.0 if inverse else _METRES[unit or ("m" if values.dtype.kind == "f" else "mm")]
    depth = fit_map(values, photo, "depth map", name, notes).astype(np.float32) * np.float32(metres)
    known = np.isfinite(depth) & ((depth != 0) if inverse else (depth > 0))
    if not known.any():
        raise InputError(f"depth map knows no depth anywhere: {name!r}")
    return np.where(known, depth, np.float32(np.nan))


def align_depth(
    relative: Float[np.ndarray, "height width"],
    known_depth_m: Float[np.ndarray, "height width"],
    weights: Float[np.ndarray, "height width"] | Bool[np.ndarray, "height width"] | None = None,
    *,
    inverse: bool = False,
) -> DepthAlignment:
    """Scale and shift that bring `relative` to `known_depth_m` where both are finite and weighted.

    With `inverse`, `relative` is inverse depth and the known depth is inverted to compare. Up to
    almost half of the pixels may be wrong (a start by the least median of residuals, then weighted
    least squares with Tukey's weights). The same answer every time.

    Raises InputError when too little overlaps, one of the two is constant there, or `relative` runs
    the other way.
    """
    usable = np.isfinite(relative) & np.isfinite(known_depth_m) & (known_depth_m > 0)
    given = np.ones(relative.shape) if weights is None else weights.astype(np.float64)
    usable &= np.isfinite(given) & (given > 0)
    count = int(usable.sum())
    if count < LEAST_PIXELS:
        raise InputError(
            f"depth map and known depth share {count} pixels, at least {LEAST_PIXELS} are needed "
            "to find scale and shift"
        )
    x = relative[usable].astype(np.float64)
    depth = known_depth_m[usable].astype(np.float64)
    y = 1.0 / depth if inverse else depth
    for values, what in ((x, "depth map"), (y, "known depth")):
        if _is_constant(values):
            raise InputError(
                f"the {what} is all but constant where both are known, so scale and shift cannot "
                "be told"
            )
    scale, shift = _robust_line(x, y, given[usable])
    if scale <= 0:
        kind = "inverse depth (larger is nearer)" if inverse else "depth (larger is farther)"
        other = "depth" if inverse else "inverse depth"
        raise InputError(f"the map runs against the known {kind}; it may be {other} instead")
    aligned = aligned_depth_m(relative, DepthAlignment(scale, shift, 0.0), inverse=inverse)[usable]
    # What came out behind the camera is unknown now, and as wrong as can be.
    away = np.nan_to_num(np.abs(aligned - depth), nan=np.inf)
    return DepthAlignment(scale, shift, float(np.median(away)))


def aligned_depth_m(
    relative: Float[np.ndarray, "height width"], alignment: DepthAlignment, *, inverse: bool = False
) -> Float32[np.ndarray, "height width"]:
    """Depth in metres from a relative map; NaN where unknown or not in front of the camera."""
    values = alignment.scale * relative.astype(np.float64) + alignment.shift
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(values > 0, 1.0 / values if inverse else values, np.nan)
    return values.astype(np.float32)


def _picture_values(file: Path, name: str) -> np.ndarray:
    picture = open_picture(file)
    if picture.mode not in ("F", "I", "I;16", "I;16B", "I;16L"):
        raise InputError(
            f"depth picture must be a PNG of 16 bits grey or a TIFF of floats, found mode "
            f"{picture.mode!r}; a picture made to look at holds no depth: {name!r}"
        )
    # Pillow tells PNGs of 16 bits as 32-bit integers or as 16-bit ones, by version.
    return np.asarray(picture)


def _is_constant(values: Float[np.ndarray, "pixels"]) -> bool:
    """Whether nearly all values are one; a few others fix no line."""
    low, high = np.percentile(values, (2, 98))
    return float(high - low) <= 1e-6 * float(np.abs(values).max())


def _robust_line(
    x: Float[np.ndarray, "pixels"],
    y: Float[np.ndarray, "pixels"],
    weights: Float[np.ndarray, "pixels"],
) -> tuple[float, float]:
    """Slope and offset of the line that most pixels lie on."""
    scale, shift = _least_median_line(x, y)
    least_sigma = 1e-6 * float(np.median(np.abs(y))) + 1e-12
    for _ in range(_STEPS):
        away = np.abs(y - scale * x - shift)
        sigma = max(_MAD_TO_SIGMA * float(np.median(away)), least_sigma)
        trusted = weights * np.square(np.clip(1 - np.square(away / (_TUKEY * sigma)), 0, None))
        total = trusted.sum()
        mean_x, mean_y = (trusted * x).sum() / total, (trusted * y).sum() / total
        spread = (trusted * np.square(x - mean_x)).sum()
        if spread <= 1e-12 * total * float(np.square(x).max()):
            raise InputError(
                "the depth map is constant where it agrees with the known depth, so scale and "
                "shift cannot be told"
            )
        before = scale
        scale = float((trusted * (x - mean_x) * (y - mean_y)).sum() / spread)
        shift = float(mean_y - scale * mean_x)
        if abs(scale - before) <= 1e-9 * abs(scale):
            break
    return scale, shift


def _least_median_line(
    x: Float[np.ndarray, "pixels"], y: Float[np.ndarray, "pixels"]
) -> tuple[float, float]:
    """Of lines through pairs of pixels, that with the least median residual."""
    rng = np.random.default_rng(0)
    judges = rng.permutation(len(x))[:_JUDGES]
    # Pairs that lie far apart in x: a short base turns small errors into a wrong slope.
    order = judges[np.argsort(x[judges], kind="stable")]
    half = len(order) // 2
    low = order[rng.integers(0, half, _STARTS)]
    high = order[rng.integers(half, len(order), _STARTS)]
    apart = x[high] - x[low]
    low, high, apart = low[apart > 0], high[apart > 0], apart[apart > 0]
    if not len(apart):
        raise InputError(
            "the depth map is almost constant where both are known, so scale and shift cannot be "
            "told"
        )
    scales = (y[high] - y[low]) / apart
    shifts = y[low] - scales * x[low]
    residuals = np.abs(y[judges] - scales[:, None] * x[judges] - shifts[:, None])
    best = int(np.median(residuals, axis=1).argmin())
    return float(scales[best]), float(shifts[best])
