"""Procedural objects: unions of coloured solids with named anchors, and how to ask for one.

Frame: metres, z up, front -y, left +x (the left of somebody who faces -y). Things that stand on
the floor have it at z = 0; hand-held things (`GRIP_FRAME`) have their origin in the middle of the
grip. Everything is generated from a seed here, so there is nothing to download and no licence to
keep. This module does not know people, poses or images.
"""

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from object_retrieval.procedural import (
    catalogue_bags,
    catalogue_carry,
    catalogue_furniture,
    catalogue_ride,
    catalogue_seats,
    catalogue_sport,
)
from object_retrieval.procedural.catalogue_kit import Anchor, Dice, Sketch
from object_retrieval.procedural.library_recipes import LIBRARY_RECIPES
from object_retrieval.procedural.primitives import KINDS, Primitive, PrimitiveBatch
from renders.errors import InputError
from renders.mesh import Mesh

__all__ = [
    "CATEGORIES",
    "GRIP_FRAME",
    "KINDS",
    "LIBRARY_CATEGORIES",
    "POOL_SIZES",
    "UNSEEN_CATEGORIES",
    "Anchor",
    "InstancePool",
    "ObjectInstance",
    "PartMesh",
    "Primitive",
    "PrimitiveBatch",
    "build_object",
    "object_from_name",
    "pack_objects",
]

InstancePool = Literal["train", "test", "library"]

POOL_SIZES: dict[InstancePool, int] = {"train": 4096, "test": 512, "library": 4096}
"""Number of distinct instances per category; the pools share no seed. The library's objects
are in no scene, so that finding a scene's object in the library is never finding the object itself.
"""

_COVERED_M = 0.002
"""A point of one solid this deep inside another cannot be seen."""

_SCENE_RECIPES: dict[str, Callable[[Sketch, Dice], None]] = {
    "chair": catalogue_seats.chair,
    "stool": catalogue_seats.stool,
    "bench": catalogue_seats.bench,
    "sofa": catalogue_furniture.sofa,
    "bed": catalogue_furniture.bed,
    "table": catalogue_furniture.table,
    "laptop": catalogue_carry.laptop,
    "cup": catalogue_carry.cup,
    "bottle": catalogue_carry.bottle,
    "backpack": catalogue_bags.backpack,
    "suitcase": catalogue_bags.suitcase,
    "umbrella": catalogue_sport.umbrella,
    "ball": catalogue_sport.ball,
    "bat": catalogue_sport.bat,
    "bicycle": catalogue_ride.bicycle,
    "skateboard": catalogue_ride.skateboard,
    "box": catalogue_carry.box,
    "trolley": catalogue_bags.trolley,
    "scooter": catalogue_ride.scooter,
    "barrel": catalogue_carry.barrel,
    "guitar": catalogue_sport.guitar,
    "surfboard": catalogue_sport.surfboard,
    "racket": catalogue_sport.racket,
    "bucket": catalogue_carry.bucket,
}

UNSEEN_CATEGORIES = ("scooter", "barrel", "guitar", "surfboard", "racket", "bucket")
"""Never shown in training: reserved for `test_unseen`."""

CATEGORIES = tuple(name for name in _SCENE_RECIPES if name not in UNSEEN_CATEGORIES)
"""Categories for training and for the ordinary test split."""

_RECIPES = _SCENE_RECIPES | LIBRARY_RECIPES

LIBRARY_CATEGORIES = tuple(sorted(_RECIPES))
"""Every category: those of scenes and those that only the library has."""

GRIP_FRAME = frozenset({"cup", "bottle", "umbrella", "bat", "guitar", "racket"})
"""Hand-held categories: origin in the grip, z along the main axis, no floor contact."""


class PartMesh(NamedTuple):
    """An object's surface: one closed mesh per primitive, not merged where they overlap."""

    mesh: Mesh
    """With vertex colours; solids share no vertices, so the colours are exact per face."""
    part_of_face: Int[Tensor, " faces"]
    """Index into `ObjectInstance.parts`."""
    color_of_face: Float[Tensor, "faces 3"]
    """RGB in 0..1."""


