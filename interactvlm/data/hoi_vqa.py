"""HOI-VQA: questions and answers about people and objects in the photos of other data sets.

Layout: `hoi_vqa/{split}.json` as InteractVLM trains on it, or the raw answers `{split}_gpt4o.txt`
with one photo and object a line. A split is named after the data set its photos belong to; those
are looked for in `{data set}/images_vqa`, `damon/train/images` and by the listed path. Records
that lack one of the five answers are left out and counted.
"""

from pathlib import Path
from typing import Any

from interactvlm.data.folder import DataFolder, unique_keys
from interactvlm.data.sample import Dataset, Entry, Sample, Turn
from interactvlm.data.sources import SOURCES

FIELDS = ("HVisual", "HContact", "Interaction", "OVisual", "OContact")
"""The five answers of a raw record, in the order of the questions."""
QUESTIONS = (
    "What does the person look like, and what are they wearing?",
    "What part of the human's body is in contact with the {label}?",
    "Describe the interaction of human with {label}?",
    "What are the shape and colour of the {label}?",
    "Which part of the {label} is in contact with human?",
)
_PHOTOS = {
    "damon": "damon/train/images",
    "lemon": "lemon/images_vqa",
    "piad_seen": "piad_ocontact_seen/images_vqa",
    "piad_unseen": "piad_ocontact_unseen/images_vqa",
}
_IMAGE_TOKEN = "<image>"


def open_hoi_vqa(root: Path, split: str) -> Dataset:
    """One split. Raises AssetError naming the file that is missing or malformed."""
    source = SOURCES["hoi-vqa"]
    folder = DataFolder(source, root)
    source.checked_split(split)
    path = folder.file(f"hoi_vqa/{split}.json", f"{split}.json", f"{split}_gpt4o.txt")
    read_records = _conversations if path.suffix == ".json" else _raw_records
    records = read_records(folder, path)
    kept = [record for record in records if record is not None]
    keys = unique_keys([f"{image}/{label}" for image, label, _ in kept])
    entries = [
        Entry(key, label, _photo(folder, split, image))
        for key, (image, label, _) in zip(keys, kept, strict=True)
    ]
    left_out = len(records) - len(kept)
    notes = (f"{left_out} records lack one of the answers {', '.join(FIELDS)}",) if left_out else ()
    return Dataset(
        source, split, entries, lambda i: Sample(entries[i], turns=kept[i][2]), notes
    )  # fmt: skip


_Record = tuple[str, str, tuple[Turn, ...]]
"""Photo, object, questions with answers."""


def _raw_records(folder: DataFolder, path: Path) -> list[_Record | None]:
    return [_raw_record(line) for line in folder.lines(path) if line.strip()]


def _raw_record(line: str) -> _Record | None:
    r"""A line `photo,object-HVisual: ...\nHContact: ...`, `\n` being two characters; None if not.

    The first comma ends the photo and the first hyphen after it the object.
    """
    image, comma, rest = line.partition(",")
    label, hyphen, answers = rest.partition("-")
    if not comma or not hyphen:
        return None
    said = {}
    for part in answers.split("\\n"):
        name, colon, text = part.replace("*", "").partition(":")
        if colon:
            said[name.strip()] = text.strip()
    if not all(said.get(field) for field in FIELDS):
        return None
    shown = label.strip().replace("_", " ").lower()
    turns = [
        Turn(question.format(label=shown), said[field])
        for field, question in zip(FIELDS, QUESTIONS, strict=True)
    ]
    return image.strip(), label.strip(), tuple(turns)


def _conversations(folder: DataFolder, path: Path) -> list[_Record | None]:
    content = folder.json(path)
    if not isinstance(content, list):
        raise folder.fault(path, f"must hold a list of records, found {type(content).__name__}")
    return [_conversation(folder, path, folder.table(record, path)) for record in content]


def _conversation(folder: DataFolder, path: Path, record: dict[str, Any]) -> _Record:
    """A record `{id, image, conversations: [{from, value}, ...]}` with human and gpt in turn."""
    said = record.get("conversations")
    if not isinstance(record.get("image"), str) or not isinstance(said, list) or len(said) % 2:
        raise folder.fault(
            path, f"has a record without photo or pairs of turns: {str(record)[:80]}"
        )
    texts = []
    for at, turn in enumerate(said):
        speaker = ("human", "gpt")[at % 2]
        turn = folder.table(turn, path)
        if turn.get("from") != speaker or not isinstance(turn.get("value"), str):
            raise folder.fault(path, f"has turn {at + 1} of {record['image']!r} not by {speaker!r}")
        texts.append(turn["value"].replace(_IMAGE_TOKEN, "").strip())
    turns = tuple(Turn(q, a) for q, a in zip(texts[::2], texts[1::2], strict=True))
    return record["image"], "", turns


def _photo(folder: DataFolder, split: str, listed: str) -> Path:
    inside = folder.root / _PHOTOS[split] / listed
    return inside if inside.is_file() else folder.locate(listed)
