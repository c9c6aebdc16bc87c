"""`interactvlm reconstruct`: person and object of one photo in one metric frame."""

import json as json_format
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

EXAMPLES = """\
examples:
  interactvlm reconstruct photo.jpg --label chair --out result
  interactvlm reconstruct photo.jpg --label chair --box 120,200,480,610 --fov-deg 45
  interactvlm reconstruct photo.jpg --label chair --object-mesh chair.obj --object-mask chair.png
  interactvlm reconstruct photo.jpg --label chair --body smplx.npz --contact contact.npz
  interactvlm reconstruct photo.jpg --label chair --out result --from fit

Every stage writes its files into the result folder (camera.json, masks, body.npz, contact.npz,
object_N.ply with affordance_N.npz); replace any of them and go on with `--from STAGE` or
`interactvlm fit`. scene.glb opens in Blender."""


@dataclass(frozen=True, kw_only=True)
class ReconstructOptions:
    """Where a person and one object stand in the camera, in metres."""

    photo: tyro.conf.Positional[Path]
    """Image file."""
    label: Annotated[str, tyro.conf.arg(metavar="NAME")] = field()
    """The object, such as chair."""
    box: Annotated[str | None, tyro.conf.arg(metavar="X0,Y0,X1,Y1")] = None
    """The object in pixels of the upright photo, or a JSON file with the box."""
    person_box: Annotated[str | None, tyro.conf.arg(metavar="X0,Y0,X1,Y1")] = None
    """The person, likewise. Without it: the whole photo."""
    object_mask: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Mask of the object: PNG (FILE:3 for index 3), npy, npz, COCO or labelme JSON."""
    person_mask: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Mask of the person, likewise."""
    sam: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None
    """Folder or hub id of a SAM checkpoint that makes masks out of the boxes."""
    body: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The body: our body.npz, or SMPL, SMPL+H, SMPL-X of a common regressor (npz, pkl)."""
    keypoints: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """2D keypoints to fit a body to: COCO, OpenPose or Halpe JSON."""
    contact: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """contact.npz on the body, in place of what the model says."""
    affordance: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """affordance.npz on the object's mesh, in place of what the model says."""
    object_mesh: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The object's shape. Without it: the likeliest shapes of the library."""
    up: Literal["y", "z"] = "y"
    """Axis of the object's file that points up."""
    size_m: float | None = None
    """The object's largest extent in metres, where it is known."""
    candidates: int = 3
    """Shapes of the library that are tried."""
    library: Path | None = None
    """Folder of a library. Without it: the embedded one."""
    camera: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """camera.json: width, height, fx, fy, cx, cy in pixels."""
    focal_px: float | None = None
    """Focal length in pixels of the upright photo."""
    fov_deg: float | None = None
    """Vertical field of view. Without camera and flags: EXIF, else a guess that is told."""
    depth: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Depth map: npy, npz, 16-bit PNG, TIFF; relative depth is aligned with the body's."""
    ground: bool = False
    """The object stands upright on the floor under the person's lowest point."""
    pitch_deg: float = 0.0
    """How far the camera looks down, for `--ground`."""
    use_contact: bool = True
    """Whether contact takes part; without it silhouette, size and depth decide."""
    joint: bool = False
    """Also let the body's limbs and place move until contact closes (body_joint.npz)."""
    weights: Path | None = None
    """Model folder. Without it: the shipped miniature model."""
    out: Path | None = None
    """Result folder. Without it: interactvlm_output/NAME_OF_THE_PHOTO."""
    begin: Annotated[
        Literal["inputs", "body", "contact", "shape", "fit"], tyro.conf.arg(name="from")
    ] = "inputs"
    """Stages before this one are taken from the result folder of an earlier run."""
    json: bool = False
    """Print the report as JSON and nothing else on standard output."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, cuda:1."""
    seed: int = 0
    """Seed of every random number."""


def config_class() -> type[ReconstructOptions]:
    """What the command line is parsed into."""
    return ReconstructOptions


def run(options: ReconstructOptions) -> int:
    """0 when all is well."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm.reconstruction.job import run_reconstruct
        from interactvlm.reconstruction.request import ReconstructRequest

        names = {f.name for f in fields(ReconstructRequest)}
        given: dict[str, Any] = {k: v for k, v in asdict(options).items() if k in names}
        given["out"] = options.out or Path("interactvlm_output") / (options.photo.stem or "photo")
        result = run_reconstruct(ReconstructRequest(**given))
    to_stdout(json_format.dumps(result.report, indent=2) if options.json else result.summary())
    return 0
