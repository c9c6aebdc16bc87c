"""Speed and agreement of our rasteriser beside Open3D's ray casting, in one run.

Draws four canonical 1024x1024 views of the full Anny body (13,718 vertices, 27,420 triangles) and
of a sphere that fills the image. Open3D casts the same pixels' rays with its tree and rays ready,
so only the casting is timed. Repetitions are interleaved, so load from elsewhere hits all alike:
compare ratios of one run, never milliseconds of two. CPU time (all threads together) is printed
beside wall time: it hardly moves when other programs take a core away, which slows Open3D's wall
time more than ours.

    python benchmarks/bench_rasterizer.py [--repeats 15] [--threads 2]

Needs Open3D (`pip install "interactvlm[check]"`) and the Anny body model.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from renders.camera import Camera
from renders.canonical import HUMAN_VIEWS, OBJECT_VIEWS
from renders.mesh import Mesh
from renders.rasterizer import Fragments, rasterize, rasterize_views

RESOLUTION_PX = 1024


def anny_mesh() -> Mesh:
    """The Anny body at rest, turned to the published frame: y up, facing +z, about centred."""
    import anny

    body = anny.Anny().float()
    with torch.no_grad():
        vertices = body()["vertices"][0]
    x, y, z = vertices.unbind(1)
    vertices = torch.stack([x, z, -y], dim=1)
    middle = (vertices.amax(0) + vertices.amin(0)) / 2
    # The published body's middle lies 0.3 m below the origin.
    vertices = vertices - torch.tensor([0.0, float(middle[1]) + 0.3, 0.0])
    return Mesh(vertices.contiguous(), body.get_triangular_faces().long())


def sphere_mesh(rings: int = 76, radius: float = 0.82) -> Mesh:
    """A closed sphere of 2 * rings * 2 * (rings - 1) triangles that fills the object views."""
    segments = 2 * rings
    polar = torch.linspace(0, torch.pi, rings + 1)[1:-1]
    around = torch.arange(segments) * (2 * torch.pi / segments)
    grid = torch.stack(
        [
            polar.sin()[:, None] * around.sin(),
            polar.cos()[:, None].expand(-1, segments),
            polar.sin()[:, None] * around.cos(),
        ],
        dim=-1,
    ).reshape(-1, 3)
    vertices = torch.cat([grid, torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])]) * radius
    here = torch.arange(segments)
    following = (here + 1) % segments
    faces = [torch.stack([torch.full_like(here, len(grid)), here, following], 1)]
    for ring in range(rings - 2):
        top, below = ring * segments, (ring + 1) * segments
        faces.append(torch.stack([top + here, below + here, below + following], 1))
        faces.append(torch.stack([top + here, below + following, top + following], 1))
    bottom = (rings - 2) * segments
    faces.append(
        torch.stack([torch.full_like(here, len(grid) + 1), bottom + following, bottom + here], 1)
    )
    return Mesh(vertices, torch.cat(faces))


class Open3DCaster:
    """Open3D's ray casting with its tree and the rays of all views ready."""

    def __init__(self, mesh: Mesh, cameras: list[Camera], threads: int) -> None:
        import open3d as o3d

        self.threads = threads
        self.scene = o3d.t.geometry.RaycastingScene()
        self.scene.add_triangles(
            o3d.core.Tensor.from_numpy(mesh.vertices.numpy()),
            o3d.core.Tensor.from_numpy(mesh.faces.numpy().astype(np.uint32)),
        )
        self.rays = [
            o3d.t.geometry.RaycastingScene.create_rays_pinhole(
                o3d.core.Tensor.from_numpy(camera.intrinsics.double().numpy()),
                o3d.core.Tensor.from_numpy(camera.camera_from_world.double().numpy()),
                camera.width_px,
                camera.height_px,
            )
            for camera in cameras
        ]
        self.cast()

    def cast(self) -> list[dict]:
        """One answer per view; `t_hit` is the camera z (rays have z = 1 in the camera)."""
        return [self.scene.cast_rays(rays, nthreads=self.threads) for rays in self.rays]


