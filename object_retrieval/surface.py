"""Surfaces as points: what every shape descriptor and encoder here starts from.

Frame: z up. Knows meshes and clouds; knows nothing of categories, libraries or networks.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from renders.errors import InputError
from renders.mesh import Mesh, PointCloud, require_usable_mesh, require_usable_points

MIN_POINTS = 16
"""Fewer points tell nothing of a shape."""


def sample_surface(surface: Mesh | PointCloud, count: int, *, seed: int = 0) -> PointCloud:
    """`count` points spread evenly over a surface; the same ones for the same seed.

    A mesh is sampled by area, with the colours of its vertices where it has some. Of a cloud
    points are drawn, each at most once while there are enough.

    Raises:
        InputError: no triangle has an area, the cloud has fewer than `MIN_POINTS` points, all
            points coincide, or a coordinate is not finite.
    """
    if count < 1:
        raise InputError(f"at least one point must be drawn, got {count}")
    generator = torch.Generator().manual_seed(seed)
    if isinstance(surface, Mesh):
        require_usable_mesh(surface)
        cloud = _sample_mesh(surface, count, generator)
    else:
        require_usable_points(surface)
        cloud = _sample_cloud(surface, count, generator)
    if not bool((cloud.points != cloud.points[:1]).any()):
        raise InputError("the object has no extent: all its points are equal")
    return cloud


def _sample_mesh(mesh: Mesh, count: int, generator: torch.Generator) -> PointCloud:
    corners = mesh.vertices.double()[mesh.faces.long()]
    edges = corners[:, 1:] - corners[:, :1]
    area = torch.linalg.cross(edges[:, 0], edges[:, 1]).norm(dim=1)
    if not mesh.num_faces or not float(area.sum()) > 0:
        raise InputError(
            f"the object has no surface: none of its {mesh.num_faces} triangles has an area"
        )
    # Evenly spaced draws along the summed area: less clumped than independent ones.
    total = area.cumsum(0)
    draws = torch.arange(count, dtype=torch.float64)
    draws = (draws + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    face = torch.searchsorted(total, draws * total[-1]).clamp(max=mesh.num_faces - 1)
    first, second = torch.rand(2, count, generator=generator, dtype=torch.float64)
    root = first.sqrt()
    weights = torch.stack([1 - root, root * (1 - second), root * second], dim=1)
    points = (corners[face] * weights[..., None]).sum(1)
    colors = None
    if mesh.vertex_colors is not None:
        picked = mesh.vertex_colors.double()[mesh.faces.long()[face]]
        colors = (picked * weights[..., None]).sum(1).float()
    return PointCloud(points.float(), colors)


def _sample_cloud(cloud: PointCloud, count: int, generator: torch.Generator) -> PointCloud:
    if cloud.num_points < MIN_POINTS:
        raise InputError(
            f"the object has only {cloud.num_points} points; at least {MIN_POINTS} are needed to "
            "tell a shape"
        )
    rounds = -(-count // cloud.num_points)
    order = [torch.randperm(cloud.num_points, generator=generator) for _ in range(rounds)]
    chosen = torch.cat(order)[:count]
    colors = None if cloud.colors is None else cloud.colors[chosen]
    return PointCloud(cloud.points[chosen], colors)


def turned_about_up(
    points: Float[Tensor, "points 3"], angle_rad: float
) -> Float[Tensor, "points 3"]:
    """Points turned about the vertical through the origin, counter-clockwise from above."""
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    x, y, z = points.unbind(1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], dim=1)


def half_of(
    points: Float[Tensor, "points 3"], direction: Float[Tensor, "3"], share: float = 0.5
) -> Float[Tensor, "kept 3"]:
    """The `share` of the points that lies furthest along a direction: what one side would show."""
    kept = max(1, round(share * len(points)))
    order = (points @ direction.to(points)).argsort(descending=True, stable=True)
    return points[order[:kept].sort().values]


def disturbed(
    points: Float[Tensor, "points 3"],
    *,
    seed: int,
    share: float = 0.5,
    noise: float = 0.01,
) -> Float[Tensor, "kept 3"]:
    """A bad scan of a surface: cut by a random plane, turned about up at random, with noise.

    `share` of the points is kept; `noise` is the standard deviation as a share of the whole
    surface's largest extent. Deterministic by seed.
    """
    generator = torch.Generator().manual_seed(seed)
    extent = float((points.amax(0) - points.amin(0)).max())
    kept = half_of(points, torch.randn(3, generator=generator), share)
    kept = turned_about_up(kept, float(torch.rand(1, generator=generator)) * 2 * math.pi)
    grain = torch.randn(kept.shape, generator=generator).to(kept)
    return kept + noise * extent * grain
