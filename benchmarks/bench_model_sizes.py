"""Parameters and memory of every preset, computed from its modules; no weights are needed.

python benchmarks/bench_model_sizes.py

Weights only. 8-bit and 4-bit: the matrices of the language model's blocks are quantized (4-bit
with one float32 scale per 64 values, that is 4.5 bits each), everything else stays in bf16.
"""

import math
import re

from interactvlm.checkpoints.inspection import model_shapes
from interactvlm.config import InteractVLMConfig, preset

_BLOCK_MATRIX = re.compile(r"language\.llama\.model\.layers\.\d+\.(?:self_attn|mlp)\..+\.weight")
_GIB = 2**30


def main() -> None:
    print("| preset | parameters | fp32 | bf16 | 8-bit | 4-bit | cache of 1,000 tokens, bf16 |")
    print("|---|---|---|---|---|---|---|")
    for name in ("mini", "lisa-7b", "lisa-13b"):
        print(_row(name, preset(name)))


def _row(name: str, config: InteractVLMConfig) -> str:
    values = {key: math.prod(shape) for key, shape in model_shapes(config).items()}
    total = sum(values.values())
    blocks = sum(count for key, count in values.items() if _BLOCK_MATRIX.fullmatch(key))
    rest = 2 * (total - blocks)
    sizes = [4 * total, 2 * total, rest + blocks, rest + blocks * 4.5 / 8]
    gib = " | ".join(f"{size / _GIB:.2f} GiB" for size in sizes)
    language = config.language
    per_token = 2 * 2 * language.layers * language.hidden * language.key_value_heads
    cache = 1000 * per_token / language.heads / _GIB
    return f"| `{name}` | {total:,} | {gib} | {cache:.3f} GiB |"


if __name__ == "__main__":
    main()
