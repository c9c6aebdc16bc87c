"""Masks and boxes from files: every format gives the same pixels, every fault one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interactvlm.errors import InputError
from interactvlm.reconstruction_inputs.boxes import read_box
from interactvlm.reconstruction_inputs.coco_masks import coco_mask, counts_from_text
from interactvlm.reconstruction_inputs.mask_files import read_mask
from tests.interactvlm.reconstruction_inputs.photos import iou, l_mask, photo_of

MASK = l_mask()
PHOTO = photo_of(60, 40)
GREY = MASK.astype(np.uint8) * 255


def runs_of(mask: np.ndarray) -> list[int]:
    """COCO's run lengths by walking the pixels."""
    runs, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def text_of(runs: list[int]) -> str:
    """COCO's packed text. Source: `rleToString` of pycocotools' maskApi.c."""
    text = ""
    for index, run in enumerate(runs):
        x = run - runs[index - 2] if index > 2 else run
        more = True
        while more:
            bits = x & 31
            x >>= 5
            more = x != -1 if bits & 16 else x != 0
            text += chr((bits | 32 if more else bits) + 48)
    return text


def palette(values: np.ndarray) -> Image.Image:
    picture = Image.fromarray(values.astype(np.uint8)).convert("P")
    picture = Image.frombytes("P", picture.size, values.astype(np.uint8).tobytes())
    picture.putpalette([0, 0, 0, 9, 9, 9, 200, 0, 0, 1, 1, 1])
    return picture


def rgba(mask: np.ndarray) -> Image.Image:
    layers = np.full((*mask.shape, 4), 7, dtype=np.uint8)
    layers[..., 3] = mask * 255
    return Image.fromarray(layers)


def shape(label, points, kind="polygon"):
    return {"label": label, "points": points, "shape_type": kind}


L_RECTANGLES = [
    shape("l", [[15, 10], [30, 30]], "rectangle"),
    shape("l", [[50, 20], [15, 30]], "rectangle"),
]


@pytest.fixture
def written(tmp_path):
    """The same mask in every format, by the text that names it."""

    def picture(name, image):
        image.save(tmp_path / name)

    other = np.where(MASK, 3, 0)
    other[0, :9] = 1
    picture("bit.png", Image.fromarray(MASK))
    picture("grey.png", Image.fromarray(np.where(MASK, 128, 127).astype(np.uint8)))
    picture("small.png", Image.fromarray(MASK.astype(np.uint8) * 3))
    picture("grey16.png", Image.fromarray(GREY.astype(np.uint16) * 257))
    picture("one.png", palette(np.where(MASK, 2, 0)))
    picture("palette.png", palette(other))
    picture("alpha.png", rgba(MASK))
    opaque = Image.fromarray(np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)]))
    picture("opaque.png", opaque)
    picture("rgb.webp", Image.fromarray(np.dstack([GREY] * 3)))
    np.save(tmp_path / "bool.npy", MASK)
    np.save(tmp_path / "int.npy", other)
    np.save(tmp_path / "prob.npy", np.where(MASK, 0.7, 0.2))
    np.save(tmp_path / "stack.npy", np.stack([~MASK, MASK]))
    np.save(tmp_path / "channel.npy", MASK[..., None])
    np.savez(tmp_path / "many.npz", person=MASK, object=~MASK)
    np.savez(tmp_path / "usual.npz", mask=MASK, score=np.zeros((2, 2)))
    runs = runs_of(MASK)
    packed = {"size": [40, 60], "counts": text_of(runs)}
    corners = [15, 10, 30, 10, 30, 20, 50, 20, 50, 30, 15, 30]
    outline = np.array(corners, float).reshape(-1, 2).tolist()
    for name, content in {
        "packed.json": packed,
        "runs.json": {"size": [40, 60], "counts": runs},
        "entry.json": {"category_id": 1, "segmentation": packed},
        "list.json": [{"segmentation": {"size": [40, 60], "counts": [2400]}}, packed],
        "coco.json": {"images": [], "annotations": [{"segmentation": packed}]},
        "polygon.json": {"segmentation": [corners]},
        "labelme.json": {"shapes": [*L_RECTANGLES, shape("x", [[0, 0], [2, 2]], "rectangle")],
                         "imageWidth": 60, "imageHeight": 40},
        "outline.json": {"shapes": [shape("l", outline)]},
    }.items():  # fmt: skip
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


