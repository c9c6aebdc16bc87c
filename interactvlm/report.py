"""The result folder of one photo: numbers, files for other programs, and a page for a person.

Knows what a result holds; how its kind of contact is told and drawn is in `body_marks`,
`object_marks` and `photo_marks`, how files appear in `result_folder`. Knows no model.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from interactvlm import pictures, report_page, result_folder
from interactvlm.body_marks import BodyMarks
from interactvlm.errors import InputError
from interactvlm.object_file import ObjectShape
from interactvlm.object_marks import ObjectMarks
from interactvlm.open_models.people import FoundPerson
from interactvlm.open_models.perception_files import save_perception
from interactvlm.open_models.perception_picture import draw_perception
from interactvlm.photo import Box, Photo
from interactvlm.photo_contact import PhotoContact
from interactvlm.photo_marks import PhotoMarks
from interactvlm.provenance import Provenance
from interactvlm.result_folder import REPORT_FILE, fresh_result_folder
from interactvlm.results import ContactMap

Maps = Sequence[ContactMap] | Sequence[PhotoContact]
"""Contact per label, all of one kind."""


@runtime_checkable
class ReportedConfig(Protocol):
    """What of a model's config a report keeps."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for config.json."""
        ...


@dataclass(frozen=True, eq=False)
class ContactReport:
    """All that the result folder of one photo says."""

    photo: Photo
    """What was asked about."""
    maps: Maps
    """Contact per label, at least one."""
    provenance: Provenance
    """What the result was made from."""
    config: ReportedConfig
    """The model's sizes and names."""
    box_xyxy_px: Box | None = None
    """The person, in pixels of the original photo; None means the whole photo was asked about."""
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds per step."""
    warnings: tuple[str, ...] = ()
    """What a person should know."""
    person: FoundPerson | None = None
    """Whom open models found, if they were asked; None without them."""
    shape: ObjectShape | None = None
    """The object that the one map lies on; None for the body or the photo."""

    @cached_property
    def marks(self) -> BodyMarks | PhotoMarks | ObjectMarks:
        """How this kind of contact is told and drawn."""
        on_photo = [contact for contact in self.maps if isinstance(contact, PhotoContact)]
        if on_photo:
            return PhotoMarks(on_photo, self.photo)
        on_surface = [contact for contact in self.maps if isinstance(contact, ContactMap)]
        if self.shape is not None:
            return ObjectMarks(on_surface[0], self.shape)
        return BodyMarks(on_surface)

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json; `object` and `perception` only where there were any."""
        perception = {} if self.person is None else {"perception": self.person.to_dict()}
        thing = {} if self.shape is None else {"object": self.shape.to_dict()}
        return {
            "input": {
                "path": self.photo.path,
                "sha256": self.photo.sha256,
                "width": self.photo.width,
                "height": self.photo.height,
            },
            **thing,
            "contacts": self.marks.described(),
            **perception,
            "timings_s": {name: round(seconds, 3) for name, seconds in self.timings_s.items()},
            "provenance": {
                "weights": self.provenance.weights,
                "weights_sha256": self.provenance.weights_sha256,
                "version": self.provenance.version,
                "seed": self.provenance.seed,
            },
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return f"ContactReport({self.photo!r}, {len(self.maps)} labels)"


def write_result_folder(out: Path, report: ContactReport) -> dict[str, Any]:
    """Writes the folder and returns the content of its report.json.

    Raises:
        InputError: `out` is a file, or the report holds no contact map.
        ResourceError: the disk is full or the place cannot be written; `out` is as it was.
    """
    if not report.maps:
        raise InputError("a report needs at least one contact map, got none")
    with fresh_result_folder(Path(out)) as folder:
        return _write_files(folder, report)


def _write_files(folder: Path, report: ContactReport) -> dict[str, Any]:
    began = time.perf_counter()
    marks, photo = report.marks, report.photo.image
    box = None if report.box_xyxy_px is None else report.photo.image_box(report.box_xyxy_px)
    overlay = pictures.overlay(marks.marked(photo), box, marks.lines())
    seen = None
    if report.person is not None:
        seen = pictures.overlay(draw_perception(photo, report.person.seen), None, [])
    cards = marks.cards()
    report = replace(report, timings_s={**report.timings_s, "draw": time.perf_counter() - began})
    page = report_page.Page(pictures.overlay(photo, box, []), cards, facts=report, seen=seen)
    content = report.to_dict()
    with open(folder / "overlay.png", "wb") as stream:
        overlay.save(stream, "PNG")
    marks.save(folder)
    result_folder.write_json(folder / "config.json", report.config.to_dict())
    made = report.provenance.to_dict()
    if report.person is not None:
        save_perception(folder, report.photo, report.person.seen)
        made |= {"perception": report.person.seen.provenance}
    result_folder.write_json(folder / "provenance.json", made)
    result_folder.write_bytes(folder / "report.html", page.html().encode("utf-8"))
    result_folder.write_json(folder / REPORT_FILE, content)
    return content
