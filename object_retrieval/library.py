"""A library of object shapes: the embedded one, or a folder that was built or exported.

Every shape is in metres, z up, front -y, left +x. Knows shapes, names and sizes; nothing of photos,
embeddings or search.
"""

import difflib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from object_retrieval.embedded_library import embedded_items, embedded_shape
from object_retrieval.library_files import read_items, read_library_shape
from object_retrieval.library_item import LibraryItem, LibraryShape, SizePrior, size_prior
from renders.cache import content_key
from renders.errors import InputError
from renders.mesh import Mesh

__all__ = ["Library", "LibraryItem", "LibraryShape", "SizePrior"]

DEFAULT_VARIANTS = 8
"""Shapes of each category of the embedded library."""


@dataclass(frozen=True, eq=False)
class Library:
    """Shapes by name; surfaces are read or made when they are asked for."""

    items: tuple[LibraryItem, ...]
    """Ordered by name."""
    read: Callable[[str], LibraryShape]
    """Gives the surface of an item."""

    @staticmethod
    def embedded(variants: int = DEFAULT_VARIANTS) -> "Library":
        """The open library made from seeds; `variants` shapes of each category.

        Its list of sizes is made at the first call on a machine, which takes some seconds.
        """
        return Library(embedded_items(variants), embedded_shape)

    @staticmethod
    def open(folder: Path) -> "Library":
        """What `interactvlm library build`, `add` or `export` wrote.

        Raises:
            InputError: the folder holds no finished library, or a damaged one.
        """
        stored = {found.item.name: found for found in read_items(Path(folder))}
        items = tuple(found.item for found in stored.values())
        return Library(items, lambda name: read_library_shape(Path(folder), stored[name]))

    @functools.cached_property
    def categories(self) -> tuple[str, ...]:
        """Distinct categories, sorted."""
        return tuple(sorted({item.category for item in self.items}))

    @functools.cached_property
    def key(self) -> str:
        """Hexadecimal hash of all names, categories and surfaces; what was made of the library,
        such as an index, is valid as long as it stays."""
        rows = sorted((item.name, item.category, item.content_hash) for item in self.items)
        return content_key(*(text for row in rows for text in row))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> LibraryItem:
        """The item of a name. Raises InputError with the nearest names for one that is not here."""
        try:
            return self._by_name[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._by_name, n=3)
            hint = f"did you mean {near}?" if near else "see `interactvlm library list`"
            raise InputError(f"no library item is named {name!r}; {hint}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def mesh(self, name: str) -> Mesh:
        """The surface in metres, z up, front -y, with vertex colours where they are known.

        Raises:
            InputError: there is no such item, or its file is missing or damaged.
        """
        return self.shape(name).mesh

    def shape(self, name: str) -> LibraryShape:
        """The surface with its named parts; raises as `mesh` does."""
        return self.read(self[name].name)

    def of_category(self, category: str) -> tuple[LibraryItem, ...]:
        """The items of a category; none for one that is not here."""
        return tuple(item for item in self.items if item.category == category)

    def size_prior(self, category: str) -> SizePrior:
        """How large things of a category are: mean and standard deviation of the largest side of
        the bounding box over its items of known scale.

        Raises:
            InputError: no item of the category has a known scale.
        """
        return size_prior(category, self.items)

    @functools.cached_property
    def _by_name(self) -> dict[str, LibraryItem]:
        return {item.name: item for item in self.items}

    def __repr__(self) -> str:
        return f"Library({len(self)} items, {len(self.categories)} categories)"
