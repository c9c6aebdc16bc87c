"""Which data sets are read, where they come from and under which licence. Imports nothing heavy."""

import os
from dataclasses import dataclass
from pathlib import Path

from interactvlm.errors import AssetError, InputError

FOLDER_VARIABLE = "INTERACTVLM_DATASETS"
"""Environment variable that names a folder with one subfolder per data set."""

_GUIDE = "docs/datasets.md"


@dataclass(frozen=True)
class DatasetSource:
    """One published data set."""

    name: str
    """As on the command line, and the subfolder under `INTERACTVLM_DATASETS`."""
    title: str
    """As its authors write it."""
    site: str
    """Where a person gets it."""
    licence: str
    """In a few words, as its publisher states it."""
    splits: tuple[str, ...]
    """Names a split may have."""

    def line(self) -> str:
        """Where to get it and what is allowed, in one line."""
        return f"{self.title}: {self.site}; licence: {self.licence}"

    def fault(self, path: Path, problem: str, fix: str = "") -> AssetError:
        """The error for a file of this data set: what is wrong, what to do, which file."""
        fix = fix or f"get it again from {self.site} and compare the layout with {_GUIDE}"
        return AssetError(f"{self.title} {problem}; {fix}: {str(path)!r}")

    def folder(self, root: Path | None = None) -> Path:
        """The folder given, else the one under `INTERACTVLM_DATASETS`.

        Raises AssetError with the way to get the data when there is no such folder.
        """
        found = root.expanduser() if root is not None else self.default_folder()
        if found is None:
            raise AssetError(
                f"{self.title} was not named: give --root, or set {FOLDER_VARIABLE} to a folder "
                f"that holds {self.name!r}; get it from {self.site}, licence: {self.licence}"
            )
        if not found.is_dir():
            raise self.fault(
                found, "is not here", f"get it from {self.site}, licence: {self.licence}"
            )
        return found

    def default_folder(self) -> Path | None:
        """The subfolder of `INTERACTVLM_DATASETS`, whether it is there or not; None if unset."""
        chosen = os.environ.get(FOLDER_VARIABLE, "").strip()
        return Path(chosen).expanduser() / self.name if chosen else None

    def checked_split(self, split: str) -> str:
        """The split's name. Raises InputError for one this data set does not have."""
        if split not in self.splits:
            raise InputError(
                f"{self.title} has no split {split!r}; allowed: {', '.join(self.splits)}"
            )
        return split


_RESEARCH = "non-commercial research, after registration"
_USTC = "research only, commercial use on request (README of its repository)"

SOURCES: dict[str, DatasetSource] = {
    source.name: source
    for source in (
        DatasetSource(
            "damon", "DAMON", "https://deco.is.tue.mpg.de", _RESEARCH,
            ("test", "train", "trainval", "test-scene", "train-scene"),
        ),
        DatasetSource(
            "3dir", "3DIR (LEMON)", "https://github.com/yyvhang/lemon_3d", _USTC, ("val", "train")
        ),
        DatasetSource(
            "piad", "PIAD", "https://github.com/yyvhang/IAGNet", _USTC,
            ("seen-test", "unseen-test", "seen-train", "unseen-train"),
        ),
        DatasetSource(
            "pico", "PICO-db", "https://pico.is.tue.mpg.de", _RESEARCH, ("all", "test", "train")
        ),
        DatasetSource(
            "rich", "RICH", "https://rich.is.tue.mpg.de", _RESEARCH, ("val", "train")
        ),
        DatasetSource(
            "hoi-vqa", "HOI-VQA", "https://interactvlm.is.tue.mpg.de", _RESEARCH,
            ("damon", "lemon", "piad_seen", "piad_unseen"),
        ),
    )
}  # fmt: skip
"""By name. Site and licence as stated by the publishers; nothing of them is in this package."""
