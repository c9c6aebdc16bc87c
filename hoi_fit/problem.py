"""What is known of one object in one photo, and how the fit is to be searched."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch import Tensor
from torch.nn import functional

from hoi_fit.contact_points import surface_points
from hoi_fit.ground import Ground
from hoi_fit.icp import NORMAL_LENGTH_M, OrientedPoints
from hoi_fit.light_mesh import light_mesh
from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh
from renders.rasterizer import rasterize

_SAMPLES = 600
"""Points of the object that are tested for penetration."""
_FACES_PER_PX = 24
"""Triangles drawn per pixel of the longer image side: more could not be told apart."""


@dataclass(frozen=True)
class EnergyWeights:
    """Weights of the terms; each term is about 1 where it is bad."""

    mask: float = 1.0
    """1 minus the soft intersection over union with the mask, outside what is ignored."""
    centroid: float = 1.0
    """Distance of the centroids of drawing and mask, in image sides; leads where none overlaps."""
    contact: float = 1.0
    """Robust distance between touched and touching points, in units of 10 cm."""
    size: float = 0.05
    """Square of the logarithm of the scale in units of its spread."""
    depth: float = 0.3
    """Robust difference of depths over the mask, in units of 20 cm."""
    penetration: float = 0.5
    """Mean depth of the object's points inside the body, in units of 5 cm."""
    upright: float = 0.1
    """Square of the tilt in units of 10 degrees, where a floor is known."""
    ground: float = 0.5
    """Robust distance of the lowest point from that floor, in units of 10 cm."""


@dataclass(frozen=True)
class FitSettings:
    """How the pose is searched."""

    stages: tuple[tuple[int, int, int], ...] = ((64, 24, 40), (128, 6, 40), (256, 2, 60))
    """Longer image side, hypotheses kept, and most steps of each stage."""
    yaw_starts: int = 12
    """Turns about the vertical that the search starts from."""
    any_way_up: bool = True
    """Whether the object may lie or hang upside down, as things in hands do."""
    scale_bounds: tuple[float, float] = (0.7, 1.4)
    """Least and largest scale of the object's own metres; equal bounds fix it."""
    size_spread: float = 0.15
    """Standard deviation of the logarithm of the scale."""
    rate: float = 0.03
    """Adam's rate for radians, image sides and the logarithm of the scale."""
    tolerance: float = 2e-4
    """A stage stops when its best energy fell by less over ten steps."""
    weights: EnergyWeights = field(default_factory=EnergyWeights)


