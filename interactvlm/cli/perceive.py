"""`interactvlm perceive`: boxes, masks, keypoints and depth of a photo by open models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

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
        from interactvlm.open_models.photo_perception import (
            PerceptionModels,
            perceive,
            save_perception,
        )
        from interactvlm.photo import read_photo

        photo = read_photo(options.photo)
        device = checked_device(options.device)
        boxes, *others = (
            _source(getattr(options, task), task, options, device)
            for task in ("boxes", "masks", "keypoints", "depth")
        )
        if boxes is None:
            from interactvlm.errors import InputError

            raise InputError("boxes cannot be left out: masks and keypoints start from them")
        with memory_told(device):
            seen = perceive(photo.image, options.label, PerceptionModels(boxes, *others, options.box_threshold))
        out = options.out or Path("interactvlm_output") / (options.photo.stem or "photo")
        save_perception(out, photo.image, seen)
    for detection in seen.detections:
        box = " ".join(f"{value:.0f}" for value in detection.box_xyxy_px)
        to_stdout(f"{detection.label} {detection.score:.2f} at {box}")
    to_stdout(f"pictures and files: {out}")
    return 0


def _source(name, task, options, device):
    from interactvlm.open_models.loading import Source
    from interactvlm.open_models.registry import default_model

    if name == "none":
        return None
    default = default_model(task)
    revision = default.revision if not name else "main"
    return Source(name or default.hub_id, revision, options.offline, device)
