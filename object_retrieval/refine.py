"""Triangles cut until none is long: contact is told per vertex, so vertices must be everywhere.

The surface stays the same set of points and stays closed. Knows triangles only.
"""

import numpy as np
from jaxtyping import Float, Int

FEWEST, MOST = 500, 20_000
"""Triangles of a generated shape."""
_SHARE = 1 / 9
"""Wanted longest edge, as a share of the shape's largest extent."""
_ROUNDS = 24
"""Halvings after which an edge of any sensible shape is short; a guard, never reached."""


def split_long_edges(
    vertices: Float[np.ndarray, "verts 3"], faces: Int[np.ndarray, "faces 3"], longest: float
) -> tuple[Float[np.ndarray, "more 3"], Int[np.ndarray, "finer 3"]]:
    """Cuts edges in the middle until none is longer than `longest`; old vertices keep their place.

    Both triangles at an edge are cut at the same point, so that a closed surface stays closed.
    """
    for _ in range(_ROUNDS):
        corners = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)
        low, high = np.sort(corners.reshape(-1, 2), axis=1).T
        # One number per edge: finding equal numbers is far quicker than finding equal rows.
        key, edge_of_side = np.unique(low * len(vertices) + high, return_inverse=True)
        ends = vertices[np.stack([key // len(vertices), key % len(vertices)], axis=1)]
        long = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) > longest
        if not long.any():
            break
        middle_of_edge = np.full(len(key), -1)
        middle_of_edge[long] = len(vertices) + np.arange(long.sum())
        vertices = np.concatenate([vertices, ends[long].mean(axis=1)])
        faces = _cut(faces, middle_of_edge[edge_of_side.reshape(-1, 3)])
    return vertices, faces


def _cut(faces: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Triangles cut at the middles of their sides; `middle` is -1 where a side stays whole."""
    count = (middle >= 0).sum(axis=1)
    whole = faces[count == 0]
    # Turn each triangle so that its cut sides come first.
    first = np.where(count == 1, (middle >= 0).argmax(axis=1), (middle < 0).argmax(axis=1) + 1)
    first = np.where(count == 3, 0, first)
    order = (first[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(faces, order, axis=1).T
    p, q, r = np.take_along_axis(middle, order, axis=1).T
    one, two, three = (count == sides for sides in (1, 2, 3))
    pieces = [
        whole,
        *(np.stack(t, -1)[one] for t in ((a, p, c), (p, b, c))),
        *(np.stack(t, -1)[two] for t in ((p, b, q), (a, p, q), (a, q, c))),
        *(np.stack(t, -1)[three] for t in ((a, p, r), (p, b, q), (r, q, c), (p, q, r))),
    ]
    return np.concatenate(pieces)


def cut_to_fit(
    solids: list[tuple[np.ndarray, np.ndarray]], extent: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The solids of one shape, cut so that together they have `FEWEST` to `MOST` triangles."""
    longest = _SHARE * extent
    for _ in range(_ROUNDS):
        cut = [split_long_edges(vertices, faces, longest) for vertices, faces in solids]
        total = sum(len(faces) for _, faces in cut)
        if total > MOST and longest < extent:
            longest *= 1.4
        elif total < FEWEST:
            longest *= 0.6
        else:
            break
    return cut
