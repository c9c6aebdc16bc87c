"""Result and data files of the published code, read into this package's own types.

Contact archives of its demo, its lifting maps, its table of body parts, its evaluation results.
Pickles are read without running anything they may ask for. Knows files and arrays; no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from interactvlm.data.pickled import load_pickle
from interactvlm.data.sources import DatasetSource
from interactvlm.errors import AssetError, InputError
from interactvlm.results import ContactMap
from renders.canonical import HUMAN_VIEWS
from renders.lifting import PixelSurfaceMap

RELEASE = DatasetSource(
    "interactvlm",
    "InteractVLM's published file",
    "https://interactvlm.is.tue.mpg.de",
    "non-commercial research, after registration",
    (),
)
"""Where these files come from."""

SMPL_VERTICES = 6890
_SURFACES = {
    "pred_contact_3d_smplh": ("smplh", SMPL_VERTICES),
    "pred_contact_3d_smplx": ("smplx", 10475),
    "pred_contact_3d": ("object", None),
}
"""Keys of a contact archive, the surface each lives on and the number of its vertices."""
_VERTEX_MAP, _WEIGHT_MAP = "pixel_to_vertex_map_1024.npz", "bary_coords_map_1024.npz"


@dataclass(frozen=True, eq=False)
class PublishedResults:
    """What the published evaluation stored of a human test set."""

    photos: tuple[str, ...]
    """Paths as that machine had them."""
    labels: tuple[str, ...]
    """Object of each sample."""
    predicted_prob: Float32[np.ndarray, "samples 6890"]
    """Probability per SMPL vertex."""
    truth: Float32[np.ndarray, "samples 6890"]
    """1 where in contact."""

    def __repr__(self) -> str:
        return f"PublishedResults({len(self.photos)} samples)"


def load_published_contact(
    path: Path, *, label: str = "", threshold: float = 0.5
) -> list[ContactMap]:
    """Contact maps in a `*_hcontact_vertices.npz` or `*_oafford_vertices.npz`, one per surface.

    The published lift gives vertices that no view sees the value 0 and does not tell which they
    are, so all count as seen.

    Raises:
        InputError: the threshold is no probability.
        AssetError: no such file, or one without a contact array that fits its surface.
    """
    if not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, got {threshold!r}")
    arrays = _arrays(path)
    known = [key for key in _SURFACES if key in arrays]
    if not known:
        raise RELEASE.fault(path, f"holds none of {list(_SURFACES)}, it holds {sorted(arrays)}")
    maps = []
    for key in known:
        topology, vertices = _SURFACES[key]
        values = _probability(arrays[key], key, path, vertices)
        seen = torch.ones(len(values), dtype=torch.bool)
        maps.append(ContactMap(values, topology, label, threshold, seen))
    return maps


def load_human_lift_map(folder: Path) -> PixelSurfaceMap:
    """The map of the four body views: `pixel_to_vertex_map_1024.npz`, `bary_coords_map_1024.npz`.

    Raises AssetError when a file or view is missing or the two do not fit each other.
    """
    vertices, weights = _arrays(folder / _VERTEX_MAP), _arrays(folder / _WEIGHT_MAP)
    names = [view.name for view in HUMAN_VIEWS]
    for arrays, file in ((vertices, _VERTEX_MAP), (weights, _WEIGHT_MAP)):
        missing = [name for name in names if name not in arrays]
        if missing:
            raise RELEASE.fault(folder / file, f"lacks the views {missing}")
    return _surface_map(
        [vertices[name] for name in names],
        [weights[name] for name in names],
        SMPL_VERTICES,
        folder / _VERTEX_MAP,
    )


def load_object_lift_map(path: Path) -> PixelSurfaceMap:
    """The map of an object's four views in a `lift2d_dict.pkl` of the published demo.

    Raises AssetError for another content, or a pickle that asks to run something.
    """
    content = load_pickle(path, RELEASE)
    keys = ("pixel_to_vertices_map", "bary_coords_map", "num_vertices")
    if not isinstance(content, dict) or any(key not in content for key in keys):
        raise RELEASE.fault(path, f"must hold a dictionary with {list(keys)}")
    vertices, weights, count = (content[key] for key in keys)
    return _surface_map(list(vertices), list(weights), int(count), path)


def load_view_lift_map(path: Path) -> PixelSurfaceMap:
    """The map of one view of an object, `p2vmap_SAMPLE_VIEW.npz` of the published data.

    Raises AssetError for another content.
    """
    arrays = _arrays(path)
    keys = ("pixel_to_vertices_map", "bary_coords_map", "num_vertices")
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise RELEASE.fault(path, f"lacks {missing}, it holds {sorted(arrays)}")
    vertices, weights, count = (arrays[key] for key in keys)
    return _surface_map([vertices], [weights], int(count), path)


def load_published_parts(path: Path) -> dict[str, Int[Tensor, "vertices"]]:
    """SMPL vertices by part name, in the file's order: `smpl_segmentation_merged.pkl`.

    Raises AssetError for another content, or a pickle that asks to run something.
    """
    content = load_pickle(path, RELEASE)
    if not isinstance(content, dict) or not content:
        raise RELEASE.fault(path, "must hold a dictionary of body parts")
    parts = {}
    for name, ids in content.items():
        numbers = np.asarray(ids)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not _inside(numbers):
            raise RELEASE.fault(path, f"must list vertices of SMPL (0 to 6889) for {name!r}")
        parts[str(name)] = torch.from_numpy(numbers.astype(np.int64))
    return parts


def load_published_results(path: Path) -> PublishedResults:
    """Predictions and truth in a `*_results.pkl` of the published evaluation.

    Its scores are left out: some are not what they are called, and all follow from these.
    Raises AssetError for another content, or a pickle that asks to run something.
    """
    content = load_pickle(path, RELEASE)
    keys = ("imgnames", "objnames", "pred", "gt")
    if not isinstance(content, dict) or any(key not in content for key in keys):
        raise RELEASE.fault(path, f"must hold a dictionary with {list(keys)}")
    photos, labels = (tuple(str(x) for x in content[key]) for key in keys[:2])
    shape = (len(photos), SMPL_VERTICES)
    values = [_numbers(content[key], path, key) for key in keys[2:]]
    if len(labels) != len(photos) or any(value.shape != shape for value in values):
        raise RELEASE.fault(
            path,
            f"has {len(photos)} photos, {len(labels)} objects and arrays of "
            f"{[value.shape for value in values]}",
        )
    return PublishedResults(photos, labels, *values)


def _arrays(path: Path) -> Mapping[str, np.ndarray]:
    if not path.is_file():
        raise AssetError(f"no file of the published code is here; expected it at {str(path)!r}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:  # zip, header and pickle errors share no base class
        raise RELEASE.fault(path, f"cannot be read ({error})") from None


def _probability(
    array: np.ndarray, key: str, path: Path, vertices: int | None
) -> Float[Tensor, "verts"]:
    """One row of values in [0, 1]; a leading axis of size 1 is dropped."""
    values = _numbers(array, path, key)
    if values.ndim == 2 and len(values) == 1:
        values = values[0]
    if values.ndim != 1 or len(values) != (vertices or len(values)) or not len(values):
        raise RELEASE.fault(path, f"has {key!r} of shape {array.shape}, expected {vertices or 'N'}")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise RELEASE.fault(path, f"has values of {key!r} outside 0 to 1")
    return torch.from_numpy(values)


def _numbers(values: Any, path: Path, key: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise RELEASE.fault(path, f"has {key!r} that is no array of numbers")
    return np.ascontiguousarray(array, dtype=np.float32)


def _surface_map(
    vertices: Sequence[np.ndarray], weights: Sequence[np.ndarray], count: int, path: Path
) -> PixelSurfaceMap:
    shapes = {np.shape(array) for array in (*vertices, *weights)}
    shape = next(iter(shapes), ())
    if len(shapes) != 1 or len(shape) != 3 or shape[2] != 3 or len(vertices) != len(weights):
        raise RELEASE.fault(path, f"has maps of the shapes {sorted(shapes)}, expected (H, W, 3)")
    index = np.stack([np.asarray(array) for array in vertices])
    if index.dtype.kind not in "iu" or int(index.max()) >= count:
        raise RELEASE.fault(path, f"names vertices beyond the {count} of its surface")
    weight = np.stack([np.asarray(array, dtype=np.float32) for array in weights])
    return PixelSurfaceMap.from_dense(
        torch.from_numpy(index.astype(np.int64)), torch.from_numpy(weight), count
    )


def _inside(ids: np.ndarray) -> bool:
    return not len(ids) or (int(ids.min()) >= 0 and int(ids.max()) < SMPL_VERTICES)
