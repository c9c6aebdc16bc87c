"""Fixtures of this folder: real sample files of other people, where they are."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of real samples, or a skip that says where it was looked for; never part of this."""
    beside = Path(__file__).resolve().parents[4] / "shared" / "samples"
    folder = Path(os.environ.get("INTERACTVLM_SAMPLES") or beside)
    if not (folder / "README.md").is_file():
        pytest.skip(f"real samples not found at {folder}; set INTERACTVLM_SAMPLES")
    return folder
