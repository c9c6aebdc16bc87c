"""Canonical views of a body or an object, rendered and encoded once, ready for many questions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interactvlm.config import InteractVLMConfig
from interactvlm.localizer import MVLocalizer, covered_patches
from renders.canonical import ViewSet
from renders.lifting import PixelSurfaceMap
from renders.mesh import Mesh, PointCloud


@dataclass(frozen=True, eq=False)
class SurfaceViews:
    """Canonical views of one surface, ready for questions."""

    embeddings: Float[Tensor, "views dim grid grid"]
    """SAM embeddings of the renders."""
    cameras: Float[Tensor, "views 5"]
    """What FeatLift is told about each view."""
    surface_map: PixelSurfaceMap
    """Pixels to vertices at the lifting resolution."""
    view_set: ViewSet
    """The views at the lifting resolution; fills unseen vertices."""
    patches: Int[Tensor, "views patches"] | None = None
    """Patches of each view that are decoded; None means all."""


def encode_surface(
    localizer: MVLocalizer,
    config: InteractVLMConfig,
    surface: Mesh | PointCloud,
    build: Callable[..., ViewSet],
    device: torch.device,
) -> SurfaceViews:
    """Views of `surface` as `build` draws them, on `device`; what was made stays on disk."""
    seen_set = build(surface, config.view_resolution_px)
    same = config.lift_resolution_px == config.view_resolution_px
    lift_set = seen_set if same else build(surface, config.lift_resolution_px)
    patches = None
    if config.localizer.patches == "covered":
        patches = covered_patches(seen_set.valid, config.localizer.grid).to(device)
    return SurfaceViews(
        embeddings=localizer.encode_views_cached(seen_set.images, seen_set.key),
        cameras=seen_set.camera_vectors.to(device),
        surface_map=lift_set.surface_map.to(device),
        view_set=lift_set,
        patches=patches,
    )
