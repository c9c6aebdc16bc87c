"""Writes docs/golden_parity.md: every component against numbers of the published code.

Runs the tests that compare with the golden tensors and notes the largest absolute error of every
comparison they make. The tensors are not part of the package; where they are not found, the tests
skip and nothing is written.

    python docs/golden_table.py
"""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "golden_parity.md"

COMPONENTS = {
    "test_sam_image_preparation_equals_golden": "SAM image preparation",
    "test_sam_embeddings_equal_golden": "SAM image encoder, position encoding",
    "test_sam_masks_equal_golden": "SAM mask decoder (one token, four at once), upscaling, crop",
    "test_clip_path_equals_golden": "CLIP preparation, photo tower, projector",
    "test_published_ids_equal_golden": "tokenizer: ids of texts",
    "test_published_prompts_equal_golden": "conversation template with the image, ids",
    "test_published_training_labels_equal_golden": "training labels and their mask",
    "test_stretched_labels_equal_golden": "labels at the expanded length",
    "test_hidden_states_equal_golden": "image expansion, decoder states, logits",
    "test_generation_equals_golden": "generation with cache, the state that emits the token",
    "test_projection_equals_golden": "token projection",
    "test_gates_equal_golden": "FeatLift: gates of every variant",
    "test_lifted_vectors_equal_golden": "FeatLift and attention splitter: prompt vectors",
    "test_none_repeats_the_vector": "FeatLift `none`: repeated vector",
    "test_published_cameras_are_the_view_specs": "FeatLift: camera vectors",
    "test_interactvlm_masks_equal_golden": "masks per view: shared, split and separate decoders",
    "test_photo_to_vertices_equals_golden": "photo to vertices, whole model",
    "test_one_training_step_equals_golden": "one training step, whole model: losses",
    "test_a_converted_release_answers_and_marks_as_published": "a converted release: ids and masks",
    "test_cameras": "cameras of the canonical views",
    "test_view_tables": "view tables and camera vectors",
    "test_human_renders": "renders of a body: normals, depth, weights, shading",
    "test_object_mesh_renders": "renders of an object mesh",
    "test_object_point_renders": "renders of points",
    "test_maps_of_our_own_rasteriser": "lifting maps of our own rasteriser",
    "test_human_lift_and_gradient": "lifting, body, with gradient",
    "test_original_human_lift": "lifting, body, as before the fix",
    "test_object_lift_and_gradient": "lifting, object mesh, with gradient",
    "test_point_lift_and_heat": "lifting and heat maps, points, with gradient",
    "test_human_masks": "masks from vertices (1, 2, 3 corners)",
    "test_mask_losses_equal_golden": "mask losses",
    "test_heat_losses_equal_golden": "heat-map losses",
    "test_single_views_equal_golden": "mask losses of single views",
    "test_vertex_losses_equal_golden": "vertex and point losses",
    "test_published_total_of_one_batch_equals_golden": "total loss of a batch",
    "test_contact_scores_equal_golden": "F1, precision, recall",
    "test_geodesic_equals_golden_in_the_right_order": "geodesic error",
    "test_affordance_scores_equal_golden": "SIM, MAE, AUC, aIoU",
    "test_mask_overlap_equals_golden": "gIoU, cIoU",
    "test_test_set_tables_equal_golden": "tables of a test set",
    "test_false_negative_distance_of_the_test_set_equals_golden": "geodesic error of a test set",
}
"""Test functions in the order of the table and what they prove."""


@dataclass
class Row:
    """All comparisons of one test function."""

    path: str
    """File of the test, from the repository's root."""
    largest_error: float = 0.0
    """Largest absolute difference of numbers that were compared with a tolerance."""
    numbers: int = 0
    """How many numbers these were."""


