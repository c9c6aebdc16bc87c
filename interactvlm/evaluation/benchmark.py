"""`interactvlm evaluate` on a published data set: ask, keep the answers, make the tables.

Photo by photo: all labels of a photo are one batch, and its answers are on disk before the next
photo begins, so a killed run goes on. Knows data sets, models and files; prints nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interactvlm.assets_dir import default_weights, file_sha256
from interactvlm.data.registry import open_dataset
from interactvlm.data.sample import Dataset
from interactvlm.evaluation.answers import AnswerFile, Kind
from interactvlm.evaluation.asking import BenchmarkModel, Interview
from interactvlm.evaluation.benchmark_report import Report, make_report, write_report
from interactvlm.evaluation.config import BenchmarkConfig
from interactvlm.photo_job import checked_device, load_model, memory_told
from interactvlm.provenance import package_version
from interactvlm.weights import WEIGHTS_FILE
from renders.cache import content_key

KINDS: dict[str, tuple[Kind, ...]] = {
    "damon": ("body",), "rich": ("body",), "piad": ("object",),
    "3dir": ("body", "object"), "pico": ("body", "object"),
}  # fmt: skip
"""What each data set has truth for."""
_FORMAT = 1
"""Raise when the meaning of a kept answer changes."""


def run_benchmark(config: BenchmarkConfig, model: BenchmarkModel | None = None) -> Report:
    """Evaluates, writes `report.json` and `report.md`, and returns the report.

    A model may be handed in; else the folder's is loaded. Progress bar on stderr.

    Raises:
        AssetError: data set, photos, model or a body model file is missing or malformed.
        InputError: a setting, or `out` holds answers of another run.
        ResourceError: memory or disk does not suffice.
    """
    dataset = open_dataset(config.dataset, config.root, config.split_name)
    photos, missing = _photos(dataset, config)
    device = checked_device(config.device)
    weights = config.weights.expanduser() if config.weights is not None else default_weights()
    model = _loaded(weights, device) if model is None else model
    interview = Interview(model, dataset)
    _prepare(interview, photos[0][0])
    asked = _asked(dataset, weights, model)
    file = AnswerFile(config.out_folder, asked)
    with memory_told(device):
        _ask_all(interview, photos, file)
    chosen = {dataset.entries[index].key for photo in photos for index in photo}
    answers = [answer for answer in file.answers if answer.key in chosen]
    notes = [*dataset.notes, *_left_out(config, dataset, len(chosen), missing)]
    report = make_report(config, interview, answers, notes)
    report["run"] = asked
    write_report(config.out_folder, report)
    return report


def _loaded(weights: Path, device: str) -> BenchmarkModel:
    model = load_model(weights, device)
    assert isinstance(model, BenchmarkModel)
    return model


def _photos(dataset: Dataset, config: BenchmarkConfig) -> tuple[list[list[int]], int]:
    """Samples grouped by photo, and how many samples have no photo here.

    Raises AssetError for missing photos unless they are to be skipped.
    """
    groups: dict[Path, list[int]] = {}
    absent = []
    for index, entry in enumerate(dataset.entries):
        if entry.image is not None and entry.image.is_file():
            groups.setdefault(entry.image, []).append(index)
        else:
            absent.append(entry)
    if not groups or (absent and not config.skip_missing):
        raise dataset.source.fault(
            (absent[0].image if absent else None) or dataset.source.folder(config.root),
            f"lacks the photos of {len(absent)} of its {len(dataset)} samples, such as this one",
            "put the photos there, or give --skip-missing to leave such samples out",
        )
    photos = list(groups.values())
    if config.limit is not None and config.limit < len(photos):
        at = np.linspace(0, len(photos) - 1, config.limit).round().astype(int)
        photos = [photos[place] for place in sorted(set(at.tolist()))]
    return photos, len(absent)


def _prepare(interview: Interview, index: int) -> None:
    """Finds the way to the truth's vertices now: a body file that is missing shows at once."""
    body = interview.dataset[index].body
    if body is not None:
        interview.bridge(body.topology)


def _ask_all(interview: Interview, photos: Sequence[Sequence[int]], file: AnswerFile) -> None:
    from tqdm import tqdm

    dataset = interview.dataset
    kinds = KINDS[dataset.source.name]
    for photo in tqdm(photos, desc=f"evaluate {dataset.source.name}", unit="photo"):
        wanted: list[tuple[int, Kind]] = [
            (index, kind)
            for index in photo
            for kind in kinds
            if not file.has(dataset.entries[index].key, kind)
        ]
        if wanted:
            file.append(interview.ask(wanted))


def _asked(dataset: Dataset, weights: Path, model: BenchmarkModel) -> dict[str, Any]:
    """What must be the same for answers to belong together."""
    return {
        "format": _FORMAT,
        "dataset": dataset.source.name,
        "split": dataset.split,
        "samples": len(dataset),
        "samples_hash": content_key(*(entry.key for entry in dataset.entries))[:16],
        "weights": _weights_key(weights),
        "threshold": model.config.threshold,
        "topology": model.config.topology,
        "package": package_version(),
    }


def _weights_key(folder: Path) -> str:
    """Hash of the weights; of names and sizes where they are spread over many large files."""
    if (folder / WEIGHTS_FILE).is_file():
        return file_sha256(folder / WEIGHTS_FILE)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [f"{path.relative_to(folder).as_posix()} {path.stat().st_size}" for path in files]
    return "names and sizes " + content_key(*parts)


def _left_out(config: BenchmarkConfig, dataset: Dataset, chosen: int, missing: int) -> list[str]:
    """What of the split was not asked, in words."""
    notes = []
    if missing:
        notes.append(f"{missing} samples have no photo here and were left out (--skip-missing)")
    if config.limit is not None and chosen < len(dataset) - missing:
        notes.append(
            f"{chosen} of {len(dataset)} samples were asked about (--limit {config.limit}), so the "
            "published numbers are of another set"
        )
    return notes
