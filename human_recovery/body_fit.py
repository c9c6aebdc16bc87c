"""Recovers a body in the camera from 2D keypoints, and a mask or surface pairs where there are any.

First the torso alone, in many turns; then pose and shape of all starts as one batch; then the best
unlike ones, less tolerant to outliers and with the mask. What stays uncertain is told per keypoint.
One true camera: depth comes from the person's size in metres. Knows no photo and no detector.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from human_recovery.body_energies import FitSpace, Starts
from human_recovery.body_evidence import EvidenceSettings, SurfacePairs, gather_evidence
from human_recovery.body_model import BodyModel
from human_recovery.body_priors import body_prior
from human_recovery.body_spread import Spread, spread_of
from human_recovery.body_starts import first_starts
from human_recovery.body_state import BodyInCamera, BodyState
from human_recovery.keypoint_files import Keypoints2D
from human_recovery.output import KEYPOINT_NAMES
from renders.camera import Camera
from renders.errors import InputError

StopReason = Literal["converged", "iterations"]
_LOOK_BACK = 10
"""Steps over which the energy must still fall."""
_LEAST_STEPS = 30
"""Steps of each stage at least: Adam's first ones go too far."""
_ALIKE_M = 0.02
"""Mean distance of keypoints below which two bodies are one."""
_UNSURE_M = 0.1
"""Differences between likely poses above which a keypoint is named."""


@dataclass(frozen=True)
class BodyFitSettings:
    """How the body is searched."""

    bodies: tuple[int, int] = (16, 6)
    """Starts of the first stage, and of them the best unlike ones for the second."""
    steps: tuple[int, int] = (100, 80)
    """Most steps of each stage."""
    rates: tuple[float, float] = (0.15, 0.03)
    """Adam's first rate in each stage, for standardised numbers."""
    robust: tuple[float, float] = (30.0, 6.0)
    """Where a residual stops to count in each stage, in units of its noise."""
    tolerance: float = 0.02
    """A stage stops when its median body's energy fell by less over ten steps."""
    margin: float = 6.0
    """Bodies whose energy is higher than the best by more do not count for uncertainty."""
    shape: tuple[float, ...] | None = None
    """Shape numbers that are known and kept; None to find them."""
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)

    def __post_init__(self) -> None:
        if min(self.bodies) < 1 or min(self.steps) < 1:
            raise InputError(
                "a body fit needs at least one body and one step in each stage, got bodies "
                f"{self.bodies} and steps {self.steps}"
            )


@dataclass(frozen=True)
class BodyFitStage:
    """One stage of the search."""

    bodies: int
    steps: int
    stopped: StopReason
    energies: tuple[Mapping[str, float], ...]
    """Of the best body, step by step: each term and their sum."""


@dataclass(frozen=True, eq=False)
class BodyHypothesis:
    """One body of the last stage."""

    state: BodyState
    energy: float
    """Negative log-likelihood up to a constant; the least is best."""
    share: float
    """Of the uncertainty: how much it counts, all together 1."""


@dataclass(frozen=True, eq=False)
class BodyFit:
    """The body, the others that were found, and how sure it is."""

    body: BodyInCamera
    """On the model that was fitted, with state and joint spread."""
    hypotheses: tuple[BodyHypothesis, ...]
    """All of the last stage, best first; the first is `body`."""
    depth_spread_m: float
    """One standard deviation of the pelvis's distance, the unknown size of the person included."""
    reprojection_px: float
    """Median distance of the keypoints that counted from where they were seen."""
    stages: tuple[BodyFitStage, ...]

    @property
    def state(self) -> BodyState:
        """The best body's parameters."""
        state = self.body.state
        assert state is not None
        return state

    def on(self, model: BodyModel) -> BodyInCamera:
        """The same body on another model of the same kind: the full Anny for the fast one."""
        with torch.no_grad():
            vertices = self.state.vertices_camera(model)
        state = self.state
        if state.model != model.topology_name:
            state = state.full(model)
        return replace(self.body, topology=model.topology_name, vertices_m=vertices, state=state)

    def __repr__(self) -> str:
        return (
            f"BodyFit({self.state!r}, {self.reprojection_px:.1f} px, depth +- "
            f"{self.depth_spread_m:.2f} m, {len(self.hypotheses)} hypotheses)"
        )


def fit_body(
    model: BodyModel,
    keypoints: Keypoints2D,
    camera: Camera,
    *,
    person_mask: Bool[Tensor, "height width"] | None = None,
    surface: SurfacePairs | None = None,
    settings: BodyFitSettings | None = None,
) -> BodyFit:
    """The body that keypoints, mask and surface pairs show, and how sure it is.

    `model` is best "anny-fast"; its result can be put on "anny" by `BodyFit.on`. Parts of the body
    that are not seen take their usual pose, with a large spread. Deterministic.

    Raises:
        InputError: fewer than four keypoints count, they lie in one place, the camera is no lens,
            or mask, pairs or known shape do not fit.
    """
    settings = settings or BodyFitSettings()
    evidence = gather_evidence(
        model, keypoints, camera, person_mask, surface, settings.evidence
    )  # fmt: skip
    space = FitSpace(model, body_prior(model), evidence, _known_shape(model, settings))
    starts = first_starts(space, settings.bodies[0])
    numbers, stages = space.first(starts), []
    energy = numbers.new_zeros(len(starts))
    for stage in range(2):
        numbers, energy, record = _descended(space, starts, numbers, settings, stage)
        stages.append(record)
        kept = _unlike(space, numbers, starts, energy, settings.bodies[1])
        numbers, energy, starts = numbers[kept], energy[kept], starts.taken(kept)
    spread = spread_of(space, numbers, starts, energy, settings.robust[1], settings.margin)
    return _result(space, camera, numbers, starts, energy, spread, tuple(stages))


