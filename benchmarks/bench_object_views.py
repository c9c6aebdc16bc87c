"""Four 1024-pixel views and the pixel map of a large object, against the 2 s and 1 GB allowed.

python benchmarks/bench_object_views.py
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import trimesh

from renders.canonical import build_object_view_set
from renders.mesh import Mesh, PointCloud

ALLOWED_S, ALLOWED_MB = 2.0, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triangles", type=int, default=200_000)
    parser.add_argument("--points", type=int, default=10_000, help="of the point cloud")
    parser.add_argument("--resolution", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    mesh = bumpy_ball(options.triangles)
    chosen = torch.randperm(mesh.num_vertices)[: options.points]
    for surface in (mesh, PointCloud(mesh.vertices[chosen])):
        seconds = []
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory() as folder:  # so that nothing comes from a cache
                start = time.perf_counter()
                build_object_view_set(surface, options.resolution, Path(folder))
                seconds.append(time.perf_counter() - start)
        middle, peak_mb = statistics.median(seconds), _peak_mb()
        print(f"{surface!r}: {middle:5.2f} s   ratio to allowed {middle / ALLOWED_S:.2f}")
        print(f"peak memory so far {peak_mb:.0f} MB   ratio to allowed {peak_mb / ALLOWED_MB:.2f}")


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)


def bumpy_ball(triangles: int) -> Mesh:
    """A closed surface with hidden sides, of about so many triangles."""
    rings = int(np.sqrt(triangles / 4)) + 1
    ball = trimesh.creation.uv_sphere(count=[rings, rings])
    points = np.asarray(ball.vertices)
    radius = 1 + 0.3 * np.sin(7 * points[:, :1]) * np.sin(9 * points[:, 1:2] + 3 * points[:, 2:])
    vertices = torch.from_numpy(points * radius).float()
    return Mesh(vertices, torch.from_numpy(np.asarray(ball.faces)).long())


if __name__ == "__main__":
    main()
