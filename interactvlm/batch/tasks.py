"""The tasks of a batch: which columns a manifest may have, and how one photo is done.

A task is one entry of `TASKS`. What a row does not say, the template says: a request with all that
the photos share. Knows requests and jobs; knows no ledger and no process.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from interactvlm.affordance_job import load_affordance_model, run_affordance
from interactvlm.assets_dir import default_weights
from interactvlm.batch import manifest
from interactvlm.batch.config import BatchConfig, Item, Listing
from interactvlm.batch.manifest import Parse, Row, read_rows
from interactvlm.batch.worker import Prepare, Run
from interactvlm.contact_job import load_contact_model, run_contact
from interactvlm.errors import InputError
from interactvlm.open_models.people import PersonSearch
from interactvlm.photo_job import checked_device, load_model
from interactvlm.photo_result import PhotoResult
from interactvlm.provenance import weights_sha256
from interactvlm.reconstruction.job import ReconstructResult, run_reconstruct
from interactvlm.reconstruction_inputs.map_files import split_choice
from interactvlm.results import shown_label
from renders.cache import content_key

NO_FILE = Path()
"""Stands in a template for a file that every row names."""
_EVERY_TASK: dict[str, Parse] = {
    "photo": manifest.file,
    "label": manifest.names,
    "box": manifest.box,
    "perception": manifest.file,
    "person": manifest.whole_number,
    "skip": manifest.text,
}
_BOXES = ("box", "person_box")
_MAPS = ("object_mask", "person_mask", "depth")
_SCENE_FILES = ("body", "keypoints", "contact", "affordance", "object_mesh", "camera")
_NOT_SKIPPED = ("", "0", "no", "false")
_JUST_SKIPPED = ("1", "yes", "true", "x")
_WITHOUT_MEANING = {"out", "device", "weights", "key", "timeout_s", "offline", "kept"}
"""Fields of a request that do not decide its answer, or (weights) are told by their hash. A key is
a secret and goes into no file."""


@dataclass(frozen=True)
class Task:
    """How a photo is done."""

    columns: Mapping[str, Parse]
    """Of a manifest, beside those of every task."""
    fields: Callable[[Any, Mapping[str, Any]], dict[str, Any]]
    """What a row changes in the template; InputError when it makes no sense."""
    load: Callable[[Any], Any]
    """The model that a template asks for."""
    run: Callable[[Any, Any], PhotoResult | ReconstructResult]
    """Does one request with that model."""


def list_items(config: BatchConfig, template: Any) -> Listing:
    """Every photo of a folder, or row of a manifest, as a request.

    Raises:
        InputError: there is nothing to do, or a row makes no sense; no row is left out in silence.
        AssetError: the template's weights are not there.
    """
    task = TASKS[config.task]
    settings = settings_of(template)
    first_row: dict[str, int] = {}
    items, repeated = [], []
    for row in read_rows(config.source, {**_EVERY_TASK, **task.columns}):
        item = _item(row, _request(task, template, row), settings, config.task)
        if item.key in first_row:
            repeated.append(f"row {row.number} repeats row {first_row[item.key]}")
            continue
        first_row[item.key] = row.number
        items.append(item)
    notes = _told_repeats(repeated)
    return Listing(tuple(items), settings, notes)


def settings_of(template: Any) -> dict[str, Any]:
    """What decides the answers of all items alike, as plain values."""
    values = _meaning(asdict(template))
    del values["photo"]
    if getattr(template, "reasoner", None) is None:
        weights = (template.weights or default_weights()).expanduser()
        values["weights_sha256"] = weights_sha256(weights)
    return values


def prepared(config: BatchConfig, template: Any) -> Prepare:
    """What a worker calls once to load its model."""
    return partial(_prepare, config.task, template)


def _prepare(name: str, template: Any, worker: int) -> Run:
    task = TASKS[name]
    model = task.load(on_worker(template, worker))

    def run(request: Any, out: Path) -> str:
        result = task.run(replace(on_worker(request, worker), out=out), model)
        cut = () if result.complete else ("an answer was cut short",)
        return "; ".join([*result.said(), *cut])

    return run


def on_worker(request: Any, worker: int) -> Any:
    """The request where a worker does it: its models stay in memory, and the device "cuda" is one
    card per worker in turn."""
    device = request.device
    cards = torch.cuda.device_count() if device == "cuda" else 0
    if cards > 1:
        device = f"cuda:{worker % cards}"
    moved = replace(request, device=device)
    person = getattr(request, "person", None)
    if person is None or person.models is None:
        return moved
    steps = {name: replace(source, device=device) for name, source in person.models.steps().items()}
    models = replace(person.models, kept=True, **steps)
    return replace(moved, person=replace(person, models=models))


def _request(task: Task, template: Any, row: Row) -> Any:
    try:
        return replace(template, **task.fields(template, row.values))
    except InputError as error:
        raise InputError(f"{error}; {row.place}") from None


def _item(row: Row, request: Any, settings: dict[str, Any], task: str) -> Item:
    # The request holds the row's inputs and all settings but the content of the weights.
    asked = json.dumps(
        [_meaning(asdict(request)), _map_files(request)], default=_stamped, sort_keys=True
    )
    key = content_key(task, settings.get("weights_sha256"), asked)
    label = "; ".join(request.labels) or shown_label("")
    return Item(key, row.number, request.photo, label, request, _skip(row.values))


def _map_files(request: Any) -> list[Path]:
    """Files of masks and depth, which requests name by text that may choose a part of them."""
    named = [getattr(request, name, None) for name in _MAPS]
    files = []
    for text in filter(None, named):
        try:
            files.append(split_choice(text)[0])
        except InputError:  # told when the item's turn comes
            files.append(Path(text))
    return files


def _skip(values: Mapping[str, Any]) -> str:
    """Why the manifest wants a row left out; empty when it does not."""
    said = values.get("skip", "")
    if said.lower() in _NOT_SKIPPED:
        return ""
    why = "" if said.lower() in _JUST_SKIPPED else f": {said}"
    return f"marked in the manifest{why}"


def _meaning(values: Any) -> Any:
    """Nested plain values without what does not decide the answer."""
    if isinstance(values, dict):
        return {k: _meaning(v) for k, v in values.items() if k not in _WITHOUT_MEANING}
    return values


def _stamped(path: Path) -> list[Any]:
    """A file by name, size and date, as `make` tells whether it has changed; a folder by its files.

    Reading every photo before the first is begun would take minutes.
    """
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(file, file.stat()) for file in inside]
    except OSError:
        return [str(path), None]
    files = [[os.fspath(file), stat.st_size, stat.st_mtime_ns] for file, stat in stats]
    return [str(path), files]


def _told_repeats(repeated: list[str]) -> tuple[str, ...]:
    if not repeated:
        return ()
    more = f" and {len(repeated) - 3:,} more" if len(repeated) > 3 else ""
    return (f"{', '.join(repeated[:3])}{more}; each is done once",)


def _person_fields(template: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Photo, labels and the person in it."""
    fields: dict[str, Any] = {"photo": values["photo"]}
    if "label" in values:
        fields["labels"] = values["label"]
    named = {"perception", "person"} & values.keys()
    if "box" in values:
        if named:
            raise InputError(f"box says where the person is, and so does {sorted(named)[0]}")
        # A box of the row's own takes the place of looking for people.
        fields |= {"box_xyxy_px": values["box"], "person": None}
    elif "perception" in values:
        fields["person"] = PersonSearch(None, values["perception"], values.get("person"))
    elif "person" in values:
        search = template.person
        models = None if search is None else search.models
        fields["person"] = PersonSearch(models, None, values["person"])
    return fields


