"""The page on parity: what its script notes, and that it names the tests that are there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("golden_table", ROOT / "docs/golden_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_largest_error_of_every_kind_of_comparison_is_noted(script):
    row, module = script.Row("a.py"), ModuleType("a")

    def compare():
        torch.testing.assert_close(
            torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.001]), atol=1, rtol=0
        )
        assert pytest.approx(1.0, abs=0.1) == 1.05
        np.testing.assert_allclose(np.ones(3), np.full(3, 1.02), atol=0.1)

    with script.noting(row, module):
        compare()
    assert row.numbers == 6 and row.largest_error == pytest.approx(0.05)
    compare()
    assert row.numbers == 6, "outside nothing is noted"


def test_a_comparison_that_fails_still_fails(script):
    with script.noting(script.Row("a.py"), ModuleType("a")):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(torch.ones(1), torch.zeros(1))
        assert pytest.approx(1.0) != 2.0


def test_whole_numbers_are_exact(script):
    row = script.Row("a.py")
    script.note(row, torch.tensor([1, 2]), torch.tensor([1, 2]))
    script.note(row, np.zeros(0), np.zeros(0))
    assert row.numbers == 0
    assert "| exact |" in script.table({"test_human_masks": row})


def test_the_page_names_every_component_and_tests_that_exist(script):
    page = (ROOT / "docs" / "golden_parity.md").read_text(encoding="utf-8")
    for name, title in script.COMPONENTS.items():
        (line,) = (x for x in page.splitlines() if f"-k {name}`" in x)
        assert line.startswith(f"| {title} |")
        path = line.split("`pytest ")[1].split(" -k")[0]
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
