"""Ten labels on one photo against one label, same photo, same run; and peak memory of both.

python benchmarks/bench_labels.py
"""

import argparse
import resource
import statistics
import sys
import time

import torch
from PIL import Image

from interactvlm.assets_dir import default_weights
from interactvlm.model import InteractVLM
from interactvlm.synthetic.dataset import generate_scenes, take_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    import numpy as np

    model = InteractVLM.from_pretrained(default_weights())
    peak_load = _peak_mb()
    scene = generate_scenes("test", 0, 0, 1)[0]
    photo = Image.fromarray(take_picture(scene.posed, np.random.default_rng(0), 384)[0]["rgb"])
    own = [placed.instance.category for placed in scene.state.objects]
    ten = list(dict.fromkeys([*own, *model.config.labels]))[:10]
    model.predict_contact(photo, ten)  # views and caches are ready afterwards
    times: dict[int, list[float]] = {1: [], 10: []}
    for _ in range(options.repeats):
        for labels in (ten[:1], ten):
            start = time.perf_counter()
            model.predict_contact(photo, labels)
            times[len(labels)].append(time.perf_counter() - start)
    one, many = (statistics.median(times[count]) for count in (1, 10))
    print(f"one label   {1000 * one:7.1f} ms")
    print(f"ten labels  {1000 * many:7.1f} ms   ratio {many / one:.2f}")
    print(f"peak memory {peak_load:.0f} MB after loading, {_peak_mb():.0f} MB in the end")


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)


if __name__ == "__main__":
    main()
