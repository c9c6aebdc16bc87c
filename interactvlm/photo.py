"""Reading a photo: from any file a person may hand in to the upright RGB picture a viewer shows.

Knows files, formats and pixels; nothing of people, models or results. Every fault of the file is
an `InputError` that names what was found and what is read. Memory: a file of at most
`MAX_FILE_BYTES`, at most 4 bytes for each of at most `MAX_PIXELS` while decoding (1.6 GB), and
`WORKING_PIXELS` afterwards; boxes and results stay in pixels of the original photo.
"""

import hashlib
import importlib
import math
import numbers
import struct
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from interactvlm.errors import InputError, ResourceError

MIN_SIDE_PX = 16
"""No person can be told apart in a smaller photo."""
MAX_PIXELS = 400_000_000
"""Width times height that is decoded at all: 20,000 x 20,000."""
WORKING_PIXELS = 16_000_000
"""Larger photos are scaled down to at most this; the models look at far fewer pixels."""
MAX_FILE_BYTES = 512 * 2**20
"""A larger file is refused unread."""
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "HEIF")
"""What is read. Not every format Pillow knows: some of those start other programs (EPS)."""

Box = tuple[float, float, float, float]

_READS = "read are JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF and, with an extra, HEIC"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
_pillow_limit = threading.Lock()


@dataclass(frozen=True)
class Photo:
    """A decoded photo."""

    image: Image.Image
    """Upright RGB; smaller than the original when that has more than `WORKING_PIXELS`."""
    path: str
    """Where it was read from, as given."""
    sha256: str
    """Of the file's bytes."""
    width: int
    """Of the upright original, pixels."""
    height: int
    """Of the upright original, pixels."""
    warnings: tuple[str, ...] = ()
    """What a person should know: frames left out, transparency, scaling."""
    exif: Mapping[int, float] = field(default_factory=dict)
    """EXIF tags that are one number, by tag, as stored; empty where there are none."""

    def image_box(self, box_xyxy_px: Box) -> Box:
        """A box in pixels of the original as a box in pixels of `image`."""
        x, y = self.image.width / self.width, self.image.height / self.height
        return box_xyxy_px[0] * x, box_xyxy_px[1] * y, box_xyxy_px[2] * x, box_xyxy_px[3] * y

    def __repr__(self) -> str:
        return f"Photo({self.width}x{self.height} px, {self.path!r})"


def read_photo(path: Path | str) -> Photo:
    """The upright RGB picture in a file.

    Raises:
        InputError: missing, a directory, empty, no image, truncated, too small, too large, or
            HEIC without its reader.
        ResourceError: not enough memory to decode it.
    """
    name = printable(path)
    data = _file_bytes(path, name)
    image = _open_header(data, name)
    header_size = image.size
    _check_size(header_size, name)
    try:
        upright, warnings = _decode(image)
    except MemoryError:
        raise ResourceError(
            f"not enough memory to decode a photo of {header_size[0]}x{header_size[1]} px; "
            f"scale it down first: {name!r}"
        ) from None
    except _DECODE_ERRORS as error:
        raise InputError(
            f"photo is damaged or truncated ({_reason(error)}); "
            f"export it again from its source: {name!r}"
        ) from None
    turned = _orientation(image) >= 5
    width, height = header_size[::-1] if turned else header_size
    if (width, height) != upright.size:
        scaled = f"{upright.width}x{upright.height}"
        warnings.append(f"scaled from {width}x{height} to {scaled} px to bound memory")
    digest = hashlib.sha256(data).hexdigest()
    return Photo(upright, name, digest, width, height, tuple(warnings), _numeric_exif(image))


def checked_box(box_xyxy_px: Sequence[float | int], width: int, height: int) -> Box:
    """A box clipped to a photo of `width` x `height` px.

    Raises:
        InputError: not four finite numbers, inverted, or outside the photo.
    """
    values = tuple(float(value) for value in box_xyxy_px)
    if len(values) != 4 or not all(math.isfinite(value) for value in values):
        raise InputError(f"box must be four finite numbers x0 y0 x1 y1, got {values!r}")
    x0, y0, x1, y1 = values
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"box must have x0 < x1 and y0 < y1, got {values!r}")
    if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        raise InputError(f"box {values!r} lies outside the photo of {width}x{height} px")
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def printable(path: Path | str) -> str:
    """A path as text every file encoding can hold (names may carry bytes that are no UTF-8)."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _file_bytes(path: Path | str, name: str) -> bytes:
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"photo must be one image file, found a directory: {name!r}")
        if not path.is_file():
            raise InputError(f"photo not found (no such file): {name!r}")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(
                f"photo file has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read: {name!r}"
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"photo cannot be read ({_reason(error)}): {name!r}") from None
    if not data:
        raise InputError(f"photo file is empty (0 bytes); {_READS}: {name!r}")
    return data


def _open_header(data: bytes, name: str) -> Image.Image:
    """The image with its header read and no pixel decoded."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        _register_heic(name)
    try:
        return _open_without_pillow_limit(data)
    except _DECODE_ERRORS:
        raise InputError(
            f"file is not an image that can be read (it begins with {data[:8]!r}); "
            f"{_READS}: {name!r}"
        ) from None


