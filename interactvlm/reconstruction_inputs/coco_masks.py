"""Masks in COCO's JSON: run lengths, packed as text or as a list, and polygons.

Knows that format only. Source: pycocotools, `maskApi.c` (runs count pixels column by column, the
first run is of zeros; as text every run after the third is the difference to the one two before).
"""

from typing import Any

import numpy as np
from jaxtyping import Bool

from interactvlm.errors import InputError
from interactvlm.photo import MAX_PIXELS
from interactvlm.reconstruction_inputs.labelme import fill_outlines, polygon
from interactvlm.reconstruction_inputs.map_files import choice_number


def coco_mask(
    content: Any, choice: str, width: int, height: int, name: str
) -> Bool[np.ndarray, "rows columns"]:
    """The mask of one entry; `choice` is its number from 1 where a file holds several.

    Run lengths bring their own size, polygons are in pixels of a photo of `width` x `height`.
    Raises InputError for another content.
    """
    entries = content.get("annotations", content) if isinstance(content, dict) else content
    if isinstance(entries, list):
        content = _chosen(entries, choice, name)
    elif choice:
        raise InputError(f"file holds one mask, so there is no {choice!r} to choose: {name!r}")
    if isinstance(content, dict) and "segmentation" in content:
        content = content["segmentation"]
    if isinstance(content, dict) and "counts" in content:
        return _from_runs(content, name)
    if isinstance(content, list) and content and all(isinstance(row, list) for row in content):
        outlines = [polygon(list(zip(row[::2], row[1::2], strict=False)), name) for row in content]
        return fill_outlines(outlines, width, height)
    raise InputError(
        f"JSON must hold COCO run lengths or polygons, or labelme shapes, found {content!r:.60}: "
        f"{name!r}"
    )


def counts_from_text(text: str) -> list[int]:
    """Run lengths of COCO's packed text. Raises ValueError when it is none."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{character!r} cannot stand here")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("it ends in the middle of a number")
    return counts


def _chosen(entries: list[Any], choice: str, name: str) -> Any:
    if not choice and len(entries) == 1:
        return entries[0]
    number = choice_number(choice)
    if number is not None and 1 <= number <= len(entries):
        return entries[number - 1]
    raise InputError(
        f"file holds {len(entries)} masks; choose one by its number from 1, as in FILE:1, got "
        f"{choice!r}: {name!r}"
    )


def _from_runs(content: dict[str, Any], name: str) -> Bool[np.ndarray, "rows columns"]:
    counts = content["counts"]
    try:
        rows, columns = (int(side) for side in content["size"])
        runs = counts_from_text(counts) if isinstance(counts, str) else [int(c) for c in counts]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"run lengths cannot be read ({error!s:.80}): {name!r}") from None
    if min(rows, columns) < 1 or rows * columns > MAX_PIXELS:
        raise InputError(f"run lengths are of an impossible size {columns}x{rows} px: {name!r}")
    if any(run < 0 for run in runs) or sum(runs) != rows * columns:
        raise InputError(
            f"run lengths add up to {sum(runs)} pixels, {columns}x{rows} px need "
            f"{rows * columns}: {name!r}"
        )
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(flat.reshape(columns, rows).T)
