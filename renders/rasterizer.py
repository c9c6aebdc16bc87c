"""Hard rasteriser in plain PyTorch: which triangle each pixel sees, where on it, and how far.

The same code runs on CPU and GPU. Faces become spans (one per face and image row), spans become
fragments, and the nearest fragment of each pixel wins; equal depths go to the lower face index,
so results do not depend on order or threads. Knows meshes and cameras; knows no colours and no
light. The gradient with respect to vertices is not defined here (a pixel's face is discrete).
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from renders.camera import NEAR_M, Camera
from renders.face_setup import FaceSetup, set_up_faces, take
from renders.mesh import Mesh, require_usable_mesh

_FRAGMENTS_AT_ONCE = 1 << 22
"""Upper bound of fragments expanded together (about 60 bytes each)."""
_FACE_BITS = (1 << 31) - 1

_kept = threading.local()


@dataclass(frozen=True)
class Fragments:
    """What each pixel centre sees."""

    face_index: Int[Tensor, "height width"]
    """Face seen, -1 for background."""
    barycentric: Float[Tensor, "height width 3"]
    """Perspective-correct weights of the face's corners; 0 where background."""
    depth_m: Float[Tensor, "height width"]
    """Camera z of the surface (metres when the mesh is); 0 where background."""

    @property
    def covered(self) -> Bool[Tensor, "height width"]:
        """Pixels that see the mesh."""
        return self.face_index >= 0


@dataclass(frozen=True)
class VisiblePixels:
    """The same as `Fragments`, for covered pixels only, in row-major order."""

    pixel_index: Int[Tensor, "covered"]
    """row * width + column."""
    face_index: Int[Tensor, "covered"]
    """Face seen."""
    barycentric: Float[Tensor, "covered 3"]
    """Perspective-correct weights of the face's corners."""
    depth_m: Float[Tensor, "covered"]
    """Camera z of the surface."""
    height_px: int
    """Image height."""
    width_px: int
    """Image width."""

    def to_fragments(self) -> Fragments:
        """The dense form."""
        count = self.height_px * self.width_px
        device = self.face_index.device
        face = _empty((count,), torch.int64, device).fill_(-1)
        weight = _empty((count, 3), torch.float32, device, zeroed=True)
        depth = _empty((count,), torch.float32, device, zeroed=True)
        face.index_copy_(0, self.pixel_index, self.face_index)
        weight.index_copy_(0, self.pixel_index, self.barycentric)
        depth.index_copy_(0, self.pixel_index, self.depth_m)
        shape = (self.height_px, self.width_px)
        return Fragments(face.view(shape), weight.view(*shape, 3), depth.view(shape))


def rasterize(
    mesh: Mesh, camera: Camera, *, cull_backfaces: bool = False, near_m: float = NEAR_M
) -> Fragments:
    """Draws a mesh: nearest face, barycentric weights and depth of every pixel centre.

    Faces that cross the plane z = `near_m` are drawn only beyond it; faces seen edge-on and
    degenerate faces are not drawn. A pixel centre exactly on a shared edge belongs to the nearer,
    then lower face: closed surfaces have no cracks. `cull_backfaces` skips faces whose
    counter-clockwise side looks away from the camera. Plain twin: in the tests.

    Raises:
        InputError: a vertex is not finite, or a face names a vertex that does not exist.
    """
    pixels = visible_pixels(mesh, camera, cull_backfaces=cull_backfaces, near_m=near_m)
    return pixels.to_fragments()


def rasterize_views(
    mesh: Mesh,
    cameras: Sequence[Camera],
    *,
    cull_backfaces: bool = False,
    near_m: float = NEAR_M,
) -> list[Fragments]:
    """`rasterize` for several cameras, side by side on as many threads as torch may use.

    The operations of one view are too small to gain from two threads; two views are not. Same
    result as one after the other; the caller's thread count is left as it was.

    Raises:
        InputError: as `rasterize`.
    """

    def draw(camera: Camera) -> Fragments:
        return rasterize(mesh, camera, cull_backfaces=cull_backfaces, near_m=near_m)

    threads = torch.get_num_threads()
    if threads < 2 or len(cameras) < 2 or mesh.vertices.device.type != "cpu":
        return [draw(camera) for camera in cameras]
    try:
        return list(_view_threads(threads).map(draw, cameras))
    finally:
        # A new worker's own setting is also torch's default for threads to come: put it back.
        torch.set_num_threads(threads)


@cache
def _view_threads(count: int) -> ThreadPoolExecutor:
    """Workers that run torch on one thread each, kept because their buffers are."""
    return ThreadPoolExecutor(count, "views", initializer=torch.set_num_threads, initargs=(1,))


