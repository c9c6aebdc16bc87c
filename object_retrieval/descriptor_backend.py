"""The embedded back end for shapes: nothing learned, nothing fetched.

An item of a library stands in the index as it is and as bad scans of it: cut by planes, turned,
noisy. A query is compared with all of them, so that half a chair finds a chair. Embeds shapes only.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from object_retrieval.backend import Ability, ObjectPicture, Surface, inability
from object_retrieval.shape_descriptor import DIMENSIONS, describe_clouds
from object_retrieval.surface import disturbed, sample_surface
from renders.mesh import Mesh

POINTS_SAMPLED = 1024
"""Points of a surface before it is cut; the descriptor takes an even choice of the rest."""
SCANS = ((1.0, 2), (0.75, 4), (0.5, 12))
"""(Share of the surface kept, bad scans of that kind) per item of a library."""
_NOISE = 0.01
_SAMPLINGS = 3
"""Descriptors of as many samplings are averaged for a query, which halves their own noise."""


class DescriptorBackend:
    """Computed shape descriptors, the same about any turn about the vertical, place and size."""

    def __init__(self) -> None:
        self.name = "descriptor 2"
        self.dim = DIMENSIONS
        self.abilities: frozenset[Ability] = frozenset({"shape"})
        self.temperature = 0.005

    def embed_item(self, mesh: Mesh, *, seed: int) -> Float[Tensor, "vectors dim"]:
        """The whole surface and its bad scans (see `SCANS`)."""
        points = sample_surface(mesh, POINTS_SAMPLED, seed=seed).points
        shares = [share for share, count in SCANS for _ in range(count)]
        scans = [
            disturbed(points, seed=1000 * seed + number, share=share, noise=_NOISE)
            for number, share in enumerate(shares)
        ]
        return describe_clouds([points, *scans])

    def embed_shapes(self, surfaces: Sequence[Surface]) -> Float[Tensor, "shapes dim"]:
        """One descriptor per shape."""
        rows = []
        for surface in surfaces:
            samplings = [sample_surface(surface, POINTS_SAMPLED, seed=i) for i in range(_SAMPLINGS)]
            mean = describe_clouds([sampled.points for sampled in samplings]).mean(0)
            rows.append(mean / mean.norm())
        return torch.stack(rows) if rows else torch.zeros(0, self.dim)

    def embed_images(self, pictures: Sequence[ObjectPicture]) -> Float[Tensor, "images dim"]:
        """Always InputError."""
        raise inability(self, "image")

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """Always InputError."""
        raise inability(self, "text")
