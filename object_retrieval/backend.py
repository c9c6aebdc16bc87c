"""The one interface of everything that turns shapes, pictures or words into comparable vectors.

Vectors of one back end have length 1 and are compared by inner product. Knows no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from renders.errors import InputError
from renders.mesh import Mesh, PointCloud

Surface = Mesh | PointCloud
"""A shape to look for: metres or any unit, z up."""
Ability = Literal["shape", "image", "text"]
"""A kind of question."""


@dataclass(frozen=True, eq=False)
class ObjectPicture:
    """A picture of one object, and which of its pixels are the object where that is known."""

    rgb: UInt8[np.ndarray, "height width 3"]
    """The crop, or a whole photo with a mask."""
    mask: Bool[np.ndarray, "rows columns"] | None = None
    """True on the object, of the picture's size; None when only the crop tells."""

    def __post_init__(self) -> None:
        height, width = self.rgb.shape[:2]
        if not height or not width:
            raise InputError(f"picture has no pixels ({width}x{height})")
        if self.mask is not None and self.mask.shape != (height, width):
            raise InputError(
                f"mask has {self.mask.shape[1]}x{self.mask.shape[0]} px, its picture "
                f"{width}x{height}"
            )
        if self.mask is not None and not self.mask.any():
            raise InputError("mask marks no pixel of the object")

    def __repr__(self) -> str:
        height, width = self.rgb.shape[:2]
        return f"ObjectPicture({width}x{height} px{'' if self.mask is None else ', mask'})"


@runtime_checkable
class EmbeddingBackend(Protocol):
    """A model, or a computation, that compares what it is asked with library shapes."""

    @property
    def name(self) -> str:
        """Which back end with which weights: part of the key of everything stored."""
        ...

    @property
    def dim(self) -> int:
        """Numbers per vector."""
        ...

    @property
    def abilities(self) -> frozenset[Ability]:
        """Kinds of questions it can embed."""
        ...

    @property
    def temperature(self) -> float:
        """Difference of inner products that makes one candidate e times as likely."""
        ...

    def embed_item(self, mesh: Mesh, *, seed: int) -> Float[Tensor, "vectors dim"]:
        """The vectors that stand for one shape of a library; the best of them counts."""
        ...

    def embed_shapes(self, surfaces: Sequence[Surface]) -> Float[Tensor, "shapes dim"]:
        """A vector per shape asked about. Raises InputError where it cannot."""
        ...

    def embed_images(self, pictures: Sequence[ObjectPicture]) -> Float[Tensor, "images dim"]:
        """A vector per picture asked about. Raises InputError where it cannot."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """A vector per text asked about. Raises InputError where it cannot."""
        ...


def inability(backend: EmbeddingBackend, ability: Ability) -> InputError:
    """The error of a back end that has no such embedding."""
    able = " and ".join(sorted(backend.abilities)) or "nothing"
    return InputError(
        f"the {backend.name.split()[0]} back end embeds {able}, not {ability}; OpenShape with CLIP "
        "weights embeds all three (docs/retrieval.md)"
    )


def unit_rows(vectors: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """Rows scaled to length 1; a row of zeros stays."""
    return torch.nn.functional.normalize(vectors.float(), dim=1)
