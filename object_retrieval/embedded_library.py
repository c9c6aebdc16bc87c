"""The open library that needs no files: shapes made from a seed, CC0.

A catalogue of sizes, parts and hashes is made once and cached; surfaces are made when asked for.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from object_retrieval import refine
from object_retrieval.library_item import LibraryItem, LibraryShape
from object_retrieval.procedural.objects import LIBRARY_CATEGORIES, POOL_SIZES, object_from_name
from renders.cache import cache_dir, content_key, file_sha256, load_or_build
from renders.errors import InputError
from renders.mesh import Mesh

SOURCE, LICENCE = "procedural", "CC0-1.0"
_FORMAT = 1
"""Raise when anything that changes a stored catalogue changes, beside the generator's source."""


def embedded_items(variants: int) -> tuple[LibraryItem, ...]:
    """The first `variants` shapes of every category; the first call takes some seconds.

    Raises:
        InputError: the number of variants is not one the generator has.
    """
    most = POOL_SIZES["library"]
    if not 1 <= variants <= most:
        raise InputError(f"variants must be 1 to {most}, got {variants}")
    found = []
    progress = tqdm(LIBRARY_CATEGORIES, desc="library catalogue", unit="category", delay=1.0)
    for category in progress:
        found += load_or_build(
            f"{content_key(_FORMAT, _generator_hash(), category, variants)}",
            lambda category=category: _catalogue(category, variants),
            _save,
            _load,
            suffix=".json",
            folder=cache_dir() / "library",
        )
    return tuple(found)


def embedded_shape(name: str) -> LibraryShape:
    """The surface of the item with this name, its triangles cut short enough to carry contact."""
    category, _, number = name.rpartition("/")
    instance = object_from_name(f"{category}/library/{number}")
    low, high = instance.bounds
    solids = refine.cut_to_fit(
        [primitive.mesh() for primitive in instance.primitives], float((high - low).max())
    )
    counts = [len(vertices) for vertices, _ in solids]
    starts = np.cumsum([0, *counts[:-1]])
    faces = [faces + start for (_, faces), start in zip(solids, starts, strict=True)]
    colors = np.repeat([primitive.color for primitive in instance.primitives], counts, axis=0)
    parts = [instance.parts.index(primitive.part) for primitive in instance.primitives]
    return LibraryShape(
        mesh=Mesh(
            _floats(np.concatenate([vertices for vertices, _ in solids])),
            torch.from_numpy(np.concatenate(faces)),
            _floats(colors),
        ),
        parts=instance.parts,
        part_of_face=torch.from_numpy(np.repeat(parts, [len(found) for found in faces])),
    )


def _catalogue(category: str, variants: int) -> list[LibraryItem]:
    return [_item(category, f"{category}/{number:04d}") for number in range(variants)]


def _item(category: str, name: str) -> LibraryItem:
    shape = embedded_shape(name)
    return LibraryItem(
        name=name,
        category=category,
        extent_m=shape.extent_m,
        parts=shape.parts,
        triangles=shape.mesh.num_faces,
        source=SOURCE,
        licence=LICENCE,
        content_hash=shape.content_hash(),
    )


def _generator_hash() -> str:
    """Of the source that makes the shapes: a changed recipe is a new catalogue."""
    files = [*(Path(__file__).parent / "procedural").glob("*.py"), Path(refine.__file__)]
    return content_key(*(file_sha256(path) for path in sorted(files)))


def _save(items: list[LibraryItem], path: Path) -> None:
    path.write_text(json.dumps([asdict(item) for item in items]), encoding="utf-8")


def _load(path: Path) -> list[LibraryItem]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [
        LibraryItem(**{**row, "extent_m": tuple(row["extent_m"]), "parts": tuple(row["parts"])})
        for row in rows
    ]


def _floats(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
