"""Differentiable silhouettes: how much of each pixel a mesh covers, with soft edges.

A face covers a pixel by sigmoid(-d / sigma), d being the squared distance of the pixel's centre to
the projected triangle (negative inside); faces are combined as if independent. Every face within
the blur radius takes part, none is dropped, so the gradient is that of the formula. Many poses of
one mesh are drawn as one batch. The search for the pixels of a face has no gradient; that of a
distance goes to the two ends of the nearest edge (where on the edge the nearest point lies changes
nothing to first order). Plain twin: in the tests.

Source: SoftRas, as PyTorch3D's silhouette shader computes it; InteractVLM, object fitting.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from renders.camera import NEAR_M
from renders.errors import InputError

SIGMA = 1e-4
"""Softness of an edge, in squared units of half the shorter image side. Source: InteractVLM."""
_FRAGMENTS_AT_ONCE = 1 << 18
"""More at a time is slower: arrays of so many megabytes go back to the system after every step, and
every page of them faults again."""
_SMALLEST_AREA = 1e-12


@dataclass(frozen=True)
class _Fragments:
    """Pairs of a face and a pixel within its blur radius."""

    pixel: Int[Tensor, "fragments"]
    """(pose * height + row) * width + column."""
    x: Float[Tensor, "fragments"]
    """Of the pixel's centre, in units of half the shorter side."""
    y: Float[Tensor, "fragments"]
    start: Int[Tensor, "fragments"]
    """Vertex (of all poses) the nearest edge starts at."""
    end: Int[Tensor, "fragments"]
    along: Float[Tensor, "fragments"]
    """Where on that edge the nearest point lies, 0 to 1."""
    inside: Bool[Tensor, "fragments"]


def soft_silhouette(
    vertices_camera: Float[Tensor, "poses verts 3"],
    faces: Int[Tensor, "faces 3"],
    intrinsics: Float[Tensor, "3 3"],
    height_px: int,
    width_px: int,
    *,
    sigma: float = SIGMA,
) -> Float[Tensor, "poses height width"]:
    """Coverage in [0, 1] of every pixel, with gradients to the vertices.

    `vertices_camera` are metres, x right, y down, z forward. A face that reaches behind the near
    plane is left out. The blur ends where a face alone would cover 1e-4.

    Raises:
        InputError: the image has no pixels or `sigma` is not positive.
    """
    if height_px < 1 or width_px < 1 or not sigma > 0:
        raise InputError(
            f"a silhouette needs pixels and a positive sigma, got {height_px}x{width_px} and "
            f"{sigma!r}"
        )
    poses, count = vertices_camera.shape[:2]
    scale = 2.0 / min(height_px, width_px)
    depth = vertices_camera[..., 2:].clamp(min=NEAR_M)
    # In units of half the shorter side, measured from the image's corner.
    place = scale * (vertices_camera / depth @ intrinsics.T)[..., :2].reshape(-1, 2)
    corner = faces.long()[None] + count * torch.arange(poses, device=faces.device)[:, None, None]
    with torch.no_grad():
        usable = (vertices_camera[..., 2] >= NEAR_M)[:, faces.long()].all(2)
        pose = torch.arange(poses, device=faces.device)[:, None].expand_as(usable)[usable]
        found = _fragments(place, corner[usable], pose, height_px, width_px, scale, sigma)
    flat = _Coverage.apply(place, found, sigma, poses * height_px * width_px)
    return flat.view(poses, height_px, width_px)


def blur_radius(sigma: float = SIGMA) -> float:
    """Squared distance at which a face alone covers 1e-4. Source: InteractVLM, object fitting."""
    return math.log(1.0 / 1e-4 - 1.0) * sigma


class _Coverage(torch.autograd.Function):
    """Coverage from distances whose nearest edges are known.

    Components stand in arrays of their own: sums over an axis of two are slow, and so is indexing
    by brackets.
    """

    @staticmethod
    def forward(ctx, place, found, sigma, size):
        x, y = place.unbind(1)
        along = found.along.to(place)
        offset_x, offset_y = (
            middle - torch.lerp(
                axis.index_select(0, found.start), axis.index_select(0, found.end), along
            )
            for middle, axis in ((found.x, x), (found.y, y))
        )  # fmt: skip
        squared = offset_x.square() + offset_y.square()
        depth = torch.where(found.inside, squared, -squared) / sigma
        # 1 - product of (1 - sigmoid) is 1 - exp of minus a sum of softplus.
        hidden = place.new_zeros(size).index_add_(0, found.pixel, functional.softplus(depth))
        ctx.save_for_backward(offset_x, offset_y, along, depth, hidden)
        ctx.found, ctx.sigma, ctx.points = found, sigma, len(place)
        return -torch.expm1(-hidden)

    @staticmethod
    def backward(ctx, *gradients):
        offset_x, offset_y, along, depth, hidden = ctx.saved_tensors
        found = ctx.found
        per_pixel = gradients[0] * torch.exp(-hidden)
        weight = per_pixel.index_select(0, found.pixel) * torch.sigmoid(depth) * (-2 / ctx.sigma)
        weight = torch.where(found.inside, weight, -weight)
        sides = []
        for offset in (offset_x, offset_y):
            pull = weight * offset
            at_end = pull * along
            side = pull.new_zeros(ctx.points).index_add_(0, found.start, pull - at_end)
            sides.append(side.index_add_(0, found.end, at_end))
        return torch.stack(sides, dim=1), None, None, None


