"""Generates splits of the synthetic data set, shard by shard: recipes, poses, contacts, pictures.

Deterministic per (split, seed, shard); a killed run goes on with the first shard that is missing.
"""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from human_recovery.anny_body import AnnyBody
from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm.synthetic.config import DATA_VERSION, SynthConfig
from interactvlm.synthetic.contact import OBJECT_POINTS, object_heat, scene_contact
from interactvlm.synthetic.render import PosedScene, Style, pose_scenes, render_scene, sample_camera
from interactvlm.synthetic.sampling import SPLITS, Split, draw_recipe
from interactvlm.synthetic.scene import PlacedObject, SceneState
from interactvlm.synthetic.solver import SceneRecipe, Solution, solve

SCENES_PER_SHARD = 64
_BATCH = 48
_SEEDS_PER_SHARD = 100_000


@dataclass(frozen=True)
class GeneratedScene:
    """One accepted scene before it is written."""

    recipe: SceneRecipe
    state: SceneState
    contact: np.ndarray
    """Bool (objects, vertices)."""
    object_points: np.ndarray
    """Float32 (objects, points, 3) on each object's surface, metres, its own frame."""
    object_heat: np.ndarray
    """Float32 (objects, points): how near the body is; 0 on objects that are not touched."""
    posed: PosedScene


@lru_cache(maxsize=1)
def full_body() -> AnnyBody:
    """The full Anny body, built once per process."""
    return AnnyBody("full")