EXACT = [
    "bit.png", "grey.png", "small.png:3", "grey16.png", "one.png", "one.png:2", "palette.png:3",
    "alpha.png", "opaque.png", "bool.npy", "int.npy:3", "prob.npy", "stack.npy:2", "channel.npy",
    "many.npz:person", "usual.npz", "packed.json", "runs.json", "entry.json", "list.json:2",
    "coco.json", "labelme.json:l",
]  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_every_format_gives_the_same_mask(written, name):
    notes = []
    mask = read_mask(f"{written}/{name}", PHOTO, notes=notes)
    np.testing.assert_array_equal(mask, MASK)
    assert notes == []


@pytest.mark.parametrize("name", ["polygon.json", "outline.json", "rgb.webp"])
def test_outlines_and_lossy_pictures_are_right_to_the_edge(written, name):
    mask = read_mask(written / name, PHOTO)
    inner = MASK & np.roll(MASK, 1, 0) & np.roll(MASK, 1, 1) & np.roll(MASK, -1, 0)
    assert iou(mask, MASK) > 0.85 and (mask & inner).sum() == inner.sum()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("palette.png", "several regions, its values are 0, 1, 3"),
        ("palette.png:2", "no value '2', its values are 0, 1, 3"),
        ("palette.png:x", "no value 'x'"),
        ("small.png", "no grey value above 127, its values are 0, 3"),
        ("bit.png:1", "no labels"),
        ("int.npy", "several regions"),
        ("bool.npy:1", "holds one mask"),
        ("stack.npy", "stack of 2 masks"),
        ("stack.npy:3", "stack of 2 masks"),
        ("stack.npy:²", "stack of 2 masks"),
        ("many.npz", r"arrays \['person', 'object'\]"),
        ("list.json", "2 masks; choose one"),
        ("list.json:3", "2 masks; choose one"),
        ("packed.json:1", "one mask"),
        ("labelme.json", r"shapes of \['l', 'x'\]"),
        ("labelme.json:cup", "no shape 'cup'"),
        ("nothing.png", "not found"),
        ("nothing.png:3", "not found"),
    ],
)
def test_what_a_file_leaves_open_is_said(written, name, said):
    with pytest.raises(InputError, match=said):
        read_mask(f"{written}/{name}", PHOTO)


@pytest.mark.parametrize(("value", "said"), [(0, "marks no pixel"), (1, "marks every pixel")])
def test_masks_that_say_nothing_are_refused(tmp_path, value, said):
    np.save(tmp_path / "m.npy", np.full((40, 60), value, bool))
    Image.fromarray(np.full((40, 60), value * 255, np.uint8)).save(tmp_path / "m.png")
    for name in ("m.npy", "m.png"):
        with pytest.raises(InputError, match=said):
            read_mask(tmp_path / name, PHOTO)


def test_another_size_of_the_same_aspect_is_scaled_and_said(tmp_path):
    large = photo_of(600, 400)
    np.save(tmp_path / "m.npy", MASK)
    notes = []
    mask = read_mask(tmp_path / "m.npy", large, notes=notes)
    np.testing.assert_array_equal(mask, np.kron(MASK, np.ones((10, 10), bool)))
    assert notes == ["mask of 60x40 px was scaled to 600x400 px"]
    np.save(tmp_path / "large.npy", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "large.npy", PHOTO), MASK)


def test_a_mask_of_a_huge_photo_comes_at_the_size_it_was_kept_at(tmp_path):
    huge = photo_of(600, 400, image=Image.new("RGB", (60, 40)))
    np.save(tmp_path / "m.npy", np.kron(MASK, np.ones((10, 10), bool)))
    notes = []
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy", huge, notes=notes), MASK)
    assert notes == []


