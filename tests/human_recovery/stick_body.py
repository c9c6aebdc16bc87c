"""A tiny body in the SMPL family's format whose joints hang together as the published ones do."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from human_recovery.smpl_files import SPECS

from .conftest import stick_figure_arrays

_PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]


def write_stick_body(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`NAME_NEUTRAL.npz` in `folder`, and the family's number of vertices changed to fit."""
    joints = SPECS[name].joint_names
    arrays = stick_figure_arrays(joints)
    parents = [*_PARENTS, *([15] * (len(joints) - len(_PARENTS)))]
    if name == "smpl":
        parents[22:] = [20, 21]
    arrays["kintree_table"] = np.array([[2**32 - 1, *parents[1:]], range(len(joints))], np.uint32)
    count = len(arrays["v_template"])
    monkeypatch.setitem(SPECS, name, dataclasses.replace(SPECS[name], num_vertices=count))
    path = folder / f"{name.upper()}_NEUTRAL.npz"
    np.savez(path, **arrays)
    return path
