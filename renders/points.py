"""Point clouds as discs: the nearest points of every pixel, and their published compositing.

Every point is a disc of fixed radius on the image. Discs are drawn front to back, a bounded number
of fragments at a time, so memory follows the covered pixels, not points times pixels. Knows
nothing of meshes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from renders.camera import NEAR_M, Camera
from renders.errors import InputError
from renders.mesh import PointCloud, require_usable_points

POINT_RADIUS_NDC = 0.05
"""Radius of a point where the shorter image side spans 2. Source: InteractVLM, PIAD objects."""
POINTS_PER_PIXEL = 10
"""Nearest points kept per pixel. Source: InteractVLM, object point renders."""
_FRAGMENTS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class PointPixels:
    """The nearest points of every covered pixel, row-major; nearest first."""

    pixel_index: Int[Tensor, "covered"]
    """row * width + column."""
    point_index: Int[Tensor, "covered slots"]
    """Points by camera depth, then index; -1 where fewer points hit."""
    squared_distance: Float[Tensor, "covered slots"]
    """Squared distance from the pixel centre in units of half the shorter side; -1 if empty."""
    depth_m: Float[Tensor, "covered slots"]
    """Camera z of the point; -1 where empty."""
    radius_ndc: float
    """Radius the points were drawn with."""
    height_px: int
    """Image height."""
    width_px: int
    """Image width."""

    def nearest_point(self) -> Int[Tensor, "height width"]:
        """The nearest point of each pixel, -1 where none."""
        image = self.pixel_index.new_full((self.height_px * self.width_px,), -1)
        image[self.pixel_index] = self.point_index[:, 0]
        return image.view(self.height_px, self.width_px)

    @property
    def covered(self) -> Bool[Tensor, "height width"]:
        """Pixels hit by some point."""
        return self.nearest_point() >= 0


def splat(
    cloud: PointCloud,
    camera: Camera,
    *,
    radius_ndc: float = POINT_RADIUS_NDC,
    points_per_pixel: int = POINTS_PER_PIXEL,
) -> PointPixels:
    """The nearest points whose disc covers each pixel centre.

    A point takes part where its squared distance is strictly below the squared radius. Points
    closer than `NEAR_M` or behind the camera are left out. Equal depths go to the lower index.
    Plain twin: in the tests.

    Source: PyTorch3D 0.7.9 `PointsRasterizer`.

    Raises:
        InputError: a coordinate is not finite, or radius or count is not positive.
    """
    require_usable_points(cloud)
    if not radius_ndc > 0 or points_per_pixel < 1:
        raise InputError(
            "radius and points per pixel must be positive, got "
            f"{radius_ndc!r} and {points_per_pixel!r}"
        )
    with torch.no_grad():
        discs = _discs(cloud, camera, radius_ndc)
        hits = _nearest(_disc_rows(discs, camera), camera, points_per_pixel)
        return _gather(hits, discs, camera, points_per_pixel, radius_ndc)


@dataclass(frozen=True)
class _Discs:
    """Projected points, nearest first."""

    point: Int[Tensor, "discs"]
    u: Float[Tensor, "discs"]
    v: Float[Tensor, "discs"]
    depth: Float[Tensor, "discs"]
    radius_px: float


@dataclass(frozen=True)
class _Rows:
    """One image row of one disc each, nearest disc first."""

    disc: Int[Tensor, "rows"]
    pixel_first: Int[Tensor, "rows"]
    length: Int[Tensor, "rows"]


@dataclass(frozen=True)
class _Hits:
    """Discs that are among the nearest of a pixel."""

    pixel: Int[Tensor, "hits"]
    slot: Int[Tensor, "hits"]
    disc: Int[Tensor, "hits"]
    count: Int[Tensor, "pixels"]
    """Hits per pixel."""


def _discs(cloud: PointCloud, camera: Camera, radius_ndc: float) -> _Discs:
    """Projects the points and sorts them by depth (stable, so ties keep their index order)."""
    points_camera = camera.to_camera(cloud.points.detach().double())
    point = (points_camera[:, 2] >= NEAR_M).nonzero().flatten()
    depth, order = points_camera[point, 2].sort(stable=True)
    point = point[order]
    pixels = points_camera[point] / depth[:, None] @ camera.intrinsics.to(points_camera).T
    radius_px = radius_ndc * min(camera.height_px, camera.width_px) / 2
    return _Discs(point, pixels[:, 0], pixels[:, 1], depth, radius_px)


def _disc_rows(discs: _Discs, camera: Camera) -> _Rows:
    """Cuts the discs into rows."""
    height, width, radius = camera.height_px, camera.width_px, discs.radius_px
    first = torch.ceil(discs.v - radius - 0.5).clamp(0, height)
    last = torch.floor(discs.v + radius - 0.5).clamp(-1, height - 1)
    count = (last - first + 1).clamp(min=0).long()
    disc = torch.repeat_interleave(count)
    start = first.long() - (count.cumsum(0) - count)
    row = torch.arange(len(disc), device=disc.device) + start[disc]
    rise = row.double() + 0.5 - discs.v[disc]
    half = (radius * radius - rise * rise).clamp(min=0).sqrt()
    # Strictly inside the disc, hence not ceil and floor.
    left = torch.floor(discs.u[disc] - half + 0.5).clamp(0, width)
    right = torch.ceil(discs.u[disc] + half - 1.5).clamp(-1, width - 1)
    length = (right - left + 1).clamp(min=0).long()
    return _Rows(disc, row * width + left.long(), length)


def _nearest(rows: _Rows, camera: Camera, slots: int) -> _Hits:
    """The first `slots` discs of every pixel, found front to back.

    Fragments of pixels that are full already are dropped before they are sorted: where discs lie
    a hundred deep, that is nearly all of them.
    """
    device = rows.disc.device
    count = torch.zeros(camera.height_px * camera.width_px, dtype=torch.int64, device=device)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for part in _chunks(rows.length):
        length = rows.length[part]
        run = torch.repeat_interleave(length)
        offset = rows.pixel_first[part] - (length.cumsum(0) - length)
        pixel = torch.arange(len(run), device=device) + offset.index_select(0, run)
        free = (count.index_select(0, pixel) < slots).nonzero().flatten()
        # The order by depth survives a stable sort by pixel.
        pixel, order = pixel.index_select(0, free).int().sort(stable=True)
        run = run.index_select(0, free.index_select(0, order))
        hit, times = torch.unique_consecutive(pixel.long(), return_counts=True)
        start = count.index_select(0, hit) - (times.cumsum(0) - times)
        slot = torch.arange(len(pixel), device=device) + torch.repeat_interleave(start, times)
        count.index_add_(0, hit, times)
        kept = (slot < slots).nonzero().flatten()
        disc = rows.disc[part].index_select(0, run.index_select(0, kept))
        found.append((pixel.index_select(0, kept).long(), slot.index_select(0, kept), disc))
    pixel, slot, disc = (torch.cat(column) for column in zip(*found, strict=True))
    return _Hits(pixel, slot, disc, count)


def _chunks(sizes: Int[Tensor, "items"]) -> Iterator[slice]:
    """Ranges of items whose sizes sum to at most `_FRAGMENTS_AT_ONCE` (or single items)."""
    total, start, done = sizes.cumsum(0), 0, 0
    while True:
        stop = int(torch.searchsorted(total, done + _FRAGMENTS_AT_ONCE, right=True))
        stop = min(max(stop, start + 1), len(sizes))
        yield slice(start, stop)
        if stop == len(sizes):
            return
        start, done = stop, int(total[stop - 1])


def _gather(
    hits: _Hits, discs: _Discs, camera: Camera, slots: int, radius_ndc: float
) -> PointPixels:
    """Lays the hits out by covered pixel and slot, with their distances and depths."""
    covered = hits.count > 0
    place = (covered.cumsum(0) - 1).index_select(0, hits.pixel) * slots + hits.slot
    row = torch.div(hits.pixel, camera.width_px, rounding_mode="floor")
    across = hits.pixel - row * camera.width_px + 0.5 - discs.u[hits.disc]
    down = row + 0.5 - discs.v[hits.disc]
    scale = 2 / min(camera.height_px, camera.width_px)
    squared = ((across * across + down * down) * scale**2).float()
    pixel_index = covered.nonzero().flatten()

    def laid_out(values: Tensor) -> Tensor:
        table = values.new_full((len(pixel_index) * slots,), -1)
        return table.index_copy_(0, place, values).view(-1, slots)

    return PointPixels(
        pixel_index,
        laid_out(discs.point[hits.disc]),
        laid_out(squared),
        laid_out(discs.depth[hits.disc].float()),
        radius_ndc,
        camera.height_px,
        camera.width_px,
    )


def composite(
    pixels: PointPixels, colors: Float[Tensor, "points channels"]
) -> Float[Tensor, "height width channels"]:
    """Front-to-back blend with alpha = 1 - d²/r²; white only where no point hits.

    Partly covered pixels blend to black, so outlines are darker than their points, as in the
    published renders. Differentiable in `colors`.

    Source: PyTorch3D 0.7.9 `AlphaCompositor` with InteractVLM's white background.
    """
    hit = pixels.point_index >= 0
    alpha = torch.where(hit, 1 - pixels.squared_distance / pixels.radius_ndc**2, 0.0)
    passed = torch.cumprod(1 - alpha, dim=1)
    weight = alpha * torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=1)
    blended = colors.new_zeros(len(hit), colors.shape[1])
    for slot in range(hit.shape[1]):
        color = colors[pixels.point_index[:, slot].clamp(min=0)]
        blended = blended + weight[:, slot, None].to(colors) * color
    image = colors.new_ones(pixels.height_px * pixels.width_px, colors.shape[1])
    return image.index_put_((pixels.pixel_index,), blended).view(
        pixels.height_px, pixels.width_px, -1
    )
