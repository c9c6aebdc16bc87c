"""Contact of one body topology on the vertices of another, to score it where the truth is.

SMPL and SMPL+H number the same vertices. Any other pair goes over the two canonical bodies, which
stand in the same pose: both are scaled to the same box and every wanted vertex takes the value of
the nearest place on the given body. What that costs in accuracy is not measured; reports say
where it was done.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from human_recovery.topology import BodyTopology, get_topology
from human_recovery.transfer import closest_surface_points, transfer_values
from interactvlm.errors import AssetError
from interactvlm.metrics import DistanceToSet, distance_on_topology

_SAME_VERTICES = ("smpl", "smplh")


@dataclass(frozen=True, eq=False)
class VertexBridge:
    """The way from one topology to another."""

    given: str
    wanted: str
    faces: Int[Tensor, "faces 3"] | None = None
    """Of the given body; None where both number the same vertices."""
    face_index: Int[Tensor, "points"] | None = None
    """Face of the given body nearest to each wanted vertex."""
    barycentric: Float[Tensor, "points 3"] | None = None
    """Place on that face."""

    def apply(self, values: Float[Tensor, "given"]) -> Float[Tensor, "wanted"]:
        """Values of the given body on the wanted vertices."""
        if self.faces is None or self.face_index is None or self.barycentric is None:
            return values
        moved = transfer_values(values[:, None], self.faces, self.face_index, self.barycentric)
        return moved[:, 0]

    @property
    def transferred(self) -> bool:
        """Whether values change place at all."""
        return self.faces is not None


def vertex_bridge(given: str, wanted: str) -> VertexBridge:
    """The way from a model's topology to a data set's.

    Raises AssetError naming the body model file that is needed and how to get it.
    """
    if given == wanted or {given, wanted} <= set(_SAME_VERTICES):
        return VertexBridge(given, wanted)
    try:
        source, target = _topology(given), _topology(wanted)
    except AssetError as error:
        raise AssetError(
            f"the model answers on the body {given!r} and the data set's truth is on {wanted!r}; "
            f"to carry one over to the other: {error}"
        ) from None
    face_index, barycentric = closest_surface_points(
        _in_box(target.canonical_vertices), _in_box(source.canonical_vertices), source.faces
    )
    return VertexBridge(given, wanted, source.faces, face_index, barycentric)


def distance_of(topology: str) -> DistanceToSet:
    """Distances along a body, from any file with its vertices. Raises AssetError without one."""
    return distance_on_topology(_topology(topology).name)


def _topology(name: str) -> BodyTopology:
    """A topology, or one with the same vertices when only that one's file is here."""
    try:
        return get_topology(name)
    except AssetError:
        for other in _SAME_VERTICES if name in _SAME_VERTICES else ():
            try:
                return get_topology(other)
            except AssetError:
                continue
        raise


def _in_box(vertices: Float[Tensor, "verts 3"]) -> Float[Tensor, "verts 3"]:
    """Scaled per axis into a box two units high, so that bodies of other build lie together."""
    low, high = vertices.amin(0), vertices.amax(0)
    middle, half = (low + high) / 2, (high - low).clamp(min=1e-6) / 2
    # Depth stays in proportion to height: noses and heels set its range, not the trunk.
    scale = torch.stack([half[0], half[1], half[1]])
    return (vertices - middle) / scale
