"""What a pose of the object costs, term by term, for many poses at once.

Source: InteractVLM, object fit (equations of E_M and E_C), corrected: a true intersection over
union, centroids of the same kind, distances of partners instead of means over all pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from hoi_fit.ground import Ground
from hoi_fit.icp import NORMAL_LENGTH_M
from hoi_fit.problem import FitProblem, FitSettings
from hoi_fit.similarity import Similarity
from renders.silhouette import soft_silhouette

CONTACT_UNIT_M, DEPTH_UNIT_M, PENETRATION_UNIT_M = 0.1, 0.2, 0.05
TILT_UNIT_DEG = 10.0
_LEAST_DEPTH_M = 0.1
"""Unit of shifts of nearer starts: one in the camera's own plane has no depth to count in."""


class Poses(torch.nn.Module):
    """Similarities as numbers an optimiser moves: a turn, a shift and a logarithm of scale.

    Turns are about the object's middle, and shifts in units of its depth, so that turning does not
    move the object away and one rate suits near and far.
    """

    def __init__(self, starts: Sequence[Similarity], problem: FitProblem) -> None:
        super().__init__()
        middle = problem.middle_object
        dtype = problem.vertices_object.dtype
        turns = np.stack([start.rotation for start in starts])
        places = np.stack([start.points(middle[None])[0] for start in starts])
        depth = np.maximum(np.abs(places[:, 2:]), _LEAST_DEPTH_M)
        self.register_buffer("turn", torch.from_numpy(turns).to(dtype))
        self.register_buffer("middle", torch.from_numpy(middle).to(dtype))
        self.register_buffer("depth", torch.from_numpy(depth).to(dtype))
        self.turn: Tensor
        self.middle: Tensor
        self.depth: Tensor
        self.turned = torch.nn.Parameter(torch.zeros(len(starts), 3, dtype=dtype))
        """Rotation vectors on top of the start's."""
        self.place = torch.nn.Parameter(torch.from_numpy(places).to(dtype) / self.depth)
        self.log_scale = torch.nn.Parameter(
            torch.tensor([start.scale for start in starts], dtype=dtype).log()
        )

    def rotation(self) -> Float[Tensor, "poses 3 3"]:
        """Of every pose."""
        return roma.rotvec_to_rotmat(self.turned) @ self.turn

    def points(self, points_object: Float[Tensor, "points 3"]) -> Float[Tensor, "poses points 3"]:
        """Object points in the camera's frame."""
        turned = (points_object - self.middle) @ self.rotation().transpose(1, 2)
        scaled = self.log_scale.exp()[:, None, None] * turned
        return scaled + (self.place * self.depth)[:, None]

    def similarities(self) -> list[Similarity]:
        """The poses as they are now."""
        with torch.no_grad():
            rotation, scale = self.rotation().double().numpy(), self.log_scale.exp().tolist()
            place = (self.place * self.depth).double().numpy()
        middle = self.middle.double().numpy()
        return [
            Similarity(r, p - s * r @ middle, s)
            for r, p, s in zip(rotation, place, scale, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Partners:
    """Nearest points of the other side, fixed for some steps; one row per pose."""

    body_of_object: Int[Tensor, "poses touched"] | None = None
    """None without contact on both sides."""
    object_of_body: Int[Tensor, "poses touching"] | None = None
    body_of_surface: Int[Tensor, "poses samples"] | None = None
    """Of all of the object; None where the body is not known."""


def find_partners(problem: FitProblem, poses: Poses) -> Partners:
    """Nearest in place and opposed normal, both ways; for the whole surface in place alone."""
    now = poses.similarities()
    there = back = surface = None
    if problem.has_contact:
        assert problem.touched is not None
        touched, tree = problem.touched, problem.touching_tree
        pairs = []
        for pose in now:
            normals = NORMAL_LENGTH_M * pose.directions(touched.normals)
            placed = np.concatenate([pose.points(touched.points), normals], axis=1)
            pairs.append((tree.query(placed)[1], KDTree(placed).query(tree.data)[1]))
        there, back = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
    if problem.body is not None:
        samples = problem.surface_object.double().numpy()
        placed = np.stack([pose.points(samples) for pose in now])
        surface = torch.from_numpy(problem.body_tree.query(placed)[1])
    return Partners(there, back, surface)


def energies(
    problem: FitProblem, poses: Poses, partners: Partners, settings: FitSettings
) -> dict[str, Float[Tensor, "poses"]]:
    """Every weighted term of every pose, with gradients; those that lack partners are left out."""
    weights = settings.weights
    vertices = poses.points(problem.vertices_object)
    height, width = problem.object_mask.shape
    drawn = soft_silhouette(
        vertices, problem.faces, problem.camera.intrinsics.to(vertices), height, width
    )
    drawn = drawn * problem.counted_at(vertices.detach()[..., 2].amax(1))
    terms = {
        "mask": weights.mask * (1 - _soft_iou(drawn, problem)),
        "centroid": weights.centroid * _centroids_apart(drawn, vertices, problem),
        "size": weights.size * (poses.log_scale / settings.size_spread).square(),
    }
    if problem.ground is not None:
        terms |= _standing(problem.ground, poses, vertices, settings)
    if partners.body_of_object is not None:
        terms["contact"] = weights.contact * _contact(problem, poses, partners)
    if problem.depth_m is not None:
        terms["depth"] = weights.depth * _depth(problem, vertices)
    if problem.body is not None and partners.body_of_surface is not None:
        surface = poses.points(problem.surface_object)
        near, body = partners.body_of_surface, problem.body
        inside = penetration(
            surface,
            torch.from_numpy(body.points).to(surface)[near],
            torch.from_numpy(body.normals).to(surface)[near],
        )
        terms["penetration"] = weights.penetration * inside
    return terms


def is_finite(total: Float[Tensor, "*poses"], moving: torch.nn.Module) -> bool:
    """Whether an energy and its gradients are numbers, so that a next step leads anywhere."""
    values = [total, *(p.grad for p in moving.parameters() if p.grad is not None)]
    return all(bool(torch.isfinite(value).all()) for value in values)


def _standing(
    ground: Ground, poses: Poses, vertices: Float[Tensor, "poses verts 3"], settings: FitSettings
) -> dict[str, Float[Tensor, "poses"]]:
    """Tilt of the object's own up (y), and how far it floats above or sinks into the floor."""
    up = torch.tensor(ground.up_camera).to(vertices)
    # For small tilts 2 (1 - cos) is the square of the angle; upside down it stays finite.
    square = 2 * (1 - poses.rotation()[:, :, 1] @ up)
    away = (vertices @ up).amin(1) - ground.height_m
    return {
        "upright": settings.weights.upright * square / np.radians(TILT_UNIT_DEG) ** 2,
        "ground": settings.weights.ground * _robust(away),
    }


def _soft_iou(
    drawn: Float[Tensor, "poses height width"], problem: FitProblem
) -> Float[Tensor, "poses"]:
    """1 for a perfect overlap."""
    mask = problem.object_mask.to(drawn)
    both = (drawn * mask).sum((1, 2))
    return both / (drawn.sum((1, 2)) + mask.sum() - both)


def _centroids_apart(
    drawn: Float[Tensor, "poses height width"],
    vertices: Float[Tensor, "poses verts 3"],
    problem: FitProblem,
) -> Float[Tensor, "poses"]:
    """Distance of centroids in image sides; of the mean vertex where nothing is drawn."""
    mask = problem.object_mask
    height, width = mask.shape
    rows, columns = torch.meshgrid(
        torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij"
    )
    grid = torch.stack([columns, rows], -1).to(drawn)
    wanted = grid[mask].mean(0)
    mass = drawn.sum((1, 2))
    found = torch.einsum("phw,hwc->pc", drawn, grid) / mass.clamp(min=1.0)[:, None]
    mean = vertices.mean(1)
    projected = mean @ problem.camera.intrinsics.to(mean).T
    projected = projected[:, :2] / projected[:, 2:].clamp(min=0.05)
    place = torch.where((mass > 1.0)[:, None], found, projected)
    return _length(place - wanted) / max(height, width)


def _contact(problem: FitProblem, poses: Poses, partners: Partners) -> Float[Tensor, "poses"]:
    touched, touching = problem.touched, problem.touching
    assert touched is not None and touching is not None
    assert partners.body_of_object is not None and partners.object_of_body is not None
    placed = poses.points(torch.from_numpy(touched.points).to(poses.middle))
    body = torch.from_numpy(touching.points).to(placed)
    there = _robust(_length(placed - body[partners.body_of_object]))
    index = partners.object_of_body[..., None].expand(-1, -1, 3)
    back = _robust(_length(placed.gather(1, index) - body))
    shares = [torch.from_numpy(s.weight / s.weight.sum()).to(placed) for s in (touched, touching)]
    return (there @ shares[0] + back @ shares[1]) / 2


def _robust(away: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Square near 0, straight far away, in units of 10 cm."""
    scaled = away / CONTACT_UNIT_M
    return (1 + scaled.square()).sqrt() - 1


def _depth(problem: FitProblem, vertices: Float[Tensor, "poses verts 3"]) -> Float[Tensor, "poses"]:
    """Mean depth of the mask against the mean depth of the object's nearer half."""
    assert problem.depth_m is not None
    known = problem.object_mask & torch.isfinite(problem.depth_m) & (problem.depth_m > 0)
    if not known.any():
        return vertices.sum((1, 2)) * 0.0
    measured = problem.depth_m[known].median().to(vertices)
    nearer = vertices[..., 2].sort(dim=1).values[:, : max(1, vertices.shape[1] // 2)].mean(1)
    away = (nearer - measured) / DEPTH_UNIT_M
    return (1 + away.square()).sqrt() - 1


def penetration(
    points: Float[Tensor, "poses points 3"],
    nearest: Float[Tensor, "poses points 3"],
    normals: Float[Tensor, "poses points 3"],
) -> Float[Tensor, "poses"]:
    """Mean depth of points behind the nearest point of the body's surface, in units of 5 cm."""
    inside = (-(points - nearest) * normals).sum(-1).clamp(min=0)
    # Far behind a surface the nearest point says nothing about inside and outside.
    inside = torch.where(inside < 3 * PENETRATION_UNIT_M, inside, torch.zeros_like(inside))
    return inside.mean(1) / PENETRATION_UNIT_M


def _length(vectors: Float[Tensor, "*batch axes"]) -> Float[Tensor, "*batch"]:
    """Norm with a gradient at zero."""
    return (vectors.square().sum(-1) + 1e-12).sqrt()