def _open_without_pillow_limit(data: bytes) -> Image.Image:
    """Pillow's own pixel limit off while the header is read: ours follows and tells the numbers.

    The limit is a variable of the whole process, hence the lock.
    """
    Image.init()
    known = tuple(name for name in FORMATS if name in Image.OPEN)
    with _pillow_limit:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(BytesIO(data), formats=known)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _register_heic(name: str) -> None:
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError:
        raise InputError(
            "photo is HEIC, which needs the extra 'heic': pip install 'interactvlm[heic]', "
            f"or convert it to JPEG: {name!r}"
        ) from None
    heif.register_heif_opener()


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"photo is {width}x{height} px; the smallest usable side is {MIN_SIDE_PX} px: {name!r}"
        )
    if width * height > MAX_PIXELS:
        raise InputError(
            f"photo has {width}x{height} = {width * height:,} pixels; "
            f"at most {MAX_PIXELS:,} are decoded, scale it down first: {name!r}"
        )


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    except _DECODE_ERRORS:
        return 1


def _numeric_exif(image: Image.Image) -> dict[int, float]:
    """Numbers of the header and its EXIF part; damaged tags cost the tags, never the photo."""
    try:
        exif = image.getexif()
        tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
        return {key: float(value) for key, value in tags.items() if _is_number(value)}
    except _DECODE_ERRORS:
        return {}


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(float(value))


def _decode(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Upright RGB within `WORKING_PIXELS`, and what a person should know about it."""
    warnings = []
    if getattr(image, "is_animated", False) and image.format != "MPO":
        warnings.append(f"{image.format} with {_frames(image)} frames; only the first is used")
    factor = max(1, math.ceil(math.sqrt(image.width * image.height / WORKING_PIXELS)))
    if factor > 1 and image.format in ("JPEG", "MPO"):
        # The decoder itself can skip detail: a quarter of the memory and time per halving.
        image.draft("RGB", (image.width // factor, image.height // factor))
        factor = max(1, math.ceil(math.sqrt(image.width * image.height / WORKING_PIXELS)))
    image.load()
    if image.has_transparency_data and _has_transparent_pixel(image):
        warnings.append("transparent areas are shown on white")
    if image.mode == "F":
        warnings.append("floating-point pixels were scaled to the range of the photo")
    rgb = _reduced_rgb(image, factor)
    rgb = _in_srgb(rgb, image, warnings)
    orientation = _orientation(image)
    if orientation != 1:
        rgb = _rotated(rgb, orientation)
    return rgb, warnings


def _frames(image: Image.Image) -> int:
    frames = int(getattr(image, "n_frames", 1))
    image.seek(0)
    return frames


def _has_transparent_pixel(image: Image.Image) -> bool:
    if "A" in image.getbands():
        return bool(np.asarray(image.getchannel("A")).min() < 255)
    return True


def _reduced_rgb(image: Image.Image, factor: int) -> Image.Image:
    """RGB at 1/factor, converted in bands so that no second full-size picture exists."""
    extrema = image.getextrema() if image.mode == "F" else (0.0, 1.0)
    if factor == 1:
        return _rgb(image, extrema)
    reduced = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, 4_000_000 // (image.width * factor))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        reduced.paste(_rgb(band, extrema).reduce(factor), (0, top // factor))
    return reduced


def _rgb(image: Image.Image, extrema: tuple) -> Image.Image:
    """8-bit RGB of any mode, transparency over white."""
    if image.mode.startswith("I"):
        # 16-bit grey, of which Pillow's own conversion would clip all above 255.
        grey = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        low, high = extrema
        grey = (np.asarray(image, np.float32) - low) / max(high - low, 1e-12)
        grey = np.nan_to_num(grey, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
        return Image.fromarray((grey * 255 + 0.5).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _in_srgb(rgb: Image.Image, source: Image.Image, warnings: list[str]) -> Image.Image:
    """Colours of an embedded RGB profile (Display P3 of phones) as sRGB, as a viewer shows them."""
    profile = source.info.get("icc_profile")
    if not profile or source.mode not in ("RGB", "RGBA"):
        return rgb
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(embedded):
            return rgb
        converted = ImageCms.profileToProfile(
            rgb, embedded, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, *_DECODE_ERRORS):
        warnings.append("the embedded colour profile is damaged and was ignored")
        return rgb
    return rgb if converted is None else converted


def _rotated(rgb: Image.Image, orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    tagged = rgb.copy()
    tagged.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(tagged)


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
