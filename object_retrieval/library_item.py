"""What a library tells about a shape, and the shape itself.

Frame of every shape: metres, z up, front -y, left +x. Knows no files and no generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor

from renders.cache import content_key
from renders.errors import InputError
from renders.mesh import Mesh, mesh_hash


@dataclass(frozen=True)
class LibraryItem:
    """One shape of a library, without its surface."""

    name: str
    """Unique in its library, such as "chair/0003"; like a path for shapes of the user's files."""
    category: str
    """In the words that people ask with, such as "wine glass"."""
    extent_m: tuple[float, float, float]
    """Bounding box along x (left), y (back) and z (up) in the item's own frame, metres; relative
    where `scale_known` is false."""
    parts: tuple[str, ...]
    """Names of its parts, such as "seat"."""
    triangles: int
    """Number of triangles."""
    source: str
    """"procedural", or the file it came from."""
    licence: str
    """Of the shape."""
    scale_known: bool = True
    """False where nobody said what the file's unit is; the largest extent is 1 then."""
    content_hash: str = ""
    """Changes whenever the surface does."""

    @property
    def largest_extent_m(self) -> float:
        """The longest side of the bounding box, metres."""
        return max(self.extent_m)


@dataclass(frozen=True, eq=False)
class LibraryShape:
    """A surface with its named parts."""

    mesh: Mesh
    """Metres, z up, front -y; with vertex colours where they are known."""
    parts: tuple[str, ...]
    """Distinct names."""
    part_of_face: Int[Tensor, " faces"]
    """Index into `parts`."""

    @property
    def extent_m(self) -> tuple[float, float, float]:
        """Bounding box along x, y and z, metres."""
        x, y, z = (self.mesh.vertices.amax(0) - self.mesh.vertices.amin(0)).tolist()
        return (x, y, z)

    def content_hash(self) -> str:
        """Hexadecimal hash of surface, colours and parts."""
        parts = [*self.parts, self.part_of_face.numpy().tobytes().hex()]
        return content_key(mesh_hash(self.mesh), *parts)


@dataclass(frozen=True)
class SizePrior:
    """How large things of a category are: of the largest side of their bounding boxes."""

    mean_m: float
    """Mean of the largest extent, metres."""
    spread_m: float
    """Standard deviation of the largest extent, metres; 0 for a single item."""
    count: int
    """Items of known scale it was taken from."""


def size_prior(category: str, items: Sequence[LibraryItem]) -> SizePrior:
    """Of the items of a category whose scale is known.

    Raises:
        InputError: there is no such item.
    """
    own = [item for item in items if item.category == category]
    known = [item.largest_extent_m for item in own if item.scale_known]
    if not known:
        reason = f"none of its {len(own)} items has a known scale" if own else "it has no items"
        raise InputError(f"no size is known of category {category!r}: {reason}")
    return SizePrior(float(np.mean(known)), float(np.std(known)), len(known))
