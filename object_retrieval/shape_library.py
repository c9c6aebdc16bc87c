"""What retrieval needs of a library of shapes: items, their meshes, how large a category is.

`object_retrieval.library` is one; anything with these members will do.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from renders.mesh import Mesh


@runtime_checkable
class ShapeItem(Protocol):
    """One shape, without its triangles."""

    @property
    def name(self) -> str:
        """Unique in the library."""
        ...

    @property
    def category(self) -> str:
        """One of the library's categories."""
        ...

    @property
    def extent_m(self) -> tuple[float, float, float]:
        """Size along x, y and z."""
        ...

    @property
    def source(self) -> str:
        """Where the shape is from."""
        ...

    @property
    def licence(self) -> str:
        """Under which it may be used."""
        ...


@runtime_checkable
class CategorySize(Protocol):
    """Largest extents of a category."""

    @property
    def mean_m(self) -> float:
        """Mean over shapes."""
        ...

    @property
    def spread_m(self) -> float:
        """Standard deviation over shapes."""
        ...

    @property
    def count(self) -> int:
        """Shapes."""
        ...


@runtime_checkable
class ShapeLibrary(Protocol):
    """Shapes by name."""

    @property
    def items(self) -> Sequence[ShapeItem]:
        """Every shape."""
        ...

    @property
    def categories(self) -> Sequence[str]:
        """Every category."""
        ...

    @property
    def key(self) -> str:
        """Changes with the shapes."""
        ...

    def mesh(self, name: str) -> Mesh:
        """A shape: metres, z up, front -y."""
        ...

    def size_prior(self, category: str) -> CategorySize:
        """How large the shapes of a category are."""
        ...
