"""Fits the candidates of a scene, keeps the best, and says what the result is worth.

Knows scenes and `hoi_fit`; knows no files and no models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hoi_fit.contact_points import contact_points, contact_vertices
from hoi_fit.fit import fit_object
from hoi_fit.joint import JointResult, fit_together
from hoi_fit.light_mesh import light_mesh
from hoi_fit.problem import FitProblem, FitSettings
from hoi_fit.report import FitReport, ObjectPose
from hoi_fit.shared_volume import shared_volume_m3
from hoi_fit.similarity import Similarity
from human_recovery.body_model import load_body_model
from human_recovery.body_state import BodyState
from interactvlm.errors import InputError
from interactvlm.reconstruction.doubts import doubts_about
from interactvlm.reconstruction.scene import HEAT_THRESHOLD, Scene, ShapeCandidate
from renders.mesh import Mesh

_CARRIED_ON = 2
"""Candidates that are fitted at full resolution, of those tried coarsely."""
_MARGIN = 0.1
"""Hypotheses with an energy this near to the best are as good as it."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Person and object in the camera's frame."""

    scene: Scene
    candidate: ShapeCandidate
    """The shape that fitted best."""
    fit: FitReport
    others: tuple[tuple[ShapeCandidate, ObjectPose], ...]
    """Best poses of the shapes that were tried and lost, best first."""
    penetration_cm3: float
    """Volume that body and object share."""
    together: JointResult | None = None
    """How body and object were moved to meet, where that was asked for."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""

    @property
    def camera_from_object(self) -> Similarity:
        """Where the object stands."""
        return self.fit.pose.camera_from_object

    @property
    def object_mesh(self) -> Mesh:
        """The object in the camera's frame, metres."""
        return placed(self.candidate.mesh, self.camera_from_object)

    @property
    def body_mesh(self) -> Mesh:
        """The body in the camera's frame, metres."""
        return self.scene.body_mesh

    def to_dict(self) -> dict[str, Any]:
        """The content of object_pose.json."""
        hypotheses = [(self.candidate, pose) for pose in self.fit.hypotheses]
        return {
            "camera_from_object": self.fit.pose.to_dict()["camera_from_object"],
            "object": {
                "source": self.candidate.source, "name": self.candidate.name,
                "label": self.scene.label, "mesh_sha256": self.candidate.sha256,
            },
            "hypotheses": [
                pose.to_dict() | {"mesh": shape.name} for shape, pose in (*hypotheses, *self.others)
            ],
            "contact_used": self.fit.contact_used,
            "mask_iou": self.fit.mask_iou,
            "contact_m": self.fit.contact_m,
            "penetration_cm3": self.penetration_cm3,
            "spread": self.spread(),
            "together": None if self.together is None else {
                "contact_before_m": self.together.contact_m[0],
                "contact_after_m": self.together.contact_m[1],
                "steps": self.together.steps, "stopped": self.together.stopped,
            },
            "notes": list(self.notes),
        }  # fmt: skip

    def spread(self) -> dict[str, float]:
        """How far hypotheses of nearly the same energy stand apart: the fit's uncertainty."""
        best = self.fit.pose
        near = [h for h in self.fit.hypotheses if h.score <= best.score + _MARGIN]
        poses = [h.camera_from_object for h in near]
        middle = self.candidate.mesh.vertices.double().numpy().mean(0, keepdims=True)
        away = [np.linalg.norm(p.points(middle) - poses[0].points(middle)) for p in poses]
        cosines = [(np.trace(p.rotation.T @ poses[0].rotation) - 1) / 2 for p in poses]
        turned = [float(np.degrees(np.arccos(np.clip(c, -1, 1)))) for c in cosines]
        return {
            "hypotheses": float(len(near)), "translation_m": float(max(away)),
            "rotation_deg": max(turned),
        }  # fmt: skip


def place_object(scene: Scene, settings: FitSettings | None = None) -> Reconstruction:
    """The candidate and pose that explain mask and contact best.

    Every candidate is tried at the coarsest size, the best two go on.

    Raises:
        InputError: the mask is empty or no candidate has triangles.
    """
    settings = settings or FitSettings()
    problems = [problem_of(scene, candidate) for candidate in scene.candidates]
    if not problems:
        raise InputError(f"there is no shape of {scene.label or 'the object'!r} to fit")
    choices = [_own_settings(settings, candidate) for candidate in scene.candidates]
    order = list(range(len(problems)))
    tried: dict[int, FitReport] = {}
    if len(problems) > 1:
        coarse = [replace(s, stages=s.stages[:1]) for s in choices]
        tried = {i: fit_object(p, s) for i, (p, s) in enumerate(zip(problems, coarse, strict=True))}
        order.sort(key=lambda i: tried[i].pose.score)
    finished = {i: _carried_on(problems[i], choices[i], tried.get(i)) for i in order[:_CARRIED_ON]}
    best = min(finished, key=lambda i: finished[i].pose.score)
    others = [(scene.candidates[i], (finished.get(i) or tried[i]).pose) for i in order if i != best]
    fit, candidate = finished[best], scene.candidates[best]
    thing = placed(candidate.mesh, fit.pose.camera_from_object)
    doubts = doubts_about(scene, candidate, fit, thing.vertices)
    return Reconstruction(
        scene, candidate, fit, tuple(others), shared_cm3(scene.body_mesh, thing),
        notes=(*scene.notes, *doubts, *fit.notes),
    )  # fmt: skip


