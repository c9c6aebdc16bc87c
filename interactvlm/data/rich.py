"""RICH as InteractVLM cuts it from BSTRO's database: photos with body contact with the scene.

Layout: `img_list_{split}.pkl` lists photos, `contact_vertices_{split}.pkl` holds an array of 6890
per photo (1 = contact), photos lie in `images/`. The label is always "scene".
"""

from pathlib import Path, PurePosixPath

from interactvlm.data.folder import DataFolder, unique_keys
from interactvlm.data.sample import BodyContact, Dataset, Entry, Sample
from interactvlm.data.sources import SOURCES

LABEL = "scene"
"""Everything the person touches: ground, furniture, walls. The data set has no finer label."""


def open_rich(root: Path, split: str) -> Dataset:
    """One split. Raises AssetError naming the file that is missing or malformed."""
    source = SOURCES["rich"]
    folder = DataFolder(source, root)
    listing = folder.file(f"img_list_{source.checked_split(split)}.pkl")
    listed = folder.text_list(folder.pickle(listing), listing)
    path = folder.file(f"contact_vertices_{split}.pkl")
    contact = folder.table(folder.pickle(path), path)
    names = [_name(folder, path, contact, photo) for photo in listed]
    entries = [
        Entry(key, LABEL, _photo(folder, photo))
        for key, photo in zip(unique_keys(names), listed, strict=True)
    ]

    def read(index: int) -> Sample:
        values = folder.contact_values(contact[names[index]], path, repr(names[index]))
        return Sample(entries[index], body=BodyContact("smpl", values))

    return Dataset(source, split, entries, read)


def _name(folder: DataFolder, path: Path, contact: dict, listed: str) -> str:
    """The key of a listed photo: the path, its file name, or that without the suffix."""
    photo = PurePosixPath(listed.replace("\\", "/"))
    for name in (listed, photo.name, photo.stem):
        if name in contact:
            return name
    raise folder.fault(path, f"has no contact for the listed photo {listed!r}")


def _photo(folder: DataFolder, listed: str) -> Path:
    inside = folder.root / "images" / PurePosixPath(listed.replace("\\", "/")).name
    return inside if inside.is_file() else folder.locate(listed)
