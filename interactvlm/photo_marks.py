"""What a result folder says and shows of contact marked on the photo itself."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from interactvlm import pictures, report_page
from interactvlm.photo import Photo
from interactvlm.photo_contact import PhotoContact
from interactvlm.results import shown_label

LONGEST_NAME = 40
"""Characters of a label in the name of its mask file."""


class PhotoMarks:
    """One mask per label: `mask_1_tennis_racket.png`, 0 or 255, in pixels of the upright photo."""

    def __init__(self, maps: Sequence[PhotoContact], photo: Photo) -> None:
        self.maps = maps
        self.photo = photo

    def described(self) -> list[dict[str, Any]]:
        """Entries of report.json, one per label."""
        return [
            {
                "label": contact.label,
                "surface": "photo",
                "share_of_photo": round(contact.share_of_photo, 6),
                "mask": mask_file(number, contact.label),
                "answer": contact.answer,
                "max_probability": round(float(contact.pixel_probability.max()), 6),
            }
            for number, contact in enumerate(self.maps, start=1)
        ]

    def lines(self) -> list[tuple[str, bool]]:
        """Each label in words and whether it is touched, for the overlay."""
        return [
            (
                f"{shown_label(contact.label)}: {said_of_photo(contact.share_of_photo)}",
                contact.in_contact,
            )
            for contact in self.maps
        ]

    def marked(self, photo: Image.Image) -> Image.Image:
        """The photo with what touches any label in red."""
        touched = torch.stack([contact.mask() for contact in self.maps]).any(0)
        return pictures.tinted(photo, touched)

    def cards(self) -> list[report_page.PhotoCard]:
        """One card of the page per label."""
        return [
            report_page.PhotoCard(
                label=shown_label(contact.label),
                answer=contact.answer,
                touched=contact.in_contact,
                share_of_photo=contact.share_of_photo,
                max_probability=float(contact.pixel_probability.max()),
                threshold=contact.threshold,
                picture=pictures.overlay(
                    pictures.tinted(self.photo.image, contact.mask()), None, []
                ),
            )
            for contact in self.maps
        ]

    def save(self, folder: Path) -> None:
        """The files of this kind of result."""
        size = self.photo.width, self.photo.height
        for number, contact in enumerate(self.maps, start=1):
            with open(folder / mask_file(number, contact.label), "wb") as stream:
                _mask_picture(contact.mask(), size).save(stream, "PNG")


def mask_file(number: int, label: str) -> str:
    """Name of a label's mask; the number keeps apart what letters alone would not."""
    plain = re.sub(r"[^a-z0-9]+", "_", shown_label(label).lower()).strip("_")[:LONGEST_NAME]
    return f"mask_{number}_{plain}.png"


def said_of_photo(share: float) -> str:
    """How much of a photo is in contact, in words."""
    return f"{max(100 * share, 0.01):.2f} % of the photo" if share else "no contact"


def _mask_picture(mask: Bool[Tensor, "height width"], size: tuple[int, int]) -> Image.Image:
    picture = Image.fromarray((mask * 255).to(torch.uint8).numpy())
    return picture if picture.size == size else picture.resize(size, Image.Resampling.NEAREST)