def brought_together(found: Reconstruction) -> Reconstruction:
    """Body and object moved to meet, from where the object alone was placed.

    Without contact on both sides the result stays as it is, with a note. Raises InputError for a
    body without parameters.
    """
    scene, state = found.scene, require_parameters(found.scene)
    if scene.contact is None or not found.fit.contact_used:
        note = "body and object were not moved together: no contact on both sides"
        return replace(found, notes=(*found.notes, note))
    model = load_body_model(state.model)
    touching = contact_vertices(
        scene.body_mesh, scene.contact.vertex_probability, scene.contact.threshold
    )
    met = fit_together(
        problem_of(scene, found.candidate), found.camera_from_object, state, model,
        touching.numpy(),
    )  # fmt: skip
    body = replace(scene.body, state=met.state, vertices_m=met.state.vertices_camera(model))
    moved = replace(scene, body=body)
    pose = replace(found.fit.pose, camera_from_object=met.pose)
    fit = replace(
        found.fit, pose=pose, hypotheses=(pose, *found.fit.hypotheses[1:]),
        contact_m=met.contact_m[1],
    )  # fmt: skip
    shared = shared_cm3(moved.body_mesh, placed(found.candidate.mesh, met.pose))
    notes = found.notes
    if met.stopped == "diverged":
        notes += ("moving body and object together met numbers that are not finite and stopped",)
    return replace(
        found, scene=moved, fit=fit, together=met, penetration_cm3=shared, notes=notes
    )  # fmt: skip


def require_parameters(scene: Scene) -> BodyState:
    """The body's parameters. Raises InputError for a body that is known by its vertices alone."""
    state = scene.body.state
    if state is None:
        raise InputError(
            "--joint moves the body's limbs, but the body file has vertices only; give parameters"
        )
    return state


def shared_cm3(body: Mesh, thing: Mesh) -> float:
    """Volume inside both."""
    return 1e6 * shared_volume_m3(body, thing)


def problem_of(scene: Scene, candidate: ShapeCandidate) -> FitProblem:
    """The fit's question about one candidate."""
    drawn = light_mesh(candidate.mesh)
    touched = touching = None
    if scene.contact is not None and candidate.heat is not None:
        touched = contact_points(candidate.mesh, candidate.heat, HEAT_THRESHOLD)
        touching = contact_points(
            scene.body_mesh, scene.contact.vertex_probability, scene.contact.threshold
        )
    ignored = None
    if scene.person_mask is not None:
        ignored = scene.person_mask & ~scene.object_mask
    return FitProblem(
        drawn.vertices, drawn.faces, scene.camera, scene.object_mask, ignored=ignored,
        touched=touched, touching=touching, depth_m=scene.depth_m,
        body_mesh=scene.body_mesh,
        ground=scene.ground if candidate.upright else None,
    )  # fmt: skip


def placed(mesh: Mesh, pose: Similarity) -> Mesh:
    """A mesh under a similarity."""
    moved = torch.from_numpy(pose.points(mesh.vertices.double().numpy()))
    return Mesh(moved.float(), mesh.faces, mesh.vertex_colors)


def _own_settings(settings: FitSettings, candidate: ShapeCandidate) -> FitSettings:
    """Scale within two and a half spreads of what the shape's kind allows, and upright if it is."""
    spread = max(candidate.size_spread, 1e-3)
    low, high = settings.scale_bounds
    reach = float(np.exp(2.5 * spread))
    bounds = (max(low, 1 / reach), min(high, reach))
    return replace(
        settings, size_spread=spread, scale_bounds=bounds,
        any_way_up=settings.any_way_up and not candidate.upright,
    )  # fmt: skip


def _carried_on(problem: FitProblem, settings: FitSettings, coarse: FitReport | None) -> FitReport:
    if coarse is None:
        return fit_object(problem, settings)
    finer = replace(settings, stages=settings.stages[1:] or settings.stages)
    starts: Sequence[Similarity] = [h.camera_from_object for h in coarse.hypotheses]
    report = fit_object(problem, finer, starts)
    return replace(report, stages=(*coarse.stages, *report.stages))
