"""Bodies in SMPL's file format that stand in for the gated ones: Anny in another build, remeshed.

The published files cannot be had in tests. These have the published numbers of vertices and joints,
other proportions than Anny's average body, a slightly other pose, a mesh of their own and shuffled
vertices, so that maps between topologies have real work to do. They are mirror-symmetric, as the
published ones are. Where each vertex truly belongs on Anny is known.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import roma
import torch

BONE_OF_JOINT = {
    "pelvis": "root", "spine1": "spine05", "spine2": "spine03", "spine3": "spine01",
    "neck": "neck01", "head": "head", "jaw": "head",
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "foot": "toe1-1",
    "collar": "clavicle", "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist",
    "hand": "metacarpal2", "eye": "eye",
    **{
        f"{name}{joint}": f"finger{finger}-{joint}"
        for finger, name in enumerate(("thumb", "index", "middle", "ring", "pinky"), start=1)
        for joint in (1, 2, 3)
    },
}  # fmt: skip
_LEG_SPREAD_DEG = 2.0
"""In the rest pose of the stand-ins; SMPL's legs are not quite parallel either."""


@dataclass(frozen=True)
class StandIn:
    """A body file and the truth about it."""

    path: Path
    anny_vertex: torch.Tensor
    """The vertex of Anny that each of its vertices is."""


def write_stand_in(folder: Path, name: str, phenotypes: list[float], seed: int) -> StandIn:
    """A file of the model `name` in `folder`, in a build given by Anny's six phenotypes."""
    from human_recovery import anny_topology
    from human_recovery.anny_body import AnnyBody
    from human_recovery.smpl_files import SPECS

    spec = SPECS[name]
    body = AnnyBody("full")
    with mock.patch.object(anny_topology, "LEG_SPREAD_DEG", _LEG_SPREAD_DEG):
        rotations = body.full_rotations(anny_topology.vitruvian_fast_rotations(body)[None])
    rotations = _mirrored_turns(body.bone_names, seed) @ rotations
    with torch.no_grad():
        posed = body(torch.tensor([phenotypes]), rotations, torch.zeros(1, 3))
    template = anny_topology.y_up_from_anny(posed.vertices[0]).double().numpy()
    heads = anny_topology.y_up_from_anny(posed.bone_heads[0]).double().numpy()
    partner = body.topology.symmetric_partner.numpy()
    kept, faces = collapsed(template, body.faces.numpy(), partner, spec.num_vertices, seed)
    bones = [body.bone_names.index(_bone(joint)) for joint in spec.joint_names]
    owner = _owning_joint(body.anny.bone_parents, bones)
    joints = len(bones)
    weights = np.zeros((len(template), joints))
    for bone, column in enumerate(body.anny.dense_vertex_bone_weights.double().numpy().T):
        weights[:, owner[bone]] += column
    parents = [owner[body.anny.bone_parents[bone]] for bone in bones[1:]]
    template, weights = template[kept], weights[kept]
    path = folder / name / f"{name.upper()}_NEUTRAL.npz"
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        v_template=template,
        weights=weights,
        J_regressor=_regressor(template, heads[bones]),
        shapedirs=np.zeros((len(kept), 3, 10), np.float32),
        posedirs=np.zeros((len(kept), 3, 9 * (joints - 1)), np.int8),
        kintree_table=np.array([[2**32 - 1, *parents], range(joints)], dtype=np.uint32),
        f=faces.astype(np.uint32),
    )
    return StandIn(path, torch.from_numpy(kept))


def _bone(joint: str) -> str:
    side, _, what = joint.partition("_")
    return f"{BONE_OF_JOINT[what]}.{side[0].upper()}" if what else BONE_OF_JOINT[joint]


def _owning_joint(parents: list[int], bones: list[int]) -> list[int]:
    """For each bone the joint it hangs on: its own, else that of its nearest ancestor."""
    owner: list[int] = []
    for bone, parent in enumerate(parents):
        owner.append(bones.index(bone) if bone in bones else owner[parent])
    return owner


