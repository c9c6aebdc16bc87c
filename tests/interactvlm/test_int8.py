"""8-bit layers against the full-width ones they stand for."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from interactvlm.int8 import Int8Linear, quantize_rows, use_int8


def quantized(weight):
    layer = Int8Linear(weight.shape[1], weight.shape[0])
    values, scales = quantize_rows(weight)
    layer.values.copy_(values)
    layer.scales.copy_(scales)
    return layer


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6))
def test_every_value_is_off_by_half_a_step_at_most(seed, scale):
    weight = torch.randn(5, 9, generator=torch.Generator().manual_seed(seed)) * scale
    values, scales = quantize_rows(weight)
    assert int(values.abs().amax(1).min()) == 127
    error = (values.float() * scales[:, None] - weight).abs()
    assert bool((error <= 0.5001 * scales[:, None]).all())


def test_rows_of_zeros_stay_zero():
    values, scales = quantize_rows(torch.zeros(2, 3))
    assert not values.any() and not scales.any()
    assert not quantized(torch.zeros(2, 3))(torch.randn(4, 3)).any()


def test_a_layer_computes_what_its_weight_says():
    torch.manual_seed(0)
    weight, x = torch.randn(64, 128), torch.randn(2, 3, 128)
    for dtype, relative in ((torch.float32, 0.01), (torch.bfloat16, 0.02)):
        got = quantized(weight)(x.to(dtype)).float()
        wanted = x @ weight.T
        assert (got - wanted).norm() < relative * wanted.norm()


def test_only_the_decoders_matrices_are_replaced(tiny_model):
    use_int8(tiny_model)
    narrow = [name for name, m in tiny_model.named_modules() if isinstance(m, Int8Linear)]
    assert len(narrow) == 7 * tiny_model.config.language.layers
    assert isinstance(tiny_model.language.llama.lm_head, nn.Linear)
    assert not any(p.requires_grad for n, p in tiny_model.named_parameters() if "_proj" in n
                   and n.startswith("language.llama.model.layers"))  # fmt: skip
