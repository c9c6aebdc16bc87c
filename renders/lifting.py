"""Between pixels and surface: lifting per-view values to vertices, and masks from vertex labels.

A `PixelSurfaceMap` lists, for covered pixels only, which vertices each pixel sees and with what
weights. Lifting is a weighted mean over those pixels, masks are its transpose; both are sums over
the list, so there is no matrix of vertices times pixels, and both are differentiable. Knows
nothing of cameras, bodies or networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from renders.errors import InputError
from renders.points import PointPixels
from renders.rasterizer import VisiblePixels
from renders.unseen import SurfaceFill, fill_unseen

__all__ = [
    "LOGIT_LIMIT",
    "OBJECT_MINIMUM",
    "PixelSurfaceMap",
    "SurfaceFill",
    "fill_unseen",
    "lift_human_logits",
    "lift_human_logits_original",
    "lift_object_logits",
    "lift_point_logits",
]

LOGIT_LIMIT = 20.0
"""Human logits are clamped to this before the sigmoid. Source: InteractVLM, corrected lift."""
OBJECT_MINIMUM = 0.3
"""Object pixels take part above this probability. Source: InteractVLM, object lift."""


@dataclass(frozen=True, eq=False)
class PixelSurfaceMap:
    """Which vertices every covered pixel of a set of views sees."""

    pixel_index: Int[Tensor, "covered"]
    """(view * height + row) * width + column; each pixel at most once."""
    vertex_index: Int[Tensor, "covered corners"]
    """Vertices seen: three corners of a face, or one point."""
    weight: Float[Tensor, "covered corners"]
    """Barycentric weights, at least 0, sum 1 per pixel."""
    num_vertices: int
    """Vertices of the surface, seen or not."""
    num_views: int
    """Number of views."""
    height_px: int
    """Image height."""
    width_px: int
    """Image width."""

    @staticmethod
    def from_visible(
        views: Sequence[VisiblePixels], faces: Int[Tensor, "faces 3"], num_vertices: int
    ) -> "PixelSurfaceMap":
        """The map of a mesh drawn in several views of one size."""
        height, width = _common_size([(view.height_px, view.width_px) for view in views])
        size = height * width
        return PixelSurfaceMap(
            torch.cat([view.pixel_index + i * size for i, view in enumerate(views)]),
            torch.cat([faces[view.face_index].long() for view in views]),
            torch.cat([view.barycentric for view in views]),
            num_vertices,
            len(views),
            height,
            width,
        )

    @staticmethod
    def from_points(views: Sequence[PointPixels], num_points: int) -> "PixelSurfaceMap":
        """The map of a point cloud: each pixel sees its nearest point."""
        height, width = _common_size([(view.height_px, view.width_px) for view in views])
        size = height * width
        point = torch.cat([view.point_index[:, :1] for view in views])
        return PixelSurfaceMap(
            torch.cat([view.pixel_index + i * size for i, view in enumerate(views)]),
            point,
            torch.ones(point.shape, device=point.device),
            num_points,
            len(views),
            height,
            width,
        )

    @staticmethod
    def from_dense(
        vertex_of_pixel: Int[Tensor, "views height width corners"],
        weight_of_pixel: Float[Tensor, "views height width corners"],
        num_vertices: int,
    ) -> "PixelSurfaceMap":
        """The map of dense arrays as published files hold them; -1 marks background.

        A pixel takes part where all its vertices lie in [0, `num_vertices`).
        """
        views, height, width, corners = vertex_of_pixel.shape
        vertex = vertex_of_pixel.reshape(-1, corners).long()
        pixel = ((vertex >= 0) & (vertex < num_vertices)).all(1).nonzero().flatten()
        weight = weight_of_pixel.reshape(-1, corners)[pixel]
        return PixelSurfaceMap(pixel, vertex[pixel], weight, num_vertices, views, height, width)

    @property
    def vertex_of_pixel(self) -> Int[Tensor, "views height width corners"]:
        """Dense form of `vertex_index`, -1 where background."""
        return self._dense(self.vertex_index, -1)

    @property
    def weight_of_pixel(self) -> Float[Tensor, "views height width corners"]:
        """Dense form of `weight`, 0 where background."""
        return self._dense(self.weight, 0)

    def _dense(self, values: Tensor, background: int) -> Tensor:
        size = self.num_views * self.height_px * self.width_px
        dense = values.new_full((size, values.shape[1]), background)
        dense[self.pixel_index] = values
        return dense.view(self.num_views, self.height_px, self.width_px, -1)

    @cached_property
    def valid(self) -> Bool[Tensor, "views height width"]:
        """Pixels that see the surface."""
        size = self.num_views * self.height_px * self.width_px
        valid = torch.zeros(size, dtype=torch.bool, device=self.pixel_index.device)
        valid[self.pixel_index] = True
        return valid.view(self.num_views, self.height_px, self.width_px)

    @cached_property
    def seen(self) -> Bool[Tensor, "verts"]:
        """Vertices that some pixel of some view sees."""
        return self.seen_by_views > 0

    @cached_property
    def seen_by_views(self) -> Int[Tensor, "verts"]:
        """Number of views that see each vertex."""
        return (self._mass > 0).sum(0)

    @cached_property
    def _mass(self) -> Float[Tensor, "views verts"]:
        """Summed weights of each vertex in each view."""
        return self._scatter(torch.ones(1, len(self.pixel_index)).to(self.weight))[0]

    @cached_property
    def _slots(self) -> tuple[Int[Tensor, "covered"], ...]:
        """view * verts + vertex, per corner."""
        view = torch.div(self.pixel_index, self.height_px * self.width_px, rounding_mode="floor")
        return tuple(view * self.num_vertices + corner for corner in self.vertex_index.unbind(1))

    def _gather(
        self, values: Float[Tensor, "*batch views height width"]
    ) -> Float[Tensor, "samples covered"]:
        """Values at the covered pixels, in single precision or better."""
        expected = (self.num_views, self.height_px, self.width_px)
        if tuple(values.shape[-3:]) != expected:
            raise InputError(
                f"per-view values must end in views, height, width = {expected}, got the shape "
                f"{tuple(values.shape)}; resize them to the view set's resolution"
            )
        flat = values.reshape(-1)
        size = expected[0] * expected[1] * expected[2]
        samples = flat.numel() // size
        index = _batched(self.pixel_index, samples, size)
        gathered = flat.index_select(0, index).view(samples, len(self.pixel_index))
        return gathered.to(torch.promote_types(values.dtype, torch.float32))

    def _scatter(
        self, values: Float[Tensor, "samples covered"]
    ) -> Float[Tensor, "samples views verts"]:
        """Sums weight times value of every pixel onto its vertices, per view."""
        samples, size = values.shape[0], self.num_views * self.num_vertices
        total = values.new_zeros(samples * size)
        for slot, weight in zip(self._slots, self.weight.to(values.dtype).unbind(1), strict=True):
            index = _batched(slot, samples, size)
            total = total.index_add(0, index, (values * weight).reshape(-1))
        return total.view(samples, self.num_views, self.num_vertices)

    def lift(
        self,
        probability: Float[Tensor, "*batch views height width"],
        *,
        reduction: Literal["views", "pixels"] = "views",
        minimum: float | None = None,
    ) -> Float[Tensor, "*batch {self.num_vertices}"]:
        """Vertex values from per-view images of values.

        "views": weighted mean over the pixels of each view, then mean over the views that see the
        vertex. "pixels": one weighted mean over the pixels of all views. With `minimum`, only
        pixels strictly above it take part, and only views with such a pixel on the vertex count.
        A vertex without pixels gets 0 (see `seen` and `fill_unseen`). Differentiable; background
        pixels are never read, so their values (NaN too) do not matter. Plain twin: in the
        tests.

        Source: InteractVLM, corrected human lift; `minimum=0.3` is its object rule; on a point
        map, its point rule.

        Raises:
            InputError: the images have another size than the map.
        """
        values = self._gather(probability)
        lifted = self.lift_covered(values, reduction=reduction, minimum=minimum)
        return lifted.view(*probability.shape[:-3], self.num_vertices)

    def lift_covered(
        self,
        values: Float[Tensor, "samples covered"],
        *,
        reduction: Literal["views", "pixels"] = "views",
        minimum: float | None = None,
    ) -> Float[Tensor, "samples verts"]:
        """`lift` of values at the covered pixels only."""
        if minimum is None:
            total, mass = self._scatter(values), self._mass.to(values.dtype)[None]
        else:
            taken = (values.detach() > minimum).to(values.dtype)
            total, mass = self._scatter(values * taken), self._scatter(taken)
        if reduction == "pixels":
            total, mass = total.sum(1, keepdim=True), mass.sum(1, keepdim=True)
        per_view = torch.where(mass > 0, total / torch.where(mass > 0, mass, 1.0), 0.0)
        views = (mass > 0).sum(1).clamp(min=1)
        return per_view.sum(1) / views

    def masks_from_vertices(
        self,
        contact: Float[Tensor, "*batch {self.num_vertices}"],
        *,
        min_vertices: int = 2,
        soft: bool = False,
    ) -> Float[Tensor, "*batch {self.num_views} {self.height_px} {self.width_px}"]:
        """Per-view images from vertex values: the lift turned round; 0 where background.

        Hard: 1 where at least `min_vertices` of the pixel's vertices exceed 0.5 (2 is the
        published "mv2"; on a point map every number means the one point). Soft: the values
        interpolated with the barycentric weights, differentiable.

        Source: InteractVLM, mask scripts.

        Raises:
            InputError: `min_vertices` is not 1, 2 or 3.
        """
        if min_vertices not in (1, 2, 3):
            raise InputError(f"min_vertices must be 1, 2 or 3, got {min_vertices!r}")
        samples = contact.numel() // self.num_vertices if self.num_vertices else 0
        flat, corners = contact.reshape(-1), self.vertex_index.unbind(1)
        picked = [
            flat.index_select(0, _batched(c, samples, self.num_vertices)).view(samples, len(c))
            for c in corners
        ]
        if soft:
            weights = self.weight.to(contact.dtype).unbind(1)
            values = torch.stack([w * p for w, p in zip(weights, picked, strict=True)]).sum(0)
        else:
            count = torch.stack([p > 0.5 for p in picked]).sum(0)
            values = (count >= min(min_vertices, len(corners))).to(contact.dtype)
        size = self.num_views * self.height_px * self.width_px
        pixels = _batched(self.pixel_index, samples, size)
        image = contact.new_zeros(samples * size).scatter_(0, pixels, values.reshape(-1))
        batch = contact.shape[:-1]
        return image.view(*batch, self.num_views, self.height_px, self.width_px)

    def to(self, device: torch.device | str) -> "PixelSurfaceMap":
        """The same map on another device."""
        return PixelSurfaceMap(
            self.pixel_index.to(device),
            self.vertex_index.to(device),
            self.weight.to(device),
            self.num_vertices,
            self.num_views,
            self.height_px,
            self.width_px,
        )

    def __repr__(self) -> str:
        return (
            f"PixelSurfaceMap({self.num_views} views {self.height_px}x{self.width_px} px, "
            f"{len(self.pixel_index)} covered, {self.num_vertices} vertices)"
        )


def _common_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    if len(set(sizes)) != 1:
        raise InputError(f"a map needs one or more views of one size, got {sorted(set(sizes))!r}")
    return sizes[0]


def _batched(index: Int[Tensor, "count"], samples: int, stride: int) -> Int[Tensor, "total"]:
    """The same index in each of `samples` blocks of `stride`: one-dimensional scatters and
    gathers are an order of magnitude faster than batched ones on CPU."""
    if samples == 1:
        return index
    offsets = torch.arange(samples, device=index.device) * stride
    return (offsets[:, None] + index).reshape(-1)


def lift_human_logits(
    surface_map: PixelSurfaceMap, logits: Float[Tensor, "*batch views height width"]
) -> Float[Tensor, "*batch verts"]:
    """Vertex probabilities from mask logits, human rule: clamp to +-20, sigmoid, mean of means.

    Source: InteractVLM, corrected human lift (no threshold inside).
    """
    # Most pixels see nothing: pick the others first, then compute.
    values = surface_map._gather(logits).clamp(-LOGIT_LIMIT, LOGIT_LIMIT).sigmoid()
    return surface_map.lift_covered(values).view(*logits.shape[:-3], surface_map.num_vertices)


def lift_object_logits(
    surface_map: PixelSurfaceMap, logits: Float[Tensor, "*batch views height width"]
) -> Float[Tensor, "*batch verts"]:
    """Vertex probabilities from mask logits, object rule: only pixels above 0.3 take part.

    A visible pixel that says no therefore never lowers a vertex, and every vertex is 0 or above
    0.3. Source: InteractVLM, object mesh lift.
    """
    values = surface_map._gather(logits).sigmoid()
    lifted = surface_map.lift_covered(values, minimum=OBJECT_MINIMUM)
    return lifted.view(*logits.shape[:-3], surface_map.num_vertices)


def lift_point_logits(
    surface_map: PixelSurfaceMap, logits: Float[Tensor, "*batch views height width"]
) -> Float[Tensor, "*batch points"]:
    """Point probabilities from mask logits, point rule: sigmoid, mean of means.

    Every pixel that sees a point takes part. Source: InteractVLM, object point lift.
    """
    lifted = surface_map.lift_covered(surface_map._gather(logits).sigmoid())
    return lifted.view(*logits.shape[:-3], surface_map.num_vertices)


def lift_human_logits_original(
    surface_map: PixelSurfaceMap, logits: Float[Tensor, "*batch views height width"]
) -> Float[Tensor, "*batch verts"]:
    """Vertex contact (0 or 1) from mask logits by the rule before the published fix.

    Weights of the pixels whose logit exceeds 0.3, summed over all views, divided by the number of
    pixel corners that hit the vertex; 1 above 0.3. No gradient.

    Source: InteractVLM, original DAMON release.
    """
    with torch.no_grad():
        values = surface_map._gather(logits)
        taken = (values > 0.3).to(values.dtype)
        total = surface_map._scatter(taken).sum(1)
        hits = taken.new_zeros(taken.shape[0] * surface_map.num_vertices)
        for corner in surface_map.vertex_index.unbind(1):
            index = _batched(corner, taken.shape[0], surface_map.num_vertices)
            hits = hits.index_add(0, index, taken.reshape(-1))
        share = total / hits.view_as(total).clamp(min=1)
        contact = (share > 0.3).to(values.dtype)
        return contact.view(*logits.shape[:-3], surface_map.num_vertices)
