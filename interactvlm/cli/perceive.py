"""`interactvlm perceive`: boxes, masks, keypoints and depth of a photo by open models."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from interactvlm.open_models.flags import PerceptionFlags

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
    models: PerceptionFlags = field(default_factory=PerceptionFlags)
    """Which model does which step."""
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
        from interactvlm.open_models.flags import chosen_models
        from interactvlm.open_models.perception_files import save_perception
        from interactvlm.open_models.photo_perception import PERSON, perceive
        from interactvlm.photo import read_photo
        from interactvlm.photo_job import checked_device, memory_told

        photo = read_photo(options.photo)
        device = checked_device(options.device)
        models = chosen_models(options.models, offline=options.offline, device=device)
        with memory_told(device):
            seen = perceive(photo.image, options.label, models)
        seen = seen.in_pixels_of(photo.width, photo.height)
        out = options.out or Path("interactvlm_output") / (options.photo.stem or "photo")
        save_perception(out, photo, seen)
    for index, detection in enumerate(seen.detections):
        box = " ".join(f"{value:.0f}" for value in detection.box_xyxy_px)
        number = f" {index + 1}" if detection.label == PERSON else ""
        to_stdout(f"{detection.label}{number} {detection.score:.2f} at {box}")
    to_stdout(f"pictures and files: {out}")
    return 0
