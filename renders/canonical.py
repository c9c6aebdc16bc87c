"""The two canonical sets of four views, with their images and pixel-to-surface maps.

Holds the published constants of the views. Knows meshes and points; knows nothing of bodies (a
canonical human is just a mesh here), networks or datasets. View sets are cached on disk.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from renders.cache import content_key, load_or_build
from renders.camera import Camera, camera_from_pytorch3d
from renders.errors import InputError
from renders.lifting import PixelSurfaceMap
from renders.mesh import (
    Mesh,
    PointCloud,
    mesh_hash,
    points_hash,
    require_usable_mesh,
    require_usable_points,
)
from renders.points import POINT_RADIUS_NDC, composite, splat
from renders.rasterizer import visible_pixels
from renders.shading import (
    PhongLight,
    nocs_colors,
    normals_as_colors,
    render_phong,
    to_uint8,
)
from renders.unseen import SurfaceFill

OBJECT_MESH_DISTANCE = 1.5
"""Distance object meshes are rendered from. Source: InteractVLM, object mesh renders."""
_FORMAT = 1
"""Raise when anything that changes a stored view set changes."""


@dataclass(frozen=True)
class ViewSpec:
    """One published view: a camera in PyTorch3D's terms, and the light of its mesh render."""

    name: str
    """Name in the published files."""
    distance: float
    """Camera distance from the origin, as the model is told."""
    elevation_deg: float
    """Elevation, 315 meaning 45 degrees from below."""
    azimuth_deg: float
    """Azimuth from +z towards +x."""
    shift_x: float = 0.0
    """Added to the camera's translation, x to the left."""
    shift_y: float = 0.0
    """Added to the camera's translation, y up."""
    light_z: float = 3.0
    """The point light of mesh renders is at (0, 0, `light_z`)."""

    def normalized(self) -> Float[Tensor, "5"]:
        """The five numbers the model is given. Source: InteractVLM, camera encoder input."""
        return torch.tensor(
            [
                self.distance / 10,
                self.elevation_deg / 360,
                self.azimuth_deg / 360,
                (self.shift_x + 1) / 2,
                (self.shift_y + 1) / 2,
            ]
        )

    def camera(self, resolution_px: int, distance: float | None = None) -> Camera:
        """The view's camera (60 degrees field of view), at another distance if given."""
        return camera_from_pytorch3d(
            self.distance if distance is None else distance,
            self.elevation_deg,
            self.azimuth_deg,
            self.shift_x,
            self.shift_y,
            size_px=resolution_px,
        )


HUMAN_VIEWS = (
    ViewSpec("topfront", 2.0, 45.0, 315.0),
    ViewSpec("bottomfront", 2.0, 315.0, 315.0, shift_y=0.3, light_z=-3.0),
    ViewSpec("topback", 2.0, 45.0, 135.0, light_z=-3.0),
    ViewSpec("bottomback", 2.0, 315.0, 135.0, shift_y=0.3),
)
"""Model order. Both bottom views are lit from behind, as the published scripts pair them."""

OBJECT_VIEWS = (
    ViewSpec("frontleft", 2.0, 45.0, 315.0),
    ViewSpec("frontright", 2.0, 45.0, 45.0),
    ViewSpec("backleft", 2.0, 330.0, 135.0, light_z=-3.0),
    ViewSpec("backright", 2.0, 330.0, 225.0, light_z=-3.0),
)
"""Model order. Meshes are rendered from distance 1.5, yet the model is told 2, as published."""


