"""The token projection against golden numbers."""

import numpy as np
import pytest
import torch

from interactvlm.checkpoints.released import RELEASED_RULES
from interactvlm.checkpoints.renaming import rename_keys
from interactvlm.projection import TokenProjection


def test_projection_equals_golden(golden):
    keys, arrays = golden.keys("02_interactvlm"), golden.arrays("02_interactvlm")
    table = {k: v for k, v in keys["keys"].items() if "text_hidden_fcs" in k}
    state = rename_keys(golden.weights(table, keys["set_seed"]), RELEASED_RULES, family="golden")
    projection = TokenProjection(64, 256)
    state = {k.removeprefix("token_projection."): v for k, v in state.items()}
    projection.load_state_dict(state, strict=True)
    got = projection(torch.from_numpy(arrays["hidden_states"])).detach().numpy()
    np.testing.assert_allclose(got, arrays["token_projection"], atol=1e-5, rtol=0)


def test_wrong_width_fails():
    with pytest.raises(RuntimeError):
        TokenProjection(8, 4)(torch.zeros(2, 9))
