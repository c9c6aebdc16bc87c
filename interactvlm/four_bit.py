"""The decoder's matrices in 4 bits (NF4) by bitsandbytes, where that runs.

For answering only. Which matrices these are is the same as for 8 bits (`int8.MATRIX`).
"""

import importlib
import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

from interactvlm.errors import ResourceError
from interactvlm.int8 import MATRIX

KIND = "nf4"
"""Numbers spaced as a normal distribution's quantiles: the usual choice for weights."""


def require_four_bit(device: str) -> None:
    """Raises ResourceError when the device or the package for 4-bit weights is not here."""
    if torch.device(device).type != "cuda":
        raise ResourceError(
            f"4-bit weights need a CUDA device, got {device!r}; use --device cuda, or 8-bit "
            "weights (`interactvlm convert --dtype int8`), which run anywhere"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ResourceError(
            "4-bit weights need the package bitsandbytes: pip install 'interactvlm[four-bit]'"
        )


def use_four_bit(model: nn.Module, dtype: torch.dtype) -> None:
    """Puts empty 4-bit layers, which compute in `dtype`, in the place of the matrices."""
    layers: Any = importlib.import_module("bitsandbytes").nn
    linear = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    for name, layer in linear:
        if MATRIX.fullmatch(f"{name}.weight"):
            parent, _, child = name.rpartition(".")
            with torch.device("meta"):
                new = layers.Linear4bit(
                    layer.in_features,
                    layer.out_features,
                    bias=False,
                    compute_dtype=dtype,
                    quant_type=KIND,
                )
            setattr(model.get_submodule(parent), child, new)


def put_four_bit(model: nn.Module, key: str, value: Tensor, device: str) -> None:
    """One matrix into its layer; it is narrowed on its way to the device."""
    layers: Any = importlib.import_module("bitsandbytes").nn
    layer: Any = model.get_submodule(key.removesuffix(".weight"))
    layer.weight = layers.Params4bit(value, requires_grad=False, quant_type=KIND).to(device)
