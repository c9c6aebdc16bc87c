"""Settings of mask generation; light enough for the command line's help."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal


@dataclass(frozen=True)
class MaskConfig:
    """Training masks of a published data set; a stopped run goes on where it was."""

    root: Path | None = None
    """Folder of the data set. Without it: its subfolder of INTERACTVLM_DATASETS."""
    out: Path | None = None
    """Folder of the masks. Without it: interactvlm_output/masks-NAME-SPLIT."""
    resolution_px: int = 1024
    """Side of the masks; all published ones have 1024."""
    limit: int | None = None
    """Only so many samples, spread evenly over the split."""
    preview: bool = False
    """Also draw preview.png: some of the masks on their views."""

    dataset: ClassVar[str] = ""
    """Name of the data set."""

    def __post_init__(self) -> None:
        if self.resolution_px < 16:
            raise _refused(f"resolution_px must be at least 16, got {self.resolution_px}")
        if self.limit is not None and self.limit < 1:
            raise _refused(f"limit must be at least 1, got {self.limit}")

    @property
    def split_name(self) -> str:
        """The split, as the data set's reader names it."""
        return str(getattr(self, "split", ""))

    @property
    def corners(self) -> int:
        """Corners of a pixel's face that have to touch for the pixel to touch; of points 1."""
        return int(getattr(self, "min_vertices", 1))

    @property
    def out_folder(self) -> Path:
        """Folder of the masks."""
        name = f"masks-{self.dataset}-{self.split_name}"
        return self.out if self.out is not None else Path("interactvlm_output") / name


@dataclass(frozen=True)
class DamonMasks(MaskConfig):
    """DAMON: body contact per object, 0 or 255."""

    split: Literal["train", "test", "trainval", "train-scene", "test-scene"] = "train"
    """Part of the data set; `-scene` with InteractVLM's labels of feet on the ground."""
    min_vertices: Literal[2, 3] = 2
    """Corners of a pixel's face that must touch; 2 is the corrected rule "mv2", 3 the first one."""
    dataset: ClassVar[str] = "damon"


@dataclass(frozen=True)
class ThreeDirMasks(MaskConfig):
    """3DIR (LEMON): body contact, and affordance heat maps of object points."""

    split: Literal["train", "val"] = "train"
    """Part of the data set."""
    min_vertices: Literal[2, 3] = 3
    """Corners of a pixel's face that must touch; published are 3."""
    dataset: ClassVar[str] = "3dir"


@dataclass(frozen=True)
class PiadMasks(MaskConfig):
    """PIAD: affordance heat maps of object points."""

    split: Literal["seen-train", "seen-test", "unseen-train", "unseen-test"] = "seen-train"
    """Setting and part of the data set."""
    dataset: ClassVar[str] = "piad"


@dataclass(frozen=True)
class PicoMasks(MaskConfig):
    """PICO-db: contact on object meshes, 0 or 255."""

    split: Literal["train", "test", "all"] = "train"
    """Part of the data set; `test` and `train` need InteractVLM's lists."""
    min_vertices: Literal[2, 3] = 3
    """Corners of a pixel's face that must touch; published are 3."""
    dataset: ClassVar[str] = "pico"


@dataclass(frozen=True)
class RichMasks(MaskConfig):
    """RICH: body contact with the scene, 0 or 255."""

    split: Literal["train", "val"] = "train"
    """Part of the data set."""
    min_vertices: Literal[2, 3] = 3
    """Corners of a pixel's face that must touch; published are 3."""
    dataset: ClassVar[str] = "rich"


MASK_CONFIGS: dict[str, type[MaskConfig]] = {
    kind.dataset: kind for kind in (DamonMasks, ThreeDirMasks, PiadMasks, PicoMasks, RichMasks)
}
"""By the name of the data set."""


def _refused(message: str) -> Exception:
    """An InputError; its module loads torch, which help must not wait for."""
    from interactvlm.errors import InputError

    return InputError(message)
