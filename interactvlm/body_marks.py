"""What a result folder says and shows of contact maps on the canonical body."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from human_recovery.topology import get_topology
from interactvlm import pictures, report_page, result_folder
from interactvlm.results import ContactMap, save_contact_npz, shown_label


class BodyMarks:
    """Contact maps of one body: `contact.npz`, `human.ply` and `views.png`."""

    def __init__(self, maps: Sequence[ContactMap]) -> None:
        self.maps = maps
        self.topology = get_topology(maps[0].topology)

    def described(self) -> list[dict[str, Any]]:
        """Entries of report.json, one per label."""
        return [
            {
                "label": contact.label,
                "topology": contact.topology,
                "contact_vertices": int(contact.mask().sum()),
                "body_parts": contact.parts(),
                "answer": contact.answer,
                "max_probability": round(float(contact.vertex_probability.max()), 6),
            }
            for contact in self.maps
        ]

    def lines(self) -> list[tuple[str, bool]]:
        """Each label in words and whether it is touched, for the overlay."""
        lines = []
        for contact in self.maps:
            said = ", ".join(contact.parts()) or "touched" if contact.in_contact else "no contact"
            lines.append((f"{shown_label(contact.label)}: {said}", contact.in_contact))
        return lines

    def marked(self, photo: Image.Image) -> Image.Image:
        """The photo for the overlay: nothing is marked on it."""
        return photo

    def cards(self) -> list[report_page.Card]:
        """One card of the page per label."""
        return [
            self._card(contact, images)
            for contact, (_, images) in zip(self.maps, self._views, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """The files of this kind of result."""
        with open(folder / "views.png", "wb") as stream:
            pictures.contact_sheet(self._views).save(stream, "PNG")
        result_folder.write_bytes(folder / "human.ply", self._body_ply())
        save_contact_npz(folder / "contact.npz", self.maps)

    @cached_property
    def _views(self) -> list[tuple[str, list[Image.Image]]]:
        views = pictures.body_views(self.topology)
        return [
            (
                shown_label(contact.label),
                pictures.contact_views(self.topology, contact.vertex_probability, views),
            )
            for contact in self.maps
        ]

    def _card(self, contact: ContactMap, images: Sequence[Image.Image]) -> report_page.Card:
        mask = contact.mask()
        return report_page.Card(
            label=shown_label(contact.label),
            answer=contact.answer,
            parts=contact.parts(),
            share_of_part=report_page.part_shares(mask, self.topology),
            contact_vertices=int(mask.sum()),
            unseen_vertices=int((mask & ~contact.seen).sum()),
            num_vertices=len(mask),
            area_cm2=report_page.contact_area_cm2(mask, self.topology),
            max_probability=float(contact.vertex_probability.max()),
            threshold=contact.threshold,
            views=images,
        )

    def _body_ply(self) -> bytes:
        """The canonical body with, per vertex, the most probable contact of all labels."""
        probability = self.maps[0].vertex_probability
        for contact in self.maps[1:]:
            probability = probability.maximum(contact.vertex_probability)
        return pictures.coloured_ply(
            self.topology.canonical_vertices, self.topology.faces, probability
        )
