"""Places a rigid body in the true camera so that its points fall on given pixels.

Two uses: taking a regressor's body out of its virtual camera (a focal length of 5000 px, a crop, a
weak perspective), and first guesses of a fit. Knows points and pixels; no body models, no files.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from torch import Tensor

from renders.camera import NEAR_M, Camera
from renders.errors import InputError

_POINTS = 300
"""Points that are compared; a body is smooth."""
_NEAREST_M, _FARTHEST_M = 0.3, 300.0


@dataclass(frozen=True, eq=False)
class Placement:
    """`p_camera = rotation @ p + shift_m`, and how far pixels moved."""

    rotation: Float[Tensor, "3 3"]
    shift_m: Float[Tensor, "3"]
    median_px: float
    """Distance of the body's points from where they were asked to fall."""
    worst_px: float


def rays(pixels: Float[Tensor, "*batch 2"], camera: Camera) -> Float[Tensor, "*batch 2"]:
    """x/z and y/z of pixels."""
    inverse = torch.linalg.inv(camera.intrinsics.to(pixels))
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    return (homogeneous @ inverse.T)[..., :2]


def translation_to_pixels(
    points_m: Float[Tensor, "batch points 3"],
    pixels: Float[Tensor, "points 2"],
    weight: Float[Tensor, "points"],
    camera: Camera,
) -> Float[Tensor, "batch 3"]:
    """The shifts after which points fall nearest to their pixels, weighted, in closed form.

    Squares of (X + t) - ray (Z + t) are least: exact where an exact shift exists. Depths that no
    photo has (points in one place, a body seen from behind the camera) are brought within bounds.
    """
    ray = rays(pixels, camera).to(points_m)
    away = ray * points_m[..., 2:] - points_m[..., :2]
    total = weight.sum().clamp(min=1e-9)
    mean_ray = (weight[:, None] * ray).sum(0) / total
    mean_away = torch.einsum("k,bkc->bc", weight, away) / total
    # With t_xy eliminated, what is left is a line in t_z.
    centred = ray - mean_ray
    spread = (weight[:, None] * centred.square()).sum().clamp(min=1e-12)
    along = torch.einsum("k,kc,bkc->b", weight, centred, away - mean_away[:, None])
    mean_z = torch.einsum("k,bk->b", weight, points_m[..., 2]) / total
    depth = (-along / spread + mean_z).clamp(_NEAREST_M, _FARTHEST_M) - mean_z
    return torch.cat([mean_away + mean_ray * depth[:, None], depth[:, None]], dim=1)


def place_on_pixels(
    vertices_m: Float[Tensor, "verts 3"], pixels: Float[Tensor, "verts 2"], camera: Camera
) -> Placement:
    """The rigid motion after which vertices fall nearest to their pixels in the true camera.

    Starts from the shift alone, which is the depth scaled by the ratio of focal lengths and the
    principal points' difference turned into metres. The turn then undoes what a shift cannot: who
    was predicted on the axis of a crop is seen from another side at the picture's edge.

    Raises:
        InputError: pixels or vertices are not finite, or the vertices lie in one place.
    """
    chosen = torch.linspace(0, len(vertices_m) - 1, min(_POINTS, len(vertices_m))).long()
    points, wanted = vertices_m[chosen].double(), pixels[chosen].double()
    if not bool(torch.isfinite(points).all() and torch.isfinite(wanted).all()):
        raise InputError("the body's vertices and their pixels must be finite numbers")
    middle = points.mean(0)
    centred = points - middle
    size_px = float((wanted - wanted.mean(0)).norm(dim=1).max())
    if not size_px > 0 or not float(centred.norm(dim=1).max()) > 0:
        raise InputError("the body's points lie in one place of the picture")
    place = translation_to_pixels(centred[None], wanted, torch.ones(len(points)).double(), camera)
    # As ray and depth, because a shift along the ray moves no pixel.
    ray, depth = (place[0, :2] / place[0, 2]).numpy(), float(place[0, 2])
    body, target = centred.numpy(), wanted.numpy()
    intrinsics = camera.intrinsics.double().cpu().numpy()

    def placed(x: np.ndarray) -> np.ndarray:
        at = depth * np.exp(x[5]) * np.append(ray + x[3:5], 1.0)
        return Rotation.from_rotvec(x[:3]).apply(body) + at

    def off_px(x: np.ndarray) -> np.ndarray:
        there = placed(x)
        there = there / np.maximum(there[:, 2:], NEAR_M)
        return (there @ intrinsics[:2].T - target).ravel() / size_px

    found = least_squares(off_px, np.zeros(6), method="lm", max_nfev=500).x
    rotation = torch.from_numpy(Rotation.from_rotvec(found[:3]).as_matrix())
    at = torch.from_numpy(depth * np.exp(found[5]) * np.append(ray + found[3:5], 1.0))
    away = np.linalg.norm(off_px(found).reshape(-1, 2), axis=1) * size_px
    return Placement(
        rotation.to(vertices_m), (at - rotation @ middle).to(vertices_m),
        float(np.median(away)), float(away.max()),
    )  # fmt: skip
