"""One door to all data sets."""

from collections.abc import Callable
from pathlib import Path

from interactvlm.data.damon import open_damon
from interactvlm.data.hoi_vqa import open_hoi_vqa
from interactvlm.data.lemon import open_lemon
from interactvlm.data.piad import open_piad
from interactvlm.data.pico import open_pico
from interactvlm.data.rich import open_rich
from interactvlm.data.sample import Dataset
from interactvlm.data.sources import SOURCES
from interactvlm.errors import InputError

READERS: dict[str, Callable[[Path, str], Dataset]] = {
    "damon": open_damon,
    "3dir": open_lemon,
    "piad": open_piad,
    "pico": open_pico,
    "rich": open_rich,
    "hoi-vqa": open_hoi_vqa,
}


def open_dataset(name: str, root: Path | None, split: str) -> Dataset:
    """A split of a data set by name; `root` None is the one under `INTERACTVLM_DATASETS`.

    Raises:
        InputError: the data set or the split is unknown.
        AssetError: the folder or a file is missing or malformed; the sentence says how to get it.
    """
    if name not in READERS:
        raise InputError(f"data set {name!r} is unknown; allowed: {', '.join(READERS)}")
    return READERS[name](SOURCES[name].folder(root), split)
