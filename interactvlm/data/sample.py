"""What every data set is read into: samples with a photo, a label and what is touched where."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Bool, Float
from torch import Tensor

from interactvlm.data.sources import DatasetSource
from renders.mesh import Mesh, PointCloud


@dataclass(frozen=True)
class Entry:
    """What is known of a sample without reading its files."""

    key: str
    """Unique in its split, the same in every run."""
    label: str
    """Name of the object, in the publisher's spelling."""
    image: Path | None
    """The photo, whether or not the file is there; None when the data set has none."""
    affordance: str = ""
    """What the object is used for, one word; empty where the data set has no such label."""


@dataclass(frozen=True, eq=False)
class BodyContact:
    """Vertices of a body that touch the labelled object."""

    topology: str
    """Name of the body topology the vertices belong to."""
    in_contact: Bool[Tensor, "verts"]
    """One per vertex of that topology."""


@dataclass(frozen=True, eq=False)
class ObjectHeat:
    """Where an object is touched or used."""

    surface: Mesh | PointCloud
    """In the publisher's own frame and unit; not normalised."""
    heat: Float[Tensor, "points"]
    """0 to 1 per vertex or point; 0 or 1 where the publisher marks contact."""
    name: str = ""
    """The publisher's name of the object's file, without its suffix; empty where the sample's key
    names the object."""


@dataclass(frozen=True)
class Turn:
    """One question about a photo and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, eq=False)
class Sample:
    """One label of one photo with its truth; a data set fills in what it has."""

    entry: Entry
    body: BodyContact | None = None
    object: ObjectHeat | None = None
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a data set; samples are read from disk when asked for."""

    source: DatasetSource
    split: str
    entries: Sequence[Entry]
    read: Callable[[int], Sample]
    """Reads the sample at a place in `entries`. Raises AssetError naming the file."""
    notes: tuple[str, ...] = ()
    """What the publisher lists and this split leaves out, in words."""

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self.entries):
            raise IndexError(index)
        return self.read(index)

    def __iter__(self) -> Iterator[Sample]:
        return (self.read(index) for index in range(len(self)))

    def __repr__(self) -> str:
        return f"Dataset({self.source.title} {self.split}, {len(self)} samples)"
