"""Settings kept beside results: the same go on, others are named, damage is one sentence."""

from pathlib import Path

import pytest

from interactvlm.errors import InputError
from interactvlm.job_settings import remember_settings


def test_a_job_goes_on_with_its_own_settings_only(tmp_path):
    path = tmp_path / "run/settings.json"
    remember_settings(path, {"rate": 0.1, "sizes": (1, 2), "data": Path("x")})
    remember_settings(path, {"rate": 0.1, "sizes": (1, 2), "data": Path("x")})
    with pytest.raises(InputError, match=r"other settings of \['rate'\]"):
        remember_settings(path, {"rate": 0.2, "sizes": (1, 2), "data": Path("x")})
    remember_settings(path, {"rate": 0.1, "sizes": (3,), "data": "y"}, may_change=("sizes", "data"))


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_damaged_settings_are_not_overwritten(tmp_path, content):
    path = tmp_path / "settings.json"
    path.write_text(content)
    with pytest.raises(InputError):
        remember_settings(path, {"rate": 0.1})
    assert path.read_text() == content
