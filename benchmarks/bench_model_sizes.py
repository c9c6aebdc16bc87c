"""Parameters and memory of every preset, computed from its modules; no weights are needed.

python benchmarks/bench_model_sizes.py

Weights only. 8-bit as `interactvlm convert --dtype int8` writes it: the matrices of the language
model's blocks with one float32 scale per row, everything else in bf16. 4-bit as `--load-in-4bit`
holds them: the same matrices with one float32 scale per 64 values, 4.5 bits each.
"""

import math

from interactvlm.checkpoints.inspection import model_shapes
from interactvlm.config import InteractVLMConfig
from interactvlm.int8 import MATRIX
from interactvlm.presets import preset

_GIB = 2**30


def main() -> None:
    print("| preset | parameters | fp32 | bf16 | 8-bit | 4-bit | cache of 1,000 tokens, bf16 |")
    print("|---|---|---|---|---|---|---|")
    for name in ("mini", "lisa-7b", "lisa-13b"):
        print(_row(name, preset(name)))


def _row(name: str, config: InteractVLMConfig) -> str:
    shapes = model_shapes(config)
    matrices = [shape for key, shape in shapes.items() if MATRIX.fullmatch(key)]
    total = sum(math.prod(shape) for shape in shapes.values())
    blocks = sum(math.prod(shape) for shape in matrices)
    rest = 2 * (total - blocks)
    int8 = rest + blocks + 4 * sum(shape[0] for shape in matrices)
    sizes = (4 * total, 2 * total, int8, rest + blocks * 4.5 / 8)
    gib = " | ".join(f"{size / _GIB:.2f} GiB" for size in sizes)
    language = config.language
    per_token = 2 * 2 * language.layers * language.hidden * language.key_value_heads
    cache = 1000 * per_token / language.heads / _GIB
    return f"| `{name}` | {total:,} | {gib} | {cache:.3f} GiB |"


if __name__ == "__main__":
    main()
