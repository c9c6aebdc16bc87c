"""Shared by all tests: order, GPU and Open3D conditions. Imports no package of the project at the
top, so that the shape-checking import hook sees every one of them first."""

import importlib
import os

import pytest
from hypothesis import settings

# No test reaches the network. Set here: libraries read these once, when they are imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")

# Shared machines stall for seconds; a deadline would only measure the neighbours.
settings.register_profile("interactvlm", deadline=None)
settings.load_profile("interactvlm")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests last: the quick ones tell of a fault within seconds."""
    del config
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def open3d():
    """Open3D, or a skip that names what is missing; where it is required, a failure."""
    try:
        return importlib.import_module("open3d")
    except (ImportError, OSError) as error:
        reason = f"Open3D cannot be imported ({error}); it needs the system library libusb-1.0"
        if os.environ.get("INTERACTVLM_REQUIRE_OPEN3D"):
            pytest.fail(reason)
        pytest.skip(reason)
