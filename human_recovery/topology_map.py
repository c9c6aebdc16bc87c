"""Contact maps and vertices of one body topology on the vertices of another.

SMPL and SMPL+H number the same vertices. Between these and SMPL-X the publisher's own maps are
used where the person has them (`human_recovery.published_maps`). Every other map is made here from
the two canonical bodies, which takes some seconds once, and is kept in the cache. Knows per-vertex
values, not what they mean.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from human_recovery.correspondence import PartSurface, Places, closest_places, neighbouring_parts
from human_recovery.published_maps import PublishedMap, read_published_map
from human_recovery.registration import STEPS, registered
from human_recovery.smpl_files import SPECS
from human_recovery.topology import TOPOLOGY_NAMES, BodyTopology, get_topology
from renders.cache import content_key, load_or_build
from renders.errors import AssetError, InputError
from renders.mesh import Mesh, mesh_hash

_LOGGER = logging.getLogger(__name__)

_SAME_VERTICES = ("smpl", "smplh")
_RULE = 1
"""Raised whenever maps are made in another way, so that old cache entries die."""
_WIDE_GAP_M = 0.02
"""Bodies laid onto each other that stay farther apart on average are told as a warning."""


@dataclass(frozen=True, eq=False)
class TopologyMap:
    """The sparse linear way from the vertices of one topology to those of another.

    Each target vertex takes a mean of few source vertices; the weights of each sum to one.
    """

    source: str
    target: str
    num_source: int
    num_target: int
    target_index: Int[Tensor, "entries"]
    source_index: Int[Tensor, "entries"]
    weight: Float[Tensor, "entries"]
    origin: str
    """How it was made, in words for a report."""

    @property
    def changes_vertices(self) -> bool:
        """Whether source and target number different vertices."""
        return not _same_vertices(self.source, self.target)

    def apply(self, values: Float[Tensor, "*batch source"]) -> Float[Tensor, "*batch target"]:
        """Per-vertex values on the target; differentiable, within the range of the given ones.

        A contact map stays soft where the meshes differ: threshold it after the last step.

        Raises:
            InputError: there are not as many values as the source has vertices.
        """
        if values.shape[-1] != self.num_source:
            raise InputError(
                f"{self.source!r} has {self.num_source} vertices, got {values.shape[-1]} values"
            )
        if not self.changes_vertices:
            return values
        target_index, source_index = (
            index.to(values.device) for index in (self.target_index, self.source_index)
        )
        terms = values[..., source_index] * self.weight.to(values)
        result = values.new_zeros(*values.shape[:-1], self.num_target)
        return result.index_add(-1, target_index, terms)

    def apply_to_points(
        self, points: Float[Tensor, "*batch source 3"]
    ) -> Float[Tensor, "*batch target 3"]:
        """Target vertices lying on a posed source body, in the frame of `points`.

        The result has the source's build and pose. Raises InputError as `apply`.
        """
        return self.apply(points.transpose(-1, -2)).transpose(-1, -2)

    def __repr__(self) -> str:
        return f"TopologyMap({self.source!r} to {self.target!r}, {self.origin})"


def topology_map(source: str, target: str, folder: str | Path | None = None) -> TopologyMap:
    """The map between two topologies by name: "anny", "anny-fast", "smpl", "smplh" or "smplx".

    `folder` holds the user's body files; without it the environment variable
    INTERACTVLM_BODY_MODELS names it. A map that has to be made shows its progress on a terminal.

    Raises:
        InputError: a name is not one of these.
        AssetError: a body file that is needed is missing or malformed.
    """
    for name in (source, target):
        if name not in TOPOLOGY_NAMES:
            raise InputError(
                f"body topology {name!r} is unknown; allowed: {', '.join(TOPOLOGY_NAMES)}"
            )
    if _same_vertices(source, target):
        return _identity(source, target)
    published = read_published_map(source, target, folder)
    if published is not None:
        return _from_published(source, target, published)
    try:
        bodies = tuple(topology_with_vertices_of(name, folder) for name in (source, target))
    except AssetError as error:
        raise AssetError(
            f"contact cannot be carried over from the body {source!r} to {target!r}: {error}"
        ) from None
    return _made(source, target, *bodies)


def _same_vertices(first: str, second: str) -> bool:
    return first == second or (first in _SAME_VERTICES and second in _SAME_VERTICES)


def topology_with_vertices_of(name: str, folder: str | Path | None = None) -> BodyTopology:
    """A topology, or one with the same vertices when only that one's file is here.

    Raises as `get_topology`.
    """
    try:
        return get_topology(name, folder)
    except AssetError:
        for other in _SAME_VERTICES if name in _SAME_VERTICES else ():
            try:
                return get_topology(other, folder)
            except AssetError:
                continue
        raise


def _identity(source: str, target: str) -> TopologyMap:
    spec = SPECS.get(source)
    count = get_topology(source).num_vertices if spec is None else spec.num_vertices
    every = torch.arange(count)
    return TopologyMap(
        source, target, count, count, every, every, torch.ones(count), "the same vertices"
    )


def _from_published(source: str, target: str, published: PublishedMap) -> TopologyMap:
    entries = published.matrix.tocoo()
    return TopologyMap(
        source, target, SPECS[source].num_vertices, SPECS[target].num_vertices,
        target_index=torch.from_numpy(entries.row.astype(np.int64)),
        source_index=torch.from_numpy(entries.col.astype(np.int64)),
        weight=torch.from_numpy(entries.data.astype(np.float32)),
        origin=f"the publisher's {published.path.name}",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _LaidTogether:
    """Two bodies, one laid onto the other: where the vertices of each are on the other."""

    moving_on_fixed: Places
    fixed_on_moving: Places
    gap_m: float
    """Distance that remains between them, mean over the vertices of both."""


def _made(source: str, target: str, body: BodyTopology, other: BodyTopology) -> TopologyMap:
    """Both directions come from one laying together, so that a way there and back is consistent."""
    forward = (body.num_vertices, body.name) >= (other.num_vertices, other.name)
    moving, fixed = (body, other) if forward else (other, body)
    hashes = content_key(_RULE, _content(moving), _content(fixed))[:16]
    key = f"topology-map-{moving.name}-{fixed.name}-{hashes}"
    pair = load_or_build(key, lambda: _laid_together(moving, fixed), _save, _load)
    if pair.gap_m > _WIDE_GAP_M:
        _LOGGER.warning(
            "%s and %s stay %.0f mm apart when laid together: do not rely on maps between them",
            moving.name, fixed.name, 1000 * pair.gap_m,
        )  # fmt: skip
    places = pair.fixed_on_moving if forward else pair.moving_on_fixed
    return TopologyMap(
        source, target, body.num_vertices, other.num_vertices,
        target_index=torch.arange(other.num_vertices).repeat_interleave(3),
        source_index=torch.from_numpy(places.vertex_index.ravel()),
        weight=torch.from_numpy(places.weight.ravel().astype(np.float32)),
        origin=f"bodies laid together, {1000 * pair.gap_m:.1f} mm apart on average",
    )  # fmt: skip


def _laid_together(moving: BodyTopology, fixed: BodyTopology) -> _LaidTogether:
    from tqdm import tqdm

    surface, other = _surface(moving), _surface(fixed)
    steps = registered(surface, other)
    title = f"laying {moving.name} onto {fixed.name}"
    for laid in tqdm(steps, desc=title, total=STEPS, unit="step", leave=False, disable=None):
        surface = laid
    together = neighbouring_parts(surface, other)
    on_fixed = closest_places(surface, other, together)
    on_moving = closest_places(other, surface, together)
    gaps = np.concatenate([
        on_fixed.interpolated(other.vertices) - surface.vertices,
        on_moving.interpolated(surface.vertices) - other.vertices,
    ])  # fmt: skip
    return _LaidTogether(on_fixed, on_moving, float(np.linalg.norm(gaps, axis=1).mean()))


def _surface(body: BodyTopology) -> PartSurface:
    return PartSurface(
        body.canonical_vertices.double().numpy(), body.faces.numpy(), body.part_of_vertex.numpy()
    )


def _content(body: BodyTopology) -> str:
    """What a map depends on."""
    parts = hashlib.sha256(body.part_of_vertex.numpy().tobytes()).hexdigest()
    return mesh_hash(Mesh(body.canonical_vertices, body.faces)) + parts


def _save(pair: _LaidTogether, path: Path) -> None:
    np.savez_compressed(
        path,
        gap_m=pair.gap_m,
        **{
            f"{name}_{field}": getattr(getattr(pair, name), field).astype(kind)
            for name in ("moving_on_fixed", "fixed_on_moving")
            for field, kind in (("vertex_index", np.int32), ("weight", np.float32))
        },
    )


def _load(path: Path) -> _LaidTogether:
    with np.load(path) as stored:
        moving_on_fixed, fixed_on_moving = (
            Places(
                stored[f"{name}_vertex_index"].astype(np.int64),
                stored[f"{name}_weight"].astype(np.float64),
            )
            for name in ("moving_on_fixed", "fixed_on_moving")
        )
        return _LaidTogether(moving_on_fixed, fixed_on_moving, float(stored["gap_m"]))