def visible_pixels(
    mesh: Mesh, camera: Camera, *, cull_backfaces: bool = False, near_m: float = NEAR_M
) -> VisiblePixels:
    """As `rasterize`, but only the covered pixels, as lists: less memory, a little faster.

    Raises:
        InputError: a vertex is not finite, or a face names a vertex that does not exist.
    """
    require_usable_mesh(mesh)
    with torch.no_grad():
        setup = set_up_faces(mesh, camera, cull_backfaces, near_m)
        return _resolve(setup, camera, near_m)


def interpolate(
    attributes: Float[Tensor, "verts channels"],
    faces: Int[Tensor, "faces 3"],
    fragments: Fragments,
) -> Float[Tensor, "height width channels"]:
    """Vertex attributes at every pixel; 0 where background. Differentiable in `attributes`."""
    height, width = fragments.face_index.shape
    covered = fragments.covered.flatten().nonzero().flatten()
    corners = faces[fragments.face_index.flatten()[covered].long()].long()
    weights = fragments.barycentric.reshape(-1, 3)[covered].to(attributes)
    values = torch.zeros(len(covered), attributes.shape[1]).to(attributes)
    for corner in range(3):
        values = values + weights[:, corner, None] * attributes[corners[:, corner]]
    image = attributes.new_zeros(height * width, attributes.shape[1])
    return image.index_put_((covered,), values).view(height, width, -1)


def _empty(
    shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, zeroed: bool = False
) -> Tensor:
    """A new tensor; on CPU in NumPy's memory.

    NumPy asks the system for huge pages, zeroed by the system where asked for. Touching the three
    fresh output images is a fifth of the whole cost otherwise.
    """
    if device.type != "cpu":
        return (torch.zeros if zeroed else torch.empty)(shape, dtype=dtype, device=device)
    kind = {torch.int64: np.int64, torch.float32: np.float32}[dtype]
    return torch.from_numpy((np.zeros if zeroed else np.empty)(shape, kind))


@dataclass(frozen=True)
class _Spans:
    """Runs of pixel centres inside one face on one image row."""

    face: Int[Tensor, "spans"]
    """Index into the set-up's faces."""
    pixel_first: Int[Tensor, "spans"]
    """row * width + first column."""
    length: Int[Tensor, "spans"]
    """Number of pixels, possibly 0."""
    inverse_depth: Float[Tensor, "spans"]
    """1/z at the first pixel."""
    inverse_depth_step: Float[Tensor, "spans"]
    """Growth of 1/z per column."""

    def part(self, start: int, stop: int) -> "_Spans":
        """A slice of the spans."""
        rows = slice(start, stop)
        return _Spans(
            self.face[rows],
            self.pixel_first[rows],
            self.length[rows],
            self.inverse_depth[rows],
            self.inverse_depth_step[rows],
        )


def _spans(setup: FaceSetup, width_px: int) -> _Spans:
    """Cuts each face into rows."""
    count = setup.row_count
    face = torch.repeat_interleave(count)
    ordinal = torch.arange(len(face), device=face.device)
    row = ordinal + take(setup.row_first - (count.cumsum(0) - count), face)
    y = row.to(torch.float64) + 0.5
    slopes = [take(slope, face) for slope in setup.bounds[:3]]
    lefts, rights = (
        [take(o, face).addcmul_(s, y) for o, s in zip(offsets, slopes, strict=True)]
        for offsets in (setup.bounds[3:6], setup.bounds[6:])
    )
    left = torch.maximum(torch.maximum(lefts[0], lefts[1]), lefts[2])
    right = torch.minimum(torch.minimum(rights[0], rights[1]), rights[2])
    start = left.sub_(0.5).ceil_().clamp_(0, width_px)
    length = right.sub_(0.5).floor_().clamp_(-1, width_px - 1).sub_(start).add_(1).clamp_(min=0)
    step, b, c = (take(plane, face) for plane in setup.inverse_depth)
    inverse_depth = c.addcmul_(b, y).addcmul_(step, start + 0.5)
    return _Spans(
        face,
        row * width_px + start.long(),
        length.long(),
        inverse_depth.float(),
        step.float(),
    )


def _chunks(sizes: Int[Tensor, "items"]) -> Iterator[tuple[int, int]]:
    """Ranges of items whose sizes sum to at most `_FRAGMENTS_AT_ONCE` (or single items)."""
    total = sizes.cumsum(0)
    if len(sizes) == 0 or int(total[-1]) <= _FRAGMENTS_AT_ONCE:
        yield 0, len(sizes)
        return
    start, done = 0, 0
    while start < len(sizes):
        stop = int(torch.searchsorted(total, done + _FRAGMENTS_AT_ONCE, right=True))
        stop = max(stop, start + 1)
        yield start, stop
        start, done = stop, int(total[stop - 1])


