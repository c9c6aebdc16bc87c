"""Lets body and object meet: the body's pose, place and the object's pose, freed together.

After the object alone was fitted. What the camera sees of the body must stay where it is seen;
contact pulls limbs and object together. Source: PICO-fit's last phase (limbs of the touching parts
only); here every bone may turn, and pays for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from hoi_fit.energies import (
    CONTACT_UNIT_M,
    Partners,
    Poses,
    energies,
    is_finite,
    penetration,
)
from hoi_fit.problem import FitProblem, FitSettings
from hoi_fit.report import StopReason
from hoi_fit.similarity import Similarity
from human_recovery.body_model import BodyModel
from human_recovery.body_state import BodyState
from renders.errors import InputError
from renders.mesh import vertex_normals

_LOOK_BACK = 10
_PARTNERS_EVERY = 5
_SEEN_POINTS = 400


@dataclass(frozen=True)
class JointSettings:
    """How far the body may go to meet the object."""

    steps: int = 60
    size_px: int = 128
    """Longer side of the image that the object is compared in."""
    bend_deg: float = 8.0
    """Turn of one bone that costs one."""
    shift_m: float = 0.1
    """Shift of the whole body along the line of sight that costs one."""
    seen_share: float = 0.01
    """Mean move of the body in the picture that costs one, as a share of the longer side."""
    rate: float = 0.01
    """Adam's rate for radians and metres."""
    tolerance: float = 2e-4
    """Stops when the energy fell by less over ten steps."""


@dataclass(frozen=True, eq=False)
class JointResult:
    """Body and object after they met."""

    state: BodyState
    pose: Similarity
    contact_m: tuple[float, float]
    """Mean distance between partners before and after."""
    steps: int
    stopped: StopReason
    energies: tuple[Mapping[str, float], ...]
    """Every weighted term, step by step."""


def fit_together(
    problem: FitProblem, start: Similarity, state: BodyState, model: BodyModel,
    touching_vertex: Int[np.ndarray, "touching"], settings: JointSettings | None = None,
) -> JointResult:  # fmt: skip
    """Body and object moved until contact closes; `touching_vertex` are those of
    `problem.touching` on `model`.

    Raises:
        InputError: the problem has no contact on both sides, or the vertices do not fit it.
    """
    settings = settings or JointSettings()
    if not problem.has_contact or problem.touching is None:
        raise InputError("body and object cannot be fitted together: no contact on both sides")
    if len(touching_vertex) != len(problem.touching.points):
        raise InputError(
            f"{len(touching_vertex)} body vertices were given for "
            f"{len(problem.touching.points)} touching points"
        )
    moving = _Together(problem.resized(settings.size_px), start, state, model, settings)
    optimizer = torch.optim.Adam(moving.parameters(), lr=settings.rate)
    index = torch.from_numpy(touching_vertex).long()
    history: list[dict[str, float]] = []
    stopped: StopReason = "iterations"
    least, best = float("inf"), (state, start)
    partners = Partners()
    before = after = 0.0
    for step in range(settings.steps):
        vertices = moving.vertices()
        touching = vertices[index]
        if step % _PARTNERS_EVERY == 0:
            partners = moving.partners(vertices.detach(), index)
        contact, apart = moving.contact(touching, partners)
        terms = moving.terms(vertices, partners) | {"contact": contact}
        total = torch.stack(list(terms.values())).sum()
        if step == 0:
            before = after = apart
        optimizer.zero_grad()
        total.backward()
        if not is_finite(total, moving):
            stopped = "diverged"
            break
        if float(total.detach()) < least:
            least, best, after = float(total.detach()), moving.now(), apart
        history.append(
            {k: float(v.detach()) for k, v in terms.items()} | {"total": float(total.detach())}
        )
        if step > _LOOK_BACK and _stands_still(history, settings.tolerance):
            stopped = "converged"
            break
        optimizer.step()
    return JointResult(*best, (before, after), len(history), stopped, tuple(history))


