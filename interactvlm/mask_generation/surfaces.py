"""What the masks of one sample are drawn on: the canonical body, or the sample's own object.

Source of distances, radii and of which data set is rendered how: InteractVLM, mask scripts.
"""

from pathlib import Path

from interactvlm.data.sample import ObjectHeat
from renders.canonical import ViewSet, build_human_view_set, build_object_view_set
from renders.mesh import Mesh

BODY_TOPOLOGY = "smplh"
"""The published body of all contact; SMPL numbers the same vertices."""
_POINT_RENDERS = {"piad": (2.0, 0.05), "3dir": (1.5, 0.03)}
"""Distance of the cameras and radius of a point, in NDC, of the published scripts. Training and
inference show points from distance 2 with radius 0.05, whatever the data set."""


def body_views(resolution_px: int) -> ViewSet:
    """The canonical body in its four views.

    Raises AssetError when there is no SMPL+H file; the sentence says how to get it.
    """
    from human_recovery.topology import get_topology

    topology = get_topology(BODY_TOPOLOGY)
    mesh = Mesh(topology.canonical_vertices.float(), topology.faces)
    return build_human_view_set(mesh, resolution_px)


def object_views(
    dataset: str, found: ObjectHeat, resolution_px: int, cache_dir: Path | None = None
) -> ViewSet:
    """An object in its four views, rendered as the script of its data set does."""
    if isinstance(found.surface, Mesh):
        return build_object_view_set(found.surface, resolution_px, cache_dir)
    distance, radius_ndc = _POINT_RENDERS[dataset]
    return build_object_view_set(
        found.surface, resolution_px, cache_dir, distance=distance, radius_ndc=radius_ndc
    )
