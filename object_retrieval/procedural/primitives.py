"""Seven solids with a differentiable signed distance and a triangle mesh.

Distances are metres, negative inside. `PrimitiveBatch` evaluates many unions of solids at once.
This module knows neither object categories nor people; it only knows solids and rigid placements.

Source: the distance formulas follow the well-known closed forms collected by I. Quilez,
"3D signed distance functions", re-derived here with an epsilon under every root.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from object_retrieval.procedural import solid_meshes
from renders.errors import InputError

Kind = Literal["box", "cylinder", "capsule", "ellipsoid", "torus", "cone", "shell"]

KINDS: tuple[Kind, ...] = get_args(Kind)
SIZE_NAMES: dict[Kind, tuple[str, ...]] = {
    "box": ("half_x", "half_y", "half_z", "rounding"),
    "cylinder": ("radius", "half_height", "rounding"),
    "capsule": ("radius", "half_length"),
    "ellipsoid": ("radius_x", "radius_y", "radius_z"),
    "torus": ("major_radius", "minor_radius"),
    "cone": ("bottom_radius", "top_radius", "half_height"),
    "shell": ("bottom_radius", "top_radius", "half_height", "half_thickness"),
}
"""Meaning of `Primitive.size`, in metres. The axis of every round solid is z.

Half extents of box and cylinder are outer ones: rounding takes material away. A capsule's
half length is that of its core segment, without the two half spheres. A shell is the wall of a
cone, open at both ends, with round edges; its radii and height are those of the wall's middle.
"""

_MESHERS: dict[Kind, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "box": solid_meshes.box_mesh,
    "cylinder": solid_meshes.cylinder_mesh,
    "capsule": solid_meshes.capsule_mesh,
    "ellipsoid": solid_meshes.ellipsoid_mesh,
    "torus": solid_meshes.torus_mesh,
    "cone": solid_meshes.cone_mesh,
    "shell": solid_meshes.shell_mesh,
}

_MAY_BE_ZERO = frozenset({"rounding", "bottom_radius", "top_radius"})
_ROOT_EPSILON = 1e-14
"""Added under square roots: moves a distance by at most 0.1 micrometre, keeps gradients finite."""


@dataclass(frozen=True, eq=False)
class Primitive:
    """One solid, placed rigidly in its object's frame."""

    kind: Kind
    size: tuple[float, ...]
    """Metres, in the order of `SIZE_NAMES[kind]`."""
    object_from_primitive: Float[np.ndarray, "4 4"]
    part: str
    """Name of the object part this solid belongs to, such as "leg"."""
    color: tuple[float, float, float]
    """RGB in 0..1."""

    def __post_init__(self) -> None:
        names = SIZE_NAMES.get(self.kind)
        if names is None:
            raise InputError(f"primitive kind {self.kind!r} is unknown; use one of {KINDS}")
        if len(self.size) != len(names):
            raise InputError(f"{self.kind} needs sizes {names}, got {self.size!r}")
        for name, value in zip(names, self.size, strict=True):
            if not value >= 0 or (value == 0 and name not in _MAY_BE_ZERO):
                raise InputError(f"{self.kind} {name} must be positive, got {value!r}")
        if self.kind == "shell" and min(self.size[:2]) <= self.size[3]:
            raise InputError(
                f"shell radii must be larger than its half_thickness, got {self.size!r}"
            )

    def mesh(self) -> tuple[Float[np.ndarray, "verts 3"], Int[np.ndarray, "faces 3"]]:
        """Closed triangle mesh in the object frame, winding outward."""
        vertices, faces = _MESHERS[self.kind](*self.size)
        placement = self.object_from_primitive
        return vertices @ placement[:3, :3].T + placement[:3, 3], faces


def _root(*terms: Tensor) -> Tensor:
    squares = (term * term for term in terms)
    return sum(squares, start=terms[0].new_tensor(_ROOT_EPSILON)).sqrt()


def _rounded_corner(rounding: Tensor, *excess: Tensor) -> Tensor:
    """Distance to the region where every `excess` is negative, grown by `rounding`."""
    outside = _root(*(term.clamp(min=0) for term in excess))
    inside = functools.reduce(torch.maximum, excess).clamp(max=0)
    return outside + inside - rounding


def _box_distance(x: Tensor, y: Tensor, z: Tensor, size: Sequence[Tensor]) -> Tensor:
    half_x, half_y, half_z, rounding = size[:4]
    return _rounded_corner(
        rounding,
        x.abs() - (half_x - rounding),
        y.abs() - (half_y - rounding),
        z.abs() - (half_z - rounding),
    )


