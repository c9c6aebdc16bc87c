"""What a reasoner in words is asked, and the picture it is shown.

Knows English and pixels; no model.
"""

from collections.abc import Sequence

from PIL import Image

from interactvlm.errors import InputError
from interactvlm.preprocessing import crop_to_box, require_photo
from interactvlm.templates import fill

LONGEST_SIDE_PX = 1280
"""Larger photos are scaled down: most models see no more, and an upload stays small."""
LONGEST_LABEL = 80
"""Characters of an object label; more is no label."""
BOX_MARGIN = 0.25
"""Shown around the person's box, in its longer sides: what a hand reaches lies outside it."""

QUESTION = (
    "Look at the person in this photo. Which parts of the person's body touch the {label}? "
    "Count only direct contact with the {label}, not with the floor. Left and right are the "
    "person's own left and right, not those of the picture.\n"
    "Use these names: head, torso, buttocks, left arm, right arm, left forearm, right forearm, "
    "left hand, right hand, left thigh, right thigh, left leg, right leg, left foot, right foot. "
    "Where only a region touches, name it instead: left palm, right fingertips, left sole, lower "
    "back, chest and so on.\n"
    'Answer with JSON only, in this form: {{"touching": ["left hand", "right hand"]}}. '
    'If no part touches it, answer {{"touching": []}}.'
)


def contact_question(label: str) -> str:
    """The question about one label; "" asks for any object."""
    return fill(QUESTION, label)


def plain_label(label: str) -> str:
    """A label in one spelling. Raises InputError for one too long to be a label."""
    text = " ".join(label.replace("_", " ").lower().split())
    if len(text) > LONGEST_LABEL:
        raise InputError(
            f"object label has {len(text)} characters, at most {LONGEST_LABEL} are read; it "
            f"begins with {text[:30]!r}"
        )
    return text


def shown_photo(
    image: Image.Image, box_xyxy_px: Sequence[int | float] | None = None
) -> Image.Image:
    """The photo as RGB, cut to the person's surroundings when a box is given, of bounded size."""
    photo = require_photo(image)
    if box_xyxy_px is not None:
        photo = crop_to_box(photo, box_xyxy_px, margin=BOX_MARGIN)
    scale = LONGEST_SIDE_PX / max(photo.size)
    if scale >= 1:
        return photo
    width, height = (max(1, round(side * scale)) for side in photo.size)
    return photo.resize((width, height), Image.Resampling.LANCZOS)
