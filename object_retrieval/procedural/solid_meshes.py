"""Closed triangle meshes of the solids, each about its own origin, winding outward.

Knows shapes and their sizes in metres (`primitives.SIZE_NAMES`); knows no objects.
"""

import functools

import numpy as np


def _segments(radius_m: float) -> int:
    """Sides of a circle: thin tubes need few, and objects have many thin tubes."""
    return 10 if radius_m < 0.02 else 16 if radius_m < 0.06 else 24


def _ring_faces(rings: int, columns: int, *, closed: bool = False) -> np.ndarray:
    """Quads between rings of `columns` points, rings upward, columns counter-clockwise."""
    grid = np.arange(rings * columns).reshape(rings, columns)
    low = grid if closed else grid[:-1]
    high = np.roll(grid, -1, axis=0) if closed else grid[1:]
    a, b, c, d = low, np.roll(low, -1, axis=1), np.roll(high, -1, axis=1), high
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def _revolve(rho: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surface of revolution of an upward profile, closed by a point at either end."""
    columns = _segments(float(rho.max()))
    angle = np.arange(columns) * (2 * np.pi / columns)
    rings = np.stack(
        [rho[:, None] * np.cos(angle), rho[:, None] * np.sin(angle), z[:, None] + 0 * angle], -1
    ).reshape(-1, 3)
    count = len(rings)
    vertices = np.concatenate([rings, [[0, 0, z[0]], [0, 0, z[-1]]]])
    first, last = np.arange(columns), np.arange(count - columns, count)
    bottom = np.stack([np.roll(first, -1), first, np.full(columns, count)], -1)
    top = np.stack([last, np.roll(last, -1), np.full(columns, count + 1)], -1)
    return vertices, np.concatenate([_ring_faces(len(rho), columns), bottom, top])


def cylinder_mesh(radius: float, half_height: float, rounding: float):
    if rounding == 0:
        return _revolve(np.array([radius, radius]), np.array([-half_height, half_height]))
    angle = np.linspace(0, np.pi / 2, 4)
    rho = radius - rounding * (1 - np.sin(angle))
    z = -half_height + rounding * (1 - np.cos(angle))
    return _revolve(np.concatenate([rho, rho[::-1]]), np.concatenate([z, -z[::-1]]))


def capsule_mesh(radius: float, half_length: float):
    angle = np.linspace(0, np.pi / 2, _segments(radius) // 4 + 1)
    rho, z = radius * np.sin(angle), -half_length - radius * np.cos(angle)
    rho, z = np.concatenate([rho[1:], rho[:0:-1]]), np.concatenate([z[1:], -z[:0:-1]])
    vertices, faces = _revolve(rho, z)
    vertices[-2:, 2] = -half_length - radius, half_length + radius
    return vertices, faces


def ellipsoid_mesh(radius_x: float, radius_y: float, radius_z: float):
    angle = np.linspace(0, np.pi, 15)
    vertices, faces = _revolve(np.sin(angle[1:-1]), -np.cos(angle[1:-1]))
    vertices[-2:, 2] = -1, 1
    return vertices * [radius_x, radius_y, radius_z], faces


def torus_mesh(major: float, minor: float):
    columns, rings = 2 * _segments(major), _segments(minor)
    around = np.arange(columns) * (2 * np.pi / columns)
    tube = np.arange(rings)[:, None] * (2 * np.pi / rings)
    rho, z = major + minor * np.cos(tube), minor * np.sin(tube)
    vertices = np.stack([rho * np.cos(around), rho * np.sin(around), z + 0 * around], -1)
    return vertices.reshape(-1, 3), _ring_faces(rings, columns, closed=True)


def cone_mesh(bottom: float, top: float, half_height: float):
    # A radius of zero would leave triangles without area; a tenth of a millimetre is invisible.
    rho = np.maximum([bottom, top], 1e-4)
    return _revolve(rho, np.array([-half_height, half_height]))


def shell_mesh(bottom: float, top: float, half_height: float, half_thickness: float):
    along = np.array([top - bottom, 2 * half_height])
    along = along / np.linalg.norm(along)
    out = np.array([along[1], -along[0]])
    angle = np.concatenate([np.linspace(-np.pi, 0, 5), np.linspace(0, np.pi, 5)])
    ends = np.repeat([[bottom, -half_height], [top, half_height]], 5, axis=0)
    around = np.cos(angle)[:, None] * out + np.sin(angle)[:, None] * along
    rho, z = (ends + half_thickness * around).T
    columns = 2 * _segments(max(bottom, top))
    turn = np.arange(columns) * (2 * np.pi / columns)
    rings = [rho[:, None] * np.cos(turn), rho[:, None] * np.sin(turn), z[:, None] + 0 * turn]
    return np.stack(rings, -1).reshape(-1, 3), _ring_faces(len(rho), columns, closed=True)


@functools.cache
def _box_template(rounded: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corner sign and outward direction of every vertex of a box mesh, and its faces."""
    quarter = np.linspace(0, np.pi / 2, 3) if rounded else np.array([np.pi / 4])
    steps, rings, columns = len(quarter), 2 * len(quarter), 4 * len(quarter)
    up, around = np.meshgrid(
        np.concatenate([quarter - np.pi / 2, quarter]),
        np.concatenate([quarter + k * np.pi / 2 for k in range(4)]),
        indexing="ij",
    )
    direction = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], -1)
    sign_up = np.broadcast_to(np.repeat([-1, 1], steps)[:, None], up.shape)
    sign_x = np.broadcast_to(np.repeat([1, -1, -1, 1], steps), up.shape)
    sign_y = np.broadcast_to(np.repeat([1, 1, -1, -1], steps), up.shape)
    sign = np.stack([sign_x, sign_y, sign_up], -1)
    corner = np.arange(4) * steps
    top = corner + (rings - 1) * columns
    caps = [corner[[0, 2, 1]], corner[[0, 3, 2]], top[[0, 1, 2]], top[[0, 2, 3]]]
    faces = np.concatenate([_ring_faces(rings, columns), caps])
    # The rings at either pole shrink to one point per corner: weld them, drop empty triangles.
    keys = np.round(np.concatenate([sign, direction], -1).reshape(-1, 6), 6) + 0.0
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    degenerate = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    return unique[:, :3], unique[:, 3:], faces[~degenerate]


def box_mesh(half_x: float, half_y: float, half_z: float, rounding: float):
    sign, direction, faces = _box_template(rounding > 0)
    core = np.array([half_x, half_y, half_z]) - rounding
    return sign * core + rounding * direction, faces
