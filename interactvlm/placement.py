"""How a model's weights are to be held: whole, in 4 bits, or spread over device, memory and disk.

Knows options and sizes; loads nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from interactvlm.errors import InputError

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?i?B)", re.IGNORECASE)


@dataclass(frozen=True)
class Placement:
    """Where the weights of the language model go; all others are always on the device."""

    four_bit: bool = False
    """Matrices of the decoder's blocks in 4 bits (NF4); needs bitsandbytes and a CUDA device."""
    device_map: Literal["none", "auto"] = "none"
    """`auto`: the decoder's blocks fill the device, then main memory; the rest stays in the
    model's folder on disk and is read when it is needed."""
    device_bytes: int | None = None
    """Most memory of the device for the decoder; None takes what accelerate finds free."""
    cpu_bytes: int | None = None
    """The same for main memory."""

    def __post_init__(self) -> None:
        if self.four_bit and self.device_map != "none":
            raise InputError(
                "4-bit weights are held on the device; give only one of --load-in-4bit and "
                "--device-map"
            )
        if self.device_map == "none" and (self.device_bytes, self.cpu_bytes) != (None, None):
            raise InputError("--max-memory limits what --device-map auto fills; give that too")


WHOLE = Placement()
"""Everything on the device, as it is stored."""


def memory_limits(limits: Sequence[str]) -> dict[str, int]:
    """Fields of a `Placement` from "device=20GiB" and "cpu=8GiB".

    Raises InputError for another place or size.
    """
    found: dict[str, int] = {}
    for limit in limits:
        place, _, size = limit.partition("=")
        match = _SIZE.fullmatch(size.strip())
        if place not in ("device", "cpu") or match is None:
            raise InputError(
                f"--max-memory must be device=SIZE or cpu=SIZE with a size such as 20GiB, got "
                f"{limit!r}"
            )
        found[f"{place}_bytes"] = int(float(match[1]) * _UNITS[match[2].upper()])
    return found
