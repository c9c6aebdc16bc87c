"""Every kind of file a person may hand in: decoded as a viewer shows it, or refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from interactvlm import photo as photo_module
from interactvlm.errors import InputError, ResourceError
from interactvlm.photo import MIN_SIDE_PX, checked_box, read_photo


def l_shape(width=48, height=32):
    """Red with a green top-left corner: every flip and rotation of it looks different."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = 255
    pixels[: height // 2, : width // 4] = (0, 255, 0)
    return Image.fromarray(pixels)


def colour_at(image, x, y):
    return tuple(int(v) for v in np.asarray(image)[y, x])


def bare_png(width, height):
    """A PNG that is only a header: its pixels are never stored."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_gives_the_upright_picture(tmp_path, orientation):
    stored = {
        1: [], 2: ["FLIP_LEFT_RIGHT"], 3: ["ROTATE_180"], 4: ["FLIP_TOP_BOTTOM"],
        5: ["TRANSPOSE"], 6: ["ROTATE_90"], 7: ["TRANSVERSE"], 8: ["ROTATE_270"],
    }[orientation]  # fmt: skip
    image = l_shape()
    for step in stored:
        image = image.transpose(getattr(Image.Transpose, step))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    image.save(path, exif=exif)
    photo = read_photo(path)
    assert (photo.width, photo.height) == (48, 32) == photo.image.size
    np.testing.assert_array_equal(np.asarray(photo.image), np.asarray(l_shape()))


def test_sixteen_bit_grey_keeps_its_range(tmp_path):
    ramp = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    Image.fromarray(ramp).save(tmp_path / "grey16.png")
    grey = np.asarray(read_photo(tmp_path / "grey16.png").image)[..., 0]
    np.testing.assert_array_equal(grey, np.round(ramp / 257.0).astype(np.uint8))


def test_floating_point_pixels_are_scaled_and_said(tmp_path):
    Image.fromarray(np.linspace(-2, 3, 32 * 32, dtype=np.float32).reshape(32, 32)).save(
        tmp_path / "float.tiff"
    )
    photo = read_photo(tmp_path / "float.tiff")
    assert np.asarray(photo.image).min() == 0 and np.asarray(photo.image).max() == 255
    assert any("floating-point" in warning for warning in photo.warnings)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr", "LAB"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    source = l_shape()
    path = tmp_path / "photo.tiff"
    if mode == "LAB":
        Image.new("LAB", (32, 32), (128, 128, 128)).save(path)
    else:
        source.convert(mode).save(path)
    photo = read_photo(path)
    assert photo.image.mode == "RGB"
    if mode in ("P", "CMYK", "YCbCr"):
        assert np.abs(np.subtract(colour_at(photo.image, 40, 30), (255, 0, 0))).max() <= 3


def test_cmyk_jpeg_shows_its_colours(tmp_path):
    l_shape().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    red, green, blue = colour_at(read_photo(tmp_path / "cmyk.jpg").image, 40, 28)
    assert red > 230 and green < 40 and blue < 40


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_shown_on_white(tmp_path, mode):
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 16, 32))
    path = tmp_path / ("photo.png" if mode != "PA" else "photo.gif")
    image.convert(mode if mode != "PA" else "RGBA").save(path)
    photo = read_photo(path)
    assert colour_at(photo.image, 4, 4) == (0, 0, 0)
    assert colour_at(photo.image, 28, 4) == (255, 255, 255)
    assert any("white" in warning for warning in photo.warnings)


def test_opaque_alpha_needs_no_warning(tmp_path):
    l_shape().convert("RGBA").save(tmp_path / "opaque.png")
    assert read_photo(tmp_path / "opaque.png").warnings == ()


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_used_and_said(tmp_path, suffix):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue", "lime")]
    path = tmp_path / f"animated.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    photo = read_photo(path)
    assert colour_at(photo.image, 5, 5)[0] > 240
    assert any("3 frames" in warning for warning in photo.warnings)


def test_webp_is_read(tmp_path):
    l_shape().save(tmp_path / "photo.webp", lossless=True)
    assert colour_at(read_photo(tmp_path / "photo.webp").image, 1, 1) == (0, 255, 0)


def test_non_ascii_name_and_hash(tmp_path):
    path = tmp_path / "фото ☕.png"
    l_shape().save(path)
    photo = read_photo(path)
    import hashlib

    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.path == str(path) and photo.warnings == ()


def jpeg_bytes(image=None):
    buffer = io.BytesIO()
    (image or l_shape(256, 256)).save(buffer, "JPEG")
    return buffer.getvalue()


def png_bytes():
    buffer = io.BytesIO()
    Image.effect_noise((128, 128), 60).save(buffer, "PNG")
    return buffer.getvalue()


BROKEN = {
    "text": (b"this is no picture at all", "not an image"),
    "zero bytes": (b"", "0 bytes"),
    "truncated jpeg": (jpeg_bytes()[:-400], "truncated"),
    "truncated png": (png_bytes()[:-4000], "damaged or truncated"),
    "header only png": (bare_png(64, 64), "damaged or truncated"),
    "jpeg cut in its header": (jpeg_bytes()[:12], "not an image"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not an image"),
    "heic": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", r"heic|HEIC"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file_is_refused_with_its_name(tmp_path, case):
    data, expected = BROKEN[case]
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    with pytest.raises(InputError, match=expected) as caught:
        read_photo(path)
    assert "broken.jpg" in str(caught.value) and "\n" not in str(caught.value)


def test_heic_without_its_reader_names_the_extra(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(photo_module.importlib, "import_module", missing)
    path = tmp_path / "phone.heic"
    path.write_bytes(BROKEN["heic"][0])
    with pytest.raises(InputError, match=r"interactvlm\[heic\]"):
        read_photo(path)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(InputError, match="not found"):
        read_photo(tmp_path / "nothing.jpg")
    with pytest.raises(InputError, match="directory"):
        read_photo(tmp_path)
    with pytest.raises(InputError, match=r"not found|cannot be read"):
        read_photo(tmp_path / ("long" * 200))


@pytest.mark.parametrize("size", [(1, 1), (MIN_SIDE_PX - 1, 400)])
def test_too_small_names_the_minimum(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]} px.* {MIN_SIDE_PX} px"):
        read_photo(tmp_path / "small.png")


def test_smallest_and_long_photos_are_read(tmp_path):
    Image.new("RGB", (MIN_SIDE_PX, 10 * MIN_SIDE_PX)).save(tmp_path / "long.png")
    assert read_photo(tmp_path / "long.png").height == 10 * MIN_SIDE_PX


def test_decompression_bomb_is_refused_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(bare_png(30_000, 30_000))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("a pixel was decoded"))
    with pytest.raises(InputError, match="30000x30000 = 900,000,000 pixels; at most 400,000,000"):
        read_photo(path)
    assert Image.MAX_IMAGE_PIXELS is not None, "Pillow's own limit must be back in force"


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_large_photo_is_scaled_and_keeps_its_size_in_the_result(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(photo_module, "WORKING_PIXELS", 20_000)
    path = tmp_path / f"large.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6
    l_shape(800, 400).save(path, exif=exif)
    photo = read_photo(path)
    assert (photo.width, photo.height) == (400, 800)
    assert photo.image.width * photo.image.height <= 20_000
    assert any("scaled from 400x800" in warning for warning in photo.warnings)
    box = photo.image_box((0.0, 0.0, 400.0, 800.0))
    assert box == pytest.approx((0, 0, *photo.image.size))
    # Rotated by 90 degrees clockwise the green corner lies at the top right.
    right = colour_at(photo.image, photo.image.width - 3, 3)
    assert right[1] > 200 and right[0] < 60


def test_huge_file_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_module, "MAX_FILE_BYTES", 100)
    (tmp_path / "huge.png").write_bytes(png_bytes())
    with pytest.raises(InputError, match="at most 100 are read"):
        read_photo(tmp_path / "huge.png")


def test_memory_running_out_is_a_resource_error(tmp_path, monkeypatch):
    l_shape().save(tmp_path / "photo.png")

    def no_memory(image):
        raise MemoryError

    monkeypatch.setattr(photo_module, "_decode", no_memory)
    with pytest.raises(ResourceError, match="48x32"):
        read_photo(tmp_path / "photo.png")


def test_damaged_colour_profile_is_ignored_and_said(tmp_path):
    l_shape().save(tmp_path / "profile.png", icc_profile=b"no profile")
    photo = read_photo(tmp_path / "profile.png")
    assert any("profile" in warning for warning in photo.warnings)
    assert colour_at(photo.image, 1, 1) == (0, 255, 0)


@pytest.mark.parametrize(
    "box",
    [(5, 5, 5, 9), (9, 5, 5, 9), (float("nan"), 0, 5, 5), (0, 0, float("inf"), 5), (200, 0, 300, 9),
     (-9, 0, 0, 9), (1, 2, 3)],
)  # fmt: skip
def test_unusable_box_is_refused(box):
    with pytest.raises(InputError, match="box"):
        checked_box(box, 100, 50)


def test_box_is_clipped_to_the_photo():
    assert checked_box((-5, 10, 70.5, 90), 100, 50) == (0.0, 10.0, 70.5, 50.0)
