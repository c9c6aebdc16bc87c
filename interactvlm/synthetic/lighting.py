"""Light and shadow of synthetic pictures: one key light, one fill light, sky and ground.

Shadows are made from points sampled on the surfaces, not from triangles: a point map seen from
the light for shadows on things, and a blurred map on the floor z = 0. Colours here are linear
(squared display colours). Knows neither cameras nor what the points belong to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32
from scipy.ndimage import minimum_filter, uniform_filter

from interactvlm.synthetic.appearance import Rgb, vector

_MAP_SIZE = 144
"""Cells along each side of a shadow map: 1 to 2.5 cm for a person with furniture."""
_MAP_MARGIN = 4
_SURFACE_BIAS_M = 0.01
_CONTACT_RANGE_M = 0.10


@dataclass(frozen=True)
class Lights:
    """The lights of a scene. Directions are unit vectors from the scene towards the light."""

    key_direction: tuple[float, float, float] = (-0.35, -0.55, 0.76)
    key_colour: Rgb = (1.0, 0.97, 0.92)
    key_strength: float = 0.85
    fill_direction: tuple[float, float, float] = (0.7, -0.6, 0.38)
    fill_strength: float = 0.2
    sky_colour: Rgb = (0.95, 0.98, 1.0)
    ground_colour: Rgb = (0.62, 0.58, 0.54)
    ambient_strength: float = 0.45
    gloss: float = 0.12
    """Strength of highlights on skin and cloth; objects take twice as much."""

    @staticmethod
    def random(rng: np.random.Generator) -> "Lights":
        """From overcast to hard sun, warm to cool, the key light 35 to 80 degrees high."""
        azimuth, fill_azimuth = rng.uniform(0, 2 * np.pi, size=2)
        warm = float(rng.uniform(-0.12, 0.12))
        key = float(rng.uniform(0.35, 1.1))
        return Lights(
            key_direction=_direction(azimuth, rng.uniform(35, 80)),
            key_colour=(1.0 + 0.5 * warm, 1.0, 1.0 - warm),
            key_strength=key,
            fill_direction=_direction(fill_azimuth, rng.uniform(5, 50)),
            fill_strength=float(rng.uniform(0.0, 0.35)),
            sky_colour=(1.0 - 0.3 * warm, 1.0, 1.0 + 0.3 * warm),
            ground_colour=tuple(float(value) for value in rng.uniform(0.45, 0.75, size=3)),  # pyright: ignore[reportArgumentType]
            ambient_strength=float(np.clip(1.05 - key, 0.25, 0.65) * rng.uniform(0.8, 1.2)),
            gloss=float(rng.uniform(0.0, 0.3)),
        )

    def shade(
        self,
        albedo: Float32[np.ndarray, "points 3"],
        normal: Float32[np.ndarray, "points 3"],
        to_eye: Float32[np.ndarray, "points 3"],
        key_share: Float32[np.ndarray, " points"],
        gloss: Float32[np.ndarray, " points"],
    ) -> Float32[np.ndarray, "points 3"]:
        """Linear colour of surface points; `key_share` is how much of the key light arrives."""
        key, fill = vector(self.key_direction), vector(self.fill_direction)
        key_dot = normal @ key
        lambert = np.maximum(key_dot, 0) * key_share
        up = (0.5 + 0.5 * normal[:, 2])[:, None]
        ambient = vector(self.ground_colour) * (1 - up) + vector(self.sky_colour) * up
        light = np.float32(self.ambient_strength) * ambient
        light += (np.float32(self.key_strength) * lambert)[:, None] * vector(self.key_colour)
        light += np.float32(self.fill_strength) * np.maximum(normal @ fill, 0)[:, None]
        half = to_eye + key
        half_dot = row_dot(normal, half) / np.sqrt(row_dot(half, half))
        shine = np.maximum(half_dot, 0) ** 2
        shine = gloss * (shine * shine) ** 6 * key_share * np.float32(self.key_strength)
        return albedo * light + (shine * (key_dot > 0))[:, None]

    def floor_light(
        self, shadow: Float32[np.ndarray, " points"]
    ) -> Float32[np.ndarray, "points 3"]:
        """Light on an upward floor under `shadow` (1 = no key light), 1 where unshadowed."""
        ambient = np.float32(self.ambient_strength) * vector(self.sky_colour)
        ambient = ambient + np.float32(self.fill_strength * max(self.fill_direction[2], 0))
        key = np.float32(self.key_strength * self.key_direction[2]) * vector(self.key_colour)
        return (ambient + key * (1 - shadow)[:, None]) / (ambient + key)


class ShadowMaps:
    """Where the key light is blocked, from points spread over all surfaces of a scene."""

    def __init__(self, casters_world: Float32[np.ndarray, "casters 3"], lights: Lights) -> None:
        """`casters_world`: at most about 3 cm apart, else light leaks between them."""
        direction = vector(lights.key_direction)
        side = np.cross(direction, vector([0.0, 0.0, 1.0]))
        length = np.linalg.norm(side)
        side = side / length if length > 1e-3 else vector([1.0, 0.0, 0.0])
        # Rows: two axes across the light and the distance away from it.
        self._light_from_world = np.stack([side, np.cross(direction, side), -direction]).astype(
            np.float32
        )
        in_light = casters_world @ self._light_from_world.T
        self._grid = _Grid(in_light[:, :2])
        depth = np.full(_MAP_SIZE * _MAP_SIZE, np.inf, dtype=np.float32)
        np.minimum.at(depth, self._grid.cell(in_light[:, :2]), in_light[:, 2])
        self._nearest = minimum_filter(depth.reshape(_MAP_SIZE, _MAP_SIZE), size=3)

        above = casters_world[casters_world[:, 2] > 0]
        on_floor = above[:, :2] - above[:, 2:] * (direction[:2] / direction[2])
        self._floor_grid = _Grid(np.concatenate([on_floor, above[:, :2]]))
        cells = _MAP_SIZE * _MAP_SIZE
        hits = np.bincount(self._floor_grid.cell(on_floor), minlength=cells) > 0
        shadow = uniform_filter(hits.reshape(_MAP_SIZE, _MAP_SIZE).astype(np.float32), size=3)
        self._floor_shadow = uniform_filter(np.minimum(2.5 * shadow, 1), size=3)
        near = np.exp(-above[:, 2] / np.float32(_CONTACT_RANGE_M)) * (above[:, 2] < 0.4)
        mass = np.bincount(self._floor_grid.cell(above[:, :2]), weights=near, minlength=cells)
        spread = uniform_filter(mass.reshape(_MAP_SIZE, _MAP_SIZE).astype(np.float32), size=7)
        self._floor_contact = 1 - np.exp(-1.5 * spread)

    def floor(
        self, points_world: Float32[np.ndarray, "points 2"]
    ) -> tuple[Float32[np.ndarray, " points"], Float32[np.ndarray, " points"]]:
        """Shadow of the key light, and closeness of things above (both 0..1), on the floor."""
        lookup = self._floor_grid.bilinear(points_world)
        return lookup(self._floor_shadow), lookup(self._floor_contact)

    def key_share(
        self,
        points_world: Float32[np.ndarray, "points 3"],
        normal: Float32[np.ndarray, "points 3"],
    ) -> Float32[np.ndarray, " points"]:
        """How much of the key light reaches surface points, 0 to 1, with soft borders."""
        # Lifting the point along its normal keeps a rounded surface from shading itself.
        # Two cells: the map is dilated by one, and a slope changes by at most that per step.
        lifted = points_world + np.float32(0.01 + 2 * self._grid.cell_m) * normal
        in_light = lifted @ self._light_from_world.T
        far = (in_light[:, 2] - np.float32(_SURFACE_BIAS_M))[:, None]
        corners, weights = self._grid.corners(in_light[:, :2])
        lit = self._nearest.ravel()[corners] >= far
        return np.einsum("pc,pc->p", weights, lit, dtype=np.float32)


class _Grid:
    """A square raster over a set of plane points, with an empty margin."""

    def __init__(self, points: Float32[np.ndarray, "points 2"]) -> None:
        # Column by column: numpy reduces long narrow arrays slowly along their length.
        low = np.array([column.min() for column in points.T])
        high = np.array([column.max() for column in points.T])
        inner = _MAP_SIZE - 2 * _MAP_MARGIN
        self.cell_m = max(float((high - low).max()) / inner, 0.005)
        self.origin = (low + high) / 2 - np.float32(self.cell_m * _MAP_SIZE / 2)

    def cell(self, points: Float32[np.ndarray, "points 2"]) -> Int32[np.ndarray, " points"]:
        """Flat index of each point's cell."""
        column_row = ((points - self.origin) / np.float32(self.cell_m)).astype(np.int32)
        column_row = np.clip(column_row, 0, _MAP_SIZE - 1)
        return column_row[:, 1] * _MAP_SIZE + column_row[:, 0]

    def corners(
        self, points: Float32[np.ndarray, "points 2"]
    ) -> tuple[Int32[np.ndarray, "points 4"], Float32[np.ndarray, "points 4"]]:
        """Flat indices and weights of the four cells around each point."""
        place = (points - self.origin) / np.float32(self.cell_m) - np.float32(0.5)
        place = np.clip(place, 0, _MAP_SIZE - 1.001)
        base = place.astype(np.int32)
        share = place - base
        first = base[:, 1] * _MAP_SIZE + base[:, 0]
        indices = first[:, None] + np.array([0, 1, _MAP_SIZE, _MAP_SIZE + 1], dtype=np.int32)
        right, below = share[:, 0], share[:, 1]
        weights = np.stack(
            [(1 - right) * (1 - below), right * (1 - below), (1 - right) * below, right * below],
            axis=1,
        )
        return indices, weights.astype(np.float32)

    def bilinear(
        self, points: Float32[np.ndarray, "points 2"]
    ) -> Callable[[Float32[np.ndarray, "size size"]], Float32[np.ndarray, " points"]]:
        """A function that reads any map of this grid at the points."""
        indices, weights = self.corners(points)
        return lambda values: np.einsum("pc,pc->p", values.ravel()[indices], weights)


def row_dot(
    first: Float32[np.ndarray, "points 3"], second: Float32[np.ndarray, "points 3"]
) -> Float32[np.ndarray, " points"]:
    """Dot product of each pair of rows."""
    return np.einsum("pc,pc->p", first, second)


def unit_rows(vectors: Float32[np.ndarray, "points 3"]) -> Float32[np.ndarray, "points 3"]:
    """Rows scaled to length one; zero rows stay zero."""
    return vectors / np.maximum(np.sqrt(row_dot(vectors, vectors)), np.float32(1e-9))[:, None]


def _direction(azimuth_rad: float, elevation_deg: float) -> tuple[float, float, float]:
    elevation = np.radians(elevation_deg)
    flat = float(np.cos(elevation))
    return (
        flat * float(np.cos(azimuth_rad)),
        flat * float(np.sin(azimuth_rad)),
        float(np.sin(elevation)),
    )
