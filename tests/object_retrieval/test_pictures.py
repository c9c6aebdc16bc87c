"""Crops, views and the picture encoder's files."""

import json

import numpy as np
import pytest
import torch

from object_retrieval.backend import ObjectPicture
from object_retrieval.crops import GREY, square_crop
from object_retrieval.picture_encoder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    PictureBackend,
    PictureEncoder,
    PictureEncoderConfig,
    item_studios,
    load_encoder,
    save_encoder,
)
from object_retrieval.views import Studio, masked_views, picture_of, render_object
from renders.errors import AssetError, InputError
from renders.mesh import Mesh

from .solids import solid

SMALL = PictureEncoderConfig(side_px=32, width=4, dim=16)


def lettered(height, width, top, left, rows, columns):
    """A red block on blue, with its mask."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 2] = 200
    mask = np.zeros((height, width), bool)
    mask[top : top + rows, left : left + columns] = True
    rgb[mask] = (220, 0, 0)
    return ObjectPicture(rgb, mask)


@pytest.mark.parametrize("place", [(0, 0), (20, 10), (40, 70)])
def test_the_crop_follows_the_mask_and_greys_out_the_rest(place):
    crop = square_crop(lettered(60, 100, *place, 20, 30), 36)
    assert crop.rgb.shape == (36, 36, 3)
    rows, columns = np.flatnonzero(crop.mask.any(1)), np.flatnonzero(crop.mask.any(0))
    # Proportions stay: 30 wide and 20 high, with room around the longer side.
    assert len(columns) / len(rows) == pytest.approx(1.5, abs=0.12)
    assert 1 <= columns[0] <= 4
    inside = crop.rgb[rows[1] : rows[-1], columns[1] : columns[-1]]
    assert (abs(inside.astype(int) - (220, 0, 0)) < 3).all()
    assert (crop.rgb[0] == GREY).all()


def test_without_blanking_the_surroundings_stay_inside_the_picture():
    crop = square_crop(lettered(60, 100, 20, 40, 20, 20), 36, blank=False)
    assert (abs(crop.rgb[0].astype(int) - (0, 0, 200)) < 3).all()
    at_edge = square_crop(lettered(60, 100, 0, 0, 20, 20), 36, blank=False)
    assert (at_edge.rgb[0] == GREY).all()


def test_without_a_mask_the_whole_picture_counts():
    crop = square_crop(ObjectPicture(np.full((10, 20, 3), 9, np.uint8)), 40)
    assert crop.mask[10:30].all() and not crop.mask[:9].any()
    assert (crop.rgb[12:28] == 9).all()


@pytest.mark.parametrize("rows, columns", [(1, 1), (1, 60), (60, 1)])
def test_objects_as_thin_as_a_thread(rows, columns):
    crop = square_crop(lettered(60, 60, 0, 0, rows, columns), 8)
    assert crop.mask.any()


def test_views_are_from_the_side_they_name():
    """The chair's back (at +y) hides nothing from the front and its seat from behind."""
    mesh = solid("chair")
    front = render_object(mesh, 48, Studio(azimuth_deg=-90.0, elevation_deg=0.0))[1]
    side = render_object(mesh, 48, Studio(azimuth_deg=0.0, elevation_deg=0.0))[1]
    assert torch.allclose(front, front.flip(1), atol=0.1)
    columns = side.sum(0)
    # From +x the picture's right is +y: the back rises there.
    upper = side[: 48 // 3].sum(0)
    assert upper[24:].sum() > 10 * upper[:24].sum() + 1
    assert columns.sum() > 0


def test_a_roll_turns_the_picture_clockwise():
    upright = render_object(solid("chair"), 48, Studio(-90.0, 20.0))[1]
    turned = render_object(solid("chair"), 48, Studio(-90.0, 20.0, roll_deg=90.0))[1]
    # What was above lies to the right, what was to the left lies above.
    assert float((turned.sum(0) - upright.sum(1).flip(0)).abs().amax()) < 2
    assert float((turned.sum(1) - upright.sum(0)).abs().amax()) < 2
    assert float((turned.sum(0) - upright.sum(1)).abs().amax()) > 4


@pytest.mark.parametrize(
    "mesh",
    [
        Mesh(torch.zeros(0, 3), torch.zeros(0, 3).long()),
        Mesh(torch.rand(3, 3), torch.zeros(0, 3).long()),
        Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])),
    ],
)
def test_shapes_that_cannot_be_drawn(mesh):
    with pytest.raises(InputError):
        picture_of(mesh, 16)


def test_a_shape_without_colours_and_with_faces_turned_round_is_drawn():
    mesh = solid("box")
    plain = Mesh(mesh.vertices, mesh.faces)
    turned = Mesh(mesh.vertices, mesh.faces.flip(1))
    assert (picture_of(plain, 32) == picture_of(turned, 32)).mean() > 0.98


def test_the_encoder_comes_back_as_it_was_saved(tmp_path):
    torch.manual_seed(0)
    encoder = PictureEncoder(SMALL).eval()
    save_encoder(encoder, tmp_path / "weights")
    again = load_encoder(tmp_path / "weights")
    pixels = torch.rand(2, 4, 32, 32)
    with torch.no_grad():
        vectors = encoder(pixels)
        torch.testing.assert_close(again(pixels), vectors, atol=5e-3, rtol=0)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert again.config == SMALL


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda f: (f / WEIGHTS_FILE).unlink(), "interactvlm train retrieval"),
        (lambda f: (f / WEIGHTS_FILE).write_bytes(b"x"), "damaged"),
        (lambda f: (f / CONFIG_FILE).unlink(), "damaged"),
        (lambda f: (f / CONFIG_FILE).write_text("{}"), "damaged"),
        (lambda f: (f / CONFIG_FILE).write_text(json.dumps({"depth": 3})), "damaged"),
    ],
)
def test_damaged_weights_are_named(tmp_path, damage, words):
    save_encoder(PictureEncoder(SMALL), tmp_path)
    damage(tmp_path)
    with pytest.raises(AssetError, match=words):
        load_encoder(tmp_path)


def test_a_picture_is_embedded_alone_as_in_company():
    torch.manual_seed(0)
    backend = PictureBackend(PictureEncoder(SMALL))
    pictures = masked_views(solid("chair"), 32, item_studios()[:3])
    together = backend.embed_images(pictures)
    torch.testing.assert_close(backend.embed_images(pictures[1:2])[0], together[1])
    assert backend.embed_images([]).shape == (0, 16)
    with pytest.raises(InputError, match="embeds image, not shape"):
        backend.embed_shapes([])
