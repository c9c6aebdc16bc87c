"""Questions to a library: what is found, how evidence adds up, what makes no sense."""

import math

import numpy as np
import pytest
import torch

from object_retrieval.backend import ObjectPicture
from object_retrieval.contact_sheet import COLUMNS, TILE_PX, draw_sheet, save_sheet
from object_retrieval.descriptor_backend import DescriptorBackend
from object_retrieval.library_index import library_index
from object_retrieval.picture_encoder import (
    PictureBackend,
    PictureEncoder,
    PictureEncoderConfig,
    item_studios,
)
from object_retrieval.retrieval import LABEL_TRUST, Backends, Question, rank, retrieve
from object_retrieval.surface import disturbed, sample_surface
from object_retrieval.views import masked_views
from renders.errors import InputError
from renders.mesh import Mesh, PointCloud

from .solids import SOLIDS, SolidLibrary, solid


class WordBackend:
    """Texts are vectors of the category whose name they contain; shapes of their own."""

    name, dim, temperature = "words 1", len(SOLIDS), 0.1
    abilities = frozenset({"text"})

    def __init__(self, library):
        self.library = library
        self.embedded = 0

    def _row(self, category):
        return torch.eye(self.dim)[list(SOLIDS).index(category)]

    def embed_item(self, mesh, *, seed):
        self.embedded += 1
        return self._row(self.library.items[seed].category)[None]

    def embed_texts(self, texts):
        return torch.stack([self._row("ring" if "round" in text else "box") for text in texts])

    def embed_shapes(self, surfaces):
        raise AssertionError

    def embed_images(self, pictures):
        raise AssertionError


@pytest.fixture(scope="module")
def backends(cache):
    torch.manual_seed(0)
    encoder = PictureEncoder(PictureEncoderConfig(side_px=32, width=4, dim=16))
    return Backends(image=PictureBackend(encoder), cache=cache)


@pytest.mark.parametrize("category", SOLIDS)
def test_half_a_turned_noisy_shape_is_found(library, backends, category):
    points = sample_surface(solid(category, 1.1), 2048, seed=77).points
    found = retrieve(library, surface=PointCloud(disturbed(points, seed=5)), backends=backends)
    assert category in [candidate.item.category for candidate in found]


@pytest.mark.parametrize("category", SOLIDS)
def test_a_mesh_in_any_unit_and_place_is_found_first(library, backends, category):
    mesh = solid(category, 1.1)
    moved = Mesh(1000 * mesh.vertices + 50.0, mesh.faces)
    ranking = rank(library, Question(surface=moved), backends)
    assert ranking.categories()[0] == category
    assert math.isclose(sum(ranking.category_probability.values()), 1, rel_tol=1e-6)


def test_a_label_restricts_to_its_category(library):
    found = retrieve(library, label="Boxes", top=5)
    assert [c.item.category for c in found] == ["box"] * 3
    assert all(c.score == pytest.approx(1 / 3) for c in found)
    assert all((c.category_prior, c.similarity) == (pytest.approx(1.0), None) for c in found)
    size = library.size_prior("box")
    assert (found[0].size_m, found[0].size_spread_m) == (size.mean_m, size.spread_m)
    # Of equal ones the most usual comes first.
    odd = [abs(max(c.item.extent_m) - size.mean_m) for c in found]
    assert odd == sorted(odd)


def test_a_label_that_only_weighs_can_be_overruled(library, backends):
    pole = solid("pole", 1.1)
    weighed = rank(library, Question("box", surface=pole, restrict=False), backends)
    assert weighed.category_prior["box"] == pytest.approx(LABEL_TRUST)
    assert weighed.categories()[0] == "pole"
    strict = retrieve(library, label="box", surface=pole, backends=backends)
    assert {c.item.category for c in strict} == {"box"}


def test_a_weighing_label_decides_where_nothing_else_does(library):
    ranking = rank(library, Question("plate", restrict=False))
    assert ranking.category_probability["plate"] == pytest.approx(LABEL_TRUST)


def test_the_size_decides_between_like_shapes(library, backends):
    """A ring of 0.3 m is more likely a plate than one of 0.7 m."""
    ring = solid("ring", 1.1)
    small = rank(library, Question(surface=ring, size_m=0.28), backends).category_probability
    large = rank(library, Question(surface=ring, size_m=0.7), backends).category_probability
    assert small["plate"] > 10 * large["plate"]
    assert large["ring"] > 0.9


def test_categories_count_alike_however_many_shapes_they_have(library):
    ranking = rank(library, Question("box", restrict=False))
    others = [p for c, p in ranking.category_probability.items() if c != "box"]
    assert max(others) == pytest.approx(min(others))


def test_a_picture_is_seen_cut_out_as_views_are_and_with_its_surroundings(library, backends):
    mesh = library.mesh("chair/1")
    view = masked_views(mesh, 32, [item_studios()[3]])[0]
    alone, around = (backends.image._seen([view], blank=blank)[0] for blank in (True, False))
    torch.testing.assert_close(alone, backends.image.embed_item(mesh, seed=0)[3], atol=1e-5, rtol=0)
    assert float(alone @ around) < 0.9999
    both = torch.nn.functional.normalize(alone + around, dim=0)
    torch.testing.assert_close(backends.image.embed_images([view])[0], both, atol=1e-5, rtol=0)
    ranking = rank(library, Question(image=view.rgb, mask=view.mask), backends)
    found = {item.name: float(s) for item, s in zip(library.items, ranking.similarity, strict=True)}
    assert found["chair/1"] >= float(both @ alone) - 2e-3