def test_another_aspect_is_refused_and_a_turned_mask_is_recognised(tmp_path):
    np.save(tmp_path / "m.npy", l_mask(50, 50))
    with pytest.raises(InputError, match="50x50 px and the photo 60x40 px, another aspect:"):
        read_mask(tmp_path / "m.npy", PHOTO)
    np.save(tmp_path / "m.npy", MASK.T)
    with pytest.raises(InputError, match="turned upright"):
        read_mask(tmp_path / "m.npy", PHOTO)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.png", b"", "0 bytes"),
        ("a.png", b"nonsense", "no picture"),
        ("a.npy", b"nonsense", "cannot be read"),
        ("a.npz", b"PK\x03\x04nonsense", "cannot be read"),
        ("a.json", b"{", "JSON"),
        ("a.json", b"{}", "COCO run lengths"),
        ("a.json", b"[]", "0 masks"),
        ("a.json", b'{"shapes": []}', "no shape"),
        ("a.json", b'{"shapes": [3]}', "that is none"),
        ("a.json", b'{"shapes": [{"label": "a", "points": [[1, 2]], "shape_type": "point"}]}',
         "'point'"),
        ("a.json", b'{"shapes": [{"label": "a", "points": [[1, 2], [3, 4]]}]}', "3 corners"),
        ("a.json", b'{"shapes": [{"label": "a", "points": [[1, NaN], [3, 4], [5, 6]]}]}',
         "in the photo"),
        ("a.json", b'{"shapes": [{"label": "a", "points": 7}]}', "pairs of numbers"),
        ("a.json", b'{"size": [40, 60], "counts": [3, 4]}', "add up to 7"),
        ("a.json", b'{"size": [40, 60], "counts": "a~"}', "cannot be read"),
        ("a.json", b'{"size": [40, 60], "counts": "P"}', "middle of a number"),
        ("a.json", b'{"size": [4000000, 6000000], "counts": [24000000000000]}', "impossible size"),
        ("a.json", b'{"size": [40, 60], "counts": [2500, -100]}', "add up to"),
        ("a.json", b'{"size": 3, "counts": [3]}', "cannot be read"),
    ],
)  # fmt: skip
def test_damaged_files_are_one_sentence(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_mask(tmp_path / name, PHOTO)


@pytest.mark.parametrize("array", [np.zeros(5), np.array(["a"]), np.zeros((2, 2, 2, 2)),
                                   np.full((40, 60), 7.0), np.full((40, 60), np.nan)])  # fmt: skip
def test_arrays_that_are_no_mask_are_refused(tmp_path, array):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(InputError, match="array"):
        read_mask(tmp_path / "m.npy", PHOTO)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_packed_run_lengths_come_back(runs):
    assert counts_from_text(text_of(runs)) == runs


def test_published_run_lengths_fit_their_pictures():
    path = Path(__file__).resolve().parents[4] / "shared" / "samples" / "cocoapi"
    path /= "instances_val2014_fakesegm100_results.json"
    if not path.is_file():
        pytest.skip("COCO's sample results are not beside the repository")
    for entry in json.loads(path.read_text())[::60]:
        height, width = entry["segmentation"]["size"]
        mask = coco_mask(entry, "", width, height, "sample")
        assert mask.shape == (height, width) and mask.any()


@pytest.mark.parametrize("text", ["10,20,30,40", "10 20 30 40", " 10, 20, 3e1, 40.0 "])
def test_a_box_as_text(text):
    assert read_box(text) == (10, 20, 30, 40)


def test_a_box_from_files(tmp_path):
    path = tmp_path / "b.json"
    for content in ([10, 20, 30, 40], {"box_xyxy_px": [10, 20, 30, 40]},
                    {"shapes": [shape("a", [[30, 20], [10, 40]], "rectangle")]}):  # fmt: skip
        path.write_text(json.dumps(content))
        assert read_box(path) == (10, 20, 30, 40)
    path.write_text(json.dumps({"shapes": [*L_RECTANGLES, shape("x", [[0, 0], [2, 2]])]}))
    with pytest.raises(InputError, match="at least 3 corners"):
        read_box(f"{path}:l")
    path.write_text(json.dumps({"shapes": [*L_RECTANGLES, shape("x", [[0, 0], [2, 2], [0, 3]])]}))
    assert read_box(f"{path}:l") == (15, 10, 50, 30)
    with pytest.raises(InputError, match="shapes of"):
        read_box(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3", "four finite"),
        ("1,2,nan,4", "four finite"),
        ("left", "four finite"),
        ("", "four finite"),
        ("5,5,5,9", "x0 < x1"),
        ("9,5,5,9", "x0 < x1"),
        ("no.json", "not found"),
    ],
)
def test_boxes_that_are_none(text, said):
    with pytest.raises(InputError, match=said):
        read_box(text)
