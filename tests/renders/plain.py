"""Slow, obvious twins of the fast paths, and small shapes: for tests only."""

import math

import numpy as np
import torch

from renders.camera import Camera
from renders.mesh import Mesh, PointCloud


def rasterize_plain(mesh: Mesh, camera: Camera, near_m: float = 1e-3, cull: bool = False):
    """Every face against every pixel, in double precision: face, weights, depth."""
    pose = camera.camera_from_world.double()
    vertices = mesh.vertices.double() @ pose[:3, :3].T + pose[:3, 3]
    v, u = np.mgrid[0 : camera.height_px, 0 : camera.width_px] + 0.5
    pixels = torch.from_numpy(np.stack([u, v, np.ones_like(u)], -1))
    rays = pixels @ torch.linalg.inv(camera.intrinsics.double()).T
    face = torch.full(rays.shape[:2], -1)
    weight = torch.zeros(*rays.shape[:2], 3)
    depth = torch.full(rays.shape[:2], math.inf, dtype=torch.float64)
    for index, corners in enumerate(mesh.faces.tolist()):
        a, b, c = vertices[corners]
        volume = torch.dot(a, torch.linalg.cross(b, c))
        if volume == 0 or (cull and volume > 0):
            continue
        sides = torch.stack([torch.linalg.cross(*pair) for pair in ((b, c), (c, a), (a, b))])
        shares = rays @ sides.T / volume
        z = 1 / shares.sum(-1)
        weights = shares * z[..., None]
        hit = (weights >= 0).all(-1) & (z >= near_m) & (z < depth)
        face[hit] = index
        weight[hit] = weights[hit].float()
        depth[hit] = z[hit]
    depth[torch.isinf(depth)] = 0
    return face, weight, depth.float()


def splat_plain(cloud: PointCloud, camera: Camera, radius_ndc: float, slots: int):
    """Every point against every pixel: nearest points and squared distances, -1 where none."""
    points = camera.to_camera(cloud.points.double())
    uv = points / points[:, 2:] @ camera.intrinsics.double().T
    scale = 2 / min(camera.height_px, camera.width_px)
    index = torch.full((camera.height_px, camera.width_px, slots), -1)
    distance = torch.full(index.shape, -1.0)
    for row in range(camera.height_px):
        for column in range(camera.width_px):
            d2 = ((uv[:, 0] - column - 0.5) ** 2 + (uv[:, 1] - row - 0.5) ** 2) * scale**2
            hits = [i for i in range(len(d2)) if d2[i] < radius_ndc**2 and points[i, 2] >= 1e-3]
            hits.sort(key=lambda i: (float(points[i, 2]), i))
            for slot, hit in enumerate(hits[:slots]):
                index[row, column, slot] = hit
                distance[row, column, slot] = d2[hit].float()
    return index, distance


def lift_plain(values, vertex_of_pixel, weight_of_pixel, num_vertices, minimum=None):
    """Pixel by pixel: weighted mean per view, then mean over the views that see the vertex."""
    views = len(vertex_of_pixel)
    lifted = []
    for vertex in range(num_vertices):
        means = []
        for view in range(views):
            total, mass = torch.zeros(()), 0.0
            for row, column, corner in torch.nonzero(vertex_of_pixel[view] == vertex).tolist():
                value = values[view, row, column]
                if minimum is not None and not float(value.detach()) > minimum:
                    continue
                total = total + weight_of_pixel[view, row, column, corner] * value
                mass += float(weight_of_pixel[view, row, column, corner])
            if mass > 0:
                means.append(total / mass)
        lifted.append(torch.stack(means).mean() if means else torch.zeros(()))
    return torch.stack(lifted)


def masks_plain(contact, vertex_of_pixel, weight_of_pixel):
    """Soft masks, pixel by pixel."""
    mask = torch.zeros(vertex_of_pixel.shape[:3])
    for view, row, column in torch.nonzero(vertex_of_pixel[..., 0] >= 0).tolist():
        corners = vertex_of_pixel[view, row, column]
        mask[view, row, column] = (weight_of_pixel[view, row, column] * contact[corners]).sum()
    return mask


def sphere(subdivisions: int = 2, radius: float = 0.5) -> Mesh:
    """A closed icosphere, faces counter-clockwise from outside."""
    golden = (1 + math.sqrt(5)) / 2
    vertices = [
        (-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0),
        (0, -1, golden), (0, 1, golden), (0, -1, -golden), (0, 1, -golden),
        (golden, 0, -1), (golden, 0, 1), (-golden, 0, -1), (-golden, 0, 1),
    ]  # fmt: skip
    faces = [
        (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4),
        (11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8),
        (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1),
    ]  # fmt: skip
    points = torch.tensor(vertices, dtype=torch.float64)
    for _ in range(subdivisions):
        middle: dict[tuple[int, int], int] = {}
        rows = [points]
        count = len(points)
        finer = []
        for face in faces:
            mids = []
            for i, j in zip(face, face[1:] + face[:1], strict=True):
                key = (min(i, j), max(i, j))
                if key not in middle:
                    middle[key] = count
                    rows.append((points[i] + points[j])[None] / 2)
                    count += 1
                mids.append(middle[key])
            (a, b, c), (ab, bc, ca) = face, mids
            finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        points, faces = torch.cat(rows), finer
    points = torch.nn.functional.normalize(points, dim=1) * radius
    return Mesh(points.float(), torch.tensor(faces))


def box(low: tuple[float, ...], high: tuple[float, ...]) -> Mesh:
    """An axis-aligned box, faces counter-clockwise from outside."""
    corner = torch.tensor([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    faces = [
        (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
        (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
    ]  # fmt: skip
    vertices = torch.tensor(low) + corner * (torch.tensor(high) - torch.tensor(low))
    return Mesh(vertices, torch.tensor(faces))


def joined(*meshes: Mesh) -> Mesh:
    """Several meshes as one."""
    faces, offset = [], 0
    for mesh in meshes:
        faces.append(mesh.faces + offset)
        offset += mesh.num_vertices
    return Mesh(torch.cat([mesh.vertices for mesh in meshes]), torch.cat(faces))


def l_shape() -> Mesh:
    """Upright bar with a foot towards +x and a nose towards +z: no two axes look alike."""
    bar = box((-0.1, -0.5, -0.1), (0.1, 0.5, 0.1))
    foot = box((0.1, -0.5, -0.1), (0.5, -0.3, 0.1))
    nose = box((-0.1, 0.3, 0.1), (0.1, 0.5, 0.3))
    return joined(bar, foot, nose)


def front_camera(size: int = 48, distance: float = 2.0, fov_deg: float = 50.0) -> Camera:
    """At (0, 0, distance), looking at the origin, +y up."""
    return Camera.look_at(
        torch.tensor([0.0, 0.0, distance]),
        torch.zeros(3),
        torch.tensor([0.0, 1.0, 0.0]),
        fov_deg,
        size,
        size,
    )


def random_soup(faces: int, seed: int, extent: float = 1.0) -> Mesh:
    """Triangles anywhere, crossing each other."""
    generator = torch.Generator().manual_seed(seed)
    centre = (torch.rand(faces, 1, 3, generator=generator) - 0.5) * extent
    corners = centre + (torch.rand(faces, 3, 3, generator=generator) - 0.5) * extent * 0.5
    return Mesh(corners.reshape(-1, 3), torch.arange(3 * faces).view(-1, 3))
