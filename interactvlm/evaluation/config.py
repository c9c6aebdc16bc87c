"""Settings of the evaluation; light enough for the command line's help."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal


@dataclass(frozen=True)
class EvaluateConfig:
    """Measure contact on generated scenes with known truth; answers are generated, never given."""

    split: Literal["val", "test", "test_unseen"] = "test"
    """`test`: unseen people, poses and instances; `test_unseen`: unseen categories."""
    data: Path = Path("data/synthetic")
    """Folder of the data set; the split is generated there when it is missing."""
    count: int = 512
    """Scenes to evaluate."""
    seed: int = 0
    """Seed of the generated split."""
    weights: Path | None = None
    """Folder of the model; the shipped miniature model when left out."""
    json: Path | None = None
    """Write the numbers to this file."""
    shuffle_images: bool = False
    """Control: every question is asked about another scene's photo."""
    geodesic: bool = True
    """Also measure distances along the surface (about a minute more)."""

    def __post_init__(self) -> None:
        if self.count <= 1:
            raise _refused(f"count must be at least 2, got {self.count}")


@dataclass(frozen=True)
class RetrievalEvaluateConfig:
    """Measure retrieval of shapes: by crops of generated scenes, bad scans and labels."""

    split: Literal["val", "test", "test_unseen"] = "test"
    """Scenes whose objects are cut out; `test_unseen` has the categories kept from all training."""
    data: Path = Path("data/synthetic")
    """Folder of the data set; the split is generated there when it is missing."""
    count: int = 320
    """Scenes."""
    seed: int = 0
    """Seed of the generated split and of the scans."""
    scans: int = 3
    """Unseen shapes per category that are scanned."""
    least_px: int = 64
    """Objects of which fewer pixels are visible are left out, and counted."""
    library: Path | None = None
    """Folder of a library. Without it: the embedded one."""
    weights: Path | None = None
    """Picture encoder. Without it: the shipped one."""
    json: Path | None = None
    """Write the numbers to this file."""

    def __post_init__(self) -> None:
        for name in ("count", "scans", "least_px"):
            if getattr(self, name) < 1:
                raise _refused(f"{name} must be at least 1, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class ReconstructionConfig:
    """Measure where objects are placed in generated scenes, given more or less of the truth."""

    split: Literal["val", "test", "test_unseen"] = "test"
    """Scenes whose touched objects are fitted."""
    ladder: Literal[1, 2, 3] = 1
    """1: true body, shape, mask and contact; 2: contact as the model says it; 3: only photo, label
    and the object's box are given."""
    data: Path = Path("data/synthetic")
    """Folder of the data set; the split is generated there when it is missing."""
    count: int = 64
    """Photos."""
    seed: int = 0
    """Seed of the generated split."""
    least_px: int = 64
    """Objects of which fewer pixels are visible are left out."""
    weights: Path | None = None
    """Folder of the model; the shipped miniature model when left out."""
    json: Path | None = None
    """Write the numbers to this file."""

    def __post_init__(self) -> None:
        for name in ("count", "least_px"):
            if getattr(self, name) < 1:
                raise _refused(f"{name} must be at least 1, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class BenchmarkConfig:
    """Measure a model on a published data set; a stopped run goes on where it was."""

    root: Path | None = None
    """Folder of the data set. Without it: its subfolder of INTERACTVLM_DATASETS."""
    weights: Path | None = None
    """Folder of the model. Without it: the shipped miniature model."""
    out: Path | None = None
    """Folder of answers and report. Without it: interactvlm_output/evaluate-NAME-SPLIT."""
    limit: int | None = None
    """Only so many photos, spread evenly over the split."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, cuda:1."""
    geodesic: bool = True
    """Also measure distances along the body."""
    geodesic_matrix: Path | None = None
    """The authors' smpl_neutral_geodesic_dist.npy, metres. Without it: along your SMPL file."""
    skip_missing: bool = False
    """Leave out samples whose photo is not here, and count them."""
    resamples: int = 2000
    """Resamples of the confidence intervals."""

    dataset: ClassVar[str] = ""
    """Name of the data set."""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise _refused(f"limit must be at least 1, got {self.limit}")
        if self.resamples < 1:
            raise _refused(f"resamples must be at least 1, got {self.resamples}")

    @property
    def split_name(self) -> str:
        """The split, as the data set's reader names it."""
        return str(getattr(self, "split", ""))

    @property
    def out_folder(self) -> Path:
        """Folder of answers and report."""
        name = f"evaluate-{self.dataset}-{self.split_name}"
        return self.out if self.out is not None else Path("interactvlm_output") / name


@dataclass(frozen=True)
class DamonConfig(BenchmarkConfig):
    """DAMON: body contact per object and with anything, against the published numbers."""

    split: Literal["test", "train", "trainval", "test-scene", "train-scene"] = "test"
    """Part of the data set; `-scene` with InteractVLM's labels of feet on the ground."""
    dataset: ClassVar[str] = "damon"


@dataclass(frozen=True)
class PiadConfig(BenchmarkConfig):
    """PIAD: affordance on object points, against the published numbers."""

    split: Literal["seen-test", "unseen-test", "seen-train", "unseen-train"] = "seen-test"
    """Setting and part of the data set."""
    dataset: ClassVar[str] = "piad"


@dataclass(frozen=True)
class ThreeDirConfig(BenchmarkConfig):
    """3DIR (LEMON): body contact and affordance on object points."""

    split: Literal["val", "train"] = "val"
    """Part of the data set."""
    dataset: ClassVar[str] = "3dir"


@dataclass(frozen=True)
class PicoConfig(BenchmarkConfig):
    """PICO-db: body contact and contact on object meshes."""

    split: Literal["all", "test", "train"] = "all"
    """Part of the data set; `test` and `train` need InteractVLM's lists."""
    dataset: ClassVar[str] = "pico"


@dataclass(frozen=True)
class RichConfig(BenchmarkConfig):
    """RICH: body contact with the scene."""

    split: Literal["val", "train"] = "val"
    """Part of the data set."""
    dataset: ClassVar[str] = "rich"


BENCHMARK_CONFIGS: dict[str, type[BenchmarkConfig]] = {
    kind.dataset: kind for kind in (DamonConfig, PiadConfig, ThreeDirConfig, PicoConfig, RichConfig)
}
"""By the name of the data set."""


def _refused(message: str) -> Exception:
    """An InputError; its module loads torch, which help must not wait for."""
    from interactvlm.errors import InputError

    return InputError(message)