@dataclass
class Timing:
    """Milliseconds of the repetitions of one job."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def interleaved(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Wall and CPU time of every job, taken in turns after one warm-up round."""
    times = {name: Timing() for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(repeats):
        for name, job in jobs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            job()
            times[name].cpu.append((time.process_time() - cpu) * 1e3)
            times[name].wall.append((time.perf_counter() - wall) * 1e3)
    return times


def agreement(ours: list[Fragments], theirs: list[dict]) -> str:
    """Share of equal faces, differing mask pixels, depth difference where faces are equal."""
    equal = covered = mask_pixels = 0
    depth = 0.0
    for fragments, answer in zip(ours, theirs, strict=True):
        face = torch.from_numpy(answer["primitive_ids"].numpy().astype(np.int64))
        face[face == 0xFFFFFFFF] = -1
        both = (face >= 0) & fragments.covered
        same = both & (face == fragments.face_index)
        mask_pixels += int(((face >= 0) ^ fragments.covered).sum())
        equal, covered = equal + int(same.sum()), covered + int(both.sum())
        hit = torch.from_numpy(answer["t_hit"].numpy())
        depth = max(depth, float((hit - fragments.depth_m)[same].abs().max()))
    return (
        f"face ids equal {100 * equal / covered:.4f} % of {covered} pixels, "
        f"mask differs in {mask_pixels}, depth within {depth:.1e}"
    )


def report(times: dict[str, Timing], bars: dict[str, float]) -> bool:
    """Prints a table; whether every bar holds (bars are on median wall time)."""
    base = times["open3d"]
    held = True
    for name, timing in times.items():
        ratio = statistics.median(timing.wall) / statistics.median(base.wall)
        best = min(timing.wall) / min(base.wall)
        cpu = statistics.median(timing.cpu) / statistics.median(base.cpu)
        bar = bars.get(name)
        verdict = "" if bar is None else f"  bar {bar:.2f} {'held' if ratio <= bar else 'MISSED'}"
        held = held and (bar is None or ratio <= bar)
        middle = statistics.median(timing.wall)
        print(
            f"  {name:22s} min {min(timing.wall):6.1f} median {middle:6.1f} "
            f"max {max(timing.wall):6.1f} ms | ratio of medians {ratio:4.2f}, "
            f"of minima {best:4.2f}, of CPU time {cpu:4.2f}{verdict}"
        )
    return held


def compare(name: str, mesh: Mesh, cameras: list[Camera], repeats: int, bars: dict) -> bool:
    """Times and compares one mesh in four views."""
    caster = Open3DCaster(mesh, cameras, torch.get_num_threads())
    jobs: dict[str, Callable[[], object]] = {
        "open3d": caster.cast,
        "all faces": lambda: rasterize_views(mesh, cameras),
        "culled": lambda: rasterize_views(mesh, cameras, cull_backfaces=True),
        "all faces, one view after the other": lambda: [rasterize(mesh, c) for c in cameras],
    }
    times = interleaved(jobs, repeats)
    dense = rasterize_views(mesh, cameras)
    coverage = [f"{100 * f.covered.float().mean():.1f}" for f in dense]
    print(f"{name}: {mesh!r}, 4 x {RESOLUTION_PX}^2, coverage {', '.join(coverage)} %")
    held = report(times, bars)
    print(f"  {agreement(dense, caster.cast())}")
    return held


def main() -> int:
    """Runs the comparison; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch threads {torch.get_num_threads()}, load {os.getloadavg()[0]:.1f}")
    print("ratios of one run count; milliseconds move with whatever else the machine does")
    human = [spec.camera(RESOLUTION_PX) for spec in HUMAN_VIEWS]
    held = compare(
        "body", anny_mesh(), human, arguments.repeats, {"all faces": 0.75, "culled": 0.5}
    )
    near = [spec.camera(RESOLUTION_PX) for spec in OBJECT_VIEWS]
    held &= compare(
        "object filling the image", sphere_mesh(), near, arguments.repeats, {"all faces": 1.6}
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
