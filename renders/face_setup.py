"""Per-face preparation of the hard rasteriser: projection, near plane, culling, edges.

Everything is in pixel coordinates and double precision. Knows meshes and cameras; knows no
pixels beyond the image's size.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from renders.camera import Camera
from renders.mesh import Mesh

_FLAT = 1e-13
"""A face whose volume with the camera is below this share of its terms is seen edge-on."""


@dataclass(frozen=True)
class FaceSetup:
    """Faces that may own a pixel, with their planes in pixel coordinates (float64)."""

    face: Int[Tensor, "kept"]
    """Index into the mesh's faces."""
    row_first: Int[Tensor, "kept"]
    """First image row whose centre lies in the face's box."""
    row_count: Int[Tensor, "kept"]
    """Number of such rows, at least 1."""
    bounds: Float[Tensor, "9 kept"]
    """x = slope * y + offset of three edges: slopes, offsets as left bound, as right bound."""
    inverse_depth: Float[Tensor, "3 kept"]
    """1/z = a*x + b*y + c."""
    weights: Float[Tensor, "6 kept"]
    """Weight of corners 1 and 2, divided by z: a*x + b*y + c each."""
    crosses_near: bool
    """Whether some vertex lies before the near plane."""

    def part(self, start: int, stop: int) -> "FaceSetup":
        """A slice of the faces."""
        columns = slice(start, stop)
        return FaceSetup(
            self.face[columns],
            self.row_first[columns],
            self.row_count[columns],
            self.bounds[:, columns],
            self.inverse_depth[:, columns],
            self.weights[:, columns],
            self.crosses_near,
        )


def set_up_faces(mesh: Mesh, camera: Camera, cull_backfaces: bool, near_m: float) -> FaceSetup:
    """Projects the faces and keeps those whose box holds a pixel centre."""
    pose = camera.camera_from_world.to(mesh.vertices.device, torch.float64)
    matrix = camera.intrinsics.to(pose) @ pose[:3]
    # Homogeneous pixel coordinates (u*z, v*z, z): edges are then cross products, also for faces
    # that reach behind the camera. Double precision: cheap per face, and shared edges come out
    # bit-identical in both neighbours, which is what keeps a closed surface without cracks.
    points = matrix[:, :3] @ mesh.vertices.detach().to(torch.float64).T + matrix[:, 3:]
    corners = mesh.faces.T.long().contiguous()
    u, v = (take(points[axis] / points[2], corners) for axis in (0, 1))
    box = torch.stack([v.amin(0), u.amin(0), v.amax(0), u.amax(0)])
    area = (u[1] - u[0]) * (v[2] - v[0]) - (u[2] - u[0]) * (v[1] - v[0])
    usable = area < 0 if cull_backfaces else area != 0
    behind = points[2] < near_m
    crosses_near = bool(behind.any())
    if crosses_near:
        box, usable = _clip_boxes(points, corners, behind[corners], box, usable, near_m)
    size = torch.tensor([[camera.height_px], [camera.width_px]]).to(box)
    first = torch.ceil(box[:2] - 0.5).clamp(min=0)
    last = torch.minimum(torch.floor(box[2:] - 0.5), size - 1)
    kept = (usable & (first <= last).all(0)).nonzero().flatten()
    kept, planes, determinant = _edge_planes(points, corners, kept, cull_backfaces)
    inverse_determinant = 1 / determinant
    return FaceSetup(
        face=kept,
        row_first=take(first[0], kept).long(),
        row_count=take(last[0] - first[0], kept).long() + 1,
        bounds=_span_bounds(planes, determinant),
        inverse_depth=planes.sum(1) * inverse_determinant,
        weights=(planes[:, 1:].transpose(0, 1) * inverse_determinant).reshape(6, -1),
        crosses_near=crosses_near,
    )


def _clip_boxes(
    points: Float[Tensor, "3 verts"],
    corners: Int[Tensor, "3 faces"],
    behind: Bool[Tensor, "3 faces"],
    box: Float[Tensor, "4 faces"],
    usable: Bool[Tensor, "faces"],
    near_m: float,
) -> tuple[Float[Tensor, "4 faces"], Bool[Tensor, "faces"]]:
    """Boxes of the part beyond the near plane, for faces that cross it; drops those before it."""
    crossing = (behind.any(0) & ~behind.all(0)).nonzero().flatten()
    corner = points[:, corners[:, crossing]]
    following = corner.roll(-1, dims=1)
    share = (near_m - corner[2]) / (following[2] - corner[2])
    cut = corner + share * (following - corner)
    seen = ~behind[:, crossing]
    # An edge has a cut where exactly one of its ends is beyond the plane.
    real = torch.cat([seen, seen ^ seen.roll(-1, dims=0)])
    polygon = torch.cat([corner, cut], dim=1)
    depth = torch.cat([corner[2], torch.full_like(cut[2], near_m)])
    vu = torch.stack([polygon[1] / depth, polygon[0] / depth])
    low = torch.where(real, vu, torch.inf).amin(1)
    high = torch.where(real, vu, -torch.inf).amax(1)
    box, usable = box.clone(), usable & ~behind.any(0)
    box[:, crossing] = torch.cat([low, high])
    # Facing is decided from the planes later: a sign of area means nothing behind the camera.
    usable[crossing] = True
    return box, usable


def _edge_planes(
    points: Float[Tensor, "3 verts"],
    corners: Int[Tensor, "3 faces"],
    kept: Int[Tensor, "kept"],
    cull_backfaces: bool,
) -> tuple[Int[Tensor, "drawn"], Float[Tensor, "3 3 drawn"], Float[Tensor, "drawn"]]:
    """Faces to draw, the plane (a, b, c) opposite each corner, and the signed volume."""
    drawn = corners.index_select(1, kept)
    x, y, z = (take(axis, drawn) for axis in points)
    (x1, x2), (y1, y2), (z1, z2) = ((t.roll(-1, 0), t.roll(-2, 0)) for t in (x, y, z))
    planes = torch.stack([y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2])
    terms = torch.stack([x[0] * planes[0, 0], y[0] * planes[1, 0], z[0] * planes[2, 0]])
    determinant, scale = terms.sum(0), terms.abs().sum(0)
    solid = determinant < -_FLAT * scale if cull_backfaces else determinant.abs() > _FLAT * scale
    if bool(solid.all()):
        return kept, planes, determinant
    return kept[solid], planes[:, :, solid], determinant[solid]


def _span_bounds(
    planes: Float[Tensor, "3 3 kept"], determinant: Float[Tensor, "kept"]
) -> Float[Tensor, "9 kept"]:
    """Bounds of a face's spans: its edges as lines x = slope * y + offset.

    An edge bounds on the left or on the right; its offset for the other side is infinite. An edge
    with a = 0 bounds rows, not columns, and is already in the box.
    """
    a, b, c = planes
    side = a * determinant.sign()
    inverse = (-1 / a).masked_fill_(a == 0, 0.0)
    offset = c * inverse
    left = torch.where(side > 0, offset, -torch.inf)
    right = torch.where(side < 0, offset, torch.inf)
    return torch.cat([b * inverse, left, right])


def take(values: Shaped[Tensor, "items"], index: Int[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """`values[index]`; on CPU this spelling takes half the time."""
    return values.index_select(0, index.reshape(-1)).view(index.shape)
