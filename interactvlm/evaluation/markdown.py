"""A report of an evaluation as Markdown: our numbers first, the published ones beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

_BODY_HEAD = ("", "F1", "precision", "recall", "geodesic, cm", "samples", "source")
_OBJECT_HEAD = ("", "SIM", "AUC", "aIoU", "MAE", "mIoU", "F1", "samples", "source")
_LABEL_HEAD = ("label", "samples", "F1", "precision", "recall", "precision, micro", "recall, micro")
_OBJECT_SCORES = ("similarity", "auc", "aiou", "absolute_error", "iou", "f1")


def as_markdown(report: Mapping[str, Any]) -> str:
    """The whole report."""
    lines = [f"# {report['title']}, split {report['split']}", "", f"Answers: {report['answers']}."]
    lines.append(f"Licence of the data: {report['licence']}.")
    if "body" in report:
        lines += _body(report)
    if "object" in report:
        lines += _object(report)
    if report["failures"]:
        first = report["failures"][0]
        lines += [
            "", f"**{len(report['failures'])} samples could not be asked about**, the first "
            f"{first['key']!r}: {first['reason']}",
        ]  # fmt: skip
    if report["notes"]:
        lines += ["", "Notes:", "", *(f"- {note}" for note in report["notes"])]
    return "\n".join(lines)


def _body(report: Mapping[str, Any]) -> list[str]:
    table = report["body"]
    if table["semantic"] is None:
        return ["", "No sample is touched; nothing to score."]
    lines = ["", "## Contact of the body", ""]
    for part, title in (
        ("binary", "with anything (labels of a photo united)"),
        ("semantic", "per label"),
    ):
        rows = [_ours(table[part]), _micro(table[part])]
        rows += [_published_body(row) for row in report["published"] if row["part"] == part]
        lines += [f"### Contact {title}", "", *_table(_BODY_HEAD, rows), ""]
    lines += _categories(report)
    lines += ["### Per label", "", *_table(*_labels(report))]
    if table["untouched"]:
        lines += [
            "", f"Untouched: {table['untouched']} samples, contact was claimed for "
            f"{table['untouched_false_contact']:.1%} of them.",
        ]  # fmt: skip
    return lines


def _ours(scores: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = scores["f1_interval_95"]
    geodesic = "-"
    if "geodesic_cm" in scores:
        near, far = scores["geodesic_cm_interval_95"]
        geodesic = f"{scores['geodesic_cm']:.2f} ({near:.2f} to {far:.2f})"
    return (
        "**ours, means over samples**", f"**{_number(scores['f1'])}** ({low:.3f} to {high:.3f})",
        _number(scores["precision"]), _number(scores["recall"]), geodesic, str(scores["count"]),
        "this run",
    )  # fmt: skip


def _micro(scores: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        "ours, over all vertices", "-", _number(scores["precision_micro"]),
        _number(scores["recall_micro"]), "-", str(scores["count"]), "this run",
    )  # fmt: skip


def _published_body(row: Mapping[str, Any]) -> tuple[str, ...]:
    values = row["values"]
    geodesic = f"{values['geodesic_cm']:.2f}" if "geodesic_cm" in values else "-"
    return (
        row["method"], *(_number(values.get(name)) for name in ("f1", "precision", "recall")),
        geodesic, "-", _source(row),
    )  # fmt: skip


def _source(row: Mapping[str, Any]) -> str:
    return row["source"] if row["generated"] else f"{row['source']}, teacher-forced"


def _categories(report: Mapping[str, Any]) -> list[str]:
    ours = report["body"]["per_category"]
    if not ours:
        return []
    columns = []
    for row in report["published"]:
        if row["part"].startswith("semantic/"):
            column = (row["method"], _source(row))
            if column not in columns:
                columns.append(column)
    head = ("category", "samples", "F1, ours", *(f"F1, {m} ({s})" for m, s in columns))
    rows = []
    for category, scores in ours.items():
        theirs = {
            (row["method"], _source(row)): row["values"]["f1"]
            for row in report["published"]
            if row["part"] == f"semantic/{category}"
        }
        others = [_number(theirs.get(column)) for column in columns]
        rows.append((category, str(scores["count"]), _number(scores["f1"]), *others))
    return ["### Per category", "", *_table(head, rows), ""]


def _labels(report: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    published = report["published_label_f1"]
    head = (*_LABEL_HEAD, "F1, InteractVLM paper (teacher-forced)") if published else _LABEL_HEAD
    names = ("f1", "precision", "recall", "precision_micro", "recall_micro")
    rows = []
    for label, scores in report["body"]["per_label"].items():
        row = (label, str(scores["count"]), *(_number(scores[name]) for name in names))
        rows.append((*row, _number(published.get(label))) if published else row)
    return head, rows


def _object(report: Mapping[str, Any]) -> list[str]:
    table = report["object"]
    ours = ("**ours**", *_object_cells(table["all"]), "this run")
    intervals = table["all"]["interval_95"]
    spread = tuple(
        f"{intervals[name][0]:.3f} to {intervals[name][1]:.3f}" if name in intervals else "-"
        for name in _OBJECT_SCORES
    )
    rows = [ours, ("95 % of it", *spread, "", "this run")]
    rows += [
        (row["method"], *(_number(row["values"].get(name)) for name in _OBJECT_SCORES), "-",
         _source(row))
        for row in report["published"]
        if row["part"] == "object"
    ]  # fmt: skip
    lines = ["", "## Objects", "", *_table(_OBJECT_HEAD, rows), ""]
    lines.append(
        f"AUC and aIoU are over the {table['all']['count_mixed']} objects with touched and "
        "untouched points; the others have none. MAE is per point (papers print ten times it)."
    )
    for title, part in (("object", "per_label"), ("affordance", "per_affordance")):
        if table[part]:
            each = [(name, *_object_cells(scores)) for name, scores in table[part].items()]
            head = (title, *_OBJECT_HEAD[1:-1])
            lines += ["", f"### Per {title}", "", *_table(head, each)]
    return lines


def _object_cells(scores: Mapping[str, Any]) -> tuple[str, ...]:
    return (*(_number(scores[name]) for name in _OBJECT_SCORES), str(scores["count"]))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
