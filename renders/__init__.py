"""Cameras, meshes, rasterising, canonical views and the way between pixels and surface.

Knows nothing of people, networks or datasets; imports no other package of the project.
"""

from renders.camera import Camera, camera_from_pytorch3d
from renders.canonical import (
    HUMAN_VIEWS,
    OBJECT_VIEWS,
    ViewSet,
    ViewSpec,
    build_human_view_set,
    build_object_view_set,
)
from renders.errors import AssetError, InputError, InteractVLMError, ResourceError
from renders.lifting import PixelSurfaceMap
from renders.mesh import Mesh, PointCloud
from renders.rasterizer import Fragments, interpolate, rasterize, rasterize_views, visible_pixels
from renders.unseen import fill_unseen

__all__ = [
    "HUMAN_VIEWS",
    "OBJECT_VIEWS",
    "AssetError",
    "Camera",
    "Fragments",
    "InputError",
    "InteractVLMError",
    "Mesh",
    "PixelSurfaceMap",
    "PointCloud",
    "ResourceError",
    "ViewSet",
    "ViewSpec",
    "build_human_view_set",
    "build_object_view_set",
    "camera_from_pytorch3d",
    "fill_unseen",
    "interpolate",
    "rasterize",
    "rasterize_views",
    "visible_pixels",
]
