"""The surface of a body model: faces, canonical pose, named parts, left/right partners.

Topologies are named, never guessed from a vertex count. Frame of the canonical pose: y up, facing
+z, the person's left at +x, metres. Importing this is cheap; a topology is built on first use and
cached on disk.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from human_recovery.parts import PART_NAMES, part_index
from renders.cache import content_key, load_or_build
from renders.errors import AssetError, InputError

_LOGGER = logging.getLogger(__name__)

TopologyName = Literal["anny", "anny-fast", "smpl", "smplh", "smplx"]
TOPOLOGY_NAMES: tuple[str, ...] = get_args(TopologyName)

_RULE = 2
"""Raised whenever the canonical pose or the part rule changes, so that old cache entries die."""


@dataclass(frozen=True, eq=False)
class BodyTopology:
    """One body model's surface. Two objects of the same name are interchangeable."""

    name: TopologyName
    faces: Int[Tensor, "faces 3"]
    canonical_vertices: Float[Tensor, "verts 3"]
    """The average body in the published Vitruvian pose: arms level, each leg spread by 30°."""
    part_of_vertex: Int[Tensor, "verts"]
    """Index into `PART_NAMES`."""
    symmetric_partner: Int[Tensor, "verts"]
    """The vertex at the mirror image; an involution."""

    @property
    def num_vertices(self) -> int:
        return len(self.canonical_vertices)

    def part_mask(self, name: str) -> Bool[Tensor, "verts"]:
        """Vertices of a part.

        Raises:
            InputError: not one of `PART_NAMES`.
        """
        return self.part_of_vertex == part_index(name)

    def mirrored(self, values: Float[Tensor, "*batch verts"]) -> Float[Tensor, "*batch verts"]:
        """A per-vertex map seen in a mirror: left and right exchanged."""
        return values[..., self.symmetric_partner]

    def __repr__(self) -> str:
        return f"BodyTopology({self.name!r}, {self.num_vertices} vertices, {len(self.faces)} faces)"


def get_topology(name: str, folder: str | Path | None = None) -> BodyTopology:
    """A topology by name: "anny", "anny-fast", "smpl", "smplh" or "smplx".

    `folder` holds the user's SMPL-family files, see `human_recovery.smpl_files`; Anny needs none.

    Raises:
        InputError: the name is not one of these.
        AssetError: an SMPL-family file is missing or malformed.
    """
    if name not in TOPOLOGY_NAMES:
        raise InputError(f"body topology {name!r} is unknown; allowed: {', '.join(TOPOLOGY_NAMES)}")
    if name.startswith("smpl"):
        from human_recovery.smpl_family import smpl_topology

        return smpl_topology(name, folder)
    return _anny_topology(name)


@lru_cache(maxsize=2)
def _anny_topology(name: str) -> BodyTopology:
    try:
        version = metadata.version("anny")
    except metadata.PackageNotFoundError as error:
        raise AssetError(
            f"the topology {name!r} needs the package anny >= 0.6; pip install anny"
        ) from error

    def build() -> BodyTopology:
        from human_recovery.anny_body import AnnyBody
        from human_recovery.anny_topology import build_anny_topology

        return build_anny_topology(AnnyBody("full" if name == "anny" else "fast"))

    key = f"topology-{name}-{content_key(name, version, _RULE, *PART_NAMES)[:16]}"
    return load_or_build(key, build, _save, _load)


def _save(topology: BodyTopology, path: Path) -> None:
    np.savez_compressed(
        path,
        name=topology.name,
        faces=topology.faces.numpy().astype(np.int32),
        canonical_vertices=topology.canonical_vertices.numpy(),
        part_of_vertex=topology.part_of_vertex.numpy().astype(np.uint8),
        symmetric_partner=topology.symmetric_partner.numpy().astype(np.int32),
    )


def _load(path: Path) -> BodyTopology:
    with np.load(path) as stored:
        return BodyTopology(
            str(stored["name"]),  # pyright: ignore[reportArgumentType]
            torch.from_numpy(stored["faces"].astype(np.int64)),
            torch.from_numpy(stored["canonical_vertices"]),
            torch.from_numpy(stored["part_of_vertex"].astype(np.int64)),
            torch.from_numpy(stored["symmetric_partner"].astype(np.int64)),
        )
