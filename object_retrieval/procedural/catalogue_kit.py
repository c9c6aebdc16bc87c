"""A sketch book for procedural objects: place solids, mark anchors, pick sizes and colours.

This module knows how to place solids but not what any object looks like.
"""

import colorsys
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from object_retrieval.procedural.primitives import Kind, Primitive

AnchorKind = Literal["surface", "handle", "rim"]
Color = tuple[float, float, float]
Number = int | float
"""Recipes may write 0 for 0.0; the run-time type checker of the tests tells them apart."""
Vector = Sequence[Number] | np.ndarray

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Anchor:
    """A place on an object that a person can touch, in the object's frame."""

    point: Float[np.ndarray, "3"]
    """On the surface, metres. For a handle the bar's centre is `point - radius_m * normal`."""
    normal: Float[np.ndarray, "3"]
    """Unit vector out of the object."""
    extent: Float[np.ndarray, "3"]
    """Half size of the usable region along the object's axes, metres."""
    kind: AnchorKind
    radius_m: float
    """Radius of the bar that a hand closes around; half the thickness of a rim; else 0."""
    axis: Float[np.ndarray, "3"]
    """Unit direction of a handle or rim (either sign); zero for a surface."""

    @property
    def center(self) -> Float[np.ndarray, "3"]:
        """Middle of the bar for a handle or rim; the point itself for a surface."""
        return self.point - self.radius_m * self.normal