def _resolve(setup: FaceSetup, camera: Camera, near_m: float) -> VisiblePixels:
    """Keeps the nearest fragment of each pixel.

    One 64-bit key holds 1/z (as the bits of a positive float, which sort like the number) above
    the complement of the face's place in the set-up (which keeps the mesh's order), so a single
    maximum decides both depth and ties.
    """
    height, width = camera.height_px, camera.width_px
    keys = _take_buffer(height * width, setup.face.device)
    for start, stop in _chunks(setup.row_count):
        part = setup if stop - start == len(setup.face) else setup.part(start, stop)
        spans = _spans(part, width)
        for first, last in _chunks(spans.length):
            run = spans if last - first == len(spans.face) else spans.part(first, last)
            _draw(run, start, keys, near_m if setup.crosses_near else None)
    pixel = _nonzero_rows(keys, setup, width)
    key = take(keys, pixel)
    keys.index_fill_(0, pixel, 0)
    _kept.keys = keys
    return _visible(setup, pixel, key, camera)


def _nonzero_rows(
    keys: Int[Tensor, "pixels"], setup: FaceSetup, width_px: int
) -> Int[Tensor, "covered"]:
    """Pixels that hold a key, looking only at the rows some face may own."""
    if len(setup.face) == 0:
        return torch.zeros(0, dtype=torch.int64, device=keys.device)
    top = int(setup.row_first.min()) * width_px
    bottom = int((setup.row_first + setup.row_count).max()) * width_px
    return keys[top:bottom].nonzero().flatten() + top


def _draw(spans: _Spans, offset: int, keys: Int[Tensor, "pixels"], near_m: float | None) -> None:
    """Expands spans to fragments and keeps each pixel's largest key.

    `offset` is added to the spans' face; `near_m` is None where no face crosses the near plane.
    """
    length = spans.length
    span = torch.repeat_interleave(length)
    column = torch.arange(len(span), device=span.device)
    column -= take(length.cumsum(0) - length, span)
    pixel = take(spans.pixel_first, span).add_(column)
    inverse_depth = take(spans.inverse_depth, span)
    inverse_depth.addcmul_(take(spans.inverse_depth_step, span), column)
    # Rounding may not turn a far fragment negative: the bits of a negative float sort backwards.
    bits = inverse_depth.clamp_(min=torch.finfo(torch.float32).tiny).view(torch.int32).long()
    complement = (_FACE_BITS - offset) - spans.face
    key = bits.bitwise_left_shift_(32).add_(take(complement, span))
    if near_m is not None:
        key = torch.where(inverse_depth <= 1 / near_m, key, 0)
    keys.scatter_reduce_(0, pixel, key, "amax")


def _take_buffer(size: int, device: torch.device) -> Int[Tensor, "pixels"]:
    """The zeroed key buffer kept by this thread; a new one where size or device changed.

    Taken out while in use, so that an error half way leaves no dirty buffer behind.
    """
    keys = _kept.__dict__.pop("keys", None)
    if keys is None or len(keys) != size or keys.device != device:
        keys = torch.zeros(size, dtype=torch.int64, device=device)
    return keys


def _visible(
    setup: FaceSetup, pixel: Int[Tensor, "covered"], key: Int[Tensor, "covered"], camera: Camera
) -> VisiblePixels:
    """Barycentric weights and depth of the winners."""
    kept = _FACE_BITS - (key & _FACE_BITS)
    depth = (key >> 32).int().view(torch.float32).reciprocal_()
    row = (pixel.double().add_(0.5) / camera.width_px).floor_()
    x, y = (pixel - row * camera.width_px).add_(0.5), row.add_(0.5)
    a, b, c = (take(plane, kept) for plane in setup.inverse_depth)
    exact = c.addcmul_(a, x).addcmul_(b, y).reciprocal_()
    weights = torch.empty((len(pixel), 3), device=pixel.device)
    for corner in (1, 2):
        a, b, c = (take(plane, kept) for plane in setup.weights[3 * corner - 3 : 3 * corner])
        weights[:, corner] = c.addcmul_(a, x).addcmul_(b, y).mul_(exact)
    weights[:, 0] = 1 - weights[:, 1] - weights[:, 2]
    weights.clamp_(0, 1)
    return VisiblePixels(
        pixel, take(setup.face, kept), weights, depth, camera.height_px, camera.width_px
    )
