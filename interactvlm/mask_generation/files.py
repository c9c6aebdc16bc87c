"""Writing masks, renders and maps of one surface; files that are there are left as they are."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from interactvlm.mask_generation.layout import BODY_FOLDER, ObjectFiles
from renders.cache import atomic_write
from renders.canonical import ViewSet

Masks = Float[Tensor, "views height width"]
"""0 to 1, background 0."""


def write_body(out: Path, views: ViewSet) -> None:
    """What all body masks share: renders, valid regions, and the map of pixels to vertices."""
    surface, folder = views.surface_map, out / BODY_FOLDER
    names = [spec.name for spec in views.specs]
    for name, image, valid in zip(names, views.images, views.valid, strict=True):
        write_image(folder / f"body_render_norm_{name}.png", image)
        write_image(folder / f"valid_{name}.png", grey(valid.float()))
    vertex, weight = surface.vertex_of_pixel.numpy(), surface.weight_of_pixel.numpy()
    outside = np.where(vertex < 0, np.float32(-1), weight)  # published weights are -1 there
    _write_arrays(folder / "pixel_to_vertex_map_1024.npz", dict(zip(names, vertex, strict=True)))
    _write_arrays(folder / "bary_coords_map_1024.npz", dict(zip(names, outside, strict=True)))


def object_paths(out: Path, files: ObjectFiles, names: list[str]) -> list[Path]:
    """Every file of one object."""
    kinds = ["sam", "mask", "valid", files.map_kind]
    paths = [out / files.path(kind, name) for kind in kinds for name in names]
    return [*paths, out / files.path("contact_vertices")] if _is_mesh(files) else paths


def write_object(
    out: Path, files: ObjectFiles, views: ViewSet, masks: Masks, heat: Float[Tensor, "points"]
) -> None:
    """Renders, masks, valid regions and maps of one object; of a mesh its vertices too."""
    surface = views.surface_map
    vertices, weights = surface.vertex_of_pixel.numpy(), surface.weight_of_pixel.numpy()
    for at, spec in enumerate(views.specs):
        write_image(out / files.path("sam", spec.name), views.images[at])
        write_image(out / files.path("mask", spec.name), grey(masks[at]))
        write_image(out / files.path("valid", spec.name), grey(views.valid[at].float()))
        if _is_mesh(files):
            arrays = {
                "pixel_to_vertices_map": vertices[at],
                "bary_coords_map": np.where(vertices[at] < 0, np.float32(-1), weights[at]),
                "num_vertices": np.array(surface.num_vertices),
            }
        else:
            arrays = {"mapping": vertices[at, ..., 0]}
        _write_arrays(out / files.path(files.map_kind, spec.name), arrays)
    if _is_mesh(files):
        content = pickle.dumps(heat.numpy().astype(np.float32), protocol=4)
        _write(out / files.path("contact_vertices"), lambda path: path.write_bytes(content))


def grey(values: Float[Tensor, "height width"]) -> UInt8[Tensor, "height width"]:
    """0 to 1 as 0 to 255. Rounding is our choice; what the published scripts do is not known."""
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def read_grey(path: Path) -> Float[Tensor, "height width"]:
    """A mask file as values from 0 to 1."""
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image.convert("L")).copy()).float() / 255


def ignored(mask: Masks, valid: Bool[Tensor, "views height width"]) -> Masks:
    """Targets as the published loader makes them: -1 where no surface is seen."""
    return torch.where(valid, mask, -1.0)


def write_image(path: Path, pixels: UInt8[Tensor, "height width *channels"]) -> None:
    """A PNG, grey or RGB."""
    _write(path, lambda temporary: Image.fromarray(pixels.numpy()).save(temporary))


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    def save(temporary: Path) -> None:
        with open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # pyright: ignore[reportArgumentType]

    _write(path, save)


def _write(path: Path, save: Callable[[Path], object]) -> None:
    if path.is_file():
        return
    with atomic_write(path) as temporary:
        save(temporary)


def _is_mesh(files: ObjectFiles) -> bool:
    return files.map_kind == "p2vmap"
