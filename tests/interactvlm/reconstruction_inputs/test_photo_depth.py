"""Depth files, and the scale and shift of relative depth found through wrong pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.reconstruction_inputs.photo_depth import (
    LEAST_PIXELS,
    align_depth,
    aligned_depth_m,
    read_depth,
)
from tests.interactvlm.reconstruction_inputs.photos import photo_of

PHOTO = photo_of(60, 40)
DEPTH = np.random.default_rng(0).uniform(0.5, 6.0, (40, 60)).astype(np.float32)


def test_every_format_gives_the_same_depth(tmp_path):
    millimetres = np.round(DEPTH * 1000)
    np.save(tmp_path / "float.npy", DEPTH)
    np.save(tmp_path / "double.npy", DEPTH.astype(np.float64)[None])
    np.save(tmp_path / "int.npy", millimetres.astype(np.int32))
    np.savez(tmp_path / "many.npz", depth=DEPTH, other=DEPTH[::-1])
    Image.fromarray(millimetres.astype(np.uint16)).save(tmp_path / "mm.png")
    Image.fromarray(DEPTH).save(tmp_path / "float.tiff")
    for name in ("float.npy", "double.npy", "int.npy", "many.npz", "mm.png", "float.tiff"):
        depth = read_depth(tmp_path / name, PHOTO)
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, DEPTH, atol=6e-4, err_msg=name)
    np.testing.assert_allclose(read_depth(f"{tmp_path}/many.npz:other", PHOTO), DEPTH[::-1])
    np.testing.assert_allclose(
        read_depth(tmp_path / "mm.png", PHOTO, unit="cm"), millimetres / 100, rtol=1e-5
    )
    np.testing.assert_allclose(
        read_depth(tmp_path / "float.npy", PHOTO, unit="mm"), DEPTH / 1000, rtol=1e-5
    )


def test_unknown_depth_is_nan(tmp_path):
    holed = DEPTH.copy()
    holed[0, :5] = np.nan, np.inf, -np.inf, 0, -2
    np.save(tmp_path / "d.npy", holed)
    depth = read_depth(tmp_path / "d.npy", PHOTO)
    assert np.isnan(depth[0, :5]).all() and np.isfinite(depth[0, 5:]).all()
    inverse = read_depth(tmp_path / "d.npy", PHOTO, inverse=True)
    assert np.isnan(inverse[0, :4]).all() and inverse[0, 4] == -2


def test_another_size_is_scaled_by_the_nearest_pixel(tmp_path):
    np.save(tmp_path / "d.npy", DEPTH[::2, ::2])
    notes = []
    depth = read_depth(tmp_path / "d.npy", PHOTO, notes=notes)
    np.testing.assert_array_equal(depth, np.kron(DEPTH[::2, ::2], np.ones((2, 2), np.float32)))
    assert notes == ["depth map of 30x20 px was scaled to 60x40 px"]
    np.save(tmp_path / "d.npy", DEPTH[:, :40])
    with pytest.raises(InputError, match="40x40 px and the photo 60x40 px, another aspect"):
        read_depth(tmp_path / "d.npy", PHOTO)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((40, 60), np.nan), "knows no depth"),
        (np.zeros((40, 60)), "knows no depth"),
        (np.full((40, 60), -1.0), "knows no depth"),
        (np.ones((40, 60), np.uint8), "16 bits or more"),
        (np.ones((40, 60), bool), "16 bits or more"),
        (np.ones((3, 40, 60)), "found \\(3, 40, 60\\)"),
        (np.ones(60), "array must hold"),
    ],
)
def test_arrays_that_are_no_depth_are_refused(tmp_path, array, said):
    np.save(tmp_path / "d.npy", array)
    with pytest.raises(InputError, match=said):
        read_depth(tmp_path / "d.npy", PHOTO)


def test_other_files_are_refused_in_one_sentence(tmp_path):
    Image.new("L", (60, 40), 9).save(tmp_path / "d.png")
    with pytest.raises(InputError, match="made to look at holds no depth"):
        read_depth(tmp_path / "d.png", PHOTO)
    (tmp_path / "d.tiff").write_bytes(b"II*\x00nonsense")
    with pytest.raises(InputError, match="damaged"):
        read_depth(tmp_path / "d.tiff", PHOTO)
    np.save(tmp_path / "d.npy", DEPTH)
    with pytest.raises(InputError, match="holds one map"):
        read_depth(f"{tmp_path}/d.npy:2", PHOTO)
    with pytest.raises(InputError, match="no unit"):
        read_depth(tmp_path / "d.npy", PHOTO, unit="m", inverse=True)
    with pytest.raises(InputError, match="not found"):
        read_depth(tmp_path / "nothing.npy", PHOTO)


@given(
    scale=st.floats(0.01, 100),
    shift=st.floats(-0.4, 50),
    wrong=st.floats(0, 0.4),
    inverse=st.booleans(),
    seed=st.integers(0, 99),
)
def test_scale_and_shift_are_found_through_wrong_pixels(scale, shift, wrong, inverse, seed):
    rng = np.random.default_rng(seed)
    truth = 1 / DEPTH if inverse else DEPTH
    relative = ((truth - shift) / scale).astype(np.float64)
    known = DEPTH.astype(np.float64)
    bad = rng.random(known.shape) < wrong
    known[bad] = rng.uniform(0.1, 60, int(bad.sum()))
    found = align_depth(relative, known, inverse=inverse)
    assert found.scale == pytest.approx(scale, rel=1e-3)
    assert found.shift == pytest.approx(shift, abs=1e-3 * (1 + abs(shift)))
    assert found.residual < 1e-3
    np.testing.assert_allclose(aligned_depth_m(relative, found, inverse=inverse), DEPTH, rtol=2e-2)


def test_noise_is_averaged_as_least_squares_does():
    rng = np.random.default_rng(1)
    known = DEPTH + rng.normal(0, 0.05, DEPTH.shape).astype(np.float32)
    found = align_depth((DEPTH - 0.3) / 2, known)
    assert found.scale == pytest.approx(2, rel=5e-3) and found.shift == pytest.approx(0.3, abs=0.02)
    assert found.residual == pytest.approx(0.05 * 0.6745, rel=0.1)


def test_weights_choose_what_counts():
    known = DEPTH.copy()
    known[:30] = DEPTH[:30] * 3 + 1  # three quarters of another truth
    lower = np.zeros(DEPTH.shape, bool)
    lower[30:] = True
    relative = (DEPTH - 0.5) / 4
    for weights in (lower, lower.astype(np.float32) * 7):
        found = align_depth(relative, known, weights)
        assert found.scale == pytest.approx(4, rel=1e-4)
        assert found.shift == pytest.approx(0.5, abs=1e-3)
    assert align_depth(relative, known).scale == pytest.approx(12, rel=1e-3)


def test_only_common_pixels_are_compared_and_unknown_ones_stay_unknown():
    known = np.full(DEPTH.shape, np.nan, np.float32)
    known[5:20, 5:20] = DEPTH[5:20, 5:20]
    relative = DEPTH / 2
    relative[10] = np.nan
    found = align_depth(relative, known)
    assert found.scale == pytest.approx(2, rel=1e-4)
    depth = aligned_depth_m(relative, found)
    assert np.isnan(depth[10]).all() and np.isfinite(depth[11]).all()
    behind = aligned_depth_m(relative, found._replace(shift=-6.0))
    assert np.isnan(behind[DEPTH < 5.9]).all()


@pytest.mark.parametrize("inverse", [False, True])
def test_a_map_that_runs_the_other_way_is_named(inverse):
    with pytest.raises(InputError, match="runs against"):
        align_depth(DEPTH if inverse else 1 / DEPTH, DEPTH, inverse=inverse)


def few(count):
    known = np.full(DEPTH.shape, np.nan, np.float32)
    known.ravel()[:count] = 2 + DEPTH.ravel()[:count]
    return known


@pytest.mark.parametrize(
    ("relative", "known", "said"),
    [
        (np.full_like(DEPTH, np.nan), DEPTH, "share 0 pixels"),
        (DEPTH, few(0), "share 0 pixels"),
        (DEPTH, few(LEAST_PIXELS - 1), f"share {LEAST_PIXELS - 1} pixels"),
        (DEPTH, -DEPTH, "share 0 pixels"),
        (np.full_like(DEPTH, 3), DEPTH, "depth map is all but constant"),
        (np.zeros_like(DEPTH), DEPTH, "depth map is all but constant"),
        (DEPTH, np.full_like(DEPTH, 3), "known depth is all but constant"),
        (np.where(np.arange(60) < 59, np.float32(3), DEPTH), DEPTH, "all but constant"),
    ],
)
def test_depth_that_cannot_be_aligned_is_one_sentence(relative, known, said):
    with pytest.raises(InputError, match=said):
        align_depth(relative, known)


def test_weights_of_nothing_are_no_overlap():
    with pytest.raises(InputError, match="share 0 pixels"):
        align_depth(DEPTH, DEPTH, np.zeros(DEPTH.shape, bool))


def test_just_enough_pixels_are_enough():
    found = align_depth(DEPTH, few(LEAST_PIXELS))
    assert found.scale == pytest.approx(1, rel=1e-4) and found.shift == pytest.approx(2, rel=1e-3)
