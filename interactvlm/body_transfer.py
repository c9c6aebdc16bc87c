"""Contact files and posed bodies of one body topology, on the vertices of another.

Knows our `contact.npz` and meshes of whole bodies; the maps themselves are
`human_recovery.topology_map`.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from human_recovery.body_state import num_vertices
from human_recovery.smpl_files import find_model_file
from human_recovery.topology_map import TopologyMap, topology_map, topology_with_vertices_of
from interactvlm.errors import AssetError, InputError
from interactvlm.results import ContactMap, load_contact_npz, save_contact_npz
from renders.cache import atomic_write

MESH_SUFFIXES = (".ply", ".obj")
"""Mesh formats that keep the order of vertices."""


def carried_over(contact: ContactMap, way: TopologyMap) -> ContactMap:
    """A contact map on another topology, as soft as the meshes ask for, at the same threshold.

    What the canonical views saw is not shown again. Raises InputError when the map is of another
    topology than the way begins at.
    """
    if contact.topology != way.source:
        raise InputError(
            f"the contact is on {contact.topology!r}, the way begins at {way.source!r}"
        )
    return replace(
        contact,
        vertex_probability=way.apply(contact.vertex_probability).clamp(0.0, 1.0),
        topology=way.target,
        seen=way.apply(contact.seen.float()) >= 0.5,
        view_probability=None,
    )


def on_topology(contact: ContactMap, topology: str) -> ContactMap:
    """A contact map on the vertices of a body of that topology; as it is where it lies there.

    Raises:
        InputError: the map is of an object, or has not as many values as its body has vertices.
        AssetError: a body file that is needed is missing or malformed.
    """
    if contact.topology == "object":
        raise InputError(
            "the contact is on an object's own mesh; wanted is contact on a body, as "
            "`interactvlm contact` writes it"
        )
    found, wanted = len(contact.vertex_probability), num_vertices(contact.topology)
    if found != wanted:
        raise InputError(
            f"the contact is said to be on {contact.topology!r}, which has {wanted} vertices, and "
            f"has {found} values; write it again for that body"
        )
    if contact.topology == topology:
        return contact
    return carried_over(contact, topology_map(contact.topology, topology))


def transfer_contact_file(
    source: Path, target: Path, to: str, folder: Path | None = None
) -> tuple[list[ContactMap], TopologyMap]:
    """Writes a contact file on another topology; gives what was written and the way taken.

    Raises:
        InputError: the contact is on an object's mesh, or on as many vertices as no body of its
            topology has.
        AssetError: the file or a body file that is needed is missing or malformed.
    """
    maps = load_contact_npz(source)
    if not maps:
        raise InputError(f"the contact file holds no contact maps: {str(source)!r}")
    if maps[0].topology == "object":
        raise InputError(
            f"contact on an object's own mesh belongs to no body topology: {str(source)!r}"
        )
    way = topology_map(maps[0].topology, to, folder)
    moved = [carried_over(contact, way) for contact in maps]
    save_contact_npz(target, moved)
    return moved, way


def transfer_body_mesh(
    source: Path, target: Path, way: TopologyMap, folder: Path | None = None
) -> None:
    """Writes a posed body's mesh with the vertices and faces of another topology.

    Build and pose stay those of the source; colours are left out.

    Raises:
        InputError: the mesh cannot be read or is not of the topology the way begins at.
        AssetError: the file that holds the other topology's faces is missing or malformed.
    """
    for path in (source, target):
        if path.suffix.lower() not in MESH_SUFFIXES:
            raise InputError(
                f"a body's mesh is a file {' or '.join(MESH_SUFFIXES)}, got {str(path)!r}"
            )
    import trimesh

    vertices = _body_vertices(source)
    if len(vertices) != way.num_source:
        raise InputError(
            f"a body {way.source!r} has {way.num_source} vertices, the mesh has {len(vertices)}: "
            f"{str(source)!r}"
        )
    moved = way.apply_to_points(vertices).numpy()
    faces = topology_with_vertices_of(way.target, folder).faces.numpy()
    mesh = trimesh.Trimesh(moved, faces, process=False)
    with atomic_write(target) as temporary:
        mesh.export(str(temporary), file_type=target.suffix.lower().removeprefix("."))


def _body_vertices(path: Path) -> Float[Tensor, "verts 3"]:
    if not path.is_file():
        raise InputError(f"mesh not found; expected a file at {str(path)!r}")
    import trimesh

    try:
        loaded: Any = trimesh.load_mesh(path, process=False, maintain_order=True)
        vertices = np.asarray(loaded.vertices, dtype=np.float64)
    except Exception as error:  # readers of mesh formats fail in many ways
        raise InputError(f"mesh cannot be read ({error}): {str(path)!r}") from error
    if not np.isfinite(vertices).all():
        raise InputError(f"mesh holds vertices that are not finite: {str(path)!r}")
    return torch.from_numpy(vertices)


def bodies_at_hand(folder: Path | None = None) -> list[str]:
    """Topologies there are files for, one name per set of vertices; Anny is always there."""
    names = ["anny", "anny-fast"]
    for same_vertices in (("smplh", "smpl"), ("smplx",)):
        for name in same_vertices:
            try:
                find_model_file(name, folder)
            except AssetError:
                continue
            names.append(name)
            break
    return names


def prepared_maps(folder: Path | None = None) -> Iterator[TopologyMap]:
    """Every map between bodies at hand, made now where it was not yet; both directions of each."""
    for first, second in combinations(bodies_at_hand(folder), 2):
        yield topology_map(first, second, folder)
        yield topology_map(second, first, folder)
