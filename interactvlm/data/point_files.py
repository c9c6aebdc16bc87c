"""Object points with affordance scores as text, the format that PIAD and 3DIR share.

One point a line: x y z and 17 scores; PIAD puts a model's id and its category in front. The 17
columns of the two mean different things, so every reader brings its own list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interactvlm.data.folder import DataFolder, unique_keys
from interactvlm.data.sample import Entry, ObjectHeat
from renders.mesh import PointCloud

CANDIDATES = 5
"""So many ranked objects are tried for one photo. Source: InteractVLM, PIAD and 3DIR training."""


@dataclass(frozen=True, eq=False)
class PointScores:
    """One object's points and all its scores."""

    points: Float[Tensor, "points 3"]
    scores: Float[Tensor, "points affordances"]
    category: str
    """As the file's lines say it, else as its name begins."""
    name: str
    """The file's name without its suffix."""

    def heat(self, column: int) -> ObjectHeat:
        """The points with one affordance's scores."""
        scores = self.scores[:, column].contiguous()
        return ObjectHeat(PointCloud(self.points), scores, self.name)


@dataclass(frozen=True)
class PointFormat:
    """How the point files of one data set are written."""

    folder: DataFolder
    affordances: tuple[str, ...]
    """What each score is about, in the order of the columns."""
    identified: bool
    """Whether a line begins with the model's id and category."""

    def read(self, path: Path) -> PointScores:
        """One file.

        Raises AssetError naming the first bad line: wrong count, no number, score outside 0 to 1.
        """
        folder, skipped = self.folder, 2 if self.identified else 0
        width = skipped + 3 + len(self.affordances)
        rows = [line.split() for line in folder.lines(path)]
        if not rows:
            raise folder.fault(path, "holds no points")
        bad = next((at for at, row in enumerate(rows) if len(row) != width), None)
        if bad is not None:
            raise folder.fault(
                path, f"has {len(rows[bad])} fields in line {bad + 1}, expected {width}"
            )
        try:
            values = np.array([row[skipped:] for row in rows], dtype=np.float64)
        except ValueError as error:
            raise folder.fault(path, f"holds something that is no number ({error})") from None
        if not np.isfinite(values).all():
            raise folder.fault(path, "holds NaN or infinite numbers")
        low, high = float(values[:, 3:].min()), float(values[:, 3:].max())
        if low < -1e-6 or high > 1 + 1e-6:
            raise folder.fault(path, f"has scores from {low:.3g} to {high:.3g}, allowed 0 to 1")
        return PointScores(
            points=torch.from_numpy(values[:, :3].astype(np.float32)),
            scores=torch.from_numpy(values[:, 3:].clip(0, 1).astype(np.float32)),
            category=rows[0][1] if self.identified else path.name.partition("_")[0],
            name=path.stem,
        )

    def entries(self, listing: Path, photos: Sequence[str]) -> list[Entry]:
        """Photos labelled by the two folders they lie in, object and affordance.

        Raises AssetError for a line without them. Source: PIAD and 3DIR label a photo by no more.
        """
        labels = [PurePosixPath(_posix(line)).parts[-3:-1] for line in photos]
        for line, label in zip(photos, labels, strict=True):
            if len(label) != 2 or label[1] not in self.affordances:
                raise self.folder.fault(
                    listing,
                    f"lists {line!r}, expected .../OBJECT/AFFORDANCE/NAME with an affordance of "
                    f"{', '.join(self.affordances)}",
                )
        names = [PurePosixPath(_posix(line)).stem for line in photos]
        keys = unique_keys([f"{o}/{a}/{n}" for n, (o, a) in zip(names, labels, strict=True)])
        return [
            Entry(key, label, self.folder.locate(line), affordance)
            for key, line, (label, affordance) in zip(keys, photos, labels, strict=True)
        ]

    def listed_object(self, listed: str, entry: Entry) -> ObjectHeat:
        """The object listed beside a photo.

        Raises AssetError when its file is not here or of another category than the photo.
        """
        path = self.folder.locate(listed)
        table = self.read(path)
        if table.category.lower() != entry.label.lower():
            raise self.folder.fault(
                path, f"is a {table.category!r}, its photo shows a {entry.label!r}"
            )
        return table.heat(self.affordances.index(entry.affordance))


class RankedObjects:
    """Ranked point files for each photo of a training split, from InteractVLM's look-up file."""

    def __init__(self, form: PointFormat, path: Path) -> None:
        self._form = form
        ranked = form.folder.table(form.folder.pickle(path), path)
        self._ranked = {_tail(k): form.folder.text_list(v, path) for k, v in ranked.items()}

    def first_usable(self, photo: str, entry: Entry) -> ObjectHeat | None:
        """The best object whose file is here and that has the affordance at all, or None."""
        for name in self._ranked.get(_tail(photo), [])[:CANDIDATES]:
            path = self._form.folder.locate(name)
            if not path.is_file():
                continue
            found = self._form.read(path).heat(self._form.affordances.index(entry.affordance))
            if bool((found.heat > 0).any()):
                return found
        return None


def paired_lines(folder: DataFolder, photos: Path, objects: Path) -> tuple[list[str], list[str]]:
    """Lines of two lists that belong together line by line. Raises AssetError when they do not."""
    first, second = folder.lines(photos), folder.lines(objects)
    if len(first) != len(second):
        raise folder.fault(objects, f"lists {len(second)} objects for {len(first)} photos")
    return first, second


def _posix(listed: str) -> str:
    return listed.replace("\\", "/")


def _tail(listed: str) -> str:
    """Object, affordance and name: what of a listed path is the same on every machine."""
    return "/".join(PurePosixPath(_posix(listed)).parts[-3:])
