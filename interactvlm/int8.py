"""Linear layers whose matrix is kept in 8 bits with one scale per row: half the memory of bf16.

For answering only: such a layer has no gradient and takes no adapter. Knows which matrices of the
language model are kept so; all else keeps its number type.
"""

import re

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8
from torch import Tensor, nn

MATRIX = re.compile(r"(language\.llama\.model\.layers\.\d+\.(?:self_attn|mlp)\.\w+_proj)\.weight")
"""Weights of the decoder's blocks; with nine tenths of all values they are worth it."""
ANY_VALUES = "language.llama.model.layers.0.self_attn.q_proj.values"
"""A folder that holds this key holds 8-bit weights."""


class Int8Linear(nn.Module):
    """A linear layer without bias; its weight is `values` times `scales`, row by row."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.values: Tensor
        self.scales: Tensor
        self.register_buffer("values", torch.empty(outside, inside, dtype=torch.int8))
        self.register_buffer("scales", torch.empty(outside, dtype=torch.float32))

    def forward(self, x: Float[Tensor, "*batch inside"]) -> Float[Tensor, "*batch outside"]:
        """Whole numbers up to 127 are exact in every type `x` may have, so scales come last."""
        return F.linear(x, self.values.to(x.dtype)) * self.scales.to(x.dtype)


def quantize_rows(
    rows: Float[Tensor, "rows inside"],
) -> tuple[Int8[Tensor, "rows inside"], Float[Tensor, "rows"]]:
    """Nearest whole numbers in -127..127 and the scale that the largest of each row fixes."""
    rows = rows.float()
    scales = rows.abs().amax(1) / 127
    values = rows / scales.clamp(min=torch.finfo(torch.float32).tiny)[:, None]
    return values.round().to(torch.int8), scales


def use_int8(model: nn.Module) -> None:
    """Puts empty 8-bit layers in the place of the matrices that are kept so."""
    linear = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    for name, layer in linear:
        if MATRIX.fullmatch(f"{name}.weight"):
            parent, _, child = name.rpartition(".")
            new = Int8Linear(layer.in_features, layer.out_features)
            setattr(model.get_submodule(parent), child, new)
