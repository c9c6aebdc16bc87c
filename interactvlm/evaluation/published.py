"""Numbers that others published, to stand beside ours. Imports nothing heavy.

Fractions, centimetres where a name says so. "Generated" numbers come from answers the model found
itself; the others were measured with the true answer's words in front of the contact token
(teacher forcing) and are no yardstick for generated answers.
"""

from dataclasses import dataclass

PAPER = "InteractVLM, CVPR 2025"
FIX = "InteractVLM repository, FIX.md"


@dataclass(frozen=True)
class PublishedScore:
    """One row of a published table."""

    dataset: str
    split: str
    part: str
    """`binary`, `semantic`, a category as `semantic/sports`, or `object`."""
    method: str
    values: dict[str, float]
    """By the names our own reports use."""
    source: str
    generated: bool
    """Whether the answers were generated; True for methods without words."""


def published_scores(dataset: str, split: str) -> list[PublishedScore]:
    """All rows for one split of a data set, in the order they were published."""
    return [row for row in _ROWS if (row.dataset, row.split) == (dataset, split)]


def published_label_f1(dataset: str, split: str) -> dict[str, float]:
    """F1 per label of DAMON's test set (paper, table 6, teacher-forced); else empty."""
    return dict(_LABEL_F1) if (dataset, split) == ("damon", "test") else {}


_CONTACT = ("f1", "precision", "recall", "geodesic_cm")
_OBJECT = ("similarity", "auc", "aiou", "absolute_error")


def _contact_row(
    dataset: str, split: str, part: str, method: str, numbers: str, source: str, generated: bool
) -> PublishedScore:
    """Numbers as printed: percent, then centimetres."""
    values = [float(n) for n in numbers.split("/")]
    scaled = [*(round(v / 100, 6) for v in values[:3]), *values[3:]]
    named: dict[str, float] = dict(zip(_CONTACT, scaled, strict=False))
    return PublishedScore(dataset, split, part, method, named, source, generated)


def _object_row(split: str, method: str, numbers: str) -> PublishedScore:
    """Numbers as printed: percent, the error times ten."""
    *percent, error = (float(n) for n in numbers.split("/"))
    values = [*(round(v / 100, 6) for v in percent), round(error / 10, 6)]
    named: dict[str, float] = dict(zip(_OBJECT, values, strict=True))
    wordless = method != "InteractVLM"
    return PublishedScore("piad", split, "object", method, named, f"{PAPER}, table 4", wordless)


def _binary_rows() -> list[PublishedScore]:
    damon = {
        "POSA-PIXIE": "31.0/42.0/34.0/33.00", "BSTRO": "46.0/51.0/53.0/38.06",
        "DECO": "55.0/65.0/57.0/21.32", "InteractVLM": "75.6/75.2/76.0/2.89",
    }  # fmt: skip
    threedir = {
        "BSTRO": "55.0/57.0/58.0/28.58", "DECO": "69.0/70.0/72.0/15.25",
        "LEMON-P": "77.0/76.0/81.0/9.02", "LEMON-D": "78.0/78.0/82.0/7.55",
        "InteractVLM": "78.4/82.5/76.3/6.73",
    }  # fmt: skip
    fixed = {
        "InteractVLM, parts": "70.32/64.66/75.46",
        "InteractVLM, no parts": "64.46/65.89/63.12",
    }
    rows = []
    for dataset, split, table, source in (
        ("damon", "test", damon, f"{PAPER}, table 1"),
        ("3dir", "val", threedir, f"{PAPER}, table 5"),
        ("damon", "test", fixed, FIX),
    ):
        for method, numbers in table.items():
            generated = source == FIX or method != "InteractVLM"
            rows.append(_contact_row(dataset, split, "binary", method, numbers, source, generated))
    return rows


