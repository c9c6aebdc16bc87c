"""What a reconstruction is asked for; light enough for the command line's help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Stage = Literal["inputs", "body", "contact", "shape", "fit"]
"""In their order; each writes its files, and a later run may begin at any of them."""
STAGES: tuple[Stage, ...] = ("inputs", "body", "contact", "shape", "fit")


@dataclass(frozen=True, kw_only=True)
class ReconstructRequest:
    """One photo, one person, one object; every file given replaces a stage's own work."""

    photo: Path
    """Image file."""
    out: Path
    """Result folder."""
    label: str = ""
    """The object, as it is called; empty lets its picture alone say what it is."""
    box: str | None = None
    """The object: "x0,y0,x1,y1" in pixels of the upright photo, or a JSON file."""
    person_box: str | None = None
    """The person, likewise. Without it: the whole photo."""
    object_mask: str | None = None
    """Mask of the object: PNG, npy, npz, COCO or labelme JSON."""
    person_mask: str | None = None
    """Mask of the person, likewise."""
    sam: str | None = None
    """Folder or hub id of a SAM checkpoint that makes masks from the boxes."""
    body: Path | None = None
    """Body file: ours, or SMPL(-X) of a common regressor."""
    keypoints: Path | None = None
    """2D keypoints: COCO, OpenPose or Halpe JSON."""
    contact: Path | None = None
    """contact.npz on the body."""
    affordance: Path | None = None
    """affordance.npz on the object's mesh."""
    object_mesh: Path | None = None
    """The object's shape. Without it: candidates of the library."""
    up: Literal["y", "z"] = "y"
    """Which axis of the object's file points up."""
    size_m: float | None = None
    """The object's largest extent in metres, where it is known."""
    candidates: int = 3
    """Shapes of the library that are tried."""
    library: Path | None = None
    """Folder of a library. Without it: the embedded one."""
    camera: Path | None = None
    """camera.json."""
    focal_px: float | None = None
    """Focal length in pixels of the upright photo."""
    fov_deg: float | None = None
    """Vertical field of view."""
    depth: str | None = None
    """Depth map: npy, npz, 16-bit PNG or TIFF; relative depth is aligned with the body."""
    ground: bool = False
    """Let the object stand upright on the floor under the person's lowest point; things that are
    held, and those smaller than 0.7 m, are left as they are."""
    pitch_deg: float = 0.0
    """How far the camera looks down, for `ground`."""
    use_contact: bool = True
    """False fits by silhouette, size and depth alone."""
    joint: bool = False
    """Let body and object move together until contact closes."""
    weights: Path | None = None
    """Model folder. Without it: the shipped miniature model."""
    device: str = "cpu"
    """Where the model runs."""
    seed: int = 0
    """Seed of every random number."""
    begin: Stage = "inputs"
    """Stages before this one are taken from the result folder of an earlier run."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The one object, as other requests have several."""
        return (self.label,)


def stage_of_flag(request: ReconstructRequest) -> dict[str, Stage]:
    """The flags that were given and replace a stage's work, and which stage."""
    belongs: dict[str, Stage] = {
        "box": "inputs", "person-box": "inputs", "object-mask": "inputs", "person-mask": "inputs",
        "sam": "inputs", "camera": "inputs", "focal-px": "inputs", "fov-deg": "inputs",
        "body": "body", "keypoints": "body", "depth": "body", "contact": "contact",
        "object-mesh": "shape", "affordance": "shape", "size-m": "shape", "library": "shape",
    }  # fmt: skip
    return {
        flag: stage
        for flag, stage in belongs.items()
        if getattr(request, flag.replace("-", "_")) is not None
    }
