"""Writes person, object and camera as one GLB that Blender and three.js open."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from renders.cache import atomic_write
from renders.camera import Camera
from renders.mesh import Mesh

GLTF_FROM_CAMERA = np.diag([1.0, -1.0, -1.0, 1.0])
"""Our camera frame (x right, y down, z forward) to glTF's (y up, looking along -z)."""
_GREY = 0.7


def save_scene_glb(path: Path, nodes: Mapping[str, Mesh], camera: Camera) -> None:
    """One node per mesh under its name, and the camera that took the photo; metres.

    Meshes are in the camera's frame. The written camera looks along -z from the origin with the
    photo's vertical field of view; a principal point off the middle cannot be told in glTF.
    """
    import trimesh
    from trimesh.scene.cameras import Camera as TrimeshCamera

    scene = trimesh.Scene()
    for name, mesh in nodes.items():
        scene.add_geometry(_trimesh(mesh), node_name=name, geom_name=name)
    scene.camera = TrimeshCamera(name="camera", fov=(60.0, 60.0))
    scene.camera_transform = np.eye(4)

    def told_camera(tree: dict[str, Any]) -> None:
        tree["cameras"] = [_camera(camera)]  # trimesh writes the ratio of the angles as aspect

    exported: Any = scene.export(file_type="glb", tree_postprocessor=told_camera)
    with atomic_write(path) as temporary:
        temporary.write_bytes(exported)


def _camera(camera: Camera) -> dict[str, Any]:
    focal_x, focal_y = camera.intrinsics.diagonal()[:2].tolist()
    wide, high = camera.width_px / focal_x, camera.height_px / focal_y
    perspective = {"aspectRatio": wide / high, "yfov": 2 * math.atan(high / 2), "znear": 0.01}
    return {"name": "camera", "type": "perspective", "perspective": perspective}


def _trimesh(mesh: Mesh) -> Any:
    import trimesh

    colors = mesh.vertex_colors
    if colors is None:
        colors = torch.full((mesh.num_vertices, 3), _GREY)
    return trimesh.Trimesh(
        mesh.vertices.double().numpy() @ GLTF_FROM_CAMERA[:3, :3].T,
        mesh.faces.numpy(),
        vertex_colors=(255 * colors.clamp(0, 1)).round().to(torch.uint8).numpy(),
        process=False,
    )