def _regressor(vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Smallest weights that sum to one and put each joint where it is."""
    conditions = np.column_stack([vertices, np.ones(len(vertices))]).T
    wanted = np.column_stack([joints, np.ones(len(joints))]).T
    return (conditions.T @ np.linalg.solve(conditions @ conditions.T, wanted)).T


def _mirrored_turns(names: tuple[str, ...], seed: int) -> torch.Tensor:
    """Small rotations of the bones, the same on both sides, so that the body stays symmetric."""
    generator = torch.Generator().manual_seed(seed)
    by_name: dict[str, torch.Tensor] = {}
    for name in names:
        vector = 0.04 * torch.randn(3, generator=generator)
        if name.endswith(".R"):
            vector = by_name[f"{name.removesuffix('.R')}.L"] * torch.tensor([1.0, -1.0, -1.0])
        elif not name.endswith(".L"):
            vector = vector * torch.tensor([1.0, 0.0, 0.0])
        by_name[name] = vector
    by_name["root"] = torch.zeros(3)
    return roma.rotvec_to_rotmat(torch.stack([by_name[name] for name in names]))[None]


def collapsed(
    vertices: np.ndarray, faces: np.ndarray, partner: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A coarser mesh on some of the vertices: which are kept, shuffled, and the new faces.

    Random vertices are pulled onto their nearest neighbour, always together with their mirror
    image, where that tears and folds nothing.
    """
    rng = np.random.default_rng(seed)
    mesh = _Mesh(vertices, faces)
    while mesh.count > count:
        before = mesh.count
        for gone in rng.permutation(len(vertices)).tolist():
            if mesh.count == count:
                break
            image = int(partner[gone])
            on_midline = image == gone
            if on_midline != (mesh.count - count == 1):
                continue
            if not on_midline and mesh.closed_star(gone) & mesh.closed_star(image):
                continue
            pulls = [(one, mesh.target_of(one)) for one in {gone, image}]
            if all(kept is not None for _, kept in pulls):
                for one, kept in pulls:
                    mesh.pull(one, kept)
        assert mesh.count < before, "the mesh cannot be made coarser"
    kept_vertices = rng.permutation([v for v, faces in enumerate(mesh.around) if faces])
    new_index = np.full(len(vertices), -1)
    new_index[kept_vertices] = np.arange(count)
    return kept_vertices, new_index[np.array(list(mesh.triangles.values()))]


class _Mesh:
    """Triangles that can be changed one vertex at a time."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self.points = [tuple(point) for point in vertices.tolist()]
        self.triangles = dict(enumerate(faces.tolist()))
        self.around: list[set[int]] = [set() for _ in self.points]
        for index, face in self.triangles.items():
            for vertex in face:
                self.around[vertex].add(index)
        self.count = sum(bool(faces) for faces in self.around)

    def closed_star(self, vertex: int) -> set[int]:
        """A vertex and its neighbours; nothing for one that is gone."""
        return {other for index in self.around[vertex] for other in self.triangles[index]}

    def target_of(self, gone: int) -> int | None:
        """The nearest neighbour, if a vertex can be pulled onto it."""
        near = self.closed_star(gone) - {gone}
        if not near or len(near) != len(self.around[gone]):
            return None
        kept = min(near, key=lambda other: math.dist(self.points[other], self.points[gone]))
        if len(near & self.closed_star(kept)) != 3:  # itself and the two across the edge
            return None
        for index in self.around[gone]:
            face = self.triangles[index]
            if kept not in face and self._folds(face, _replaced(face, gone, kept)):
                return None
        return kept

    def pull(self, gone: int, kept: int | None) -> None:
        """Moves a vertex onto another; the triangles between them vanish."""
        assert kept is not None
        for index in sorted(self.around[gone]):
            face = self.triangles[index]
            if kept in face:
                for vertex in face:
                    self.around[vertex].discard(index)
                del self.triangles[index]
            else:
                self.triangles[index] = _replaced(face, gone, kept)
                self.around[kept].add(index)
        self.around[gone] = set()
        self.count -= 1

    def _folds(self, before: list[int], after: list[int]) -> bool:
        first, second = self._normal(before), self._normal(after)
        along = sum(a * b for a, b in zip(first, second, strict=True))
        return along <= 0.3 * math.hypot(*first) * math.hypot(*second)

    def _normal(self, face: list[int]) -> tuple[float, float, float]:
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (self.points[vertex] for vertex in face)
        ux, uy, uz, wx, wy, wz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        return uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx


def _replaced(face: list[int], gone: int, kept: int) -> list[int]:
    return [kept if vertex == gone else vertex for vertex in face]
