"""Fits an object to a photo's mask and to the contact with a body: render and compare.

Many starts at a coarse image size, fewer at finer ones; Adam over turn, place and scale until the
best energy stands still.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hoi_fit.energies import Partners, Poses, energies, find_partners, is_finite
from hoi_fit.problem import FitProblem, FitSettings
from hoi_fit.report import FitReport, FitStage, ObjectPose, StopReason
from hoi_fit.similarity import Similarity
from hoi_fit.starts import first_poses
from renders.errors import InputError
from renders.silhouette import soft_silhouette

_PARTNERS_EVERY = 5
"""Steps for which contact partners are kept."""
_LOOK_BACK = 10
"""Steps over which the best energy must still fall."""


def fit_object(
    problem: FitProblem,
    settings: FitSettings | None = None,
    starts: Sequence[Similarity] | None = None,
) -> FitReport:
    """The best pose, the other hypotheses, and every stage's energies.

    `starts` replaces the search over yaw. Without contact on both sides silhouette, size and depth
    decide, and the report says so.

    Raises:
        InputError: the problem has nothing to fit to (see `FitProblem`), or numbers so large that
            no pose has a finite energy.
    """
    settings = settings or FitSettings()
    poses = list(starts) if starts is not None else first_poses(problem, settings)
    stages, scores, shown = [], [0.0] * len(poses), problem
    for longer_px, kept, steps in settings.stages:
        poses = poses[:kept] if stages else poses
        shown = problem.resized(min(longer_px, max(problem.object_mask.shape)))
        if not stages and len(poses) > kept:
            poses = _best_of(shown, poses, settings, kept)
        poses, scores, stage = _moved(shown, poses, settings, steps)
        stages.append(stage)
    hypotheses = tuple(ObjectPose(p, s) for p, s in zip(poses, scores, strict=True))
    return FitReport(
        pose=hypotheses[0],
        hypotheses=hypotheses,
        mask_iou=_hard_iou(shown, poses[0]),
        contact_m=_contact_distance(problem, poses[0]),
        contact_used=problem.has_contact,
        stages=tuple(stages),
        notes=_notes(problem, stages),
    )  # fmt: skip


def _notes(problem: FitProblem, stages: Sequence[FitStage]) -> tuple[str, ...]:
    notes = []
    if not problem.has_contact:
        notes.append(
            "no contact was given on both sides: silhouette, size and depth alone decide the pose"
        )
    if any(stage.stopped == "diverged" for stage in stages):
        notes.append("the search met numbers that are not finite and kept what was best before")
    return tuple(notes)


def _best_of(
    problem: FitProblem, poses: list[Similarity], settings: FitSettings, kept: int
) -> list[Similarity]:
    with torch.no_grad():
        moving = Poses(poses, problem)
        total = _total(energies(problem, moving, find_partners(problem, moving), settings))
    return [poses[i] for i in total.argsort(stable=True)[:kept].tolist()]


def _moved(
    problem: FitProblem, starts: list[Similarity], settings: FitSettings, steps: int
) -> tuple[list[Similarity], list[float], FitStage]:
    """Poses after at most so many steps, best first; every pose keeps its own best moment."""
    moving = Poses(starts, problem)
    optimizer = torch.optim.Adam(moving.parameters(), lr=settings.rate)
    low, high = np.log(settings.scale_bounds)
    history: list[dict[str, float]] = []
    least, best = [float("inf")] * len(starts), list(starts)
    partners = Partners()
    stopped: StopReason = "iterations"
    for step in range(steps):
        if step % _PARTNERS_EVERY == 0:
            partners = find_partners(problem, moving)
        terms = energies(problem, moving, partners, settings)
        total = _total(terms)
        for index, (pose, value) in enumerate(
            zip(moving.similarities(), total.tolist(), strict=True)
        ):
            if value < least[index]:
                least[index], best[index] = value, pose
        optimizer.zero_grad()
        total.sum().backward()
        if not is_finite(total, moving):
            stopped = "diverged"
            break
        history.append(_row(terms, total, moving))
        if _stands_still(history, settings.tolerance):
            stopped = "converged"
            break
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * (1 - 0.9 * step / steps)
        optimizer.step()
        with torch.no_grad():
            moving.log_scale.clamp_(float(low), float(high))
    order = [i for i in sorted(range(len(starts)), key=least.__getitem__) if least[i] < np.inf]
    if not order:
        raise InputError(
            "no pose of the object has a finite energy; its mesh, the camera, the depth or the "
            "contact hold numbers too large to compute with"
        )
    longer = max(problem.object_mask.shape)
    stage = FitStage(longer, len(starts), len(history), stopped, tuple(history))
    return [best[i] for i in order], [least[i] for i in order], stage


def _total(terms: dict[str, Float[Tensor, "poses"]]) -> Float[Tensor, "poses"]:
    return torch.stack(list(terms.values())).sum(0)


def _row(
    terms: dict[str, Float[Tensor, "poses"]], total: Float[Tensor, "poses"], moving: Poses
) -> dict[str, float]:
    at = int(total.argmin())
    squares = [p.grad[at].square().sum() for p in moving.parameters() if p.grad is not None]
    row = {name: float(value[at].detach()) for name, value in terms.items()}
    return row | {
        "total": float(total[at].detach()), "gradient": float(torch.stack(squares).sum().sqrt()),
    }  # fmt: skip


def _stands_still(history: Sequence[dict[str, float]], tolerance: float) -> bool:
    if len(history) <= _LOOK_BACK:
        return False
    before = min(row["total"] for row in history[:-_LOOK_BACK])
    return before - min(row["total"] for row in history[-_LOOK_BACK:]) < tolerance


def _hard_iou(problem: FitProblem, pose: Similarity) -> float:
    with torch.no_grad():
        vertices = Poses([pose], problem).points(problem.vertices_object)
        height, width = problem.object_mask.shape
        drawn = soft_silhouette(
            vertices, problem.faces, problem.camera.intrinsics.to(vertices), height, width
        )[0]
    farthest = vertices[..., 2].amax(1)
    found: Bool[Tensor, "height width"] = (drawn > 0.5) & problem.counted_at(farthest)[0]
    both = (found & problem.object_mask).sum()
    return float(both / (found | problem.object_mask).sum())


def _contact_distance(problem: FitProblem, pose: Similarity) -> float | None:
    if not problem.has_contact:
        return None
    assert problem.touched is not None and problem.touching is not None
    partners = find_partners(replace(problem, body_mesh=None), Poses([pose], problem))
    assert partners.body_of_object is not None and partners.object_of_body is not None
    placed = pose.points(problem.touched.points)
    there = placed - problem.touching.points[partners.body_of_object[0].numpy()]
    back = placed[partners.object_of_body[0].numpy()] - problem.touching.points
    sides = ((there, problem.touched.weight), (back, problem.touching.weight))
    return float(np.mean([np.average(np.linalg.norm(d, axis=1), weights=w) for d, w in sides]))
