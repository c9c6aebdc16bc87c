"""Contact tokens with their truth, computed once: what the localizer learns on.

The photo side is finished and frozen here. Answers are generated, as they are for users, but none
may deny contact: the decoders meet states that follow right and wrong words, and learn to leave the
map empty where contact is claimed wrongly.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.spatial import KDTree
from torch import Tensor
from torch.nn import functional

from interactvlm.generation import NEVER_REFUSES, GenerationOptions, generate_for_photos
from interactvlm.localizer import patch_cover
from interactvlm.model import InteractVLM
from interactvlm.object_file import fine_mesh, y_up
from interactvlm.perception import normalize_pixels
from interactvlm.surface_views import SurfaceViews, draw_object_views
from interactvlm.synthetic.shards import SceneRecord, SceneShards
from interactvlm.templates import Target, question
from interactvlm.training.data import PictureBatch, Query, SceneSampler
from interactvlm.training.objective import build_language_batch
from interactvlm.training.trainer import Workspace, progress
from object_retrieval.procedural.objects import object_from_name
from renders.cache import atomic_write
from renders.mesh import Mesh, PointCloud

_FIRST_STEP = 10_000_000
"""Far from the steps of the picture stages: other draws of the same data."""


@dataclass(frozen=True)
class TokenBank:
    """Contact tokens of questions about the body: hidden state and truth."""

    hidden: Float[Tensor, "queries width"]
    contact_packed: UInt8[Tensor, "queries bytes"]
    """One bit per vertex."""
    num_vertices: int

    def contact(self, index: np.ndarray) -> Bool[Tensor, "queries verts"]:
        """Truth of some of the queries."""
        rows = self.contact_packed[torch.from_numpy(index)].numpy()
        return torch.from_numpy(np.unpackbits(rows, axis=1, count=self.num_vertices).astype(bool))


@dataclass(frozen=True)
class ObjectBank:
    """Contact tokens of questions about objects, and what the views of those objects show."""

    hidden: Float[Tensor, "queries width"]
    surface: Int[Tensor, "queries"]
    """Which of the surfaces below a question is about."""
    embeddings: Float[Tensor, "surfaces views dim grid grid"]
    """Half precision."""
    cover: Bool[Tensor, "surfaces views patches"]
    target: UInt8[Tensor, "surfaces views low low"]
    """Heat at the decoder's resolution, 255 in contact."""
    valid: Bool[Tensor, "surfaces views low low"]
    cameras: Float[Tensor, "views 5"]


def collect_tokens(work: Workspace, count: int) -> TokenBank:
    """States that emitted a contact token for at least `count` questions about the body."""

    def build() -> dict[str, Tensor]:
        found = list(_answered(work, work.sampler, "human", count, mirroring=True))
        packed = np.packbits(np.stack([query.contact.numpy() for _, query in found]), axis=1)
        hidden = torch.stack([state for state, _ in found])
        return {"hidden": hidden, "contact": torch.from_numpy(packed)}

    stored = _once(work.config.out / "tokens.pt", build)
    return TokenBank(stored["hidden"], stored["contact"], work.shards.num_vertices)


def collect_object_tokens(work: Workspace, count: int) -> ObjectBank:
    """The same for questions about objects, as many objects as the settings allow."""
    from tqdm import tqdm

    model = work.model.eval()
    scenes = _scenes_with(work.sampler.scenes, work.config.object_surfaces)

    def build() -> dict[str, Tensor]:
        sampler = SceneSampler(
            work.shards, work.sampler.topology, work.sampler.labels, work.config.seed, scenes, 1.0
        )
        found = list(_answered(work, sampler, "object", count, mirroring=False))
        places = [(scene.seed, at) for scene in scenes for at in range(len(scene.objects))]
        row = {place: index for index, place in enumerate(places)}
        surface = [row[scene.seed, at] for _, q in found if q.surface for scene, at in [q.surface]]
        hidden = torch.stack([state for state, _ in found])
        return {"hidden": hidden, "surface": torch.tensor(surface)}

    stored = _once(work.config.out / "object_tokens.pt", build)
    drawn = [
        _drawn_object(model, surface, heat)
        for surface, heat in tqdm(
            surfaces_of(work.shards, scenes),
            desc="object views",
            total=sum(len(scene.objects) for scene in scenes),
            mininterval=2.0,
        )
    ]
    embeddings, cover, target, valid, cameras = (
        torch.stack(column) for column in zip(*drawn, strict=True)
    )
    return ObjectBank(
        stored["hidden"], stored["surface"], embeddings, cover, target, valid, cameras[0]
    )


def surfaces_of(
    shards: SceneShards, scenes: tuple[SceneRecord, ...]
) -> Iterator[tuple[PointCloud | Mesh, Float[Tensor, "points"]]]:
    """Every object of some scenes in the frame of the views, and the heat of its points.

    Points and meshes in turn, because users bring both and they are drawn differently.
    """
    as_mesh = False
    for scene in scenes:
        shapes = zip(
            scene.objects, shards.object_points(scene), shards.object_heat(scene), strict=True
        )
        for record, points, heat in shapes:
            if as_mesh:
                mesh = object_from_name(record.instance).mesh().mesh
                yield _mesh_with_heat(mesh, points, heat)
            else:
                yield PointCloud(y_up(torch.from_numpy(points), "z")), torch.from_numpy(heat)
            as_mesh = not as_mesh


