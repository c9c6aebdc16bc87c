"""A box that a person gives: four numbers as text, or a file that holds them."""

import math
from pathlib import Path
from typing import Any

from interactvlm.errors import InputError
from interactvlm.photo import Box, printable
from interactvlm.reconstruction_inputs.labelme import is_labelme, read_outlines
from interactvlm.reconstruction_inputs.map_files import read_json, split_choice


def read_box(text_or_path: Path | str) -> Box:
    """Left, top, right, bottom in pixels of the upright photo; not clipped to it.

    Text is "x0,y0,x1,y1", with commas or spaces. A JSON file holds `[x0, y0, x1, y1]`, an object
    with `box_xyxy_px`, or labelme shapes (`FILE:LABEL` where they have several labels; the box
    around all of that label).

    Raises InputError for anything else, and for numbers that make no box.
    """
    text = str(text_or_path)
    numbers = _numbers(text.replace(",", " ").split())
    if numbers is None:
        numbers = _numbers(_file_values(text_or_path))
    if numbers is None:
        raise InputError(
            "box must be four finite numbers x0,y0,x1,y1 or a JSON file with them, got "
            f"{printable(text)[:80]!r}"
        )
    x0, y0, x1, y1 = numbers
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"box must have x0 < x1 and y0 < y1, got {numbers!r}")
    return numbers


def _file_values(path: Path | str) -> Any:
    if ".json" not in str(path).lower():
        return None
    file, choice = split_choice(path)
    content = read_json(file)
    if is_labelme(content):
        outlines = read_outlines(content, choice, printable(path))
        left, top, right, bottom = zip(*(o.box_xyxy_px for o in outlines), strict=True)
        return min(left), min(top), max(right), max(bottom)
    if isinstance(content, dict) and "box_xyxy_px" in content:
        return content["box_xyxy_px"]
    return content


def _numbers(values: Any) -> Box | None:
    """Four finite numbers, or None."""
    try:
        x0, y0, x1, y1 = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return None
    return (x0, y0, x1, y1) if all(map(math.isfinite, (x0, y0, x1, y1))) else None