def rotation_to(direction: Vector, across: Vector = X) -> np.ndarray:
    """Rotation whose z column is `direction` and whose x column leans to `across`."""
    z = np.asarray(direction, dtype=float)
    z = z / np.linalg.norm(z)
    x = np.asarray(across, dtype=float)
    if abs(x @ z) > 0.999 * np.linalg.norm(x):
        x = np.array(Y if abs(z[0]) > 0.9 else X)
    x = x - (x @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def placement(center: Vector, rotation: np.ndarray | None = None) -> np.ndarray:
    """4x4 object_from_primitive with the given origin and rotation."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) if rotation is None else rotation
    matrix[:3, 3] = center
    return matrix


def moved(point: Vector, by: Vector) -> np.ndarray:
    """The point, displaced."""
    return np.asarray(point, dtype=float) + np.asarray(by, dtype=float)


def turn_about_x(angle_rad: Number) -> np.ndarray:
    """Rotation about x; positive leans the top (+z) towards the front (-y)."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _half_length(start: np.ndarray, end: np.ndarray) -> float:
    return float(np.linalg.norm(end - start)) / 2


@dataclass
class Sketch:
    """Collects the solids and anchors of one object while it is being built."""

    primitives: list[Primitive] = field(default_factory=list)
    anchors: dict[str, Anchor] = field(default_factory=dict)

    def add(
        self,
        kind: Kind,
        size: Sequence[Number],
        center: Vector,
        part: str,
        color: Color,
        *,
        rotation: np.ndarray | None = None,
    ) -> None:
        """Place one solid; sizes as in `primitives.SIZE_NAMES`."""
        floats = tuple(float(value) for value in size)
        self.primitives.append(Primitive(kind, floats, placement(center, rotation), part, color))

    def box(
        self,
        half: Vector,
        center: Vector,
        part: str,
        color: Color,
        *,
        rounding: Number = 0.0,
        rotation: np.ndarray | None = None,
    ) -> None:
        """Box with the given outer half extents; rounding is capped by the thinnest side."""
        rounding = min(rounding, 0.9 * min(half))
        self.add("box", (*half, rounding), center, part, color, rotation=rotation)

    def disc(
        self,
        radius: Number,
        bottom: Number,
        top: Number,
        part: str,
        color: Color,
        *,
        at: tuple[Number, Number] = (0.0, 0.0),
    ) -> None:
        """Upright cylinder between two heights; `at` is where its axis stands (x, y)."""
        center = (*at, (bottom + top) / 2)
        self.add("cylinder", (radius, (top - bottom) / 2, 0), center, part, color)

    def rod(self, start: Vector, end: Vector, radius: Number, part: str, color: Color) -> None:
        """Flat-ended bar between two points."""
        a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        size = (radius, _half_length(a, b), 0.0)
        self.add("cylinder", size, (a + b) / 2, part, color, rotation=rotation_to(b - a))

    def bar(self, start: Vector, end: Vector, radius: Number, part: str, color: Color) -> None:
        """Round-ended bar between two points."""
        a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        size = (radius, _half_length(a, b))
        self.add("capsule", size, (a + b) / 2, part, color, rotation=rotation_to(b - a))

    def tube(self, points: Sequence[Vector], radius: Number, part: str, color: Color) -> None:
        """Bent bar through the given points."""
        for start, end in itertools.pairwise(points):
            self.bar(start, end, radius, part, color)

    def taper(
        self, start: Vector, end: Vector, radii: tuple[Number, Number], part: str, color: Color
    ) -> None:
        """Truncated cone from `start` to `end` with the radius at either end."""
        a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        size = (*radii, _half_length(a, b))
        self.add("cone", size, (a + b) / 2, part, color, rotation=rotation_to(b - a))

    def vessel(
        self,
        profile: Sequence[tuple[Number, Number]],
        half_thickness: Number,
        part: str,
        color: Color,
        *,
        at: tuple[Number, Number] = (0.0, 0.0),
    ) -> None:
        """Thin wall of revolution about an upright axis, through rising (radius, height) points."""
        for (low, bottom), (high, top) in itertools.pairwise(profile):
            size = (low, high, (top - bottom) / 2, half_thickness)
            self.add("shell", size, (*at, (bottom + top) / 2), part, color)

    def wheel(
        self, hub: Vector, radius: Number, half_width: Number, color: Color, *, part: str = "wheel"
    ) -> None:
        """Solid wheel whose axle runs along x."""
        size = (radius, half_width, 0.4 * half_width)
        self.add("cylinder", size, hub, part, color, rotation=rotation_to(X))

    def slab(
        self, start: Vector, end: Vector, half: tuple[Number, Number], part: str, color: Color
    ) -> None:
        """Plank between two points; `half` is its width (towards x) and its thickness."""
        a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        size = (*half, _half_length(a, b))
        self.box(size, (a + b) / 2, part, color, rounding=0.004, rotation=rotation_to(b - a))

    def stand(self) -> None:
        """Moves all solids up or down until the lowest touches z = 0; before anchors are marked."""
        assert not self.anchors
        low = min(primitive.mesh()[0][:, 2].min() for primitive in self.primitives)
        for at, primitive in enumerate(self.primitives):
            standing = primitive.object_from_primitive.copy()
            standing[2, 3] -= low
            self.primitives[at] = replace(primitive, object_from_primitive=standing)

    def surface(self, name: str, point: Vector, normal: Vector, extent: Vector) -> None:
        """Anchor on a face."""
        self._anchor(name, point, normal, extent, "surface", 0.0, (0, 0, 0))

    def handle(
        self,
        name: str,
        center: Vector,
        normal: Vector,
        radius: Number,
        *,
        axis: Vector,
        half_length: Number,
        kind: AnchorKind = "handle",
    ) -> None:
        """Anchor on a bar or rim: its centre, outward direction, radius and direction."""
        normal, axis = np.asarray(normal, dtype=float), np.asarray(axis, dtype=float)
        normal, axis = normal / np.linalg.norm(normal), axis / np.linalg.norm(axis)
        extent = np.abs(axis) * half_length + radius * (1 - np.abs(axis))
        self._anchor(name, center + radius * normal, normal, extent, kind, radius, axis)

    def _anchor(
        self,
        name: str,
        point: Vector,
        normal: Vector,
        extent: Vector,
        kind: AnchorKind,
        radius: Number,
        axis: Vector,
    ) -> None:
        normal = np.asarray(normal, dtype=float)
        self.anchors[name] = Anchor(
            point=np.asarray(point, dtype=float),
            normal=normal / np.linalg.norm(normal),
            extent=np.asarray(extent, dtype=float),
            kind=kind,
            radius_m=float(radius),
            axis=np.asarray(axis, dtype=float),
        )


class Dice:
    """Named random choices, so that the recipes read like descriptions."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def between(self, low: Number, high: Number) -> float:
        """Uniform number in [low, high)."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: Number) -> bool:
        """True with the given probability."""
        return bool(self.rng.random() < probability)

    def pick(self, *options: str) -> str:
        """One of the options, all equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def paint(self) -> Color:
        """Any clear colour: painted metal, plastic or fabric."""
        return self._hsv(self.between(0, 1), self.between(0.45, 0.9), self.between(0.45, 0.95))

    def wood(self) -> Color:
        """From pale birch to dark walnut."""
        return self._hsv(
            self.between(0.06, 0.11), self.between(0.35, 0.7), self.between(0.35, 0.85)
        )

    def gray(self, low: Number = 0.1, high: Number = 0.9) -> Color:
        """Neutral tone with a faint tint."""
        return self._hsv(self.between(0, 1), self.between(0, 0.08), self.between(low, high))

    def dark(self) -> Color:
        """Rubber, black plastic, leather."""
        return self.gray(0.06, 0.25)

    def metal(self) -> Color:
        """Bare or dark metal."""
        return self.gray(0.55, 0.85) if self.chance(0.7) else self.dark()

    def fabric(self) -> Color:
        """Muted cloth colours."""
        return self._hsv(self.between(0, 1), self.between(0.1, 0.6), self.between(0.25, 0.85))

    @staticmethod
    def _hsv(hue: Number, saturation: Number, value: Number) -> Color:
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
        return (float(red), float(green), float(blue))


def shade(color: Color, factor: Number) -> Color:
    """Lighter (> 1) or darker (< 1) version of a colour, kept in 0..1."""
    red, green, blue = (min(1.0, max(0.0, channel * factor)) for channel in color)
    return (red, green, blue)