def _mesh_with_heat(
    mesh: Mesh, points: Float[np.ndarray, "points 3"], heat: Float[np.ndarray, "points"]
) -> tuple[Mesh, Float[Tensor, "verts"]]:
    """The mesh with edges short enough to carry heat at its vertices, from the nearest points."""
    fine = fine_mesh(mesh)
    away, near = KDTree(points).query(fine.vertices.numpy(), k=3)
    weight = 1 / (away + 1e-6)
    value = (weight * heat[near]).sum(1) / weight.sum(1)
    return Mesh(y_up(fine.vertices, "z"), fine.faces), torch.from_numpy(value).float()


def low_res_targets(
    views: SurfaceViews, values: Float[Tensor, "queries verts"], side: int
) -> tuple[Float[Tensor, "queries views low low"], Bool[Tensor, "queries views low low"]]:
    """Soft masks at the decoder's resolution, and where the surface is not seen at all."""
    surface = views.surface_map
    masks = surface.masks_from_vertices(values, soft=True)
    valid = surface.valid.float()[None]
    pool = surface.height_px // side
    share = functional.avg_pool2d(valid, pool)
    target = functional.avg_pool2d(masks * valid, pool) / share.clamp(min=1e-6)
    ignored = (share == 0).expand_as(target)
    return target, ignored


def _drawn_object(
    model: InteractVLM, surface: PointCloud | Mesh, heat: Float[Tensor, "points"]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    local = model.config.localizer
    views = draw_object_views(model.localizer, model.config, surface, torch.device("cpu"))
    target, ignored = low_res_targets(views, heat[None], local.low_res_px)
    return (
        views.embeddings.half(), patch_cover(views.surface_map.valid, local.grid),
        (255 * target[0]).round().to(torch.uint8), ~ignored[0], views.cameras,
    )  # fmt: skip


def _scenes_with(scenes: tuple[SceneRecord, ...], objects: int) -> tuple[SceneRecord, ...]:
    """The first scenes that hold about so many objects."""
    total = np.cumsum([len(scene.objects) for scene in scenes])
    return tuple(scenes[: int(np.searchsorted(total, objects)) + 1])


def _once(path: Path, build: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What an earlier run left in the file, or built and stored."""
    if path.is_file():
        return torch.load(path, weights_only=True)
    built = build()
    with atomic_write(path) as temporary:
        torch.save(built, temporary)
    return built


def _answered(
    work: Workspace, sampler: SceneSampler, target: Target, count: int, *, mirroring: bool
) -> Iterator[tuple[Float[Tensor, "width"], Query]]:
    """At least `count` questions with the state that emitted the contact token of their answer."""
    model, found = work.model.eval(), 0
    bar = progress(range(count), f"{target} tokens", count, True)
    step = _FIRST_STEP
    while found < count:
        rng = np.random.default_rng([work.config.seed, step])
        batch = sampler.draw(rng, work.config.batch, with_queries=True, mirroring=mirroring)
        queries = tuple(query for query in batch.queries if query.target == target)
        step += 1
        if not queries:
            continue
        with torch.no_grad(), work.accelerator.autocast():
            states = _own_states(model, batch, queries) or _told_states(model, batch, queries)
        yield from ((state.float(), queries[index]) for index, state in states.items())
        found += len(states)
        bar.update(len(states))


def _own_states(
    model: InteractVLM, batch: PictureBatch, queries: tuple[Query, ...]
) -> dict[int, Tensor]:
    """By question: the state that emitted the contact token of the model's own answer."""
    language, tokenizer = model.language, model.tokenizer
    token = tokenizer.human_id if queries[0].target == "human" else tokenizer.object_id
    options = GenerationOptions(
        tokenizer.eos_id,
        (token,),
        model.config.max_new_tokens,
        refusal_ids=model.no_contact_starts,
        refusal_bias=NEVER_REFUSES,
    )
    prompts = [
        tokenizer.prompt(question(q.label, target=q.target), model.config.template_style)
        for q in queries
    ]
    photo = torch.tensor([query.picture for query in queries])
    image = language.encode_image(normalize_pixels(batch.rgb))
    answers = generate_for_photos(language, image, photo, prompts, options)
    return {i: a.states[token] for i, a in enumerate(answers) if token in a.states}


def _told_states(
    model: InteractVLM, batch: PictureBatch, queries: tuple[Query, ...]
) -> dict[int, Tensor]:
    """The same for the true answers: all there is of a model that never says the token yet."""
    asked = replace(batch, queries=queries)
    told = build_language_batch(model, asked, random.Random(0), len(queries), 0.0)
    image = model.language.encode_image(normalize_pixels(batch.rgb))[told.picture]
    states = model.language.states(told.text.input_ids, image, told.text.attention)
    tokenizer = model.tokenizer
    token = tokenizer.human_id if queries[0].target == "human" else tokenizer.object_id
    row, at = model.language.emitting(told.text.input_ids, token)
    return dict(zip(row.tolist(), states[row, at], strict=True))
