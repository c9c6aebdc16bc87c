"""A ball with as many vertices as SMPL+H, in place of the body file that tests cannot have."""

import numpy as np

RINGS, SEGMENTS = 82, 84


def ball_topology():
    """82 rings of 84 vertices and two poles: 6890 vertices, parts in bands from top to bottom."""
    import torch

    from human_recovery.parts import PART_NAMES
    from human_recovery.topology import BodyTopology

    polar = np.linspace(0, np.pi, RINGS + 2)[1:-1]
    turn = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    ring = np.sin(polar)[:, None] * 0.9
    points = np.stack(
        [ring * np.sin(turn), np.broadcast_to(np.cos(polar)[:, None], (RINGS, SEGMENTS)) * 0.9,
         ring * np.cos(turn)], axis=-1,
    ).reshape(-1, 3)  # fmt: skip
    vertices = np.concatenate([points, [[0, 0.9, 0], [0, -0.9, 0]]])
    at = np.arange(RINGS * SEGMENTS).reshape(RINGS, SEGMENTS)
    right = np.roll(at, -1, axis=1)
    upper = np.stack([at[:-1], at[1:], right[:-1]], -1).reshape(-1, 3)
    lower = np.stack([right[:-1], at[1:], right[1:]], -1).reshape(-1, 3)
    top, bottom = len(points), len(points) + 1
    caps = [np.stack([np.full(SEGMENTS, top), at[0], right[0]], -1),
            np.stack([np.full(SEGMENTS, bottom), right[-1], at[-1]], -1)]  # fmt: skip
    faces = np.concatenate([upper, lower, *caps])
    height = (0.9 - vertices[:, 1]) / 1.8
    part = np.minimum((height * len(PART_NAMES)).astype(np.int64), len(PART_NAMES) - 1)
    return BodyTopology(
        "smplh", torch.from_numpy(faces), torch.from_numpy(vertices).float(),
        torch.from_numpy(part), torch.arange(len(vertices)),
    )  # fmt: skip


def patch(topology, centre: int, radius_m: float):
    """Vertices within a distance of one vertex: connected, as contact is."""
    place = topology.canonical_vertices
    return (place - place[centre]).norm(dim=1) < radius_m
