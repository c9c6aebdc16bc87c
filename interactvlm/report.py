"""The result folder of one photo: numbers, files for other programs, and a page for a person.

Files appear whole or not at all: everything is written to a folder with a temporary name, flushed,
then renamed; into an existing folder file by file, `report.json` last. Knows what a result holds
and how it is stored; knows no model.
"""

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from human_recovery.topology import BodyTopology, get_topology
from interactvlm import pictures, report_page
from interactvlm.errors import InputError, ResourceError
from interactvlm.open_models.people import FoundPerson
from interactvlm.open_models.perception_files import save_perception
from interactvlm.open_models.perception_picture import draw_perception
from interactvlm.photo import Box, Photo
from interactvlm.provenance import Provenance
from interactvlm.results import ContactMap, save_contact_npz

REPORT_FILE = "report.json"
ANY_OBJECT = "any object"
"""How the empty label is shown."""


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
    maps: Sequence[ContactMap]
    """Contact of the body per label, at least one."""
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

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json; `perception` only where people were looked for."""
        perception = {} if self.person is None else {"perception": self.person.to_dict()}
        return {
            "input": {
                "path": self.photo.path,
                "sha256": self.photo.sha256,
                "width": self.photo.width,
                "height": self.photo.height,
            },
            "contacts": [_contact_dict(contact) for contact in self.maps],
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
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"the result needs a folder, found a file: {str(out)!r}")
    try:
        with _staged(out) as folder:
            return _write_files(folder, report)
    except OSError as error:
        raise ResourceError(
            f"result cannot be written ({error.strerror or error}); free some space or choose "
            f"another folder with --out: {str(out)!r}"
        ) from None


@contextlib.contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A new folder beside `out`; takes its place, or hands over its files, when all went well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.parent / f".{out.name[:60]}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    staging.mkdir()
    try:
        yield staging
        for path in staging.iterdir():
            with open(path, "rb+") as written:
                os.fsync(written.fileno())
        _publish(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, out: Path) -> None:
    if not out.exists() or not any(out.iterdir()):
        # Renaming onto an empty folder is allowed on POSIX only.
        with contextlib.suppress(FileNotFoundError):
            out.rmdir()
        os.rename(staging, out)
        return
    # report.json last: whoever waits for it finds everything else in place.
    for path in sorted(staging.iterdir(), key=lambda p: p.name == REPORT_FILE):
        os.replace(path, out / path.name)


def _write_files(folder: Path, report: ContactReport) -> dict[str, Any]:
    began = time.perf_counter()
    topology = get_topology(report.maps[0].topology)
    views = pictures.body_views(topology)
    rows = [
        (shown_label(m.label), pictures.contact_views(topology, m.vertex_probability, views))
        for m in report.maps
    ]
    box = None if report.box_xyxy_px is None else report.photo.image_box(report.box_xyxy_px)
    lines = [(_line(contact), contact.in_contact) for contact in report.maps]
    overlay = pictures.overlay(report.photo.image, box, lines)
    picture = pictures.overlay(report.photo.image, box, [])
    seen = None
    if report.person is not None:
        drawn = draw_perception(report.photo.image, report.person.seen)
        seen = pictures.overlay(drawn, None, [])
    seconds = {**report.timings_s, "draw": time.perf_counter() - began}
    report = replace(report, timings_s=seconds)
    page = report_page.Page(
        picture=picture,
        cards=[
            _card(m, images, topology) for m, (_, images) in zip(report.maps, rows, strict=True)
        ],
        facts=report,
        seen=seen,
    )
    content = report.to_dict()
    _write_pictures(folder, overlay, rows)
    _write_bytes(folder / "human.ply", _body_ply(topology, report.maps))
    save_contact_npz(folder / "contact.npz", report.maps)
    _write_json(folder / "config.json", report.config.to_dict())
    made = report.provenance.to_dict()
    if report.person is not None:
        save_perception(folder, report.photo, report.person.seen)
        made |= {"perception": report.person.seen.provenance}
    _write_json(folder / "provenance.json", made)
    _write_bytes(folder / "report.html", page.html().encode("utf-8"))
    _write_json(folder / REPORT_FILE, content)
    return content


def shown_label(label: str) -> str:
    """A label as people read it."""
    return label or ANY_OBJECT


def _contact_dict(contact: ContactMap) -> dict[str, Any]:
    return {
        "label": contact.label,
        "topology": contact.topology,
        "contact_vertices": int(contact.mask().sum()),
        "body_parts": contact.parts(),
        "answer": contact.answer,
        "max_probability": round(float(contact.vertex_probability.max()), 6),
    }


def _line(contact: ContactMap) -> str:
    said = ", ".join(contact.parts()) or "touched" if contact.in_contact else "no contact"
    return f"{shown_label(contact.label)}: {said}"


def _card(
    contact: ContactMap, images: Sequence[Image.Image], topology: BodyTopology
) -> report_page.Card:
    mask = contact.mask()
    return report_page.Card(
        label=shown_label(contact.label),
        answer=contact.answer,
        parts=contact.parts(),
        share_of_part=report_page.part_shares(mask, topology),
        contact_vertices=int(mask.sum()),
        unseen_vertices=int((mask & ~contact.seen).sum()),
        num_vertices=len(mask),
        area_cm2=report_page.contact_area_cm2(mask, topology),
        max_probability=float(contact.vertex_probability.max()),
        threshold=contact.threshold,
        views=images,
    )


def _body_ply(topology: BodyTopology, maps: Sequence[ContactMap]) -> bytes:
    """The canonical body with, per vertex, the most probable contact of all labels."""
    probability = maps[0].vertex_probability
    for contact in maps[1:]:
        probability = probability.maximum(contact.vertex_probability)
    return pictures.coloured_ply(topology.canonical_vertices, topology.faces, probability)


def _write_pictures(
    folder: Path, overlay: Image.Image, rows: Sequence[tuple[str, Sequence[Image.Image]]]
) -> None:
    for name, image in (("overlay.png", overlay), ("views.png", pictures.contact_sheet(rows))):
        with open(folder / name, "wb") as stream:
            image.save(stream, "PNG")


def _write_bytes(path: Path, data: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(data)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write_bytes(path, text.encode("utf-8"))
