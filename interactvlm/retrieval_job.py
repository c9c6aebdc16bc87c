"""Shapes for an object, from files: reads the question, chooses back ends, tells the answer.

Knows files, shipped weights and the library; how shapes are compared is `object_retrieval`'s.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image

from interactvlm.assets_dir import assets_dir
from interactvlm.errors import InputError
from interactvlm.object_file import load_object
from interactvlm.photo import read_photo
from interactvlm.photo_job import checked_device
from object_retrieval.contact_sheet import draw_sheet, save_sheet, size_words
from object_retrieval.descriptor_backend import DescriptorBackend
from object_retrieval.picture_encoder import PictureBackend, load_encoder
from object_retrieval.retrieval import Backends, Candidate, Question, Ranking, rank
from object_retrieval.shape_library import ShapeLibrary
from object_retrieval.views import picture_of
from renders.mesh import Mesh, PointCloud

PICTURE_WEIGHTS = "retrieval"
"""Folder of the shipped picture encoder below `assets/`."""


@dataclass(frozen=True)
class RetrieveRequest:
    """One question to a library."""

    label: str = ""
    """What the object is called."""
    image: Path | None = None
    """A crop of the object, or a photo with a mask."""
    mask: Path | None = None
    """Which pixels of the image are the object: white in a picture of the same size."""
    mesh: Path | None = None
    """A mesh or points of the object, or of a part of it."""
    up: Literal["y", "z"] = "y"
    """Axis of that file that points up."""
    size_m: float | None = None
    """Largest extent of the object, where it is known."""
    metres: bool = False
    """Whether the mesh is whole and in metres, so that its own extent counts."""
    restrict: bool = True
    """Whether a label's category excludes all others."""
    top: int = 5
    """Candidates wanted."""
    library: Path | None = None
    """Folder of a library; None for the embedded one."""
    weights: Path | None = None
    """Folder of a picture encoder; None for the shipped one."""
    openshape: Path | None = None
    """Published OpenShape weights, in place of the embedded back ends."""
    clip: str | None = None
    """Folder or hub name of the CLIP that shares OpenShape's space."""
    device: str = "cpu"
    """Where published weights run."""
    sheet: Path | None = None
    """Where the contact sheet is written."""


