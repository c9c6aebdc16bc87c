"""Point clouds as discs: the nearest points of every pixel, and their published compositing.

Every point is a disc of fixed radius on the image. Fragments are made in bands of rows, so the
memory follows the covered pixels, not points times pixels. Knows nothing of meshes.
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
_FRAGMENTS_AT_ONCE = 1 << 21


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
        bands = [
            _nearest(band, discs, camera, points_per_pixel)
            for band in _bands(_disc_rows(discs, camera))
        ]
    pixel, point, distance, depth = (torch.cat(column) for column in zip(*bands, strict=True))
    return PointPixels(pixel, point, distance, depth, radius_ndc, camera.height_px, camera.width_px)


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
    """One image row of one disc each, sorted by row, then by depth."""

    disc: Int[Tensor, "rows"]
    pixel_first: Int[Tensor, "rows"]
    length: Int[Tensor, "rows"]
    row: Int[Tensor, "rows"]


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
    left = torch.ceil(discs.u[disc] - half - 0.5).clamp(0, width)
    right = torch.floor(discs.u[disc] + half - 0.5).clamp(-1, width - 1)
    length = (right - left + 1).clamp(min=0).long()
    order = torch.sort(row, stable=True).indices
    rows = _Rows(disc, row * width + left.long(), length, row)
    return _Rows(rows.disc[order], rows.pixel_first[order], length[order], row[order])


def _bands(rows: _Rows) -> Iterator[_Rows]:
    """Whole image rows, as many as fit `_FRAGMENTS_AT_ONCE` (at least one)."""
    start, done = 0, 0
    total = rows.length.cumsum(0)
    while start < len(rows.row) or start == 0:
        stop = int(torch.searchsorted(total, done + _FRAGMENTS_AT_ONCE, right=True))
        if stop < len(rows.row):
            # Back to the start of an image row, or on to its end where one row alone is too much.
            begin = int(torch.searchsorted(rows.row, rows.row[stop]))
            stop = (
                begin
                if begin > start
                else int(torch.searchsorted(rows.row, rows.row[stop], right=True))
            )
        part = slice(start, stop)
        yield _Rows(rows.disc[part], rows.pixel_first[part], rows.length[part], rows.row[part])
        if stop == len(rows.row):
            return
        start, done = stop, int(total[stop - 1])


def _nearest(
    rows: _Rows, discs: _Discs, camera: Camera, slots: int
) -> tuple[
    Int[Tensor, "covered"],
    Int[Tensor, "covered {slots}"],
    Float[Tensor, "covered {slots}"],
    Float[Tensor, "covered {slots}"],
]:
    """Pixel, points, squared distances and depths of one band."""
    run = torch.repeat_interleave(rows.length)
    column = torch.arange(len(run), device=run.device)
    pixel = column + (rows.pixel_first - (rows.length.cumsum(0) - rows.length))[run]
    disc = rows.disc[run]
    across = (pixel % camera.width_px) + 0.5 - discs.u[disc]
    down = (rows.row + 0.5)[run] - discs.v[disc]
    squared = across * across + down * down
    inside = squared < discs.radius_px**2
    pixel, disc, squared = pixel[inside], disc[inside], squared[inside]
    # Rows of one pixel are already nearest first, so a stable sort by pixel is all it takes.
    pixel, order = pixel.int().sort(stable=True)
    disc, squared = disc[order], squared[order]
    covered, count = torch.unique_consecutive(pixel, return_counts=True)
    place = torch.repeat_interleave(count)
    rank = torch.arange(len(pixel), device=pixel.device) - (count.cumsum(0) - count)[place]
    kept = rank < slots
    place, rank, disc = place[kept], rank[kept], disc[kept]
    scale = 2 / min(camera.height_px, camera.width_px)
    shape = (len(covered), slots)
    point = torch.full(shape, -1, dtype=torch.int64, device=pixel.device)
    distance, depth = (torch.full(shape, -1.0, device=pixel.device) for _ in range(2))
    point[place, rank] = discs.point[disc]
    distance[place, rank] = (squared[kept] * scale**2).float()
    depth[place, rank] = discs.depth[disc].float()
    return covered.long(), point, distance, depth


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