@dataclass(frozen=True, eq=False)
class ObjectInstance:
    """One generated object in its own frame (see the module's text)."""

    category: str
    primitives: tuple[Primitive, ...]
    anchors: Mapping[str, Anchor]
    parts: tuple[str, ...]
    """Distinct part names, in order of first use."""
    name: str = "unnamed"
    """`category/pool/number`: enough for `object_from_name` to build it again."""

    def __repr__(self) -> str:
        return (
            f"ObjectInstance({self.name}, {len(self.primitives)} primitives, "
            f"anchors {', '.join(self.anchors)})"
        )

    @functools.cached_property
    def _batch(self) -> PrimitiveBatch:
        return PrimitiveBatch([self.primitives])

    def signed_distance(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Distance of points in the object's frame to its surface; metres, negative inside."""
        return self._batch.signed_distance(points.reshape(1, -1, 3)).reshape(points.shape[:-1])

    def mesh(self) -> PartMesh:
        """Triangles in the object's frame, with the part and colour of each."""
        pieces = [primitive.mesh() for primitive in self.primitives]
        vertex_counts = [len(vertices) for vertices, _ in pieces]
        face_counts = [len(faces) for _, faces in pieces]
        starts = np.concatenate([[0], np.cumsum(vertex_counts)[:-1]])
        faces = np.concatenate(
            [faces + start for (_, faces), start in zip(pieces, starts, strict=True)]
        )
        colors = np.array([primitive.color for primitive in self.primitives])
        part_index = [self.parts.index(primitive.part) for primitive in self.primitives]
        return PartMesh(
            mesh=Mesh(
                vertices=_float(np.concatenate([vertices for vertices, _ in pieces])),
                faces=torch.from_numpy(faces),
                vertex_colors=_float(np.repeat(colors, vertex_counts, axis=0)),
            ),
            part_of_face=torch.from_numpy(np.repeat(part_index, face_counts)),
            color_of_face=_float(np.repeat(colors, face_counts, axis=0)),
        )

    def surface_points(self, count: int) -> Float[np.ndarray, "count 3"]:
        """Points on what is seen of the object from outside, uniform by area; object's frame.

        The same points for every call with the same name and count.
        """
        mesh = self.mesh().mesh
        corners = mesh.vertices.numpy().astype(np.float64)[mesh.faces.numpy()]
        area = np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        )
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), count])
        found = np.zeros((0, 3))
        while len(found) < count:
            face = rng.choice(len(area), size=2 * count, p=area / area.sum())
            weight = rng.dirichlet(np.ones(3), size=2 * count)
            points = np.einsum("pc,pcx->px", weight, corners[face])
            outside = self.signed_distance(_float(points)).numpy() > -_COVERED_M
            found = np.concatenate([found, points[outside]])
        return found[:count].astype(np.float32)

    @functools.cached_property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """Lowest and highest corner of the object's mesh, metres."""
        corners = np.concatenate([primitive.mesh()[0] for primitive in self.primitives])
        return np.stack([corners.min(axis=0), corners.max(axis=0)])


def build_object(
    category: str, rng: np.random.Generator, *, instance_pool: InstancePool = "train"
) -> ObjectInstance:
    """A random instance of a category; the pools hold different instances.

    Raises: InputError for an unknown category or pool.
    """
    _check_request(category, instance_pool)
    number = int(rng.integers(POOL_SIZES[instance_pool]))
    return _build(category, instance_pool, number)


def object_from_name(name: str) -> ObjectInstance:
    """The instance with this `ObjectInstance.name`.

    Raises: InputError when the name is not one that `build_object` gives.
    """
    category, text, number = (*name.split("/"), "", "")[:3]
    pool = _check_request(category, text)
    size = POOL_SIZES[pool]
    if not number.isdecimal() or int(number) >= size:
        raise InputError(
            f"object name {name!r} must end in a number below {size}, "
            f"as in '{category}/{pool}/0007'"
        )
    return _build(category, pool, int(number))


def pack_objects(
    instances: Sequence[ObjectInstance], *, ignore_parts: Sequence[str] = ()
) -> PrimitiveBatch:
    """The instances as one batch; solids of `ignore_parts` (such as "strap") are left out."""
    return PrimitiveBatch(
        [
            [primitive for primitive in instance.primitives if primitive.part not in ignore_parts]
            for instance in instances
        ]
    )


def _check_request(category: str, pool: str) -> InstancePool:
    if category not in _RECIPES:
        raise InputError(f"object category {category!r} is unknown; use one of {tuple(_RECIPES)}")
    if pool not in get_args(InstancePool):
        raise InputError(f"instance pool {pool!r} is unknown; use one of {get_args(InstancePool)}")
    return cast(InstancePool, pool)


def _build(category: str, pool: InstancePool, number: int) -> ObjectInstance:
    # The pool is part of the seed: no number of one pool can repeat an instance of the other.
    seed = [zlib.crc32(category.encode()), zlib.crc32(pool.encode()), number]
    sketch = Sketch()
    _RECIPES[category](sketch, Dice(np.random.default_rng(seed)))
    return ObjectInstance(
        category=category,
        primitives=tuple(sketch.primitives),
        anchors=sketch.anchors,
        parts=tuple(dict.fromkeys(primitive.part for primitive in sketch.primitives)),
        name=f"{category}/{pool}/{number:04d}",
    )


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