class _Together(torch.nn.Module):
    """What is moved: a turn per bone, the body's place, and the object's pose."""

    def __init__(
        self, problem: FitProblem, start: Similarity, state: BodyState, model: BodyModel,
        settings: JointSettings,
    ) -> None:  # fmt: skip
        super().__init__()
        self.problem, self.settings, self.start, self.state = problem, settings, start, state
        self.model = model
        self.thing = Poses([start], problem)
        self.thing.log_scale.requires_grad_(False)
        self.turned = torch.nn.Parameter(torch.zeros(len(state.bone_rotations), 3))
        self.shift = torch.nn.Parameter(torch.zeros(3))
        with torch.no_grad():
            first = self.vertices()
        step = max(1, len(first) // _SEEN_POINTS)
        self.seen = torch.arange(0, len(first), step)
        self.seen_px = self._project(first[self.seen])

    def body(self) -> BodyState:
        """The state as it is now."""
        turn = roma.rotvec_to_rotmat(self.turned).to(self.state.bone_rotations)
        return replace(
            self.state,
            bone_rotations=turn @ self.state.bone_rotations,
            translation_m=self.state.translation_m + self.shift,
        )

    def vertices(self) -> Float[Tensor, "verts 3"]:
        """The body in the camera's frame, with gradients."""
        return self.body().vertices_camera(self.model)

    def now(self) -> tuple[BodyState, Similarity]:
        """Both poses, without gradients."""
        with torch.no_grad():
            state = self.body()
        return state, self.thing.similarities()[0]

    def partners(
        self, vertices: Float[Tensor, "verts 3"], touching_vertex: Int[Tensor, "touching"]
    ) -> Partners:
        """Nearest points of the other side, by place."""
        assert self.problem.touched is not None
        pose, body = self.thing.similarities()[0], vertices.double().numpy()
        placed = pose.points(self.problem.touched.points)
        touching = body[touching_vertex.numpy()]
        surface = pose.points(self.problem.surface_object.double().numpy())
        found = (
            KDTree(touching).query(placed)[1], KDTree(placed).query(touching)[1],
            KDTree(body).query(surface)[1],
        )  # fmt: skip
        return Partners(*(torch.from_numpy(index)[None] for index in found))

    def contact(
        self, touching: Float[Tensor, "touching 3"], partners: Partners
    ) -> tuple[Tensor, float]:
        """The weighted contact term, and the mean distance between partners in metres."""
        touched = self.problem.touched
        assert touched is not None
        assert partners.body_of_object is not None and partners.object_of_body is not None
        placed = self.thing.points(torch.from_numpy(touched.points).to(touching))[0]
        away = torch.cat(
            [
                placed - touching[partners.body_of_object[0]],
                placed[partners.object_of_body[0]] - touching,
            ]
        )
        length = (away.square().sum(1) + 1e-12).sqrt()
        robust = (1 + (length / CONTACT_UNIT_M).square()).sqrt() - 1
        weight = FitSettings().weights.contact
        return 4 * weight * robust.mean(), float(length.detach().mean())

    def terms(self, vertices: Float[Tensor, "verts 3"], partners: Partners) -> dict[str, Tensor]:
        """All other weighted terms."""
        settings, near = FitSettings(), partners.body_of_surface
        assert near is not None
        told = energies(self.problem, self.thing, Partners(), settings)
        normals = vertex_normals(vertices, self.model.faces.long())
        inside = penetration(
            self.thing.points(self.problem.surface_object), vertices[near], normals[near]
        )
        s = self.settings
        longer = max(self.problem.camera.height_px, self.problem.camera.width_px)
        moved = (self._project(vertices[self.seen]) - self.seen_px) / (s.seen_share * longer)
        return {
            "mask": told["mask"][0], "centroid": told["centroid"][0],
            "penetration": settings.weights.penetration * inside[0],
            "seen": moved.square().sum(1).mean(),
            "bend": (self.turned.norm(dim=1) / np.radians(s.bend_deg)).square().mean(),
            "shift": (self.shift / s.shift_m).square().sum(),
        }  # fmt: skip

    def _project(self, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 2"]:
        k = self.problem.camera.intrinsics.to(points)
        return (points / points[:, 2:].clamp(min=0.05) @ k.T)[:, :2]


def _stands_still(history: list[dict[str, float]], tolerance: float) -> bool:
    before = min(row["total"] for row in history[:-_LOOK_BACK])
    return before - min(row["total"] for row in history[-_LOOK_BACK:]) < tolerance
