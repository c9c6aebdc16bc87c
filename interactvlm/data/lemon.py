"""3DIR, the data set of LEMON: photos with body contact and an object's affordance.

Layout: `txt_scripts/{split}.txt` lists photos `Images/{Object}/{affordance}/{name}`, contact of
the body is `smplh_contact_pkl/{Object}/{affordance}/{name}.pkl`, objects are 2048 points with 17
scores each, listed line by line beside the photos of `val`. Photos of `train` take their object
from InteractVLM's `lemon_ocontact/lemon_lookup_results_train.pkl`; without it they have none.
Lines of BEHAVE, which the authors may not pass on, are left out and counted.
"""

from pathlib import Path, PurePosixPath

from interactvlm.data.folder import DataFolder
from interactvlm.data.point_files import PointFormat, RankedObjects, paired_lines
from interactvlm.data.sample import BodyContact, Dataset, Entry, Sample
from interactvlm.data.sources import SOURCES

AFFORDANCES = (
    *("grasp", "lift", "open", "lay", "sit", "support", "wrapgrasp", "pour", "move", "pull"),
    *("listen", "press", "cut", "stab", "ride", "play", "carry"),
)
"""The 17 scores of a point, in the order of the columns. Not PIAD's order."""
_LOOKUP = "lemon_ocontact/lemon_lookup_results_train.pkl"


def open_lemon(root: Path, split: str) -> Dataset:
    """One split. Raises AssetError naming the file that is missing or malformed."""
    source = SOURCES["3dir"]
    folder = DataFolder(source, root)
    form = PointFormat(folder, AFFORDANCES, identified=False)
    listing = folder.file(f"txt_scripts/{source.checked_split(split)}.txt")
    objects: list[str] = []
    ranked = None
    if split == "val":
        photos, objects = paired_lines(folder, listing, folder.file("txt_scripts/Point_val.txt"))
    else:
        photos = folder.lines(listing)
        ranked = RankedObjects(form, root / _LOOKUP) if (root / _LOOKUP).is_file() else None
    kept = [at for at, line in enumerate(photos) if "Behave" not in PurePosixPath(line).parts]
    entries = form.entries(listing, [photos[at] for at in kept])

    def read(index: int) -> Sample:
        entry, at = entries[index], kept[index]
        found = form.listed_object(objects[at], entry) if objects else None
        if ranked is not None:
            found = ranked.first_usable(photos[at], entry)
        return Sample(entry, body=_body_contact(folder, entry), object=found)

    left_out = len(photos) - len(kept)
    notes = (f"{left_out} photos of BEHAVE are listed and not published",) if left_out else ()
    return Dataset(source, split, entries, read, notes)


def _body_contact(folder: DataFolder, entry: Entry) -> BodyContact:
    assert entry.image is not None
    path = folder.file(f"smplh_contact_pkl/{entry.label}/{entry.affordance}/{entry.image.stem}.pkl")
    contact = folder.contact_values(folder.pickle(path), path, repr(entry.image.name))
    return BodyContact("smplh", contact)
