"""A descriptor of a shape that is computed, not learned: the same however the shape is turned
about the vertical, moved or scaled, and little changed by noise.

It counts pairs of points by horizontal distance, vertical distance and height of their middle,
and single points by height and distance from the middle axis. Knows points; knows no category.
"""

import torch
from jaxtyping import Float
from torch import Tensor

POINTS = 192
"""Points of a surface that are paired with each other."""
_HEIGHTS, _ACROSS, _RISE = 4, 12, 10
"""Bins of pairs: height of the middle, horizontal and vertical distance."""
_LAYERS, _RINGS = 12, 8
"""Bins of single points: height, distance from the middle axis."""
_REACH = 4.0
"""Pairs further apart than this many root-mean-square radii share the last bin."""
_WEIGHTS = (0.8, 0.45, 0.3, 0.3)
"""Of pairs, rings, layers and spread in the joined vector."""
DIMENSIONS = _HEIGHTS * _ACROSS * _RISE + _LAYERS * _RINGS + _LAYERS + 6


def describe_points(points: Float[Tensor, "points 3"]) -> Float[Tensor, "dims"]:
    """The descriptor of points on a surface, z up; of at most `POINTS` of them, evenly chosen.

    Square roots of shares (so that a dot product is their Bhattacharyya overlap), of length 1.
    """
    return describe_clouds([points])[0]


def describe_clouds(clouds: list[Float[Tensor, "_ 3"]]) -> Float[Tensor, "clouds dims"]:
    """`describe_points` of several clouds; those of equal numbers of points at one go."""
    chosen = [_chosen(cloud) for cloud in clouds]
    rows = torch.zeros(len(clouds), DIMENSIONS)
    for count in {len(points) for points in chosen}:
        group = [place for place, points in enumerate(chosen) if len(points) == count]
        rows[group] = _describe(torch.stack([chosen[place] for place in group]))
    return rows


def _chosen(points: Float[Tensor, "points 3"]) -> Float[Tensor, "chosen 3"]:
    if len(points) > POINTS:
        points = points[torch.linspace(0, len(points) - 1, POINTS).round().long()]
    # Centred in double precision: coordinates may be far from the origin.
    return (points.double() - points.double().mean(0)).float()


def _describe(points: Float[Tensor, "clouds points 3"]) -> Float[Tensor, "clouds dims"]:
    points = points / points.square().sum(2).mean(1).sqrt().clamp(min=1e-12)[:, None, None]
    low, high = points[..., 2].amin(1), points[..., 2].amax(1)
    level = (points[..., 2] - low[:, None]) / (high - low).clamp(min=1e-6)[:, None]
    middle = (points[..., :2].amin(1) + points[..., :2].amax(1)) / 2
    radius = (points[..., :2] - middle[:, None]).norm(dim=2)
    radius = radius / radius.amax(1).clamp(min=1e-6)[:, None]
    parts = (
        _pair_counts(points, level).sqrt(),
        _counts((level, radius), (_LAYERS, _RINGS)).sqrt(),
        _counts((level,), (_LAYERS,)).sqrt(),
        _spread(points),
    )
    joined = torch.cat([weight * part for weight, part in zip(_WEIGHTS, parts, strict=True)], dim=1)
    return joined / joined.norm(dim=1, keepdim=True)


def _pair_counts(
    points: Float[Tensor, "clouds points 3"], level: Float[Tensor, "clouds points"]
) -> Float[Tensor, "clouds bins"]:
    """Shares of point pairs by (height of the middle, horizontal distance, vertical distance)."""
    first, second = torch.triu_indices(points.shape[1], points.shape[1], 1)
    apart = points[:, first] - points[:, second]
    across = apart[..., :2].square().sum(2).sqrt_() / _REACH
    rise = apart[..., 2].abs() / _REACH
    middle = (level[:, first] + level[:, second]) / 2
    return _counts((middle, across, rise), (_HEIGHTS, _ACROSS, _RISE))


def _spread(points: Float[Tensor, "clouds points 3"]) -> Float[Tensor, "clouds 6"]:
    """Standard deviations and extents along the vertical and the two horizontal main axes."""
    flat = points[..., :2]
    _, axes = torch.linalg.eigh(flat.transpose(1, 2) @ flat / points.shape[1])
    turned = torch.cat([flat @ axes, points[..., 2:]], dim=2)
    extent = (turned.amax(1) - turned.amin(1)) / _REACH
    values = torch.cat([turned.std(1), extent], dim=1)
    return values / values.norm(dim=1, keepdim=True).clamp(min=1e-9)


def _counts(
    shares: tuple[Float[Tensor, "clouds items"], ...], bins: tuple[int, ...]
) -> Float[Tensor, "clouds bins"]:
    """Normalised histograms over values in [0, 1], flattened.

    Each value is spread linearly over its two nearest bins, so that a little noise moves little.
    """
    clouds, items = shares[0].shape
    size = int(torch.tensor(bins).prod())
    index = torch.arange(clouds, dtype=torch.int32).mul(size)[None, :, None]
    weight = torch.ones(1, 1, 1)
    stride = size
    for values, count in zip(shares, bins, strict=True):
        stride //= count
        place = (values.clamp(0, 1) * count - 0.5).clamp(0, count - 1)
        lower = place.int().clamp(max=count - 2)
        upper_share = place - lower
        near = lower * stride
        index = torch.cat([index + near, index + near + stride])
        weight = torch.cat([weight * (1 - upper_share), weight * upper_share])
    total = torch.zeros(clouds * size).index_add_(0, index.flatten(), weight.flatten())
    return total.view(clouds, size) / items