@dataclass(frozen=True)
class RetrieveResult:
    """Candidates and how the question was understood."""

    candidates: list[Candidate]
    ranking: Ranking
    sheet: Path | None
    """The contact sheet, where one was written."""

    def summary(self) -> str:
        """A table for the terminal."""
        label = self.ranking.label
        lines = [label.explain()] if label is not None and label.explain() else []
        rows = [
            ("rank", "shape", "category", "score", "similarity", "P(category)", "category size")
        ]
        for number, found in enumerate(self.candidates, start=1):
            similar = "-" if found.similarity is None else f"{found.similarity:.3f}"
            rows.append(
                (
                    str(number),
                    found.item.name,
                    found.item.category,
                    f"{found.score:.4f}",
                    similar,
                    f"{found.category_probability:.3f}",
                    size_words(found),
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append("  ".join(cells).rstrip())
        if self.sheet is not None:
            lines.append(f"contact sheet: {self.sheet}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        label = self.ranking.label
        likeliest = self.ranking.categories()[:10]
        return {
            "label": None if label is None else {
                "asked": label.label, "category": label.category, "rule": label.rule,
            },
            "categories": {c: self.ranking.category_probability[c] for c in likeliest},
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "sheet": None if self.sheet is None else str(self.sheet),
        }  # fmt: skip


def run_retrieve(request: RetrieveRequest) -> RetrieveResult:
    """Answers one question; writes the contact sheet where a place for it is named.

    Raises InputError for a question that cannot be read or asked, AssetError for missing weights.
    """
    if not (request.label or request.image or request.mesh):
        raise InputError("nothing to look for: give --label, --image or --mesh")
    if request.mask is not None and request.image is None:
        raise InputError("--mask needs the --image that it belongs to")
    if request.metres and (request.mesh is None or request.size_m is not None):
        raise InputError("--metres tells the size of a --mesh; with it no --size is needed")
    if request.top < 1:
        raise InputError(f"--top must be at least 1, got {request.top}")
    image = None if request.image is None else np.asarray(read_photo(request.image).image)
    mask = None if image is None else _read_mask(request.mask, image)
    surface, size_m = None, request.size_m
    if request.mesh is not None:
        surface, extent = load_surface(request.mesh, request.up)
        size_m = extent if request.metres else size_m
    library = open_library(request.library)
    question = Question(request.label or None, image, mask, surface, size_m, request.restrict)
    ranking = rank(library, question, choose_backends(request))
    candidates = ranking.candidates(request.top)
    if request.sheet is not None:
        shown = _shown(image, mask, surface)
        sheet = draw_sheet(library, candidates, question=shown, title=request.label)
        save_sheet(sheet, request.sheet)
    return RetrieveResult(candidates, ranking, request.sheet)


def open_library(folder: Path | None, *, variants: int | None = None) -> ShapeLibrary:
    """A library's folder, or the embedded library with so many shapes of each category."""
    from object_retrieval.library import Library

    if folder is not None:
        library = Library.open(folder)
    else:
        library = Library.embedded() if variants is None else Library.embedded(variants)
    # It has all that is needed; a type checker does not see a cached property as a property.
    return cast(ShapeLibrary, library)


def choose_backends(request: RetrieveRequest) -> Backends:
    """Published weights where they are named, else the embedded back ends.

    Raises AssetError when weights are named or needed and not there.
    """
    if request.openshape is not None:
        from object_retrieval.openshape.openshape_backend import OpenShapeBackend

        device = checked_device(request.device)
        one = OpenShapeBackend.load(request.openshape, request.clip, device=device)
        able = "image" in one.abilities
        return Backends(shape=one, image=one if able else None, text=one if able else None)
    if request.clip is not None:
        raise InputError("--clip needs --openshape: CLIP alone has no vectors of shapes")
    image = None if request.image is None else embedded_pictures(request.weights)
    return Backends(shape=DescriptorBackend(), image=image)


def embedded_pictures(weights: Path | None = None) -> PictureBackend:
    """The picture encoder of a folder, or the shipped one. Raises AssetError without weights."""
    return PictureBackend(load_encoder(weights or assets_dir() / PICTURE_WEIGHTS))


def load_surface(path: Path, up: Literal["y", "z"]) -> tuple[Mesh | PointCloud, float]:
    """A mesh or points of a file, z up and the front at -y, and the file's largest extent.

    The surface has extent 1: its unit is lost on the way. Raises InputError as `load_object`.
    """
    shape = load_object(path, up)
    extent = float((shape.points.amax(0) - shape.points.amin(0)).max())
    found = shape.surface
    x, y, z = (found.vertices if isinstance(found, Mesh) else found.points).unbind(1)
    turned = torch.stack([x, -z, y], dim=1)
    if isinstance(found, Mesh):
        return Mesh(turned, found.faces, found.vertex_colors), extent
    return PointCloud(turned, found.colors), extent


def _read_mask(
    path: Path | None, image: UInt8[np.ndarray, "height width 3"]
) -> Bool[np.ndarray, "height width"] | None:
    """White pixels of a picture, at the size of the image."""
    if path is None:
        return None
    photo = read_photo(path)
    height, width = image.shape[:2]
    if photo.image.width * height != photo.image.height * width:
        raise InputError(
            f"mask of {photo.width}x{photo.height} px does not fit a picture of {width}x{height} "
            f"px: {str(path)!r}"
        )
    grey = photo.image.convert("L").resize((width, height), Image.Resampling.NEAREST)
    mask = np.asarray(grey) >= 128
    if not mask.any():
        raise InputError(f"mask marks no pixel of the object (none is white): {str(path)!r}")
    return mask


def _shown(
    image: UInt8[np.ndarray, "height width 3"] | None,
    mask: Bool[np.ndarray, "height width"] | None,
    surface: Mesh | PointCloud | None,
) -> UInt8[np.ndarray, "rows columns 3"] | None:
    """What was asked, as a picture; None for words and for points, which have no surface."""
    if image is not None:
        if mask is None:
            return image
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        faded = np.where(mask[..., None], image, 255 - (255 - image) // 4)
        return faded[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return picture_of(surface, 192) if isinstance(surface, Mesh) else None