class Recorder:
    """A pytest plugin: keeps the tests that use golden tensors and notes what they compare."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.failed = 0

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Only tests of golden tensors are run."""
        others = [item for item in items if "golden" not in item.fixturenames]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if "golden" in item.fixturenames]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[Any]:
        """Notes the comparisons of one test."""
        path = Path(item.path).relative_to(ROOT).as_posix()
        row = self.rows.setdefault(item.originalname, Row(path))
        with noting(row, item.module):
            return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Counts failures; a table of them would prove nothing."""
        self.failed += bool(report.failed)


@contextlib.contextmanager
def noting(row: Row, module: Any) -> Iterator[None]:
    """Every comparison inside, by whatever helper, is also noted in the row."""
    compare_tensors, compare_arrays = torch.testing.assert_close, np.testing.assert_allclose
    approx = pytest.approx
    own = getattr(module, "_close", None)

    def tensors(actual: Any, expected: Any, *rest: Any, **options: Any) -> None:
        note(row, actual, expected)
        compare_tensors(actual, expected, *rest, **options)

    def arrays(actual: Any, expected: Any, *rest: Any, **options: Any) -> None:
        note(row, actual, expected)
        compare_arrays(actual, expected, *rest, **options)

    def close(actual: Any, expected: Any, *rest: Any) -> None:
        note(row, actual, expected)
        if own is not None:
            own(actual, expected, *rest)

    class Approx:
        def __init__(self, expected: float, **options: Any) -> None:
            self.expected, self.wanted = expected, approx(expected, **options)

        def __eq__(self, actual: object) -> bool:
            note(row, actual, self.expected)
            return self.wanted == actual

        __hash__ = None  # pyright: ignore[reportAssignmentType]

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch.testing, "assert_close", tensors))
        stack.enter_context(mock.patch.object(np.testing, "assert_allclose", arrays))
        stack.enter_context(mock.patch.object(pytest, "approx", Approx))
        if own is not None:
            stack.enter_context(mock.patch.object(module, "_close", close))
        yield


def note(row: Row, actual: Any, expected: Any) -> None:
    """Adds one comparison of numbers with a fraction; whole numbers are compared exactly anyway."""
    got, wanted = _array(actual), _array(expected)
    if not got.size or got.dtype.kind != "f" or wanted.dtype.kind not in "iuf":
        return
    row.numbers += got.size
    error = float(np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max())
    row.largest_error = max(row.largest_error, error)


def table(rows: dict[str, Row]) -> str:
    """The page. Raises KeyError for a test that COMPONENTS does not name."""
    lines = [
        "# Parity with the published code",
        "",
        "Numbers of the published code on tiny random weights, computed once, against ours. The",
        "tensors are not published; with them (`INTERACTVLM_GOLDEN=FOLDER`) every line is made",
        "again by its test, and the whole page by `python docs/golden_table.py`. float32, one CPU",
        "thread; where the published code has a known bug, the corrected behaviour is compared.",
        '"exact" means that whole numbers (ids, masks, indices) are compared for equality.',
        "Barycentric weights of faces seen almost edge-on are ill-conditioned (allowed: 1e-3).",
        "Losses are also compared by their gradients, relative to the largest one; those are not",
        "in the table.",
        "",
        "| component | largest absolute error | numbers compared | test |",
        "|---|---|---|---|",
    ]
    for name in sorted(rows, key=list(COMPONENTS).index):
        row = rows[name]
        error = f"{row.largest_error:.1e}" if row.numbers else "exact"
        count = f"{row.numbers:,}" if row.numbers else "–"
        command = f"`pytest {row.path} -k {name}`"
        lines.append(f"| {COMPONENTS[name]} | {error} | {count} | {command} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """0 when the page was written."""
    torch.set_num_threads(1)
    recorder = Recorder()
    arguments = ["-q", "-p", "no:cacheprovider", str(ROOT / "tests")]
    code = pytest.main([*arguments, f"--rootdir={ROOT}"], plugins=[recorder])
    if code or recorder.failed or not recorder.rows:
        print("not written: the tests of golden tensors did not all run and pass", file=sys.stderr)
        return 1
    unnamed = sorted(recorder.rows.keys() - COMPONENTS.keys())
    if unnamed:
        print(f"not written: name {unnamed} in COMPONENTS", file=sys.stderr)
        return 1
    TABLE.write_text(table(recorder.rows), encoding="utf-8")
    print(f"{len(recorder.rows)} components: {TABLE}")
    return 0


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


if __name__ == "__main__":
    sys.exit(main())