def _semantic_rows() -> list[PublishedScore]:
    paper = {
        "accessory": ("40.1/30.7/75.6/21.88", "61.1/72.9/65.6/6.91"),
        "everyday objects": ("26.5/20.1/52.3/60.34", "68.6/71.4/78.0/7.46"),
        "food": ("11.7/19.4/12.9/49.61", "66.4/66.1/77.9/7.17"),
        "furniture": ("24.5/15.8/83.7/29.17", "60.5/64.2/60.1/6.21"),
        "kitchen": ("27.7/24.7/37.2/52.34", "71.8/71.3/81.1/7.61"),
        "sports": ("36.4/30.4/80.1/79.21", "77.9/76.7/83.2/7.98"),
        "transport": ("52.0/39.1/93.7/31.78", "77.8/80.5/78.9/7.97"),
    }
    fixed = {
        "": ("66.49", "60.98"), "transport": ("72.25", "70.35"), "sports": ("72.44", "66.64"),
        "kitchen": ("65.35", "57.32"), "food": ("62.05", "56.08"), "accessory": ("60.34", "46.45"),
        "furniture": ("58.90", "45.04"), "everyday objects": ("54.98", "52.17"),
    }  # fmt: skip
    rows = []
    for source, generated, methods, table in (
        (f"{PAPER}, table 2", False, ("Semantic-DECO", "InteractVLM"), paper),
        (FIX, True, ("InteractVLM, parts", "InteractVLM, no parts"), fixed),
    ):
        for category, pair in table.items():
            part = f"semantic/{category}" if category else "semantic"
            for method, numbers in zip(methods, pair, strict=True):
                wordless = generated or method == "Semantic-DECO"
                row = _contact_row("damon", "test", part, method, numbers, source, wordless)
                rows.append(row)
    return rows


def _affordance_rows() -> list[PublishedScore]:
    table = {
        "PMF": ("42.5/75.05/10.13/1.41", "33.0/60.25/4.67/2.11"),
        "ILN": ("42.7/75.84/11.52/1.37", "32.5/59.69/4.71/2.07"),
        "PFusion": ("43.2/77.50/12.31/1.35", "33.0/61.87/5.33/1.93"),
        "XMF": ("44.1/78.24/12.94/1.27", "34.2/62.58/5.68/1.88"),
        "IAGNet": ("54.5/84.85/20.51/0.98", "35.2/71.84/7.95/1.27"),
        "InteractVLM": ("62.7/86.47/21.20/0.81", "41.4/75.45/8.50/0.99"),
    }
    settings = ("seen-test", "unseen-test")
    return [
        _object_row(split, method, numbers)
        for at, split in enumerate(settings)
        for method, both in table.items()
        for numbers in (both[at],)
    ]


_ROWS = (*_binary_rows(), *_semantic_rows(), *_affordance_rows())

_TABLE_6 = (
    "skateboard 71.5;surfboard 79.7;snowboard 84.2;tennis racket 82.3;cell phone 70.6;"
    "couch 62.1;bicycle 81.5;chair 70.3;bench 63.0;motorcycle 76.6;book 74.1;skis 83.0;"
    "bed 54.0;laptop 54.0;backpack 59.2;umbrella 82.3;knife 77.0;frisbee 68.7;"
    "dining table 35.2;baseball glove 93.6;remote 70.6;banana 76.6;kite 85.4;"
    "toothbrush 77.3;boat 71.3;sports ball 64.4;baseball bat 82.8;apple 69.3;handbag 31.8;"
    "tie 49.6;suitcase 79.2;wine glass 66.4;spoon 67.5;fork 64.9;keyboard 60.8;"
    "teddy bear 43.8;clock 37.1;cake 52.4;scissors 28.7;cup 68.6;car 66.7;pizza 44.3;"
    "carrot 59.7;truck 81.2;bottle 59.2;airplane 76.4;toilet 32.5;hot dog 81.3;donut 73.6;"
    "mouse 40.7;vase 68.5;fire hydrant 85.5"
)
_LABEL_F1 = {
    name.replace(" ", "_"): round(float(percent) / 100, 6)
    for name, percent in (entry.rsplit(" ", 1) for entry in _TABLE_6.split(";"))
}
