"""The back end for users who have the published weights: shapes by OpenShape, the rest by CLIP."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from object_retrieval.backend import (
    Ability,
    ObjectPicture,
    Surface,
    inability,
    unit_rows,
)
from object_retrieval.openshape.clip import ClipEmbedder
from object_retrieval.openshape.encoder import PointEncoder
from object_retrieval.openshape.weights import load_encoder
from object_retrieval.surface import sample_surface
from renders.cache import content_key
from renders.errors import AssetError
from renders.mesh import Mesh, PointCloud

POINTS = 10_000
"""Points a published encoder reads. Source: OpenShape, `train.yaml`."""
GREY = 0.4
"""Colour of surfaces without one. Source: OpenShape's training, which drops colours to it."""


class OpenShapeBackend:
    """One space of shapes, pictures and words."""

    def __init__(
        self, encoder: PointEncoder, clip: ClipEmbedder | None = None, *, device: str = "cpu"
    ) -> None:
        """`clip` may be left out: then only shapes are embedded.

        Raises:
            AssetError: the two do not share a space.
        """
        if clip is not None and clip.dim != encoder.dim:
            raise AssetError(
                f"the encoder's space has {encoder.dim} numbers, that of CLIP {clip.source!r} has "
                f"{clip.dim}; docs/retrieval.md says which belong together"
            )
        self._encoder, self._clip, self._device = encoder.to(device).eval(), clip, device
        self.name = f"openshape {_weights_key(encoder)}"
        self.dim = encoder.dim
        self.abilities: frozenset[Ability] = frozenset(
            ("shape",) if clip is None else ("shape", "image", "text")
        )
        # The published logit scale ends near 100 for CLIP's pairs; shapes are matched less sharply.
        self.temperature = 0.02

    @staticmethod
    def load(weights: Path, clip: str | None, *, device: str = "cpu") -> "OpenShapeBackend":
        """From a published `model.pt` (or its folder) and a CLIP folder or hub name.

        Raises:
            AssetError: a file is missing, damaged or does not fit.
        """
        embedder = None if clip is None else ClipEmbedder(clip, device=device)
        return OpenShapeBackend(load_encoder(weights), embedder, device=device)

    def embed_item(self, mesh: Mesh, *, seed: int) -> Float[Tensor, "vectors dim"]:
        """One vector."""
        return self._embedded(mesh, seed)[None]

    def embed_shapes(self, surfaces: Sequence[Surface]) -> Float[Tensor, "shapes dim"]:
        """One vector per shape, z up."""
        rows = [self._embedded(surface, 0) for surface in surfaces]
        return torch.stack(rows) if rows else torch.zeros(0, self.dim)

    @torch.no_grad()
    def _embedded(self, surface: Surface, seed: int) -> Float[Tensor, "dim"]:
        cloud = published_points(sample_surface(surface, POINTS, seed=seed), self._encoder.shape.up)
        assert cloud.colors is not None
        points, colors = (v[None].to(self._device) for v in (cloud.points, cloud.colors))
        return unit_rows(self._encoder(points, colors).cpu())[0]

    def embed_images(self, pictures: Sequence[ObjectPicture]) -> Float[Tensor, "images dim"]:
        """One vector per picture."""
        if self._clip is None:
            raise inability(self, "image")
        return self._clip.embed_images(pictures)

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """One vector per text."""
        if self._clip is None:
            raise inability(self, "text")
        return self._clip.embed_texts(texts)


def published_points(cloud: PointCloud, up: str) -> PointCloud:
    """Points z up with the front at -y as the published encoders saw theirs, with a colour each.

    Their files were y up with the front at +z. The encoders for y take that frame; the one for z
    saw it with y and z swapped, which mirrors the shape. Then centred at the mean, in the unit
    sphere. Source: OpenShape, `data.py` and `utils/data.py`.
    """
    x, y, z = cloud.points.unbind(1)
    points = torch.stack([x, z, -y] if up == "y" else [x, -y, z], dim=1)
    points = points - points.mean(0)
    points = points / points.norm(dim=1).amax().clamp(min=1e-9)
    colors = torch.full_like(points, GREY) if cloud.colors is None else cloud.colors
    return PointCloud(points, colors.to(points))


def _weights_key(encoder: PointEncoder) -> str:
    """A short hash of the weights: other weights, other index."""
    sums = [
        f"{name} {value.double().sum().item():.12g} {value.double().abs().sum().item():.12g}"
        for name, value in encoder.state_dict().items()
    ]
    return content_key(*sums)[:16]