@dataclass(frozen=True, eq=False)
class ViewSet:
    """Canonical views of one surface: images to look at, and the way back to the surface."""

    specs: tuple[ViewSpec, ...]
    """What the model is told about each view."""
    cameras: tuple[Camera, ...]
    """The cameras the images were drawn with; the world is the surface's own frame."""
    images: UInt8[Tensor, "views height width 3"]
    """RGB on white."""
    surface_map: PixelSurfaceMap
    """Vertices (or points) every pixel sees."""
    surface: Mesh | PointCloud
    """What was drawn: normalised for objects."""
    key: str
    """Content hash of surface, views and resolution; names cached embeddings of the images."""

    @property
    def valid(self) -> Bool[Tensor, "views height width"]:
        """Pixels that see the surface: the valid region of losses."""
        return self.surface_map.valid

    @property
    def seen(self) -> Bool[Tensor, "verts"]:
        """Vertices some view sees."""
        return self.surface_map.seen

    @cached_property
    def camera_vectors(self) -> Float[Tensor, "views 5"]:
        """`ViewSpec.normalized` of every view."""
        return torch.stack([spec.normalized() for spec in self.specs])

    @cached_property
    def _fill(self) -> SurfaceFill:
        if isinstance(self.surface, Mesh):
            return SurfaceFill.build(self.seen, self.surface.faces, self.surface.vertices)
        no_faces = torch.zeros(0, 3, dtype=torch.long, device=self.seen.device)
        return SurfaceFill.build(self.seen, no_faces, self.surface.points)

    def fill_unseen(self, values: Float[Tensor, "*batch verts"]) -> Float[Tensor, "*batch verts"]:
        """`values` with unseen vertices filled from their surface neighbours."""
        return self._fill.apply(values)

    def __repr__(self) -> str:
        names = ", ".join(spec.name for spec in self.specs)
        return f"ViewSet({names}; {self.surface_map!r})"


def build_human_view_set(
    mesh: Mesh, resolution_px: int = 1024, cache_dir: Path | None = None
) -> ViewSet:
    """Four views of a canonical human: normals as colours, lit as published.

    `mesh` is in the published frame (y up, facing +z, metres, about centred as SMPL is) and drawn
    as it is; its colours are replaced. Source: InteractVLM, canonical human renders.

    Raises:
        InputError: the mesh is unusable, or no view sees it.
    """
    require_usable_mesh(mesh)
    colored = mesh.with_colors(normals_as_colors(mesh.vertices, mesh.faces))
    cameras = tuple(spec.camera(resolution_px) for spec in HUMAN_VIEWS)
    return _cached(HUMAN_VIEWS, cameras, colored, 0.0, cache_dir)


def build_object_view_set(
    geometry: Mesh | PointCloud,
    resolution_px: int = 1024,
    cache_dir: Path | None = None,
    *,
    distance: float | None = None,
    radius_ndc: float = POINT_RADIUS_NDC,
) -> ViewSet:
    """Four views of an object with position (NOCS) colours: a mesh is shaded, points are not.

    The object is normalised first, with y up and its front towards +z as published data have it.
    `distance` of the cameras is 1.5 for a mesh and 2 for points unless given; the specs always
    say 2. Its colours are replaced. Source: InteractVLM, object renders.

    Raises:
        InputError: the geometry is unusable or without extent, or no view sees it.
    """
    if isinstance(geometry, Mesh):
        drawn: Mesh | PointCloud = normalize_object_mesh(geometry)
        drawn = drawn.with_colors(nocs_colors(drawn.vertices))
        distance = OBJECT_MESH_DISTANCE if distance is None else distance
    else:
        drawn = normalize_object_points(geometry)
        drawn = PointCloud(drawn.points, nocs_colors(drawn.points))
    cameras = tuple(spec.camera(resolution_px, distance) for spec in OBJECT_VIEWS)
    return _cached(OBJECT_VIEWS, cameras, drawn, radius_ndc, cache_dir)


def normalize_object_mesh(mesh: Mesh) -> Mesh:
    """Minus the mean vertex, divided by the longest edge of the bounding box.

    Source: InteractVLM, object mesh renders.

    Raises:
        InputError: no vertices, NaN, or no extent.
    """
    require_usable_mesh(mesh)
    scale = _extent(mesh.vertices, "mesh")
    centred = mesh.vertices - mesh.vertices.mean(0)
    return Mesh(centred / scale, mesh.faces, mesh.vertex_colors)


def normalize_object_points(cloud: PointCloud) -> PointCloud:
    """Minus the mean point, divided by the largest norm: into the unit ball.

    Source: InteractVLM, object point renders.

    Raises:
        InputError: no points, NaN, or no extent.
    """
    require_usable_points(cloud)
    _extent(cloud.points, "point cloud")
    centred = cloud.points - cloud.points.mean(0)
    return PointCloud(centred / centred.norm(dim=1).max(), cloud.colors)


def _extent(positions: Float[Tensor, "count 3"], name: str) -> Float[Tensor, ""]:
    """Longest edge of the bounding box."""
    if len(positions) == 0:
        raise InputError(f"the {name} is empty; canonical views need something to draw")
    extent = (positions.amax(0) - positions.amin(0)).max()
    if not float(extent) > 0:
        raise InputError(
            f"the {name} has no extent: all {len(positions)} positions are "
            f"{positions[0].tolist()!r}, so it cannot be scaled to the views"
        )
    return extent