@torch.no_grad()
def _unlike(
    space: FitSpace, numbers: Float[Tensor, "bodies numbers"], starts: Starts,
    energy: Float[Tensor, "bodies"], count: int,
) -> Int[Tensor, "kept"]:  # fmt: skip
    """At most `count` bodies of least energy, none of which is nearly another."""
    points = space.posed(numbers, starts).keypoints_m
    around = points - points.mean(1, keepdim=True)
    kept: list[int] = []
    for index in energy.argsort(stable=True).tolist():
        away = [float((around[index] - around[k]).norm(dim=1).mean()) for k in kept]
        if all(distance > _ALIKE_M for distance in away):
            kept.append(index)
        if len(kept) == count:
            break
    return torch.tensor(kept, device=energy.device)


def _known_shape(model: BodyModel, settings: BodyFitSettings) -> Float[Tensor, "shape"] | None:
    if settings.shape is None:
        return None
    if len(settings.shape) != len(model.shape_names):
        raise InputError(
            f"{model.topology_name!r} has {len(model.shape_names)} shape numbers "
            f"({', '.join(model.shape_names)}), got {len(settings.shape)}"
        )
    return torch.tensor(settings.shape, device=model.faces.device)


def _descended(
    space: FitSpace, starts: Starts, first: Float[Tensor, "bodies numbers"],
    settings: BodyFitSettings, stage: int,
) -> tuple[Float[Tensor, "bodies numbers"], Float[Tensor, "bodies"], BodyFitStage]:  # fmt: skip
    """Every body's best moment, its energy, and the stage's record."""
    steps, robust = settings.steps[stage], settings.robust[stage]
    numbers = first.clone().requires_grad_()
    rate = settings.rates[stage]
    optimizer = torch.optim.Adam([numbers], lr=rate, betas=(0.9, 0.98))
    best = first.clone()
    least = torch.full((len(first),), torch.inf, device=first.device)
    medians: list[float] = []
    history: list[Mapping[str, float]] = []
    stopped: StopReason = "iterations"
    for step in range(steps):
        terms = space.energies(numbers, starts, robust, mask=stage == 1)
        total = torch.stack(list(terms.values())).sum(0)
        better = total.detach() < least  # false for NaN, so a body keeps its last finite moment
        least = torch.where(better, total.detach(), least)
        best = torch.where(better[:, None], numbers.detach(), best)
        medians.append(float(least.median()))
        history.append(_row(terms, total))
        fallen = medians[max(0, step - _LOOK_BACK)] - medians[-1]
        if step >= _LEAST_STEPS and fallen < settings.tolerance:
            stopped = "converged"
            break
        optimizer.zero_grad()
        total.sum().backward()
        assert numbers.grad is not None
        numbers.grad.nan_to_num_(0.0, 0.0, 0.0)
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - 0.9 * step / steps)
        optimizer.step()
    return best, least, BodyFitStage(len(first), len(history), stopped, tuple(history))


def _row(terms: dict[str, Float[Tensor, "bodies"]], total: Float[Tensor, "bodies"]) -> dict:
    at = int(total.nan_to_num(torch.inf).argmin())
    row = {name: float(value[at].detach()) for name, value in terms.items()}
    return row | {"total": float(total[at].detach())}


@torch.no_grad()
def _result(
    space: FitSpace, camera: Camera, numbers: Float[Tensor, "bodies numbers"], starts: Starts,
    energy: Float[Tensor, "bodies"], spread: Spread, stages: tuple[BodyFitStage, ...],
) -> BodyFit:  # fmt: skip
    bodies, evidence = space.posed(numbers, starts), space.evidence
    prior = space.prior
    shape = bodies.shape.clamp(prior.shape_low, prior.shape_high)
    if space.fixed_shape is not None:
        shape = bodies.shape
    topology = space.model.topology_name
    states = [
        BodyState(topology, build.cpu().clone(), rotations.cpu().clone(), translation.cpu().clone())
        for build, rotations, translation in zip(
            shape, bodies.rotations, bodies.translation_m, strict=True
        )
    ]
    off_px = (space.project(bodies.keypoints_m[0]) - evidence.points_px).norm(dim=1)
    reprojection = float(off_px[evidence.weight > 0].median())
    notes = list(evidence.notes)
    unsure = [
        f"{name} ({100 * float(away):.0f} cm)"
        for name, away in zip(KEYPOINT_NAMES, spread.between_m, strict=True)
        if float(away) > _UNSURE_M
    ]
    if unsure:
        notes.append(f"other poses are about as likely, and differ in: {', '.join(unsure)}")
    body = BodyInCamera(
        topology,
        bodies.output.vertices[0].cpu(),
        camera.to("cpu"),
        states[0],
        spread.joint_m.cpu(),
        tuple(notes),
    )
    hypotheses = tuple(
        BodyHypothesis(state, float(value), float(share))
        for state, value, share in zip(states, energy, spread.share, strict=True)
    )
    return BodyFit(body, hypotheses, spread.depth_m, reprojection, stages)
