"""PIAD: photos of people using objects, and the objects' points with affordance scores.

Layout: a folder per setting (`Seen`, `Unseen`, or InteractVLM's `piad_ocontact_seen`, `..._unseen`)
with `Img_{Test,Train}.txt` and `Point_{Test,Train}.txt`; photos lie in
`Img/{Test,Train}/{Object}/{affordance}`. Photos and objects of `Test` belong together line by
line; those of `Train` through InteractVLM's look-up file, without which they have no object. A
point file names its own category, and that must be its photo's.
"""

from pathlib import Path, PurePosixPath

from interactvlm.data.folder import DataFolder
from interactvlm.data.point_files import PointFormat, RankedObjects, paired_lines
from interactvlm.data.sample import Dataset, Sample
from interactvlm.data.sources import SOURCES

AFFORDANCES = (
    *("grasp", "contain", "lift", "open", "lay", "sit", "support", "wrapgrasp", "pour", "move"),
    *("display", "push", "listen", "wear", "press", "cut", "stab"),
)
"""The 17 scores of a point, in the order of the columns. Not 3DIR's order."""
_LOOKUP = {
    "seen": "piad_lookup_results_Train.pkl",
    "unseen": "piad_unseen_lookup_results_Train.pkl",
}


def open_piad(root: Path, split: str) -> Dataset:
    """One split, such as "seen-test". Raises AssetError naming the missing or malformed file."""
    source = SOURCES["piad"]
    setting, _, part = source.checked_split(split).partition("-")
    part = part.capitalize()
    folder = _setting_folder(DataFolder(source, root), setting, part)
    form = PointFormat(folder, AFFORDANCES, identified=True)
    listing, lookup = folder.file(f"Img_{part}.txt"), folder.root / _LOOKUP[setting]
    objects: list[str] = []
    ranked = None
    if part == "Test":
        photos, objects = paired_lines(folder, listing, folder.file("Point_Test.txt"))
    else:
        photos = folder.lines(listing)
        ranked = RankedObjects(form, lookup) if lookup.is_file() else None
    entries = form.entries(listing, photos)

    def read(index: int) -> Sample:
        entry = entries[index]
        found = form.listed_object(objects[index], entry) if objects else None
        if ranked is not None:
            found = ranked.first_usable(photos[index], entry)
        return Sample(entry, object=found)

    return Dataset(source, split, entries, read)


def _setting_folder(folder: DataFolder, setting: str, part: str) -> DataFolder:
    """The folder of a setting: in the root under one of its names, or the root itself."""
    names = (f"piad_ocontact_{setting}", setting.capitalize(), setting, "")
    listing = folder.file(*(str(PurePosixPath(name) / f"Img_{part}.txt") for name in names))
    return DataFolder(folder.source, listing.parent)
