"""`interactvlm perceive`: boxes, masks, keypoints and depth of a photo by open models."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from interactvlm.open_models.loading import Source
    from interactvlm.open_models.photo_perception import PerceptionModels
    from interactvlm.open_models.registry import Task

EXAMPLES = """\
examples:
  interactvlm perceive photo.jpg --label chair --out seen
  interactvlm perceive photo.jpg --label cup --masks my/sam-folder --offline
  interactvlm perceive photo.jpg --depth none --keypoints none"""


@dataclass(frozen=True)
class PerceiveOptions:
    """Find people and named objects in a photo."""

    photo: tyro.conf.Positional[Path]
    """Image file."""
    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Object to look for beside people; may be given several times."""
    out: Path | None = None
    """Result folder. Without it: interactvlm_output/NAME_OF_THE_PHOTO."""
    boxes: str = ""
    """Grounding DINO: folder or hub id. Empty: the default (`interactvlm models`)."""
    masks: str = ""
    """SAM: folder or hub id; `none` leaves masks out."""
    keypoints: str = ""
    """ViTPose: folder or hub id; `none` leaves keypoints out."""
    depth: str = ""
    """Depth model: folder or hub id; `none` leaves depth out."""
    box_threshold: float = 0.3
    """Least confidence of a box."""
    offline: bool = False
    """Use what is on this machine and nothing else."""
    device: str = "cpu"
    """Where the models run: cpu, cuda, cuda:1."""


def config_class() -> type[PerceiveOptions]:
    """What the command line is parsed into."""
    return PerceiveOptions


def run(options: PerceiveOptions) -> int:
    """0 when done."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.contact_job import checked_device, memory_told
        from interactvlm.open_models.photo_perception import perceive, save_perception
        from interactvlm.photo import read_photo

        photo = read_photo(options.photo)
        device = checked_device(options.device)
        with memory_told(device):
            seen = perceive(photo.image, options.label, _models(options, device))
        seen = seen.in_pixels_of(photo.width, photo.height)
        out = options.out or Path("interactvlm_output") / (options.photo.stem or "photo")
        save_perception(out, photo.image, seen)
    for detection in seen.detections:
        box = " ".join(f"{value:.0f}" for value in detection.box_xyxy_px)
        to_stdout(f"{detection.label} {detection.score:.2f} at {box}")
    to_stdout(f"pictures and files: {out}")
    return 0


def _models(options: PerceiveOptions, device: str) -> "PerceptionModels":
    from interactvlm.errors import InputError
    from interactvlm.open_models.photo_perception import PerceptionModels

    boxes = _source(options, "boxes", options.boxes, device)
    if boxes is None:
        raise InputError("boxes cannot be left out: masks and keypoints start from them")
    return PerceptionModels(
        boxes=boxes,
        masks=_source(options, "masks", options.masks, device),
        keypoints=_source(options, "keypoints", options.keypoints, device),
        depth=_source(options, "depth", options.depth, device),
        box_threshold=options.box_threshold,
    )


def _source(options: PerceiveOptions, task: "Task", name: str, device: str) -> "Source | None":
    """The named model of a step, its default for "", None for `none`."""
    from interactvlm.open_models.loading import Source
    from interactvlm.open_models.registry import default_model

    if name == "none":
        return None
    default = default_model(task)
    revision = "main" if name else default.revision
    return Source(name or default.hub_id, revision, options.offline, device)
