"""The camera of a photo: EXIF through every change since, flags, files, and how unsure it is."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from interactvlm.errors import InputError
from interactvlm.photo import read_photo
from interactvlm.reconstruction_inputs.camera_file import read_camera_file, write_camera_file
from interactvlm.reconstruction_inputs.photo_camera import (
    ASSUMED_SPREAD,
    CROPPED_SPREAD,
    EXIF_SPREAD,
    RESIZED_SPREAD,
    camera_for_photo,
)
from renders.camera import Camera
from tests.interactvlm.reconstruction_inputs.photos import photo_of

TAGS = ExifTags.Base
FILM_36 = {TAGS.FocalLengthIn35mmFilm: 36.0}
"""36 mm on 35 mm film: on a picture of 3:2 the focal length is the longer side."""
TAKEN = {TAGS.ExifImageWidth: 600.0, TAGS.ExifImageHeight: 400.0}


def focal_of(found) -> float:
    return float(found.camera.intrinsics[0, 0])


def saved(path, size, tags, orientation=1):
    exif = Image.Exif()
    exif[TAGS.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif).update(tags)
    Image.new("RGB", size).save(path, exif=exif)
    return read_photo(path)


def test_film_focal_length_of_a_real_file(tmp_path):
    found = camera_for_photo(saved(tmp_path / "a.jpg", (600, 400), FILM_36 | TAKEN))
    assert found.source == "exif" and found.focal_spread == EXIF_SPREAD
    assert focal_of(found) == pytest.approx(600, rel=1e-6)
    assert "36 mm on 35 mm film" in found.note
    assert (found.camera.width_px, found.camera.height_px) == (600, 400)
    expected = torch.tensor([[600.0, 0, 300], [0, 600, 200], [0, 0, 1]])
    torch.testing.assert_close(found.camera.intrinsics, expected)
    assert torch.equal(found.camera.camera_from_world, torch.eye(4))


def test_a_turned_photo_has_the_turned_camera(tmp_path):
    found = camera_for_photo(saved(tmp_path / "a.jpg", (600, 400), FILM_36 | TAKEN, 6))
    assert (found.camera.width_px, found.camera.height_px) == (400, 600)
    assert found.focal_spread == EXIF_SPREAD
    assert focal_of(found) == pytest.approx(600, rel=1e-6)
    assert found.camera.intrinsics[:2, 2].tolist() == [200, 300]


def test_sensor_size_serves_where_the_film_tag_is_unknown(tmp_path):
    sensor = {
        TAGS.FocalLengthIn35mmFilm: 0.0,
        TAGS.FocalLength: 50.0,
        TAGS.FocalPlaneXResolution: 600 / 36 * 25.4,
        TAGS.FocalPlaneResolutionUnit: 2.0,
    }
    found = camera_for_photo(saved(tmp_path / "a.jpg", (600, 400), sensor | TAKEN))
    assert focal_of(found) == pytest.approx(600 * 50 / 36, rel=1e-4)
    in_centimetres = sensor | {
        TAGS.FocalPlaneXResolution: 600 / 3.6, TAGS.FocalPlaneResolutionUnit: 3.0,
    }  # fmt: skip
    again = camera_for_photo(photo_of(600, 400, exif=in_centimetres | TAKEN))
    assert focal_of(again) == pytest.approx(focal_of(found), rel=1e-4)
    zoomed = camera_for_photo(
        photo_of(600, 400, exif=in_centimetres | TAKEN | {TAGS.DigitalZoomRatio: 2.0})
    )
    assert focal_of(zoomed) == pytest.approx(2 * focal_of(again))


@pytest.mark.parametrize(
    ("size", "focal_px", "spread"),
    [
        ((300, 200), 300, RESIZED_SPREAD),  # scaled: the same view
        ((601, 401), 601, RESIZED_SPREAD),  # one pixel off counts as scaled, not as cropped
        ((400, 600), 600, EXIF_SPREAD),  # pixels turned upright by a program, tags left
        ((400, 400), 600, CROPPED_SPREAD),  # sides cut off: no pixel was scaled
        ((200, 200), 300, CROPPED_SPREAD),  # and scaled
        ((600, 300), 600, CROPPED_SPREAD),  # top and bottom cut off
    ],
)
def test_what_happened_since_the_photo_was_taken(size, focal_px, spread):
    found = camera_for_photo(photo_of(*size, exif=FILM_36 | TAKEN))
    assert focal_of(found) == pytest.approx(focal_px, rel=5e-3)
    assert found.focal_spread == spread
    assert ("since" in found.note) == (spread != EXIF_SPREAD)


def test_tags_without_a_size_leave_doubt():
    found = camera_for_photo(photo_of(600, 400, exif=FILM_36))
    assert focal_of(found) == pytest.approx(600)
    assert found.focal_spread == RESIZED_SPREAD and "not told" in found.note


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {TAGS.FocalLengthIn35mmFilm: 65535.0},
        {TAGS.FocalLengthIn35mmFilm: -20.0},
        {TAGS.FocalLength: 4.2},
        {TAGS.FocalLength: 4.2, TAGS.FocalPlaneXResolution: 1e9},
        {TAGS.FocalLength: 50.0, TAGS.FocalPlaneXResolution: 423.0,
         TAGS.FocalPlaneResolutionUnit: 9.0},
    ],
)  # fmt: skip
def test_without_a_plausible_lens_the_diagonal_is_assumed_and_said(tags):
    found = camera_for_photo(photo_of(300, 400, exif=tags))
    assert found.source == "assumed" and found.focal_spread == ASSUMED_SPREAD
    assert focal_of(found) == pytest.approx(500)
    assert "500 px is assumed" in found.note


def test_assumed_spread_is_that_of_the_generated_scenes():
    fov = np.radians(np.linspace(30, 75, 10001))
    focal = 0.5 / np.tan(fov / 2)
    assert focal.std() / focal.mean() == pytest.approx(ASSUMED_SPREAD, abs=0.03)


def test_damaged_exif_costs_the_camera_not_the_photo(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (60, 40)).save(path, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x7f\xff\x00")
    assert camera_for_photo(read_photo(path)).source == "assumed"


def test_a_fraction_over_zero_is_no_number(tmp_path):
    path = tmp_path / "a.tiff"
    Image.new("RGB", (60, 40)).save(path)
    photo = saved(tmp_path / "b.jpg", (60, 40), {TAGS.FocalLength: (50, 0)})
    assert TAGS.FocalLength not in photo.exif
    assert camera_for_photo(photo).source == "assumed"


def test_flags_say_the_camera_exactly():
    photo = photo_of(300, 200, exif=FILM_36 | TAKEN)
    by_focal = camera_for_photo(photo, focal_px=123.0)
    by_angle = camera_for_photo(photo, fov_deg=2 * math.degrees(math.atan(100 / 123)))
    for found in (by_focal, by_angle):
        assert found.source == "flag" and found.focal_spread == 0
        assert focal_of(found) == pytest.approx(123, rel=1e-5)
        assert found.camera.intrinsics[:2, 2].tolist() == [150, 100]


def test_flags_that_contradict_each_other_are_named(tmp_path):
    with pytest.raises(InputError, match="--focal-px and --fov-deg"):
        camera_for_photo(photo_of(300, 200), focal_px=100.0, fov_deg=50.0)
    with pytest.raises(InputError, match="--camera and --focal-px"):
        camera_for_photo(photo_of(300, 200), camera_file=tmp_path / "c.json", focal_px=100.0)


@pytest.mark.parametrize("focal_px", [0.0, -5.0, math.nan, math.inf])
def test_impossible_focal_lengths_are_refused(focal_px):
    with pytest.raises(InputError, match="focal-px must be"):
        camera_for_photo(photo_of(300, 200), focal_px=focal_px)


@pytest.mark.parametrize("fov_deg", [0.0, 180.0, -1.0, math.nan])
def test_impossible_angles_are_refused(fov_deg):
    with pytest.raises(InputError, match="field of view"):
        camera_for_photo(photo_of(300, 200), fov_deg=fov_deg)


@given(
    fx=st.floats(1, 1e5, width=32),
    fy=st.floats(1, 1e5, width=32),
    cx=st.floats(-1e4, 1e4, width=32),
)
def test_a_camera_comes_back_from_its_file_as_it_was(tmp_path_factory, fx, fy, cx):
    path = tmp_path_factory.mktemp("camera") / "camera.json"
    intrinsics = torch.tensor([[fx, 0.0, cx], [0.0, fy, 99.5], [0.0, 0.0, 1.0]])
    write_camera_file(path, Camera(intrinsics, torch.eye(4), 200, 300))
    found = camera_for_photo(photo_of(300, 200), camera_file=path)
    assert found.source == "file" and found.focal_spread == 0
    assert torch.equal(found.camera.intrinsics, intrinsics)


GOOD = {"width": 600, "height": 400, "fx": 500, "fy": 510, "cx": 310, "cy": 190}


def test_a_camera_of_another_size_is_scaled(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(GOOD | {"note": "more keys do no harm"}))
    camera = read_camera_file(tmp_path / "c.json", photo_of(300, 200))
    expected = torch.tensor([[250.0, 0, 155], [0, 255, 95], [0, 0, 1]])
    torch.testing.assert_close(camera.intrinsics, expected)
    assert (camera.width_px, camera.height_px) == (300, 200)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD | {"fx": float("nan")}, "finite number of pixels as 'fx'"),
        (GOOD | {"fy": "500"}, "finite number of pixels as 'fy'"),
        (GOOD | {"cx": True}, "finite number of pixels as 'cx'"),
        (GOOD | {"cx": 10**400}, "finite number of pixels as 'cx'"),
        (GOOD | {"cy": None}, "finite number of pixels as 'cy'"),
        (GOOD | {"fx": 0}, "positive fx and fy"),
        (GOOD | {"width": 600.5}, "whole 'width'"),
        (GOOD | {"height": -400}, "whole 'height'"),
        (GOOD | {"width": 400, "height": 600}, "400x600 px and this one has 300x200"),
        ({"fx": 500}, "lacks width, height, fy, cx, cy"),
        ([GOOD], "must be an object"),
    ],
)
def test_malformed_camera_files_are_one_sentence(tmp_path, content, said):
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        camera_for_photo(photo_of(300, 200), camera_file=tmp_path / "c.json")


@pytest.mark.parametrize(("data", "said"), [(None, "not found"), (b"", "0 bytes"), (b"{", "JSON"),
                                            (b"\xff\xfe\x00", "JSON")])  # fmt: skip
def test_camera_files_that_are_none(tmp_path, data, said):
    path = tmp_path / "c.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        camera_for_photo(photo_of(300, 200), camera_file=path)