@dataclass(frozen=True, eq=False)
class FitProblem:
    """One object: its shape, its mask and what is known beside."""

    vertices_object: Float[Tensor, "verts 3"]
    """Metres in the object's own frame, y up."""
    faces: Int[Tensor, "faces 3"]
    camera: Camera
    """Its pose must be the identity: the world is the camera."""
    object_mask: Bool[Tensor, "height width"]
    ignored: Bool[Tensor, "height width"] | None = None
    """Pixels of the person or other things, which say nothing of an object behind them."""
    touched: OrientedPoints | None = None
    """Contact on the object, in its own frame."""
    touching: OrientedPoints | None = None
    """Contact on the body, in the camera's frame."""
    depth_m: Float[Tensor, "height width"] | None = None
    """Depth of the photo; 0 or NaN where unknown."""
    body_mesh: Mesh | None = None
    """The body in the camera's frame: nothing passes through it, and nothing is hidden in front."""
    ground: Ground | None = None
    """The floor on which the object stands upright; None where it need not."""

    def __post_init__(self) -> None:
        size = (self.camera.height_px, self.camera.width_px)
        if tuple(self.object_mask.shape) != size:
            raise InputError(
                f"the object mask is {tuple(self.object_mask.shape)}, the camera's image {size}"
            )
        if not self.object_mask.any():
            raise InputError("the object mask is empty; there is nothing to fit to")
        if not len(self.faces) or not torch.isfinite(self.vertices_object).all():
            raise InputError("the object has no faces, or positions that are not finite")

    @property
    def has_contact(self) -> bool:
        """Whether both sides say where they touch."""
        sides = (self.touched, self.touching)
        return all(side is not None and bool((side.weight > 0).any()) for side in sides)

    def resized(self, longer_px: int) -> "FitProblem":
        """The same problem with images of another size, and with fewer triangles for a smaller one.

        Masks shrink by majority, depth by the nearest pixel.
        """
        height, width = self.object_mask.shape
        factor = longer_px / max(height, width)
        size = (max(1, round(height * factor)), max(1, round(width * factor)))

        def shrunk(mask: Bool[Tensor, "height width"]) -> Bool[Tensor, "rows columns"]:
            return functional.adaptive_avg_pool2d(mask.float()[None, None], size)[0, 0] > 0.5

        depth = self.depth_m
        if depth is not None:
            depth = functional.interpolate(depth[None, None], size, mode="nearest")[0, 0]
        mask = shrunk(self.object_mask)
        if not mask.any():  # smaller than half a pixel: keep the one it is in
            at = functional.adaptive_max_pool2d(self.object_mask.float()[None, None], size)[0, 0]
            mask = at > 0
        drawn = light_mesh(Mesh(self.vertices_object, self.faces), _FACES_PER_PX * longer_px)
        return replace(
            self,
            vertices_object=drawn.vertices,
            faces=drawn.faces,
            camera=self.camera.resized(*size),
            object_mask=mask,
            ignored=None if self.ignored is None else shrunk(self.ignored),
            depth_m=depth,
        )

    @cached_property
    def counted(self) -> Bool[Tensor, "height width"]:
        """Pixels that count: all that are not ignored; those of the mask always do."""
        if self.ignored is None:
            return torch.ones_like(self.object_mask)
        return ~self.ignored | self.object_mask

    @cached_property
    def body(self) -> OrientedPoints | None:
        """Points of the body's surface."""
        return None if self.body_mesh is None else surface_points(self.body_mesh)

    @cached_property
    def body_depth_m(self) -> Float[Tensor, "height width"] | None:
        """Depth of the body's visible surface; 0 beside it."""
        if self.body_mesh is None:
            return None
        drawn = rasterize(self.body_mesh, self.camera)
        return torch.where(drawn.covered, drawn.depth_m, 0.0)

    def counted_at(self, farthest_m: Float[Tensor, "poses"]) -> Bool[Tensor, "poses height width"]:
        """The pixels that count for objects of these greatest depths: where the whole object stands
        in front of the body, the person does not hide it."""
        counted = self.counted.expand(len(farthest_m), -1, -1)
        if self.ignored is None or self.body_depth_m is None:
            return counted
        return counted | (self.body_depth_m > farthest_m[:, None, None])

    @cached_property
    def touching_tree(self) -> KDTree:
        """The body's touching points and, scaled, their opposed normals, six numbers each."""
        assert self.touching is not None
        normals = -NORMAL_LENGTH_M * self.touching.normals
        return KDTree(np.concatenate([self.touching.points, normals], axis=1))

    @cached_property
    def body_tree(self) -> KDTree:
        """Points of the body's surface."""
        assert self.body is not None
        return KDTree(self.body.points)

    @cached_property
    def surface_object(self) -> Float[Tensor, "samples 3"]:
        """Points all over the object, because a flat side has no vertices in its middle."""
        shape = trimesh.Trimesh(self.vertices_object.numpy(), self.faces.numpy(), process=False)
        points = trimesh.sample.sample_surface(shape, _SAMPLES, seed=0)[0]
        return torch.from_numpy(np.asarray(points)).to(self.vertices_object)

    @cached_property
    def middle_object(self) -> Float[np.ndarray, "3"]:
        """Middle of the object's box, about which it is turned."""
        low, high = self.vertices_object.amin(0), self.vertices_object.amax(0)
        return ((low + high) / 2).double().numpy()
