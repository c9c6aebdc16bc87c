"""Which person of a photo is meant, when open models or an earlier run have found people.

Knows boxes, labels and how near they are; knows no contact and no file format.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interactvlm.errors import InputError, NoPersonError
from interactvlm.open_models.boxes import Detection
from interactvlm.open_models.perception_files import load_perception
from interactvlm.open_models.photo_perception import (
    PERSON,
    PerceptionModels,
    PhotoPerception,
    perceive,
)
from interactvlm.photo import Box, Photo


@dataclass(frozen=True)
class PersonSearch:
    """How people are found and which of them is meant."""

    models: PerceptionModels | None = None
    """Looks at the photo now."""
    folder: Path | None = None
    """Takes what `interactvlm perceive` or `interactvlm contact --perceive` found before."""
    number: int | None = None
    """The person's number, from 1; None chooses the one nearest to what is asked about."""

    def __post_init__(self) -> None:
        if self.models is not None and self.folder is not None:
            raise InputError("--perceive looks and --perception takes files; give only one of them")
        if self.models is None and self.folder is None:
            raise InputError(
                "--person chooses among people that were found; add --perceive, or --perception DIR"
            )


@dataclass(frozen=True, eq=False)
class FoundPerson:
    """One person among all that was seen."""

    seen: PhotoPerception
    """Everything seen, boxes in pixels of the original photo."""
    number: int
    """The person's number, from 1, in the order of the detections."""
    notes: tuple[str, ...] = ()
    """What a person should know about the choice."""

    @property
    def box_xyxy_px(self) -> Box:
        """The person in pixels of the original photo."""
        return self.seen.people[self.number - 1].box_xyxy_px

    def to_dict(self) -> dict[str, Any]:
        """Plain values for report.json."""
        return {
            "person": self.number,
            "people": len(self.seen.people),
            "box_xyxy_px": list(self.box_xyxy_px),
            "objects": {
                d.label: sum(o.label == d.label for o in self.seen.detections)
                for d in self.seen.detections
                if d.label != PERSON
            },
            "models": self.seen.provenance,
        }

    def __repr__(self) -> str:
        return f"FoundPerson({self.number} of {len(self.seen.people)})"


def find_person(search: PersonSearch, photo: Photo, labels: Sequence[str]) -> FoundPerson:
    """The person who is meant, found now or taken from an earlier run.

    Raises:
        NoPersonError: nobody was found.
        InputError: not as many people were found as the number asks for.
        AssetError: a model or file is missing or damaged.
    """
    if search.folder is not None:
        seen = load_perception(search.folder, photo)
    else:
        assert search.models is not None
        seen = perceive(photo.image, labels, search.models)
    return choose_person(seen.in_pixels_of(photo.width, photo.height), labels, search.number)


def choose_person(
    seen: PhotoPerception, labels: Sequence[str], number: int | None = None
) -> FoundPerson:
    """The numbered person, else the one that overlaps the asked objects most, else the nearest.

    Where no object was found, the person the detector is surest of. Raises NoPersonError
    and InputError as `find_person` does.
    """
    people = seen.people
    if not people:
        raise NoPersonError(
            "no person was found in the photo; lower --box-threshold, or give the person with --box"
        )
    if number is not None:
        if not 1 <= number <= len(people):
            raise InputError(
                f"--person must lie between 1 and {len(people)}, the number of people found, got "
                f"{number}"
            )
        return FoundPerson(seen, number, _missing_notes(seen, labels))
    asked = [_called(seen, label) for label in labels]
    asked = [things for things in asked if things]
    best = max(range(len(people)), key=lambda i: (_closeness(people[i], asked), -i))
    notes = _missing_notes(seen, labels)
    if len(people) > 1:
        reason = "nearest to what is asked about" if asked else "of whom the detector is surest"
        notes = (
            f"{len(people)} people were found; asked about person {best + 1}, {reason} (choose "
            "another with --person)",
            *notes,
        )
    return FoundPerson(seen, best + 1, notes)


def nearest_thing(found: FoundPerson, label: str) -> int | None:
    """Place among the detections of the thing under a label that the person most likely means.

    That which overlaps the person most, else the nearest, else the surest; None without any.
    """
    person, things = found.seen.people[found.number - 1], found.seen.detections
    called = _called(found.seen, label)
    return max(
        (i for i, thing in enumerate(things) if thing in called),
        key=lambda i: (_shared(person, things[i]), -_gap_px(person, things[i]), things[i].score),
        default=None,
    )


def _closeness(person: Detection, asked: Sequence[Sequence[Detection]]) -> tuple[float, float]:
    """Sums over the labels: the share of the best overlapped thing, then minus the gap to it."""
    nearest = [
        max((_shared(person, thing), -_gap_px(person, thing)) for thing in things)
        for things in asked
    ]
    return sum((share for share, _ in nearest), 0.0), sum((gap for _, gap in nearest), 0.0)


def _shared(person: Detection, thing: Detection) -> float:
    """The share of a thing's box that lies inside the person's."""
    (a0, b0, a1, b1), (x0, y0, x1, y1) = person.box_xyxy_px, thing.box_xyxy_px
    width, height = min(a1, x1) - max(a0, x0), min(b1, y1) - max(b0, y0)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((x1 - x0) * (y1 - y0))


def _gap_px(person: Detection, thing: Detection) -> float:
    """Distance between the two boxes; 0 when they touch."""
    (a0, b0, a1, b1), (x0, y0, x1, y1) = person.box_xyxy_px, thing.box_xyxy_px
    across, down = max(a0 - x1, x0 - a1, 0.0), max(b0 - y1, y0 - b1, 0.0)
    return (across**2 + down**2) ** 0.5


def _called(seen: PhotoPerception, label: str) -> list[Detection]:
    """Things found under a label, however it is written; never people."""
    wanted = _spelling(label)
    return [d for d in seen.detections if d.label != PERSON and _spelling(d.label) == wanted]


def _missing_notes(seen: PhotoPerception, labels: Sequence[str]) -> tuple[str, ...]:
    missing = [x for x in dict.fromkeys(labels) if not _called(seen, x) and _spelling(x) != PERSON]
    return tuple(f"the detector found no {label!r} in the photo" for label in missing)


def _spelling(label: str) -> str:
    return " ".join(label.lower().replace("_", " ").split())
