"""Canonical views of a body or an object, rendered and encoded once, ready for many questions."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interactvlm.config import InteractVLMConfig
from interactvlm.localizer import MVLocalizer, covered_patches
from renders.canonical import ViewSet, build_object_view_set
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


def draw_object_views(
    localizer: MVLocalizer,
    config: InteractVLMConfig,
    surface: Mesh | PointCloud,
    device: torch.device,
    folder: Path | None = None,
) -> SurfaceViews:
    """Views of an object that is not worth a place in the user's cache, as one of thousands is.

    What was drawn is kept in `folder`, else nowhere.
    """
    with TemporaryDirectory() if folder is None else nullcontext(folder) as kept:
        seen = build_object_view_set(surface, config.view_resolution_px, Path(kept))
        same = config.lift_resolution_px == config.view_resolution_px
        lifted = (
            seen if same else build_object_view_set(surface, config.lift_resolution_px, Path(kept))
        )
    patches = None
    if config.localizer.patches == "covered":
        patches = covered_patches(seen.valid, config.localizer.grid).to(device)
    return SurfaceViews(
        embeddings=localizer.encode_views(seen.images).float(),
        cameras=seen.camera_vectors.to(device),
        surface_map=lifted.surface_map.to(device),
        view_set=lifted,
        patches=patches,
    )
