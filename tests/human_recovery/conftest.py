"""Bodies shared by the tests of this folder, and a writer of tiny models in the SMPL format."""

import numpy as np
import pytest

# Imported inside the fixtures: the shape-checking hook must see the packages first.


@pytest.fixture(scope="session")
def full_body():
    from human_recovery.anny_body import AnnyBody

    return AnnyBody("full")


@pytest.fixture(scope="session")
def fast_body():
    from human_recovery.anny_body import AnnyBody

    return AnnyBody("fast")


@pytest.fixture(scope="session", params=["anny", "anny-fast"])
def topology(request):
    from human_recovery.topology import get_topology

    return get_topology(request.param)


def stick_figure_arrays(joint_names: tuple[str, ...], rings: int = 3) -> dict[str, np.ndarray]:
    """A body of small closed rings of vertices around each joint, mirror-exact, SMPL's keys."""
    heads = {name: _joint_place(name) for name in joint_names}
    vertices, weights = [], []
    for index, name in enumerate(joint_names):
        for ring in range(rings):
            for corner in range(4):
                angle = np.pi / 2 * corner
                offset = 0.03 * np.array([np.cos(angle), 0.4 * (ring - 1), np.sin(angle)])
                vertices.append(heads[name] + offset)
                weights.append(np.eye(len(joint_names))[index])
    count, joints = len(vertices), len(joint_names)
    faces = []
    for start in range(0, count - 4, 4):
        for corner in range(4):
            a, b = start + corner, start + (corner + 1) % 4
            faces += [[a, b, a + 4], [b, b + 4, a + 4]]
    regressor = np.zeros((joints, count))
    for index in range(joints):
        regressor[index, index * rings * 4 : (index + 1) * rings * 4] = 1 / (rings * 4)
    rng = np.random.default_rng(0)
    parents = np.maximum(np.arange(joints) - 1, 0)
    table = {name: joint_names.index(name) for name in joint_names}
    for name, parent in _PARENTS.items():
        if name in table:
            parents[table[name]] = table[parent]
    kintree = np.stack([parents, np.arange(joints)]).astype(np.uint32)
    kintree[0, 0] = 2**32 - 1
    return {
        "v_template": np.array(vertices),
        "shapedirs": rng.normal(0, 1e-3, (count, 3, 12)),
        "posedirs": rng.normal(0, 1e-5, (count, 3, 9 * (joints - 1))),
        "J_regressor": regressor,
        "weights": np.array(weights),
        "kintree_table": kintree,
        "f": np.array(faces, dtype=np.uint32),
    }


_PARENTS = {
    "left_hip": "pelvis",
    "right_hip": "pelvis",
    "left_knee": "left_hip",
    "right_knee": "right_hip",
    "left_ankle": "left_knee",
    "right_ankle": "right_knee",
}
_WIDTHS = {
    "hip": 0.08,
    "knee": 0.09,
    "ankle": 0.09,
    "foot": 0.1,
    "collar": 0.1,
    "eye": 0.05,
    "shoulder": 0.2,
    "elbow": 0.45,
    "wrist": 0.7,
    "hand": 0.8,
}
_HEIGHTS = {
    "pelvis": -0.2,
    "hip": -0.3,
    "knee": -0.7,
    "ankle": -1.1,
    "foot": -1.15,
    "spine": 0.0,
    "neck": 0.3,
    "head": 0.4,
}


def _joint_place(name: str) -> np.ndarray:
    side = 1.0 if name.startswith("left") else -1.0 if name.startswith("right") else 0.0
    bare = name.removeprefix("left_").removeprefix("right_")
    digit = int(bare[-1]) if bare[-1].isdigit() else 0
    height = _HEIGHTS.get(bare.rstrip("0123456789"), 0.2) + 0.02 * digit
    outwards = _WIDTHS.get(bare, 0.85 + 0.05 * digit)
    return np.array([side * outwards, height, 0.0])