def _fragments(
    place: Float[Tensor, "points 2"],
    corner: Int[Tensor, "faces 3"],
    pose: Int[Tensor, "faces"],
    height_px: int,
    width_px: int,
    scale: float,
    sigma: float,
) -> _Fragments:
    """All faces and pixels nearer than the blur radius."""
    reach = math.sqrt(blur_radius(sigma))
    triangle = place[corner]
    limit = torch.tensor([width_px, height_px], device=place.device)
    # A centre (i + 0.5) * scale lies in the box from the first to the last of these indices.
    first = ((triangle.amin(1) - reach) / scale - 0.5).ceil().clamp(min=0)
    last = ((triangle.amax(1) + reach) / scale - 0.5).floor()
    first, last = first.long(), torch.minimum(last.long(), limit - 1)
    size = (last - first + 1).clamp(min=0)
    area = size.prod(1)
    parts: list[_Fragments] = []
    for chunk in _chunks(area):
        parts.append(
            _tested(
                place, corner[chunk], pose[chunk], first[chunk], size[chunk],
                (height_px, width_px, scale, blur_radius(sigma)),
            )
        )  # fmt: skip
    if not parts:
        nothing = corner.new_zeros(0)
        empty = place.new_zeros(0)
        return _Fragments(nothing, empty, empty, nothing, nothing, empty, nothing.bool())
    return _Fragments(*(torch.cat(column) for column in zip(*map(_columns, parts), strict=True)))


def _columns(part: _Fragments) -> tuple[Tensor, ...]:
    return part.pixel, part.x, part.y, part.start, part.end, part.along, part.inside


def _chunks(area: Int[Tensor, "faces"]) -> list[slice]:
    """Runs of faces with about `_FRAGMENTS_AT_ONCE` pixels each."""
    if not len(area):
        return []
    run = torch.div(area.cumsum(0), _FRAGMENTS_AT_ONCE, rounding_mode="floor")
    cuts = (run.diff().nonzero().flatten() + 1).tolist()
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, len(area)], strict=True)]


def _tested(
    place: Float[Tensor, "points 2"],
    corner: Int[Tensor, "faces 3"],
    pose: Int[Tensor, "faces"],
    first: Int[Tensor, "faces 2"],
    size: Int[Tensor, "faces 2"],
    view: tuple[int, int, float, float],
) -> _Fragments:
    """Every pixel of the boxes against its face; those within the blur radius."""
    height_px, width_px, scale, radius = view
    area = size.prod(1)
    face = torch.repeat_interleave(torch.arange(len(area), device=area.device), area)
    table = torch.stack([first[:, 0], first[:, 1], size[:, 0], area.cumsum(0) - area])
    left, top, across_px, before = table.gather(1, face.expand(len(table), -1))
    step = torch.arange(len(face), device=area.device) - before
    down = torch.div(step, across_px, rounding_mode="floor")
    row, column = top + down, left + step - down * across_px
    x, y = scale * (column.to(place) + 0.5), scale * (row.to(place) + 0.5)
    ends = place[corner]
    nearest = along = edge = None
    side = []
    for k in range(3):
        start = ends[:, k]
        reach = ends[:, (k + 1) % 3] - start
        length = reach.square().sum(1).clamp(min=_SMALLEST_AREA)
        # Components in arrays of their own, fetched at once: an axis of two is slow.
        table = torch.cat([start.T, reach.T, length[None]])
        table = table.gather(1, face.expand(len(table), -1))
        from_x, from_y, across_x, across_y = x - table[0], y - table[1], table[2], table[3]
        t = ((from_x * across_x + from_y * across_y) / table[4]).clamp(0, 1)
        squared = (from_x - t * across_x).square() + (from_y - t * across_y).square()
        side.append(across_x * from_y - across_y * from_x)
        if nearest is None or along is None or edge is None:
            nearest, along, edge = squared, t, torch.zeros_like(face)
        else:
            nearer = squared < nearest
            nearest = torch.where(nearer, squared, nearest)
            along, edge = torch.where(nearer, t, along), torch.where(nearer, k, edge)
    assert nearest is not None and along is not None and edge is not None
    low = torch.minimum(torch.minimum(side[0], side[1]), side[2])
    high = torch.maximum(torch.maximum(side[0], side[1]), side[2])
    inside = (low > 0) | (high < 0)
    kept = (inside | (nearest < radius)).nonzero().flatten()
    kept_face = face.index_select(0, kept)
    kept_edge = edge.index_select(0, kept)
    corners, first_of_face = corner.flatten(), 3 * kept_face
    row, column = row.index_select(0, kept), column.index_select(0, kept)
    return _Fragments(
        (pose.index_select(0, kept_face) * height_px + row) * width_px + column,
        x.index_select(0, kept),
        y.index_select(0, kept),
        corners.index_select(0, first_of_face + kept_edge),
        corners.index_select(0, first_of_face + (kept_edge + 1) % 3),
        along.index_select(0, kept),
        inside.index_select(0, kept),
    )
