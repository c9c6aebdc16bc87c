"""What `interactvlm reconstruct` and `interactvlm fit` do: a photo or a folder in, a scene out.

Ties the stages together and writes the result folder; knows no command line. Everything before the
fit is written before the fit begins, so that nothing finished is lost.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hoi_fit.ground import ground_under
from human_recovery.body_state import save_body
from interactvlm.assets_dir import default_weights
from interactvlm.errors import InputError
from interactvlm.photo import read_photo
from interactvlm.photo_job import Watch, checked_device, memory_told
from interactvlm.provenance import package_version, provenance_of
from interactvlm.reconstruction import stages
from interactvlm.reconstruction.page import reconstruction_page
from interactvlm.reconstruction.placing import (
    Reconstruction,
    brought_together,
    place_object,
    require_parameters,
)
from interactvlm.reconstruction.request import STAGES, ReconstructRequest, stage_of_flag
from interactvlm.reconstruction.scene import HEAT_THRESHOLD, Scene
from interactvlm.reconstruction.scene_folder import JOINT_FILE, load_scene, save_scene
from interactvlm.reconstruction.scene_pictures import (
    HUMAN,
    OBJECT,
    coloured,
    joined,
    overlay,
    turntable,
)
from interactvlm.reconstruction_inputs.photo_camera import camera_for_photo
from interactvlm.result_folder import disk_told, write_bytes, write_json
from interactvlm.scene_glb import save_scene_glb
from renders.mesh import Mesh

POSE_FILE, FIT_FILE, REPORT_FILE = "object_pose.json", "fit.json", "report.json"


@dataclass(frozen=True, eq=False)
class ReconstructResult:
    """What was written."""

    out: Path
    """The result folder."""
    reconstruction: Reconstruction
    report: dict[str, Any]
    """Content of report.json."""
    complete: bool = True
    """Always: a fit that cannot be made is an error."""

    def said(self) -> list[str]:
        """The result in a line."""
        return self.summary().split("\n")[:1]

    def summary(self) -> str:
        """A few lines for the terminal."""
        found = self.reconstruction
        x, y, z = found.camera_from_object.translation_m
        spread = found.spread()
        contact = "no contact was used"
        if found.fit.contact_m is not None:
            contact = f"contact {100 * found.fit.contact_m:.1f} cm apart"
        return "\n".join(
            [
                f"{found.scene.label or 'object'}: {found.candidate.name}, {x:.2f} m right, "
                f"{y:.2f} m down, {z:.2f} m away, scale {found.camera_from_object.scale:.2f}",
                f"overlap with the mask {found.fit.mask_iou:.2f}, {contact}, "
                f"{found.penetration_cm3:,.0f} cm3 shared; {spread['hypotheses']:.0f} equally good "
                f"poses up to {100 * spread['translation_m']:.0f} cm apart",
                *(f"note: {note}" for note in found.notes),
                f"scene: {self.out / 'scene.glb'}",
                f"report: {self.out / 'report.html'}",
            ]
        )


def run_reconstruct(request: ReconstructRequest, model: Any = None) -> ReconstructResult:
    """Recovers person and object and writes the result folder.

    Raises:
        InputError: the photo or a file cannot be used, nothing says where person or object are, or
            a file is given for a stage that `begin` leaves out.
        AssetError: weights or a body model's file are missing or damaged.
        ResourceError: memory or disk does not suffice.
    """
    _require_fresh_flags(request)
    checked_device(request.device)
    watch = Watch()
    with watch.step("read"):
        photo = read_photo(request.photo)
    with memory_told(request.device), disk_told(request.out):
        scene = scene_of_photo(request, photo, model, watch)
        save_scene(request.out, scene)
        weights = (request.weights or default_weights()).expanduser()
        made = provenance_of(
            photo.sha256, weights, seed=request.seed, device=request.device
        ).to_dict()  # fmt: skip
        return _placed(scene, request.out, watch, Path(photo.path).name, made, request.joint)


def run_fit(folder: Path, out: Path | None = None, *, joint: bool = False) -> ReconstructResult:
    """Places the object of a folder of files, whoever made them; no model is asked.

    Raises InputError when a file is missing or does not fit the others.
    """
    watch = Watch()
    with watch.step("read"):
        scene = load_scene(folder)
    out = out or folder
    with memory_told("cpu"), disk_told(out):
        if out.resolve() != folder.resolve():
            save_scene(out, scene)
        return _placed(scene, out, watch, folder.name, {"version": package_version()}, joint)


def scene_of_photo(request: ReconstructRequest, photo: Any, model: Any, watch: Watch) -> Scene:
    """Every stage before the fit; those before `begin` from the folder."""
    begin = STAGES.index(request.begin)
    kept = load_scene(request.out) if begin else None
    if kept is not None and kept.photo.size != photo.image.size:
        raise InputError(
            f"the result folder is of a photo of another size; start again without --from: "
            f"{str(request.out)!r}"
        )
    known = camera_for_photo(
        photo, camera_file=request.camera, focal_px=request.focal_px, fov_deg=request.fov_deg
    )
    if request.pitch_deg and not request.ground:
        raise InputError("--pitch-deg says how the floor lies; give --ground too")
    camera = known.camera.resized(photo.image.height, photo.image.width)
    sight = stages.Sight(request, photo, camera, model, list(photo.warnings))
    if kept is None:
        sight.notes += [known.note] if known.focal_spread else []
        with watch.step("masks"):
            person, thing = stages.person_mask(sight), stages.object_mask(sight)
    else:
        sight.camera, person, thing = kept.camera, kept.person_mask, kept.object_mask
        sight.notes += [note for note in kept.notes if note not in sight.notes]
    with watch.step("body"):
        body = kept.body if kept and begin > 1 else stages.body_in_camera(sight, person)
        sight.notes += [note for note in body.notes if note not in sight.notes]
        depth = kept.depth_m if kept and begin > 1 else stages.depth_of_photo(sight, body)
    ground = kept.ground if kept and begin > 1 else None  # it lies under the body
    if request.ground:
        ground = ground_under(body.vertices_m.double().numpy(), request.pitch_deg)
    with watch.step("contact"):
        contact = kept.contact if kept and begin > 2 else stages.body_contact(sight, body.topology)
    with watch.step("shape"):
        candidates = list(kept.candidates) if kept and begin > 3 else [
            stages.with_heat(sight, shape) for shape in stages.shape_candidates(sight, thing)
        ]  # fmt: skip
    return Scene(
        photo=photo.image, camera=sight.camera, body=body, label=request.label, object_mask=thing,
        candidates=tuple(candidates), person_mask=person, contact=contact, depth_m=depth,
        ground=ground, notes=tuple(dict.fromkeys(sight.notes)),
    )  # fmt: skip


def _placed(
    scene: Scene, out: Path, watch: Watch, name: str, made: dict[str, Any], joint: bool
) -> ReconstructResult:
    if joint:
        require_parameters(scene)
    with watch.step("fit"):
        found = place_object(scene)
    if joint:
        with watch.step("joint"):
            found = brought_together(found)
    with watch.step("draw"):
        human, thing = scene_meshes(found)
        whole = joined([human, thing])
        over, around = overlay(scene.photo, scene.camera, whole), turntable(whole)
    out.mkdir(parents=True, exist_ok=True)
    save_scene_glb(out / "scene.glb", {"human": human, "object": thing}, scene.camera)
    for file, picture in (("overlay.png", over), ("turntable.png", around)):
        with (out / file).open("wb") as stream:
            picture.save(stream, "PNG")
    if found.together is None:
        (out / JOINT_FILE).unlink(missing_ok=True)  # of an earlier fit
    else:  # body.npz stays what the object was fitted to
        save_body(out / JOINT_FILE, found.scene.body)
    write_json(out / POSE_FILE, found.to_dict())
    write_json(out / FIT_FILE, fit_record(found))
    write_json(out / "provenance.json", made)
    rows = {
        "Seconds": ", ".join(f"{k} {v:.2f}" for k, v in watch.seconds.items()),
        "Model": str(made.get("weights", "")), "Version": str(made.get("version", "")),
        "Photo sha256": str(made.get("input_sha256", "")),
    }  # fmt: skip
    page = reconstruction_page(name, found, over, around, rows)
    write_bytes(out / "report.html", page.encode("utf-8"))
    report = found.to_dict() | {
        "label": scene.label,
        "timings_s": {k: round(v, 3) for k, v in watch.seconds.items()},
        "provenance": made,
    }
    write_json(out / REPORT_FILE, report)
    return ReconstructResult(out, found, report)


def scene_meshes(found: Reconstruction) -> tuple[Mesh, Mesh]:
    """Person and object in the camera's frame, coloured by the contact that was said."""
    heat = None
    if found.scene.contact is not None:
        said = found.scene.contact.vertex_probability
        heat = torch.where(found.scene.contact.mask(), said, torch.zeros_like(said))
    touched = found.candidate.heat
    if touched is not None:
        touched = torch.where(touched >= HEAT_THRESHOLD, touched, torch.zeros_like(touched))
    return (
        coloured(found.body_mesh, HUMAN, heat),
        coloured(found.object_mesh, OBJECT, touched),
    )


def fit_record(found: Reconstruction) -> dict[str, Any]:
    """The content of fit.json: every stage with its energies, step by step."""
    together = found.together
    return {
        "together": [] if together is None else [dict(row) for row in together.energies],
        "stages": [
            {
                "size_px": stage.size_px, "poses": stage.poses, "steps": stage.steps,
                "stopped": stage.stopped, "energies": [dict(row) for row in stage.energies],
            }
            for stage in found.fit.stages
        ],
    }  # fmt: skip


def _require_fresh_flags(request: ReconstructRequest) -> None:
    """Raises InputError for a file of a stage that is taken from the earlier run."""
    begin = STAGES.index(request.begin)
    for flag, stage in stage_of_flag(request).items():
        if STAGES.index(stage) < begin:
            raise InputError(
                f"--{flag} belongs to the stage {stage!r}, which --from {request.begin} leaves as "
                f"it is; give --from {stage}"
            )
