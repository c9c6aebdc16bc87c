"""Masks of the person and the object: every way to get one, in one place.

From a file (`read_mask`), from what open models saw (`masks_of_perception`, SAM), from a box alone
(`grabcut`) or from the shipped model's photo tower (`masks_by_tower`). All masks have the size of
`Photo.image`; all boxes are in pixels of the upright original photo, except those of `grabcut`,
which are in pixels of the picture it is given.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from interactvlm.open_models.people import FoundPerson, choose_person, nearest_thing
from interactvlm.open_models.photo_perception import PERSON, PhotoPerception
from interactvlm.photo import Box, Photo
from interactvlm.reconstruction_inputs.boxes import read_box
from interactvlm.reconstruction_inputs.grabcut import grabcut
from interactvlm.reconstruction_inputs.map_files import fit_map
from interactvlm.reconstruction_inputs.mask_files import read_mask
from interactvlm.reconstruction_inputs.tower_masks import TowerMasks, masks_by_tower

__all__ = [
    "read_mask",
    "read_box",
    "grabcut",
    "PerceptionMasks",
    "masks_of_perception",
    "TowerMasks",
    "masks_by_tower",
]


@dataclass(frozen=True, eq=False)
class PerceptionMasks:
    """What open models saw of one person and of the object that is asked about."""

    found: FoundPerson
    """The person and all else that was seen."""
    person: Bool[np.ndarray, "height width"] | None
    """None where masks were left out or the person's is empty."""
    object: Bool[np.ndarray, "height width"] | None
    """None where masks were left out, the object was not found or its mask is empty."""
    object_box_px: Box | None
    """In the original photo; None where the object was not found."""
    notes: tuple[str, ...]
    """What a person should know."""

    def __repr__(self) -> str:
        held = [n for n in ("person", "object") if getattr(self, n) is not None]
        return f"PerceptionMasks({self.found!r}, masks of {' and '.join(held) or 'nothing'})"


def masks_of_perception(
    seen: PhotoPerception, photo: Photo, label: str, *, person: int | None = None
) -> PerceptionMasks:
    """The masks of one person and of the labelled thing that person most likely means.

    `person` is a number from 1; None chooses as every verb does (`choose_person`). Of several
    things of the label the one that overlaps the person most is meant, else the nearest.

    Raises InputError when nobody was found, or masks were made at another aspect.
    """
    labels = [label] if label.strip() else []
    found = choose_person(seen.in_pixels_of(photo.width, photo.height), labels, person)
    things = found.seen.detections
    people = [i for i, thing in enumerate(things) if thing.label == PERSON]
    thing = nearest_thing(found, label)
    notes = list(found.notes)
    person_mask = _mask(found.seen, photo, people[found.number - 1], PERSON, notes)
    thing_mask = None if thing is None else _mask(found.seen, photo, thing, label, notes)
    return PerceptionMasks(
        found=found,
        person=person_mask,
        object=thing_mask,
        object_box_px=None if thing is None else things[thing].box_xyxy_px,
        notes=tuple(notes),
    )


def _mask(
    seen: PhotoPerception, photo: Photo, index: int, label: str, notes: list[str]
) -> Bool[np.ndarray, "height width"] | None:
    if seen.masks is None:
        return None
    mask = fit_map(seen.masks[index], photo, f"mask of the {label}", photo.path, notes)
    if not mask.any():
        notes.append(f"the mask of the {label} is empty")
        return None
    return mask
