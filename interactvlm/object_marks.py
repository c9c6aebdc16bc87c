"""What a result folder says and shows of heat on one object."""

from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from interactvlm import pictures, report_page, result_folder
from interactvlm.affordance_file import save_affordance_npz
from interactvlm.object_file import ObjectShape
from interactvlm.results import ContactMap
from renders.canonical import build_object_view_set


class ObjectMarks:
    """Heat on one object: `affordance.npz`, `object.ply` and `views.png`."""

    def __init__(self, contact: ContactMap, shape: ObjectShape) -> None:
        self.contact = contact
        self.shape = shape

    def described(self) -> list[dict[str, Any]]:
        """The one entry of report.json."""
        contact = self.contact
        return [
            {
                "label": contact.label,
                "surface": "object",
                "affordance": contact.affordance,
                "points": len(contact.seen),
                "marked_points": int(contact.mask().sum()),
                "answer": contact.answer,
                "max_probability": round(float(contact.vertex_probability.max()), 6),
            }
        ]

    def lines(self) -> list[tuple[str, bool]]:
        """What is marked, for the overlay."""
        entry = self.described()[0]
        share = f"{entry['marked_points']:,} of {entry['points']:,} points marked"
        return [(f"{self._title}: {share}", self.contact.in_contact)]

    def marked(self, photo: Image.Image) -> Image.Image:
        """The photo for the overlay: nothing is marked on it."""
        return photo

    def cards(self) -> list[report_page.ObjectCard]:
        """The one card of the page."""
        contact, mask = self.contact, self.contact.mask()
        return [
            report_page.ObjectCard(
                label=object_title(contact.label),
                affordance=contact.affordance,
                answer=contact.answer,
                file=Path(self.shape.path).name,
                num_faces=len(self.shape.faces),
                marked_points=int(mask.sum()),
                unseen_points=int((mask & ~contact.seen).sum()),
                num_points=len(mask),
                max_probability=float(contact.vertex_probability.max()),
                threshold=contact.threshold,
                views=self._views,
            )
        ]

    def save(self, folder: Path) -> None:
        """The files of this kind of result."""
        rows = [(self._title, self._views)]
        with open(folder / "views.png", "wb") as stream:
            pictures.contact_sheet(rows, pictures.OBJECT_VIEW_TITLES).save(stream, "PNG")
        shape, heat = self.shape, self.contact.vertex_probability
        ply = pictures.coloured_ply(shape.points, shape.faces, heat)
        result_folder.write_bytes(folder / "object.ply", ply)
        save_affordance_npz(folder / "affordance.npz", self.contact, shape)

    @cached_property
    def _title(self) -> str:
        named = object_title(self.contact.label)
        return f"{named}, {self.contact.affordance}" if self.contact.affordance else named

    @cached_property
    def _views(self) -> list[Image.Image]:
        views = build_object_view_set(self.shape.surface, pictures.DRAWN_PX)
        heat = self.shape.on_drawn_points(self.contact.vertex_probability)
        return pictures.object_views(heat, views)


def object_title(label: str) -> str:
    """An object as people read it."""
    return label or "the object"