def _object_fields(template: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The person's, and the object."""
    fields = _person_fields(template, values)
    fields["object_file"] = values.get("object", template.object_file)
    if fields["object_file"] == NO_FILE:
        raise InputError("no object is named; add the column 'object' or give --object FILE")
    return fields | {k: v for k, v in values.items() if k in ("affordance", "ask", "up")}


def _scene_fields(template: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """One object of a photo, and the files that replace stages; `box` is the object's."""
    refused = {"perception", "person"} & values.keys()
    if refused:
        raise InputError(f"{sorted(refused)[0]} has no meaning to reconstruct; give person_box")
    labels = values.get("label", template.labels)
    if len(labels) > 1:
        raise InputError(f"one object is reconstructed per row, got the labels {list(labels)}")
    fields = {k: v for k, v in values.items() if k not in ("label", "skip", *_BOXES)}
    told = {k: ",".join(map(str, values[k])) for k in _BOXES if k in values}
    told |= {k: str(values[k]) for k in _MAPS if k in values}
    return fields | told | {"label": labels[0] if labels else ""}


def _load_for_scene(template: Any) -> Any:
    weights = (template.weights or default_weights()).expanduser()
    return load_model(weights, checked_device(template.device))


def _asked(cell: Any) -> str:
    if cell not in ("affordance", "contact"):
        raise ValueError(f"must be affordance or contact, got {cell!r}")
    return "object" if cell == "contact" else cell


def _axis(cell: Any) -> str:
    if cell not in ("y", "z"):
        raise ValueError(f"must be y or z, got {cell!r}")
    return cell


TASKS = {
    "contact": Task(
        columns={},
        fields=_person_fields,
        load=load_contact_model,
        run=run_contact,
    ),
    "affordance": Task(
        columns={
            "object": manifest.file,
            "affordance": manifest.text,
            "ask": _asked,
            "up": _axis,
        },
        fields=_object_fields,
        load=load_affordance_model,
        run=run_affordance,
    ),
    "reconstruct": Task(
        columns={
            "person_box": manifest.box,
            **dict.fromkeys((*_MAPS, *_SCENE_FILES), manifest.file),
            "up": _axis,
        },
        fields=_scene_fields,
        load=_load_for_scene,
        run=run_reconstruct,
    ),
}
"""Every task by its name on the command line."""
