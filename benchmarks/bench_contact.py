"""Time and peak memory of the whole command `interactvlm contact`, against the 2 GB it may take.

python benchmarks/bench_contact.py
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from skimage import data
from skimage.io import imsave

ALLOWED_MB = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        imsave(photo, data.astronaut())
        command = [sys.executable, "-m", "interactvlm", "contact", str(photo)]
        command += ["--label", "chair", "--label", "cup", "--out", f"{folder}/result"]
        for _ in range(options.repeats + 1):  # the first prepares caches
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak_mb = peak / (1024 if sys.platform != "darwin" else 1024**2)
    print(f"first run    {seconds[0]:6.1f} s")
    print(f"later runs   {statistics.median(seconds[1:]):6.1f} s")
    print(f"peak memory  {peak_mb:6.0f} MB   ratio to allowed {peak_mb / ALLOWED_MB:.2f}")


if __name__ == "__main__":
    main()
