"""FeatLift and the attention splitter against golden numbers."""

import numpy as np
import pytest
import torch

from interactvlm.checkpoints.released import RELEASED_RULES
from interactvlm.checkpoints.renaming import rename_keys
from interactvlm.config import LocalizerConfig
from interactvlm.errors import InputError
from interactvlm.feat_lift import AttentionSplitter, FeatLift

KINDS = {"simple": "simple", "view_index": "view_index", "vi_v1": "featlift"}


def _load(module, state, prefix):
    renamed = rename_keys(state, RELEASED_RULES, family="golden")
    module.load_state_dict({k.removeprefix(prefix): v for k, v in renamed.items()}, strict=True)
    return module


@pytest.fixture(scope="module")
def arrays(golden):
    return golden.arrays("02_interactvlm")


@pytest.fixture(scope="module")
def lifts(golden):
    keys = golden.keys("02_interactvlm")
    tables = keys["cam_pose_encoder_variants"]
    return {
        name: _load(
            FeatLift(LocalizerConfig(feat_lift=kind)),
            golden.weights(tables[name], keys["set_seed"]),
            "feat_lift.",
        )
        for name, kind in KINDS.items()
    }


@pytest.fixture(scope="module")
def splitter(golden):
    keys = golden.keys("02_interactvlm")
    state = golden.weights(keys["attention_splitter"], keys["set_seed"])
    return _load(AttentionSplitter(256, 128), state, "attention_splitter.")


def _close(got, wanted, atol):
    np.testing.assert_allclose(got.detach().numpy(), wanted, atol=atol, rtol=0)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("cameras", ["human", "object", "object_mesh"])
def test_gates_equal_golden(lifts, arrays, name, cameras):
    vectors = torch.from_numpy(arrays[f"{cameras}_camera"])
    _close(lifts[name].gates(vectors), arrays[f"gate_{name}_{cameras}"], 1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_lifted_vectors_equal_golden(lifts, splitter, arrays, name):
    """Row 0 of the projection is the human query, row 1 the object query."""
    projected = torch.from_numpy(arrays["token_projection"])
    for row, query in enumerate(("human", "object")):
        cameras = torch.from_numpy(arrays[f"{query}_camera"])
        lifted = lifts[name](projected[row : row + 1], cameras)
        _close(lifted, arrays[f"lifted_{name}_Gen_SEG_{query}"], 2e-5)
        token = {"human": "HSEG", "object": "OSEG"}[query]
        mixed = splitter(lifted, query)
        _close(mixed, arrays[f"lifted_{name}_GenHuObj_{token}_{query}"], 2e-5)


def test_none_repeats_the_vector(arrays):
    projected = torch.from_numpy(arrays["token_projection"][:1])
    lift = FeatLift(LocalizerConfig(feat_lift="none"))
    cameras = torch.from_numpy(arrays["human_camera"])
    _close(lift(projected, cameras), arrays["lifted_none"], 0)


def test_published_cameras_are_the_view_specs(arrays):
    from renders.canonical import HUMAN_VIEWS, OBJECT_VIEWS

    for views, name in ((HUMAN_VIEWS, "human"), (OBJECT_VIEWS, "object")):
        _close(torch.stack([v.normalized() for v in views]), arrays[f"{name}_camera"], 1e-6)


def test_number_of_cameras_is_checked():
    lift = FeatLift(LocalizerConfig())
    with pytest.raises(InputError, match="expected 4 cameras"):
        lift(torch.zeros(1, 256), torch.zeros(3, 5))
    with pytest.raises(Exception, match=r"[Tt]ype-check"):
        lift(torch.zeros(1, 256), torch.zeros(4, 6))