def generate(config: SynthConfig) -> Path:
    """Write the split; returns its folder. Shows a progress bar on stderr."""
    from tqdm import tqdm

    folder = config.out / config.split
    folder.mkdir(parents=True, exist_ok=True)
    shards = -(-config.count // SCENES_PER_SHARD)
    jobs = []
    for index in range(shards):
        count = min(SCENES_PER_SHARD, config.count - index * SCENES_PER_SHARD)
        if not _finished(folder / f"shard-{index:05d}", config, count):
            jobs.append((config, index, count))
    done = config.count - sum(count for *_, count in jobs)
    with tqdm(total=config.count, initial=done, unit="scene", desc=f"synth {config.split}") as bar:
        for written in _run(jobs, config.workers):
            bar.update(written)
    if config.preview:
        from interactvlm.synthetic.preview import draw_preview

        draw_preview(folder, folder / "preview.png")
    return folder


def _run(jobs: list[tuple[SynthConfig, int, int]], workers: int) -> Iterator[int]:
    if workers == 1 or len(jobs) < 2:
        yield from map(_write_shard, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(
        min(workers, len(jobs)), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield from pool.imap_unordered(_write_shard, jobs)


def _finished(folder: Path, config: SynthConfig, count: int) -> bool:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return False
    wanted = (DATA_VERSION, config.seed, config.views, config.size_px, count)
    found = tuple(manifest.get(k) for k in ("version", "seed", "views", "size_px"))
    return (*found, len(manifest.get("scenes", []))) == wanted


def generate_scenes(split: Split, seed: int, shard: int, count: int) -> list[GeneratedScene]:
    """The first `count` accepted scenes of one shard."""
    scenes: list[GeneratedScene] = []
    next_seed = seed * 1_000_000_007 + shard * _SEEDS_PER_SHARD
    while len(scenes) < count:
        batch = list(range(next_seed, next_seed + _BATCH))
        next_seed += _BATCH
        recipes = [draw_recipe(split, s) for s in batch]
        solved = [(r, s) for r, s in zip(recipes, solve(recipes), strict=True) if s.accepted]
        for start in range(0, len(solved), 16):
            scenes += _finish(solved[start : start + 16])
    return scenes[:count]


def _finish(solved: list[tuple[SceneRecipe, Solution]]) -> list[GeneratedScene]:
    """Full body, contact truth; drops scenes whose contacts are not the intended ones."""
    states = [_state(recipe, solution) for recipe, solution in solved]
    finished = []
    for (recipe, _), state, posed in zip(
        solved, states, pose_scenes(states, full_body()), strict=True
    ):
        vertices = torch.from_numpy(posed.vertices_world[: posed.num_body_vertices])
        contact = scene_contact(state, vertices).numpy()
        intended = np.array([placed.touched for placed in state.objects], dtype=bool)
        either = np.array([placed.interaction == "beside" for placed in state.objects], dtype=bool)
        if ((contact.any(1) == intended) | either).all():
            points, heat = _object_side(state, vertices, contact)
            finished.append(GeneratedScene(recipe, state, contact, points, heat, posed))
    return finished


def _object_side(
    state: SceneState, vertices_world: torch.Tensor, contact: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points of every object and their heat."""
    faces = get_topology("anny").faces
    points = np.stack([p.instance.surface_points(OBJECT_POINTS) for p in state.objects])
    heat = np.zeros(points.shape[:2], np.float32)
    for index in np.flatnonzero(contact.any(axis=1)):
        pose = np.asarray(state.objects[index].world_from_object, np.float32)
        placed = points[index] @ pose[:3, :3].T + pose[:3, 3]
        heat[index] = object_heat(placed, vertices_world, faces)
    return points, heat


def _state(recipe: SceneRecipe, solution: Solution) -> SceneState:
    objects = tuple(
        PlacedObject(
            plan.instance,
            pose.astype(np.float32),
            plan.interaction,
            plan.side,
            plan.interaction not in ("none", "beside"),
        )
        for plan, pose in zip(recipe.objects, solution.world_from_object, strict=True)
    )
    return SceneState(
        recipe.phenotypes.astype(np.float32), solution.bone_rotations, *recipe.curl,
        solution.translation_m, objects, recipe.seed,
    )  # fmt: skip


def _write_shard(job: tuple[SynthConfig, int, int]) -> int:
    config, index, count = job
    final = config.out / config.split / f"shard-{index:05d}"
    temporary = final.with_name(f"{final.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    scenes = generate_scenes(config.split, config.seed, index, count)
    arrays, entries = _render_all(scenes, config)
    for name, value in arrays.items():
        np.save(temporary / f"{name}.npy", value)
    manifest = {
        "version": DATA_VERSION, "split": config.split, "seed": config.seed, "views": config.views,
        "size_px": config.size_px, "topology": "anny", "vertices": scenes[0].contact.shape[1],
        "scenes": entries,
    }  # fmt: skip
    (temporary / "manifest.json").write_text(json.dumps(manifest))
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    return count


def _render_all(
    scenes: list[GeneratedScene], config: SynthConfig
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    pictures: dict[str, list[np.ndarray]] = {
        k: [] for k in ("rgb", "instance", "part", "vertex", "depth", "keypoints")
    }
    rows: list[np.ndarray] = []
    points, heat, entries = [], [], []
    for scene in scenes:
        entry = _entry(scene, len(rows), config.views, len(pictures["rgb"]))
        rows += list(scene.contact)
        points.append(scene.object_points)
        heat.append(scene.object_heat)
        for view in range(config.views):
            rng = np.random.default_rng([SPLITS.index(config.split), scene.state.seed, 1 + view])
            picture, camera = take_picture(scene.posed, rng, config.size_px)
            for name, value in picture.items():
                pictures[name].append(value)
            entry["cameras"].append(camera)
        entries.append(entry)
    arrays = {name: np.stack(values) for name, values in pictures.items()}
    arrays["contact"] = np.packbits(np.stack(rows), axis=1)
    arrays["object_points"] = np.concatenate(points).astype(np.float16)
    arrays["object_heat"] = (255 * np.concatenate(heat)).round().astype(np.uint8)
    return arrays, entries


def take_picture(
    posed: PosedScene, rng: np.random.Generator, size_px: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """One random picture of a scene as stored arrays, and its camera."""
    camera = sample_camera(
        posed.framing_points(),
        rng,
        size_px,
        facing_world=posed.facing_world,
        obstacles_world=posed.obstacle_points(),
    )
    style = Style.random(rng)
    rendered = render_scene(posed, camera, style)
    hands = posed.vertices_world[: posed.num_body_vertices]
    part = get_topology("anny").part_of_vertex.numpy()
    points = np.stack(
        [hands[part == PART_NAMES.index(f"{s} hand")].mean(0) for s in ("left", "right")]
    )
    pixel = camera.project(torch.from_numpy(points).float()).numpy()
    extra = np.concatenate([pixel, np.ones((2, 1), np.float32)], axis=1)
    keypoints = np.concatenate([rendered.keypoints_px, extra]).astype(np.float32)
    arrays = {
        "rgb": rendered.rgb, "instance": rendered.instance_index.astype(np.uint8),
        "part": rendered.part_index.astype(np.uint8),
        "vertex": rendered.vertex_index.astype(np.uint16),  # -1 becomes NO_VERTEX
        "depth": rendered.depth_m.astype(np.float16),
        "keypoints": np.nan_to_num(keypoints, nan=-1e4),
    }  # fmt: skip
    described = {
        "intrinsics": camera.intrinsics.tolist(),
        "camera_from_world": camera.camera_from_world.tolist(),
        "background": style.background.kind if hasattr(style.background, "kind") else "",
    }  # fmt: skip
    return arrays, described


def _entry(scene: GeneratedScene, first_row: int, views: int, first_picture: int) -> dict[str, Any]:
    state = scene.state
    objects = [
        {
            "label": placed.instance.category, "instance": placed.instance.name,
            "interaction": placed.interaction, "side": placed.side,
            "touched": bool(touching.any()), "contact_row": first_row + i,
            "world_from_object": placed.world_from_object.tolist(),
        }
        for i, (placed, touching) in enumerate(zip(state.objects, scene.contact, strict=True))
    ]  # fmt: skip
    return {
        "seed": state.seed, "posture": scene.recipe.posture, "objects": objects,
        "pictures": list(range(first_picture, first_picture + views)), "cameras": [],
        "phenotypes": state.phenotypes.tolist(),
        "translation_world": state.translation_world.tolist(),
        "bone_rotations": np.round(state.bone_rotations, 6).tolist(),
        "hand_curl": [state.left_curl, state.right_curl],
    }  # fmt: skip