def test_other_words_go_to_the_text_back_end(library, cache):
    words = WordBackend(library)
    found = retrieve(library, label="something round", backends=Backends(text=words, cache=cache))
    assert found[0].item.category == "ring"
    assert found[0].category_prior > 0.9


def test_without_a_text_back_end_other_words_are_refused_with_near_ones(library):
    with pytest.raises(InputError, match="near by spelling: chair.*embeds shape, not text"):
        retrieve(library, label="chiar")


def test_pictures_need_a_back_end_that_embeds_them(library):
    with pytest.raises(InputError, match="not image"):
        retrieve(library, image=np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    "question, words",
    [
        ({}, "nothing to look for"),
        ({"label": ""}, "words"),
        ({"label": "box", "top": 0}, "at least 1"),
        ({"label": "box", "mask": np.ones((4, 4), bool)}, "without the picture"),
        ({"surface": PointCloud(torch.zeros(5, 3))}, "only 5 points"),
        ({"surface": PointCloud(torch.zeros(50, 3))}, "no extent"),
        ({"surface": PointCloud(torch.full((50, 3), torch.nan))}, "NaN"),
        ({"surface": Mesh(torch.rand(3, 3), torch.zeros(0, 3).long())}, "no surface"),
        ({"surface": Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))}, "no surface"),
        ({"image": np.zeros((0, 4, 3), np.uint8)}, "no pixels"),
        ({"image": np.zeros((4, 4, 3), np.uint8), "mask": np.zeros((4, 4), bool)}, "no pixel"),
        ({"image": np.zeros((4, 4, 3), np.uint8), "mask": np.ones((4, 5), bool)}, "5x4"),
    ],
)
def test_questions_that_make_no_sense(library, backends, question, words):
    with pytest.raises(InputError, match=words):
        retrieve(library, **question, backends=backends)


@pytest.mark.parametrize("size_m", [0.0, -1.0, math.nan, math.inf])
def test_sizes_that_make_no_sense(size_m):
    with pytest.raises(InputError, match="positive"):
        Question("box", size_m=size_m)


def test_an_empty_library(backends):
    with pytest.raises(InputError, match="no shapes"):
        retrieve(SolidLibrary(()), label="box")


def test_the_index_is_made_once_and_again_when_damaged(library, tmp_path, caplog):
    words = WordBackend(library)
    index = library_index(library, words, folder=tmp_path)
    assert index.all_names() == [item.name for item in library.items]
    library_index(library, words, folder=tmp_path)
    assert words.embedded == len(library.items)
    (index.folder / "names.txt").write_text("gone")
    again = library_index(library, words, folder=tmp_path)
    assert words.embedded == 2 * len(library.items)
    assert len(again) == len(index) and "building it again" in caplog.text


def test_a_killed_build_goes_on(library, tmp_path):
    class Killed(WordBackend):
        def embed_item(self, mesh, *, seed):
            if seed == 4 and self.embedded == 4:
                raise KeyboardInterrupt
            return super().embed_item(mesh, seed=seed)

    words = Killed(library)
    with pytest.raises(KeyboardInterrupt):
        library_index(library, words, folder=tmp_path)
    words.embedded = 100
    index = library_index(library, words, folder=tmp_path)
    assert words.embedded == 100 + len(library.items) - 4
    assert index.all_names() == [item.name for item in library.items]


def test_the_descriptor_is_the_same_however_the_shape_lies(library):
    backend = DescriptorBackend()
    mesh = library.mesh("chair/0")
    x, y, z = mesh.vertices.unbind(1)
    turned = Mesh(7 * torch.stack([-y, x, z + 3], dim=1), mesh.faces)
    first, second = backend.embed_shapes([mesh, turned])
    assert float(first @ second) > 0.999
    upside = Mesh(torch.stack([x, z, -y], dim=1), mesh.faces)
    assert float(first @ backend.embed_shapes([upside])[0]) < 0.99


def test_a_sheet_shows_the_question_and_every_candidate(library, tmp_path):
    found = retrieve(library, label="box")
    sheet = draw_sheet(library, found, question=np.zeros((20, 60, 3), np.uint8), title="box")
    assert sheet.width == 4 * TILE_PX
    drawn = np.asarray(sheet)[:TILE_PX]
    for column in range(4):
        tile = drawn[:, column * TILE_PX : (column + 1) * TILE_PX]
        assert 0.05 < (tile < 250).any(-1).mean() < 0.8
    save_sheet(sheet, tmp_path / "a" / "sheet.png")
    assert (tmp_path / "a" / "sheet.png").stat().st_size > 1000
    many = draw_sheet(library, rank(library, Question("box", restrict=False)).candidates(9))
    assert many.width == COLUMNS * TILE_PX and many.height > 2 * TILE_PX


def test_pictures_tell_their_size():
    assert "4x3 px, mask" in repr(
        ObjectPicture(np.zeros((3, 4, 3), np.uint8), np.ones((3, 4), bool))
    )
