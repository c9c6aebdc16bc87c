"""A descriptor of a shape that is computed, not learned: the same however the shape is turned
about the vertical, moved or scaled, and little changed by noise.

It counts pairs of points by horizontal distance, vertical distance and height of their middle,
and single points by height and distance from the middle axis. Knows points; knows no category.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from object_retrieval.surface import sample_surface
from renders.mesh import Mesh, PointCloud

POINTS = 256
"""Points of a surface that are paired with each other."""
_HEIGHTS, _ACROSS, _RISE = 4, 12, 10
"""Bins of pairs: height of the middle, horizontal and vertical distance."""
_LAYERS, _RINGS = 12, 8
"""Bins of single points: height, distance from the middle axis."""
_REACH = 4.0
"""Pairs further apart than this many root-mean-square radii share the last bin."""
DIMENSIONS = _HEIGHTS * _ACROSS * _RISE + _LAYERS * _RINGS + _LAYERS + 6


def describe_surface(surface: Mesh | PointCloud, *, seed: int = 0) -> Float[Tensor, "dims"]:
    """The descriptor of a mesh or cloud, z up.

    Raises:
        InputError: as `sample_surface`.
    """
    return describe_points(sample_surface(surface, POINTS, seed=seed).points)


def describe_points(points: Float[Tensor, "points 3"]) -> Float[Tensor, "dims"]:
    """The descriptor of points on a surface, z up; of at most `POINTS` of them, evenly chosen.

    Square roots of shares (so that a dot product is their Bhattacharyya overlap), of length 1.
    """
    if len(points) > POINTS:
        points = points[torch.linspace(0, len(points) - 1, POINTS).round().long()]
    points = points.double() - points.double().mean(0)
    points = points / points.square().sum(1).mean().sqrt().clamp(min=1e-12)
    low, high = points[:, 2].amin(), points[:, 2].amax()
    level = (points[:, 2] - low) / (high - low).clamp(min=1e-9)
    pairs = _pair_counts(points, level)
    layers, rings = _single_counts(points, level)
    parts = [0.8 * pairs.sqrt(), 0.45 * rings.sqrt(), 0.3 * layers.sqrt(), 0.3 * _spread(points)]
    joined = torch.cat(parts)
    return (joined / joined.norm()).float()


def _pair_counts(
    points: Float[Tensor, "points 3"], level: Float[Tensor, "points"]
) -> Float[Tensor, "bins"]:
    """Shares of point pairs by (middle height, horizontal distance, vertical distance)."""
    first, second = torch.triu_indices(len(points), len(points), 1)
    apart = (points[first] - points[second]).abs()
    across = apart[:, :2].norm(dim=1) / _REACH
    middle = (level[first] + level[second]) / 2
    return _counts((middle, across, apart[:, 2] / _REACH), (_HEIGHTS, _ACROSS, _RISE))


def _single_counts(
    points: Float[Tensor, "points 3"], level: Float[Tensor, "points"]
) -> tuple[Float[Tensor, "layers"], Float[Tensor, "bins"]]:
    """Shares of points by height, and by height and distance from the middle axis."""
    middle = (points[:, :2].amin(0) + points[:, :2].amax(0)) / 2
    radius = (points[:, :2] - middle).norm(dim=1)
    radius = radius / radius.amax().clamp(min=1e-9)
    return _counts((level,), (_LAYERS,)), _counts((level, radius), (_LAYERS, _RINGS))


def _spread(points: Float[Tensor, "points 3"]) -> Float[Tensor, "6"]:
    """Standard deviations and extents along the vertical and the two horizontal main axes."""
    flat = points[:, :2]
    _, axes = torch.linalg.eigh(flat.T @ flat / len(points))
    turned = torch.cat([flat @ axes, points[:, 2:]], dim=1)
    values = torch.cat([turned.std(0), (turned.amax(0) - turned.amin(0)) / _REACH])
    return values / values.norm().clamp(min=1e-9)


def _counts(
    shares: tuple[Float[Tensor, "items"], ...], bins: tuple[int, ...]
) -> Float[Tensor, "bins"]:
    """A normalised histogram over values in [0, 1], flattened; neighbours share a count.

    Each value is spread linearly over the two nearest bins, so that a little noise moves little.
    """
    index = torch.zeros((1, len(shares[0])), dtype=torch.int64)
    weight = torch.ones((1, len(shares[0])), dtype=torch.float64)
    for values, size in zip(shares, bins, strict=True):
        place = (values.clamp(0, 1) * size - 0.5).clamp(0, size - 1)
        lower = place.floor().long().clamp(max=size - 2)
        upper_share = place - lower
        index = torch.cat([index * size + lower, index * size + lower + 1])
        weight = torch.cat([weight * (1 - upper_share), weight * upper_share])
    size = int(torch.tensor(bins).prod())
    total = torch.zeros(size, dtype=torch.float64)
    total.index_add_(0, index.flatten(), weight.flatten())
    return total / total.sum().clamp(min=1e-12)
