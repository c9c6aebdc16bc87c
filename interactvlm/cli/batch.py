"""`interactvlm batch`: many photos in, a result folder for each, a summary and an index page."""

import json as json_format
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from interactvlm.cli.photo_flags import ModelFlags
from interactvlm.cli.question_flags import ObjectArguments, ReasonerArguments

EXAMPLES = """\
PHOTOS is a folder, or a manifest (.csv with a header, or .jsonl) with the columns photo, label
(chair; cup), box, perception, person and skip; for affordance also object, affordance, ask and up;
for reconstruct, where box is the object's, also person_box, object_mask, person_mask, body,
keypoints, contact, affordance, object_mesh, up, camera and depth.
Killed at any moment, the same command goes on where it was. See docs/batch.md.

examples:
  interactvlm batch photos --task contact --out runs --label chair
  interactvlm batch photos.csv --task contact --out runs --workers 4
  interactvlm batch photos.csv --task affordance --object chair.obj --weights DIR --out runs
  interactvlm batch photos.csv --task reconstruct --label chair --out runs
  interactvlm batch photos.csv --out runs --dry-run
  interactvlm batch photos.csv --out runs --retry-failed --json"""


@dataclass(frozen=True, kw_only=True)
class _BatchFlags:
    """What is done, where results go and how."""

    photos: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PHOTOS")]
    """Folder of photos (with all below it), or a manifest."""
    task: Literal["contact", "affordance", "reconstruct"] = "contact"
    """What is done with each photo; the command of that name does it for one."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="RUNS")] = None
    """Folder of results, ledger and summary. Without it: interactvlm_output/batch-PHOTOS."""
    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Object to ask about where a row names none; may be given several times."""
    object: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """For affordance: the object where a row names none."""
    workers: int = 1
    """Processes, each with its own model; with --device cuda one card each in turn."""
    retry_failed: bool = False
    """Do again what failed before."""
    stop_on_error: bool = False
    """Begin nothing more after a failure."""
    dry_run: bool = False
    """Tell what would be done and write nothing."""
    json: bool = False
    """Print the summary as JSON and nothing else on standard output."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions(ObjectArguments, ReasonerArguments, ModelFlags, _BatchFlags):
    """The same question about many photos; rows of a manifest may ask their own.

    Help shows the fields of the last base first.
    """


def config_class() -> type[BatchOptions]:
    """What the command line is parsed into."""
    return BatchOptions


def run(options: BatchOptions) -> int:
    """0 when all is well, 1 when a photo failed, 130 when Ctrl-C stopped it."""
    from interactvlm.cli.main import INTERRUPTED
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        template = TEMPLATES[options.task](options)
        from interactvlm.batch.config import BatchConfig
        from interactvlm.batch.runner import plan_batch, run_batch
        from interactvlm.batch.tasks import list_items, prepared

        name = options.photos.resolve().stem or "photos"
        config = BatchConfig(
            source=options.photos,
            out=options.out or Path("interactvlm_output") / f"batch-{name}",
            task=options.task,
            workers=options.workers,
            retry_failed=options.retry_failed,
            stop_on_error=options.stop_on_error,
        )
        listing = list_items(config, template)
        if options.dry_run:
            planned = plan_batch(config, listing)
        else:
            report = run_batch(config, listing, prepared(config, template))
    if options.dry_run:
        to_stdout(_planned(planned, listing.notes, as_json=options.json))
        return 0
    to_stdout(json_format.dumps(report.to_dict(), indent=2) if options.json else report.summary())
    if report.interrupted:
        return INTERRUPTED
    return 1 if report.failed else 0


def _contact(options: BatchOptions) -> Any:
    """A `ContactRequest` without a photo."""
    _refuse(options, ObjectArguments, "affordance", also=("object",))
    reasoner = options.reasoner_options(options.weights, offline=options.offline, seed=options.seed)
    common = _common(options)
    from interactvlm.contact_job import ContactRequest

    return ContactRequest(reasoner=reasoner, **common)


def _affordance(options: BatchOptions) -> Any:
    """An `AffordanceRequest` without a photo, and without an object where none is given."""
    _refuse(options, ReasonerArguments, "contact")
    common = _common(options)
    from interactvlm.affordance_job import AffordanceRequest

    thing = options.object.absolute() if options.object else Path()
    return AffordanceRequest(object_file=thing, **options.object_fields(), **common)


def _reconstruct(options: BatchOptions) -> Any:
    """A `ReconstructRequest` without a photo."""
    _refuse(options, ObjectArguments, "affordance", also=("object",))
    _refuse(options, ReasonerArguments, "contact")
    from interactvlm.errors import InputError
    from interactvlm.placement import WHOLE
    from interactvlm.reconstruction.request import ReconstructRequest

    if len(options.label) > 1:
        raise InputError("reconstruct places one object per photo; give one --label")
    model = options.model_fields()
    if options.person_search() is not None or model.pop("placement") != WHOLE:
        raise InputError(
            "--perceive, --perception, --person, --load-in-4bit and --device-map are not for "
            "--task reconstruct; give boxes or files in the manifest"
        )
    label = options.label[0] if options.label else ""
    return ReconstructRequest(photo=Path(), out=Path(), label=label, **model)


TEMPLATES: dict[str, Callable[[BatchOptions], Any]] = {
    "contact": _contact,
    "affordance": _affordance,
    "reconstruct": _reconstruct,
}
"""What the flags mean to each task of `interactvlm.batch.tasks.TASKS`."""


def _common(options: BatchOptions) -> dict[str, Any]:
    return {
        "photo": Path(),
        "out": Path(),
        "labels": options.label,
        "person": options.person_search(),
        **options.model_fields(),
    }


def _refuse(options: BatchOptions, flags: type, task: str, *, also: tuple[str, ...] = ()) -> None:
    """Raises InputError for flags of another task; in silence they would do nothing."""
    from interactvlm.errors import InputError

    defaults = {field.name: field.default for field in fields(BatchOptions)}
    for name in (*also, *(field.name for field in fields(flags))):
        if getattr(options, name) != defaults[name]:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} is for --task {task}, this is --task {options.task}")


def _planned(planned: list, notes: tuple[str, ...], *, as_json: bool) -> str:
    """What would be done, item by item."""
    from interactvlm.photo import printable

    if as_json:
        items = [
            {
                "row": plan.item.row,
                "photo": printable(plan.item.photo),
                "label": plan.item.label,
                "state": plan.state,
                "reason": plan.reason,
            }
            for plan in planned
        ]
        return json_format.dumps({"dry_run": True, "items": items, "notes": notes}, indent=2)
    queued = [plan.item for plan in planned if plan.state == "queued"]
    lines = [f"row {item.row}, {printable(item.photo)}: {item.label}" for item in queued]
    lines += [f"note: {note}" for note in notes]
    return "\n".join([*lines, f"{len(queued):,} of {len(planned):,} would be done"])
