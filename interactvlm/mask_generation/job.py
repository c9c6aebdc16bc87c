"""Masks of a whole split: bodies and objects, sample by sample, safe to stop and start again."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from interactvlm.data.registry import open_dataset
from interactvlm.data.sample import Sample
from interactvlm.errors import AssetError
from interactvlm.job_settings import remember_settings
from interactvlm.mask_generation import files
from interactvlm.mask_generation.config import MaskConfig
from interactvlm.mask_generation.layout import body_mask, object_files
from interactvlm.mask_generation.preview import ROWS, save_sheet, tinted_row
from interactvlm.mask_generation.surfaces import body_views, object_views
from renders.canonical import OBJECT_VIEWS, ViewSet

SETTINGS_FILE = "masks.json"
SURFACES = {
    "damon": ("body",),
    "3dir": ("body", "object"),
    "piad": ("object",),
    "pico": ("object",),
    "rich": ("body",),
}
"""What the published scripts draw of each data set. PICO's bodies are DAMON's and drawn there."""
_SOFT = ("piad", "3dir")
"""Data sets whose objects have scores instead of contact."""


@dataclass
class MaskReport:
    """What a run did, in samples and surfaces."""

    out: Path
    samples: int = 0
    """Samples looked at."""
    written: int = 0
    """Bodies and objects whose masks were drawn now."""
    kept: int = 0
    """Those that were there already."""
    without_object: int = 0
    """Samples without an object although the data set has some."""
    notes: tuple[str, ...] = ()
    """What the data set itself leaves out."""
    rows: list[Image.Image] = field(default_factory=list)
    """Of the contact sheet."""

    def lines(self) -> list[str]:
        """The report in words."""
        counted = f"masks: {self.written} drawn, {self.kept} kept, of {self.samples} samples"
        missing = [f"note: {self.without_object} samples have no object"] * bool(
            self.without_object
        )
        return [counted, *missing, *(f"note: {n}" for n in self.notes), f"folder: {self.out}"]


def generate_masks(config: MaskConfig) -> MaskReport:
    """Writes the masks of one split.

    Raises:
        AssetError: the data set, one of its files or the body model is missing or malformed.
        InputError: the folder holds masks made with other settings.
    """
    from tqdm import tqdm

    dataset = open_dataset(config.dataset, config.root, config.split_name)
    if not len(dataset):
        raise AssetError(f"{dataset!r} has no samples to draw masks of")
    chosen = _chosen(len(dataset), config.limit)
    body = body_views(config.resolution_px) if "body" in SURFACES[config.dataset] else None
    out = config.out_folder
    values = {"dataset": config.dataset, **asdict(config)}
    remember_settings(out / SETTINGS_FILE, values, may_change=("root", "out", "limit", "preview"))
    report = MaskReport(out, len(chosen), notes=dataset.notes)
    if body is not None:
        files.write_body(out, body)
    shown = {chosen[at] for at in _chosen(len(chosen), ROWS)} if config.preview else set()
    for index in tqdm(chosen, desc=f"masks of {config.dataset}", unit="sample"):
        sample = dataset[index]
        if body is not None and sample.body is not None:
            _draw_body(config, sample, body, report, index in shown)
        if "object" in SURFACES[config.dataset]:
            _draw_object(config, sample, report, index in shown)
    if report.rows:
        save_sheet(report.rows, out / "preview.png")
    return report


def _draw_body(
    config: MaskConfig, sample: Sample, views: ViewSet, report: MaskReport, shown: bool
) -> None:
    assert sample.body is not None
    entry, rule = sample.entry, config.corners
    paths = [
        config.out_folder / body_mask(config.dataset, config.split_name, rule, entry, spec.name)
        for spec in views.specs
    ]
    done = _all_there(paths)
    report.kept += done
    if done and not shown:
        return
    contact = sample.body.in_contact.float()
    masks = views.surface_map.masks_from_vertices(contact, min_vertices=rule)
    if not done:
        report.written += 1
        for path, mask in zip(paths, masks, strict=True):
            files.write_image(path, files.grey(mask))
    if shown:
        report.rows.append(tinted_row(f"{entry.key} (body)", views.images, masks))


def _draw_object(config: MaskConfig, sample: Sample, report: MaskReport, shown: bool) -> None:
    entry, found = sample.entry, sample.object
    if found is None:
        report.without_object += 1
        return
    where = object_files(config.dataset, config.split_name, entry, found)
    names = [spec.name for spec in OBJECT_VIEWS]
    done = _all_there(files.object_paths(config.out_folder, where, names))
    report.kept += done
    if done and not shown:
        return
    with (
        TemporaryDirectory() as scratch
    ):  # thousands of objects, each drawn once: not for the cache
        views = object_views(config.dataset, found, config.resolution_px, Path(scratch))
    masks = views.surface_map.masks_from_vertices(
        found.heat, min_vertices=config.corners, soft=config.dataset in _SOFT
    )
    if not done:
        report.written += 1
        files.write_object(config.out_folder, where, views, masks, found.heat)
    if shown:
        report.rows.append(tinted_row(f"{entry.key} {entry.affordance}", views.images, masks))


def _all_there(paths: Iterable[Path]) -> bool:
    return all(path.is_file() for path in paths)


def _chosen(count: int, limit: int | None) -> list[int]:
    """Places spread evenly over `count`, at most `limit` of them."""
    wanted = count if limit is None else min(limit, count)
    return [at * count // wanted for at in range(wanted)]
