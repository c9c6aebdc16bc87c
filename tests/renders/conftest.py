"""Fixtures of this folder: golden tensors."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def golden():
    """Loads a golden file as a dictionary of tensors, or skips and says where it was sought."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "golden"
    folder = Path(os.environ.get("INTERACTVLM_GOLDEN") or beside)

    def load(name: str) -> dict:
        path = folder / f"{name}.npz"
        if not path.is_file():
            pytest.skip(f"golden tensors not found at {path}; set INTERACTVLM_GOLDEN")
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    return load


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