def _cylinder_distance(x: Tensor, y: Tensor, z: Tensor, size: Sequence[Tensor]) -> Tensor:
    radius, half_height, rounding = size[:3]
    return _rounded_corner(
        rounding, _root(x, y) - (radius - rounding), z.abs() - (half_height - rounding)
    )


def _capsule_distance(x: Tensor, y: Tensor, z: Tensor, size: Sequence[Tensor]) -> Tensor:
    radius, half_length = size[:2]
    return _root(x, y, (z.abs() - half_length).clamp(min=0)) - radius


def _ellipsoid_distance(x: Tensor, y: Tensor, z: Tensor, size: Sequence[Tensor]) -> Tensor:
    """First-order distance: exact sign, exact on the axes and near the surface."""
    radius_x, radius_y, radius_z = size[:3]
    u, v, w = x / radius_x, y / radius_y, z / radius_z
    smallest = torch.minimum(torch.minimum(radius_x, radius_y), radius_z)
    # The two guards have the ratio `smallest`, so the centre gets -smallest and not 0 / 0.
    guard = 1e-6
    k0 = (u * u + v * v + w * w + guard).sqrt()
    u, v, w = u / radius_x, v / radius_y, w / radius_z
    k1 = (u * u + v * v + w * w + guard / (smallest * smallest)).sqrt()
    return (k0 - (1 + guard) ** 0.5) * k0 / k1


def _torus_distance(x: Tensor, y: Tensor, z: Tensor, size: Sequence[Tensor]) -> Tensor:
    major, minor = size[:2]
    return _root(_root(x, y) - major, z) - minor


def _cone_distance(x: Tensor, y: Tensor, z: Tensor, size: Sequence[Tensor]) -> Tensor:
    bottom, top, half_height = size[:3]
    rho = _root(x, y)
    cap_rho = rho - torch.minimum(rho, torch.where(z < 0, bottom, top))
    cap_z = z.abs() - half_height
    slope_rho, slope_z = top - bottom, 2 * half_height
    along = ((top - rho) * slope_rho + (half_height - z) * slope_z) / (
        slope_rho * slope_rho + slope_z * slope_z
    )
    along = along.clamp(0, 1)
    side_rho = rho - top + slope_rho * along
    side_z = z - half_height + slope_z * along
    inside = (side_rho < 0) & (cap_z < 0)
    nearest = torch.minimum(_root(cap_rho, cap_z), _root(side_rho, side_z))
    return torch.where(inside, -nearest, nearest)


def _shell_distance(x: Tensor, y: Tensor, z: Tensor, size: Sequence[Tensor]) -> Tensor:
    bottom, top, half_height, half_thickness = size[:4]
    rho = _root(x, y)
    slope_rho, slope_z = top - bottom, 2 * half_height
    along = ((rho - bottom) * slope_rho + (z + half_height) * slope_z) / (
        slope_rho * slope_rho + slope_z * slope_z
    )
    along = along.clamp(0, 1)
    return _root(rho - bottom - slope_rho * along, z + half_height - slope_z * along) - (
        half_thickness
    )


_DISTANCES: dict[Kind, Callable[[Tensor, Tensor, Tensor, Sequence[Tensor]], Tensor]] = {
    "box": _box_distance,
    "cylinder": _cylinder_distance,
    "capsule": _capsule_distance,
    "ellipsoid": _ellipsoid_distance,
    "torus": _torus_distance,
    "cone": _cone_distance,
    "shell": _shell_distance,
}

_SIZE_COLUMNS = max(map(len, SIZE_NAMES.values()))


def _distance(kind: Kind, local: Tensor, size: Sequence[Tensor]) -> Tensor:
    """Distance in the primitive's own frame; the coordinates lie along dimension 1."""
    x, y, z = local.unbind(1)
    return _DISTANCES[kind](x, y, z, size)


@dataclass(frozen=True, eq=False)
class _KindGroup:
    """All primitives of one kind in a batch; row r belongs to object `object_of[r]`."""

    kind: Kind
    object_of: Int[Tensor, " rows"]
    slot_of: Int[Tensor, " rows"]
    rotation: Float[Tensor, "rows 3 3"]
    offset: Float[Tensor, "rows 3 1"]
    """Together: primitive_from_object."""
    size: Float[Tensor, "rows 4"]


