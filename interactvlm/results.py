"""What a contact question returns, and the file it is kept in.

`contact.npz`: `vertex_probability` float32 (labels, vertices), `labels` str (labels,), `topology`
str, `threshold` float, `seen` bool (vertices,). No pickles. Knows nothing of how maps were made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interactvlm.errors import AssetError, InputError
from renders.cache import atomic_write

ANY_OBJECT = "any object"
"""How the empty label is shown."""

_NPZ_KEYS = ("vertex_probability", "labels", "topology", "threshold", "seen")


@dataclass(frozen=True, eq=False)
class ContactMap:
    """Contact of one surface with one label. Tensors live on the CPU."""

    vertex_probability: Float[Tensor, "verts"]
    """Probability of contact per vertex, 0 to 1."""
    topology: str
    """Name of the body topology, or `object` for an object's own mesh."""
    label: str
    """The object asked about; empty means any object."""
    threshold: float
    """In contact at or above this probability."""
    seen: Bool[Tensor, "verts"]
    """Vertices at least one canonical view sees; the others took their neighbours' values."""
    view_probability: Float[Tensor, "views low low"] | None = None
    """Probability on the canonical views at the mask decoder's resolution, if a mask was made."""
    answer: str = ""
    """The model's words."""
    finished: bool = True
    """False when the words were cut at the longest allowed answer, or told nothing usable."""
    no_contact_margin: float = 0.0
    """Logit by which the first word leaned to "no contact", before the model's own bias."""
    affordance: str = ""
    """On an object: the use that was asked about, else the one the model's words name, if any."""
    notes: tuple[str, ...] = ()
    """What a person should know about this map, one sentence each, the label included."""

    def mask(self) -> Bool[Tensor, "verts"]:
        """Vertices in contact."""
        return self.vertex_probability >= self.threshold

    @property
    def in_contact(self) -> bool:
        """Whether any vertex is in contact."""
        return bool(self.mask().any())

    def parts(self) -> list[str]:
        """Names of the body parts in contact. Raises InputError for an object's mesh."""
        if self.topology == "object":
            raise InputError("an object's contact map has no body parts")
        from human_recovery.parts import parts_in_contact
        from human_recovery.topology import get_topology

        return parts_in_contact(self.mask(), get_topology(self.topology))

    def __repr__(self) -> str:
        return (
            f"ContactMap({self.label or 'any object'!r}, {self.topology}, "
            f"{int(self.mask().sum())} of {len(self.vertex_probability)} vertices in contact)"
        )


def shown_label(label: str) -> str:
    """A label as people read it."""
    return label or ANY_OBJECT


def save_contact_npz(path: Path, maps: Sequence[ContactMap]) -> None:
    """Writes maps of one surface to one file, complete or not at all.

    Raises InputError when there are none or they differ in topology, size or threshold.
    """
    if not maps:
        raise InputError("there are no contact maps to save")
    first = maps[0]
    for other in maps:
        same = (other.topology, other.threshold, len(other.seen))
        if same != (first.topology, first.threshold, len(first.seen)):
            raise InputError(
                f"contact maps of one file must share topology, threshold and vertices; "
                f"{first!r} and {other!r} do not"
            )
    arrays = {
        "vertex_probability": torch.stack([m.vertex_probability for m in maps]).float().numpy(),
        "labels": np.array([m.label for m in maps], dtype=np.str_),
        "topology": np.array(first.topology),
        "threshold": np.array(float(first.threshold)),
        "seen": first.seen.numpy(),
    }
    with atomic_write(Path(path)) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def load_contact_npz(path: Path) -> list[ContactMap]:
    """Reads what `save_contact_npz` wrote. Raises AssetError naming what is wrong with the file."""
    arrays = _read_arrays(Path(path))
    probability, labels, seen = (arrays[k] for k in ("vertex_probability", "labels", "seen"))
    if probability.ndim != 2 or probability.dtype.kind != "f":
        raise AssetError(
            f"vertex_probability must be (labels, vertices) of floats, found "
            f"{probability.shape} of {probability.dtype}: {str(path)!r}"
        )
    if labels.shape != probability.shape[:1] or seen.shape != probability.shape[1:]:
        raise AssetError(
            f"labels {labels.shape} and seen {seen.shape} do not fit vertex_probability "
            f"{probability.shape}: {str(path)!r}"
        )
    threshold = arrays["threshold"]
    if threshold.size != 1 or threshold.dtype.kind not in "iuf" or not np.isfinite(threshold).all():
        raise AssetError(
            f"threshold must be one finite number, found {threshold.tolist()!r:.40}: {str(path)!r}"
        )
    if not np.isfinite(probability).all():
        raise AssetError(f"vertex_probability holds NaN or infinite values: {str(path)!r}")
    return [
        ContactMap(
            vertex_probability=torch.from_numpy(row.astype(np.float32)),
            topology=str(arrays["topology"]),
            label=str(label),
            threshold=threshold.item(),
            seen=torch.from_numpy(seen.astype(bool)),
        )
        for row, label in zip(probability, labels, strict=True)
    ]


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise AssetError(f"contact file not found; expected a file at {str(path)!r}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except Exception as error:  # zip, header and pickle errors share no base class
        raise AssetError(f"contact file cannot be read ({error}): {str(path)!r}") from None
    missing = [name for name in _NPZ_KEYS if name not in arrays]
    if missing:
        raise AssetError(f"contact file lacks {missing}, it holds {sorted(arrays)}: {str(path)!r}")
    return arrays