def _cached(
    specs: Sequence[ViewSpec],
    cameras: tuple[Camera, ...],
    surface: Mesh | PointCloud,
    radius_ndc: float,
    folder: Path | None,
) -> ViewSet:
    """The view set from disk, or drawn and stored."""
    mesh = isinstance(surface, Mesh)
    key = content_key(
        f"views format {_FORMAT}",
        mesh_hash(surface) if mesh else points_hash(surface),
        cameras[0].height_px,
        None if mesh else radius_ndc,
        *(repr(astuple(spec)) for spec in specs),
        *(repr(camera.camera_from_world.tolist()) for camera in cameras),
    )
    stored = load_or_build(
        f"views-{key}",
        build=lambda: _draw(specs, cameras, surface, radius_ndc),
        save=_save,
        load=_load,
        folder=folder,
    )
    surface_map, colors = stored
    images = torch.full(
        (len(specs) * cameras[0].height_px * cameras[0].width_px, 3), 255, dtype=torch.uint8
    )
    images[surface_map.pixel_index] = colors
    images = images.view(len(specs), cameras[0].height_px, cameras[0].width_px, 3)
    return ViewSet(tuple(specs), cameras, images, surface_map, surface, key)


_Drawn = tuple[PixelSurfaceMap, UInt8[Tensor, "covered 3"]]
"""The map, and the colour of each of its pixels."""


def _draw(
    specs: Sequence[ViewSpec],
    cameras: tuple[Camera, ...],
    surface: Mesh | PointCloud,
    radius_ndc: float,
) -> _Drawn:
    if isinstance(surface, Mesh):
        views = [visible_pixels(surface, camera) for camera in cameras]
        surface_map = PixelSurfaceMap.from_visible(views, surface.faces, surface.num_vertices)
        lights = [PhongLight((0.0, 0.0, spec.light_z)) for spec in specs]
        images = [
            to_uint8(render_phong(surface, camera, view, light))
            for camera, view, light in zip(cameras, views, lights, strict=True)
        ]
    else:
        splats = [splat(surface, camera, radius_ndc=radius_ndc) for camera in cameras]
        surface_map = PixelSurfaceMap.from_points(splats, surface.num_points)
        assert surface.colors is not None
        images = [to_uint8(composite(view, surface.colors)) for view in splats]
    if len(surface_map.pixel_index) == 0:
        low, high = surface_bounds(surface)
        raise InputError(
            f"none of the {len(specs)} canonical views sees {surface!r} with bounds {low!r} to "
            f"{high!r}; it needs faces and must be near the origin, in metres"
        )
    colors = torch.stack(images).view(-1, 3)[surface_map.pixel_index]
    return surface_map, colors


def surface_bounds(surface: Mesh | PointCloud) -> tuple[list[float], list[float]]:
    """Smallest and largest coordinates, rounded for messages; NaN when empty."""
    positions = surface.vertices if isinstance(surface, Mesh) else surface.points
    if len(positions) == 0:
        return [math.nan] * 3, [math.nan] * 3
    low, high = positions.amin(0).tolist(), positions.amax(0).tolist()
    return [round(x, 3) for x in low], [round(x, 3) for x in high]


def _save(drawn: _Drawn, path: Path) -> None:
    surface_map, colors = drawn
    with open(path, "wb") as stream:
        np.savez(
            stream,
            pixel_index=surface_map.pixel_index.cpu().numpy().astype(np.int32),
            vertex_index=surface_map.vertex_index.cpu().numpy().astype(np.int32),
            weight=surface_map.weight.cpu().numpy(),
            color=colors.cpu().numpy(),
            size=np.array(
                [
                    surface_map.num_vertices,
                    surface_map.num_views,
                    surface_map.height_px,
                    surface_map.width_px,
                ]
            ),
        )


def _load(path: Path) -> _Drawn:
    with np.load(path, allow_pickle=False) as stored:
        surface_map = PixelSurfaceMap(
            torch.from_numpy(stored["pixel_index"]).long(),
            torch.from_numpy(stored["vertex_index"]).long(),
            torch.from_numpy(stored["weight"]),
            *(int(n) for n in stored["size"]),
        )
        return surface_map, torch.from_numpy(stored["color"])
