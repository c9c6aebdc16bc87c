"""Folders of meshes made into a library: safe to stop and start again, bad files told and skipped.

What was done is noted line by line in `build.jsonl`; `library.json` appears when all is done.
"""

import contextlib
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from object_retrieval.build_ledger import BuildLedger
from object_retrieval.category_names import CategoryNames, words_of
from object_retrieval.import_settings import ImportSettings
from object_retrieval.library import Library
from object_retrieval.library_files import (
    LIBRARY_FILE,
    StoredItem,
    mesh_file,
    read_items,
    write_items,
    write_shape,
)
from object_retrieval.library_import import item_of_shape, shape_of_file
from renders.cache import atomic_write
from renders.errors import InputError

LEDGER_FILE, SKIPPED_FILE, LOCK_FILE = "build.jsonl", "skipped.csv", ".library.lock"
TREE_SUFFIXES = (".glb", ".gltf", ".obj", ".off", ".ply", ".stl")
"""Files of a tree that are taken for meshes; lists of points and texts are not."""


@dataclass
class BuildReport:
    """What a run did."""

    folder: Path
    """The library's."""
    made: int = 0
    """Shapes read and written now."""
    kept: int = 0
    """Those that were there already."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """File and reason, of everything unusable."""
    unlisted: int = 0
    """Files that the list of categories does not name."""
    repaired: int = 0
    """Shapes with a note of what was changed."""
    scale_known: bool = True
    """Whether somebody said what the files' unit is."""

    def lines(self) -> list[str]:
        """The report in words."""
        told = [f"library: {self.made} shapes made, {self.kept} kept, {len(self.skipped)} skipped"]
        if self.unlisted:
            told.append(f"note: {self.unlisted} files are not in the list of categories")
        if self.repaired:
            told.append(f"note: {self.repaired} shapes were repaired, see {LIBRARY_FILE}")
        if not self.scale_known:
            told.append("note: the files' unit is unknown, so the shapes tell no size; see --unit")
        told += [f"skipped: {reason}" for _, reason in self.skipped[:5]]
        if len(self.skipped) > 5:
            told.append(f"skipped: {len(self.skipped) - 5} more, see {SKIPPED_FILE}")
        return [*told, f"folder: {self.folder}"]


def build_library(
    source: Path,
    out: Path,
    settings: ImportSettings,
    categories: CategoryNames | None = None,
    limit: int | None = None,
) -> BuildReport:
    """Makes every mesh below `source` an item; its category is its first folder, or by the list.

    Files that did not change since an earlier run are kept.

    Raises:
        InputError: there is nothing to read, another process writes there, or the folder holds a
            build with other settings.
    """
    found = _meshes_below(source, out)
    report = BuildReport(out, scale_known=settings.metres_per_unit is not None)
    listed = _listed(found, categories, source.resolve().name)
    report.unlisted = len(found) - len(listed)
    listed = dict(list(listed.items())[:limit])
    if not listed:
        raise InputError(
            f"none of the {len(found)} mesh files ({', '.join(TREE_SUFFIXES)}) can be used: "
            f"{str(source)!r}"
        )
    names = _unique_names(listed)
    begun_with = {"source": str(source.resolve()), **asdict(settings)}
    stored = []
    with _only_writer(out), BuildLedger(out / LEDGER_FILE, begun_with) as ledger:
        for below, category in tqdm(listed.items(), desc="library", unit="mesh"):
            status = (source / below).stat()
            stamp = f"{names[below]} {status.st_size} {status.st_mtime_ns}"
            known = ledger.find(str(below), stamp)
            if known is not None and ("reason" in known or (out / known["file"]).is_file()):
                report.kept += "file" in known
            else:
                known = _made(source / below, out, names[below], category, settings, str(below))
                ledger.note(str(below), stamp, known)
                report.made += "file" in known
            if "file" in known:
                stored.append(StoredItem.from_dict(known))
            else:
                report.skipped.append((str(below), known["reason"]))
        write_items(out, [*stored, *_added_by_hand(out, ledger, names)])
        _write_skipped(out, report.skipped)
    report.repaired = sum(bool(entry.notes) for entry in stored)
    return report


