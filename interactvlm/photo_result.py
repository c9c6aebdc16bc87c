"""What a job on one photo ends with: answers checked, the result folder written and told in words.

Knows maps and reports; knows no model and no command line.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from interactvlm.errors import AssetError
from interactvlm.object_file import ObjectShape
from interactvlm.photo_contact import PhotoContact
from interactvlm.photo_job import AskedPhoto
from interactvlm.photo_marks import said_of_photo
from interactvlm.provenance import Provenance
from interactvlm.report import ContactReport, Maps, ReportedConfig, write_result_folder
from interactvlm.results import shown_label


@dataclass(frozen=True, eq=False)
class Answered:
    """What a model answered about one photo."""

    maps: Maps
    """Contact per label, or on one object."""
    config: ReportedConfig
    """The model's sizes and names."""
    provenance: Provenance
    """What the answers were made from."""
    timings_s: dict[str, float]
    """Seconds per step so far."""
    shape: ObjectShape | None = None
    """The object that the maps lie on; None for the body or the photo."""
    notes: tuple[str, ...] = ()
    """What a person should know beside that, one sentence each."""


@dataclass(frozen=True, eq=False)
class PhotoResult:
    """What was written."""

    out: Path
    """The result folder."""
    maps: Maps
    """Contact per label, or on one object."""
    report: dict[str, Any]
    """Content of report.json."""
    complete: bool = True
    """False when an answer was cut short."""

    def summary(self) -> str:
        """A few lines for the terminal."""
        lines = self.said() + [f"note: {warning}" for warning in self.report["warnings"]]
        return "\n".join([*lines, f"report: {self.out / 'report.html'}"])

    def said(self) -> list[str]:
        """Every label's answer in words, one line each."""
        return [
            f"{shown_label(entry['label'])}: {_said(entry)}" for entry in self.report["contacts"]
        ]

    def __repr__(self) -> str:
        return f"PhotoResult({len(self.maps)} labels, {str(self.out)!r})"


def _said(entry: dict[str, Any]) -> str:
    """One label's entry of report.json in words."""
    certainty = f"highest probability {entry['max_probability']:.2f}"
    if entry.get("surface") == "photo":
        share = entry["share_of_photo"]
        return f"{said_of_photo(share)} ({entry['mask']}, {certainty})" if share else "no contact"
    if entry.get("surface") == "object":
        used = f"{entry['affordance']}, " if entry["affordance"] else ""
        share = f"{entry['marked_points']:,} of {entry['points']:,} points marked"
        return f"{used}{share} ({certainty})"
    if not entry["contact_vertices"]:
        return "no contact"
    parts = ", ".join(entry["body_parts"]) or "a small area"
    return f"{parts} ({entry['contact_vertices']:,} surface points, {certainty})"


def finished_result(out: Path, asked: AskedPhoto, answered: Answered) -> PhotoResult:
    """Writes the result folder.

    Raises:
        AssetError: the model answered NaN.
        ResourceError: the disk is full or the place cannot be written.
    """
    maps = answered.maps
    _require_finite(maps, answered.provenance.weights)
    report = ContactReport(
        photo=asked.photo,
        maps=maps,
        provenance=answered.provenance,
        config=answered.config,
        box_xyxy_px=asked.box_xyxy_px,
        person=asked.found,
        timings_s=answered.timings_s,
        warnings=(*asked.notes, *answered.notes, *_notes_of(maps)),
        shape=answered.shape,
    )
    written = write_result_folder(out, report)
    return PhotoResult(out, maps, written, all(contact.finished for contact in maps))


def _require_finite(maps: Maps, weights: str) -> None:
    """Raises AssetError for NaN, which never reaches a file."""
    for contact in maps:
        if isinstance(contact, PhotoContact):
            values = contact.pixel_probability
        else:
            values = contact.vertex_probability
        if not bool(torch.isfinite(values).all()):
            raise AssetError(
                f"the model gave NaN for {shown_label(contact.label)!r}; its weights are damaged, "
                f"fetch them again: {weights!r}"
            )


def _notes_of(maps: Maps) -> list[str]:
    """What a person should know about the maps; cut answers above all."""
    notes = []
    for contact in maps:
        notes += contact.notes
        if not contact.finished and not contact.notes:
            label = shown_label(contact.label)
            notes.append(f"the answer about {label!r} was cut at the longest allowed length")
    return notes
