"""What `interactvlm library` does and says: tables, facts, JSON and pictures of a library."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from object_retrieval.category_names import read_category_names
from object_retrieval.import_settings import ImportSettings
from object_retrieval.library import Library, LibraryItem
from object_retrieval.library_build import (
    BuildReport,
    add_to_library,
    build_library,
    export_library,
)
from object_retrieval.library_files import StoredItem
from object_retrieval.library_picture import contact_sheet, shape_picture
from renders.cache import atomic_write
from renders.errors import InputError

_PARTS_TOLD = 60
"""Characters of part names in a table."""

export = export_library


def opened(folder: Path | None, variants: int) -> Library:
    """The library of a folder, or the embedded one."""
    return Library.embedded(variants) if folder is None else Library.open(folder)


def build(
    folder: Path, out: Path, settings: ImportSettings, categories: Path | None, limit: int | None
) -> BuildReport:
    """Makes a library of a tree of meshes."""
    names = None if categories is None else read_category_names(categories)
    return build_library(folder, out, settings, names, limit)


def add(
    library: Path, file: Path, category: str, settings: ImportSettings, name: str
) -> StoredItem:
    """Adds one mesh file to a library."""
    return add_to_library(library, file, category, settings, name)


def added_lines(entry: StoredItem, library: Path) -> list[str]:
    """What was added, in words."""
    item = entry.item
    lines = [f"added {item.name}: {item.triangles:,} triangles, {_size(item)}"]
    return [*lines, *(f"note: {note}" for note in entry.notes), f"folder: {library}"]


def listed(
    library: Library, category: str, picture: Path | None, *, as_json: bool = False
) -> list[str]:
    """Categories or items as lines, or every item as JSON; draws them where asked to."""
    items = library.of_category(category) if category else library.items
    if category and not items:
        raise InputError(
            f"the library has no category {category!r}; it has {', '.join(library.categories)}"
        )
    drawn = items if category else [library.of_category(name)[0] for name in library.categories]
    notes = []
    if picture is not None:
        shapes = (
            (item.name if category else item.category, library.mesh(item.name)) for item in drawn
        )
        _save(contact_sheet(shapes), picture)
        notes.append(f"picture: {picture}")
    if as_json:
        return [json.dumps({"key": library.key, "items": [asdict(item) for item in items]})]
    if category:
        return [*_item_lines(items), *notes]
    return [*_category_lines(library), *notes]


def shown(library: Library, name: str, out: Path, *, as_json: bool = False) -> list[str]:
    """Facts of one shape; draws it from four sides."""
    item, shape = library[name], library.shape(name)
    _save(shape_picture(f"{item.name}   {_size(item)}", shape.mesh), out)
    if as_json:
        return [json.dumps({**asdict(item), "picture": str(out)})]
    counts = shape.part_of_face.bincount(minlength=len(shape.parts)).tolist()
    told = [f"{part} ({count:,})" for part, count in zip(shape.parts, counts, strict=True)]
    x, y, z = item.extent_m
    return [
        f"name: {item.name}",
        f"category: {item.category}",
        f"size x y z: {x:.3f} {y:.3f} {z:.3f}{' m' if item.scale_known else ' (unit unknown)'}",
        f"surface: {shape.mesh.num_vertices:,} vertices, {item.triangles:,} triangles",
        f"parts (triangles): {', '.join(told)}",
        f"source: {item.source}",
        f"licence: {item.licence}",
        f"picture: {out}",
    ]


def _category_lines(library: Library) -> list[str]:
    width = max((len(name) for name in library.categories), default=0) + 2
    lines = []
    for category in library.categories:
        items = library.of_category(category)
        parts = dict.fromkeys(part for item in items for part in item.parts)
        lines.append(
            f"{category.ljust(width)}{str(len(items)).rjust(5)}  "
            f"{_typical_size(library, items).ljust(16)}{_shortened(', '.join(parts))}"
        )
    return [*lines, f"{len(library)} shapes in {len(library.categories)} categories"]


def _typical_size(library: Library, items: Sequence[LibraryItem]) -> str:
    if not any(item.scale_known for item in items):
        return "size unknown"
    prior = library.size_prior(items[0].category)
    return f"{prior.mean_m:.2f} ± {prior.spread_m:.2f} m"


def _item_lines(items: Sequence[LibraryItem]) -> list[str]:
    width = max(len(item.name) for item in items) + 2
    return [
        f"{item.name.ljust(width)}{item.triangles:>9,} triangles  {_size(item)}  "
        f"{_shortened(', '.join(item.parts))}"
        for item in items
    ]


def _size(item: LibraryItem) -> str:
    if not item.scale_known:
        return "size unknown"
    return " x ".join(f"{side:.2f}" for side in item.extent_m) + " m"


def _shortened(text: str) -> str:
    return text if len(text) <= _PARTS_TOLD else text[: _PARTS_TOLD - 1].rstrip(" ,") + "…"


def _save(image: Image.Image, path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise InputError(f"a picture is written as .png, got {str(path)!r}")
    with atomic_write(path) as temporary:
        image.save(temporary)
