"""The chair scene, built once."""

import pytest

from tests.interactvlm.reconstruction.chair_scene import build_scene


@pytest.fixture(scope="session")
def scene():
    return build_scene()