class PrimitiveBatch:
    """Unions of primitives, one union per batch item, packed for fast distance queries.

    The union is exact outside and a lower bound of the depth inside overlapping parts.
    Gradients flow to the points, through the nearest primitive of each point.
    """

    def __init__(self, primitives_of_object: Sequence[Sequence[Primitive]]) -> None:
        for position, primitives in enumerate(primitives_of_object):
            if not primitives:
                raise InputError(f"object {position} of {len(primitives_of_object)} is empty")
        self.primitives_of_object = tuple(map(tuple, primitives_of_object))
        self._packed: dict[tuple[torch.dtype, torch.device], _Packed] = {}

    def __len__(self) -> int:
        return len(self.primitives_of_object)

    def __repr__(self) -> str:
        total = sum(map(len, self.primitives_of_object))
        return f"PrimitiveBatch({len(self)} objects, {total} primitives)"

    def signed_distance(
        self, points: Float[Tensor, "batch points 3"]
    ) -> Float[Tensor, "batch points"]:
        """Distance of each point, in its object's frame, to that object. Metres.

        Plain twin: `_signed_distance_plain`.
        """
        if points.shape[0] != len(self):
            raise InputError(f"{len(self)} objects need as many rows of points, not {len(points)}")
        key = (points.dtype, points.device)
        if key not in self._packed:
            self._packed[key] = _Packed(self.primitives_of_object, *key)
        packed = self._packed[key]
        with torch.no_grad():
            distance, slot = packed.nearest(points)
        if not (points.requires_grad and torch.is_grad_enabled()):
            return distance
        # Only the nearest primitive has a gradient, so only it is evaluated with a graph.
        return packed.distance_to_slot(points, slot)


class _Packed:
    """Tensors of a `PrimitiveBatch` for one dtype and device."""

    def __init__(
        self,
        primitives_of_object: Sequence[Sequence[Primitive]],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.shape = (len(primitives_of_object), max(map(len, primitives_of_object), default=0))
        self.groups: list[_KindGroup] = []
        kind_of_slot, row_of_slot = np.zeros((2, *self.shape), dtype=np.int64)
        for kind_index, kind in enumerate(KINDS):
            members = [
                (i, j, primitive)
                for i, primitives in enumerate(primitives_of_object)
                for j, primitive in enumerate(primitives)
                if primitive.kind == kind
            ]
            if not members:
                continue
            objects = np.array([i for i, _, _ in members])
            slots = np.array([j for _, j, _ in members])
            placements = np.stack([primitive.object_from_primitive for _, _, primitive in members])
            rotation = placements[:, :3, :3].transpose(0, 2, 1)
            size = np.zeros((len(members), _SIZE_COLUMNS))
            for row, (_, _, primitive) in enumerate(members):
                size[row, : len(primitive.size)] = primitive.size
            kind_of_slot[objects, slots] = kind_index
            row_of_slot[objects, slots] = np.arange(len(members))
            offset = -rotation @ placements[:, :3, 3:]
            floats = (torch.tensor(v, dtype=dtype, device=device) for v in (rotation, offset, size))
            indices = (torch.tensor(value, device=device) for value in (objects, slots))
            self.groups.append(_KindGroup(kind, *indices, *floats))
        self.kind_of_slot = torch.tensor(kind_of_slot, device=device)
        self.row_of_slot = torch.tensor(row_of_slot, device=device)

    def nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Union distance and the slot of the primitive that gives it, (batch, points) each."""
        objects, slots = self.shape
        distances = points.new_full((objects, slots, points.shape[1]), torch.inf)
        points_by_axis = points.transpose(1, 2).contiguous()
        for group in self.groups:
            local = torch.baddbmm(group.offset, group.rotation, points_by_axis[group.object_of])
            size = group.size[:, :, None].unbind(1)
            distances[group.object_of, group.slot_of] = _distance(group.kind, local, size)
        return distances.min(dim=1)

    def distance_to_slot(self, points: Tensor, slot: Tensor) -> Tensor:
        """Distance of each point to one primitive of its object, with a graph."""
        kind = self.kind_of_slot.gather(1, slot)
        row = self.row_of_slot.gather(1, slot)
        distance = points.new_zeros(slot.shape)
        for group in self.groups:
            where = (kind == KINDS.index(group.kind)).nonzero(as_tuple=True)
            rows = row[where]
            local = (group.rotation[rows] @ points[where][:, :, None] + group.offset[rows])[..., 0]
            size = group.size[rows].unbind(1)
            distance = distance.index_put(where, _distance(group.kind, local, size))
        return distance


def _signed_distance_plain(
    primitives: Sequence[Primitive], points: Float[Tensor, "points 3"]
) -> Float[Tensor, " points"]:
    """Union distance of one object, one primitive at a time; the twin of `PrimitiveBatch`."""
    distances = []
    for primitive in primitives:
        placement = torch.as_tensor(primitive.object_from_primitive).to(points)
        local = (points - placement[:3, 3]) @ placement[:3, :3]
        size = [points.new_tensor(value) for value in primitive.size]
        distances.append(_distance(primitive.kind, local, size))
    return torch.stack(distances).amin(dim=0)
