"""Fixtures of this folder: a library of plain solids and a cache for its vectors."""

import pytest


@pytest.fixture(scope="session")
def library():
    from .solids import SolidLibrary

    return SolidLibrary()


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("retrieval-cache")