def export_library(library: Library, out: Path, categories: tuple[str, ...] = ()) -> BuildReport:
    """Writes a library's shapes as files; those of an earlier, stopped run are kept.

    Raises:
        InputError: a category is not in the library, or another process writes there.
    """
    absent = sorted(set(categories) - set(library.categories))
    if absent:
        raise InputError(f"the library has no categories {absent}; see `interactvlm library list`")
    chosen = [item for item in library.items if not categories or item.category in categories]
    report = BuildReport(out)
    stored = []
    with _only_writer(out), BuildLedger(out / LEDGER_FILE, {"source": "export"}) as ledger:
        for item in tqdm(chosen, desc="library", unit="shape"):
            known = ledger.find(item.name, item.content_hash)
            if known is not None and (out / known["file"]).is_file():
                report.kept += 1
            else:
                known = StoredItem(item, mesh_file(item.name)).to_dict()
                write_shape(out, known["file"], library.shape(item.name))
                ledger.note(item.name, item.content_hash, known)
                report.made += 1
            stored.append(StoredItem.from_dict(known))
        write_items(out, stored)
    return report


def add_to_library(
    folder: Path, path: Path, category: str, settings: ImportSettings, name: str = ""
) -> StoredItem:
    """Adds one mesh file to a library, or begins one with it; the name is by default the file's.

    Raises:
        InputError: the file is unusable, the name is taken, or another process writes there.
    """
    category = words_of(category)
    if not category:
        raise InputError("a shape needs a category, got an empty one")
    item_name = name or f"{category}/{path.stem}"
    with _only_writer(folder):
        items = read_items(folder) if (folder / LIBRARY_FILE).is_file() else ()
        if any(stored.item.name == item_name for stored in items):
            raise InputError(
                f"the library already has an item named {item_name!r}; choose another --name: "
                f"{str(folder)!r}"
            )
        shape, notes = shape_of_file(path, settings)
        item = item_of_shape(shape, item_name, category, str(path), settings)
        entry = StoredItem(item, mesh_file(item_name), notes)
        write_shape(folder, entry.file, shape)
        write_items(folder, [*items, entry])
    return entry


def _added_by_hand(
    out: Path, ledger: BuildLedger, names: dict[PurePosixPath, str]
) -> list[StoredItem]:
    """Items that `add_to_library` put here: no build made them or wants their name."""
    if not (out / LIBRARY_FILE).is_file():
        return []
    built = {value.get("name") for value in ledger.values()} | set(names.values())
    return [stored for stored in read_items(out) if stored.item.name not in built]


def _meshes_below(source: Path, out: Path) -> list[PurePosixPath]:
    """Paths below the folder, those of the library itself left out."""
    if not source.is_dir():
        raise InputError(f"folder of meshes not found; expected a folder at {str(source)!r}")
    inside = out.resolve()
    return sorted(
        PurePosixPath(path.relative_to(source).as_posix())
        for path in source.rglob("*")
        if path.suffix.lower() in TREE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
        and not path.resolve().is_relative_to(inside)
    )


def _listed(
    found: list[PurePosixPath], categories: CategoryNames | None, tree: str
) -> dict[PurePosixPath, str]:
    """Category of each file; without those that a list does not name."""
    if categories is None:
        return {
            below: words_of(below.parts[0] if len(below.parts) > 1 else tree) for below in found
        }
    named = {below: categories.of(below) for below in found}
    return {below: category for below, category in named.items() if category is not None}


def _unique_names(listed: dict[PurePosixPath, str]) -> dict[PurePosixPath, str]:
    """`category/path`, the path without suffix where that is enough, and without a first folder
    that says the same as the category."""
    short = {}
    for below, category in listed.items():
        parts = below.with_suffix("").parts
        parts = parts[1:] if len(parts) > 1 and words_of(parts[0]) == category else parts
        short[below] = "/".join([category, *parts])
    uses = Counter(short.values())
    return {
        below: name if uses[name] == 1 else f"{name}{below.suffix.lower()}"
        for below, name in short.items()
    }


def _made(
    path: Path, out: Path, name: str, category: str, settings: ImportSettings, source: str
) -> dict[str, Any]:
    """Plain values of the item that was written; of an unusable file the reason."""
    try:
        shape, notes = shape_of_file(path, settings)
    except InputError as error:
        return {"reason": str(error)}
    item = item_of_shape(shape, name, category, source, settings)
    entry = StoredItem(item, mesh_file(name), notes)
    write_shape(out, entry.file, shape)
    return entry.to_dict()


def _write_skipped(folder: Path, skipped: list[tuple[str, str]]) -> None:
    if not skipped:
        (folder / SKIPPED_FILE).unlink(missing_ok=True)
        return
    with (
        atomic_write(folder / SKIPPED_FILE) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as stream,
    ):
        csv.writer(stream).writerows([("file", "reason"), *skipped])


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Raises InputError where another process is writing the same library."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process is writing this library; wait for it or choose another folder: "
            f"{str(folder)!r}"
        ) from None
    try:
        yield
    finally:
        lock.release()
