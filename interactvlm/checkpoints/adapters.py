"""Low-rank adapters beside the weights they change, as peft names them, and their merging.

A checkpoint taken before its adapters were merged holds `base_model.model.` in front of every key
and two small matrices per adapted layer. Knows names and matrices; knows no model.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interactvlm.checkpoints.files import Stored, open_tensors
from interactvlm.errors import AssetError, InputError

PEFT_PREFIX = "base_model.model."
"""In front of every key of a checkpoint whose adapters are not merged."""
PUBLISHED_ALPHA = 16.0
"""Every published recipe has rank 8 and alpha 16, that is a factor of 2."""
PIECE_VALUES = 1 << 20
"""Values converted at once: bounds the memory beside the mapped file to some 20 MB."""

_ADAPTER = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")


@dataclass(frozen=True)
class Adapter:
    """Two matrices whose product is added to a weight."""

    low: Stored
    """(rank, in)."""
    high: Stored
    """(out, rank)."""
    alpha: float
    """The product is scaled by alpha / rank."""


@dataclass(frozen=True, eq=False)
class Factors:
    """An adapter in memory, scaled, in float32."""

    low: Float[Tensor, "rank inside"]
    high: Float[Tensor, "outside rank"]


def split_adapters(
    stored: Mapping[str, Stored], alpha: float
) -> tuple[dict[str, Stored], dict[str, Adapter]]:
    """Weights under the names of a model without adapters, and adapters by the weight's name.

    Raises AssetError naming an adapter that is incomplete or does not fit its layer.
    """
    weights: dict[str, Stored] = {}
    halves: dict[str, dict[str, Stored]] = {}
    for key, value in stored.items():
        name = key.removeprefix(PEFT_PREFIX).replace(".base_layer.", ".")
        match = _ADAPTER.fullmatch(name)
        if match is not None:
            halves.setdefault(f"{match[1]}.weight", {})[match[2]] = value
        elif name in weights:
            raise AssetError(f"keys {weights[name].key!r} and {key!r} name one weight")
        else:
            weights[name] = value
    return weights, {name: _adapter(name, pair, weights, alpha) for name, pair in halves.items()}


def load_factors(adapters: Mapping[str, Adapter]) -> dict[str, Factors]:
    """All adapters in memory; they are small, and may lie in other files than their weights."""
    factors: dict[str, Factors] = {}
    read: dict[tuple[str, str], Tensor] = {}
    halves = [half for adapter in adapters.values() for half in (adapter.low, adapter.high)]
    for path in sorted({half.path for half in halves}):
        with open_tensors(path) as tensors:
            for half in halves:
                if half.path == path:
                    read[str(path), half.key] = tensors[half.key].float().clone()
    for name, adapter in adapters.items():
        low = read[str(adapter.low.path), adapter.low.key]
        high = read[str(adapter.high.path), adapter.high.key]
        factors[name] = Factors(low, high * (adapter.alpha / len(low)))
    return factors


def merged_pieces(
    weight: Tensor, factors: Factors | None, dtype: torch.dtype, key: str
) -> Iterator[Tensor]:
    """A weight with its adapter folded in, in rows of C order; computed in float32, then cast.

    Raises InputError when a finite value leaves the range of `dtype`.
    """
    weight = weight.detach()
    rows = weight.reshape(1, -1) if weight.dim() < 2 else weight
    count = max(1, PIECE_VALUES // max(1, rows[:1].numel()))
    for start in range(0, len(rows), count):
        piece = rows[start : start + count]
        if factors is not None:
            piece = piece.float() + factors.high[start : start + count] @ factors.low
        cast = piece.to(dtype)
        if dtype == torch.float16 and bool((cast.isinf() & piece.isfinite()).any()):
            raise InputError(f"weight {key!r} does not fit into fp16; convert to bf16 or fp32")
        yield cast


def _adapter(
    name: str, pair: Mapping[str, Stored], weights: Mapping[str, Stored], alpha: float
) -> Adapter:
    one = next(iter(pair.values()))
    if len(pair) < 2:
        raise AssetError(f"adapter {one.key!r} lacks its other half")
    if name not in weights:
        raise AssetError(f"adapter {one.key!r} belongs to {name!r}, which is not there")
    low, high, base = (s.spec.shape for s in (pair["A"], pair["B"], weights[name]))
    fits = len(low) == len(high) == 2 and low[0] == high[1] and base == (high[0], low[1])
    if not fits or low[0] == 0:
        raise AssetError(
            f"adapter {one.key!r} has matrices {low} and {high}, which do not fit a layer of {base}"
        )
    return Adapter(pair["A"], pair["B"], alpha)
