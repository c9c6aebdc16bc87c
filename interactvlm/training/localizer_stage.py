"""The last two stages: a view encoder that knows surfaces, then FeatLift and the mask decoders.

The photo side is finished and frozen here, so contact tokens are computed once (`token_banks`) and
the decoders learn on them directly: on small budgets this is the cheap half of training.
"""

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm.localizer import MVLocalizer, listed_patches
from interactvlm.losses import (
    dice_heat_loss,
    dice_mask_loss,
    focal_heat_loss,
    focal_mask_loss,
    heat_square_loss,
    human_vertex_loss,
)
from interactvlm.model import InteractVLM
from interactvlm.preprocessing import sam_pixels
from interactvlm.surface_views import SurfaceViews
from interactvlm.training.log import TrainingLog
from interactvlm.training.schedule import build_optimizer, rate_factor
from interactvlm.training.token_banks import (
    ObjectBank,
    TokenBank,
    low_res_targets,
    surfaces_of,
)
from interactvlm.training.trainer import Workspace, progress
from renders.cache import atomic_write
from renders.canonical import ViewSet, build_human_view_set, build_object_view_set
from renders.lifting import lift_human_logits
from renders.mesh import Mesh

_ENCODER_OBJECTS = 48
"""Objects whose views teach the view encoder."""


@dataclass(frozen=True)
class _EncoderTask:
    """Views of one surface, and what each patch shows."""

    pixels: Float[Tensor, "views 3 size size"]
    place: Float[Tensor, "views 3 grid grid"]
    """Mean canonical position."""
    covered: Float[Tensor, "views grid grid"]
    part: Tensor | None = None
    """Commonest body part + 1, 0 for none; None for objects."""


def train_view_encoder(work: Workspace) -> None:
    """Teach the SAM encoder what every patch shows, then freeze it.

    Of the body its part and canonical position, of objects their normalised position.
    """
    config, localizer = work.config, work.model.localizer
    path = config.out / "views.pt"
    if path.is_file():
        localizer.image_encoder.load_state_dict(torch.load(path, weights_only=True))
        work.model.forget_views()
        return
    tasks = _encoder_tasks(work)
    dim = work.model.config.localizer.dim
    head = nn.Conv2d(dim, 3 + len(PART_NAMES) + 1, 1)
    object_head = nn.Conv2d(dim, 3, 1)
    localizer.image_encoder.requires_grad_(True)
    learned = nn.ModuleList([localizer.image_encoder, head, object_head])
    optimizer = build_optimizer(learned, 1e-3, 0.01)
    generator = torch.Generator().manual_seed(config.seed)
    log = TrainingLog(config.out, "views", config.log_every, active=True)
    for step in progress(range(config.view_steps), "views", config.view_steps, True):
        factor = rate_factor(step, config.view_steps, 20)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * factor
        body = step % 2 == 0
        at = 0 if body else 1 + int(torch.randint(len(tasks) - 1, (1,), generator=generator))
        task = tasks[at]
        view = int(torch.randint(len(task.pixels), (1,), generator=generator))
        with work.accelerator.autocast():
            seen = localizer.encode(task.pixels[view, None])
            out = (head if body else object_head)(seen).float()[0]
        covered = task.covered[view]
        away = ((out[:3] - task.place[view]).square().sum(0) * covered).sum()
        terms = {"position" if body else "object_position": away / covered.sum().clamp(min=1)}
        if task.part is not None:
            terms["part"] = 0.3 * functional.cross_entropy(out[None, 3:], task.part[view, None])
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        log.add(step + 1, {k: float(v.detach()) for k, v in terms.items()}, 1e-3 * factor)
    localizer.image_encoder.requires_grad_(False)
    work.model.forget_views()
    with atomic_write(path) as temporary:
        torch.save(localizer.image_encoder.state_dict(), temporary)


def _encoder_tasks(work: Workspace) -> list[_EncoderTask]:
    """The body first, then some objects."""
    model, topology = work.model, get_topology(work.model.config.topology)
    part = functional.one_hot(topology.part_of_vertex.long(), len(PART_NAMES)).float()
    body = torch.cat([topology.canonical_vertices.float(), part], dim=1)
    tasks = [_encoder_task(model, _view_set(model, model.config.view_resolution_px), body)]
    scenes = work.sampler.scenes[:_ENCODER_OBJECTS]
    with TemporaryDirectory() as folder:
        for surface, _ in islice(surfaces_of(work.shards, tuple(scenes)), _ENCODER_OBJECTS):
            views = build_object_view_set(surface, model.config.view_resolution_px, Path(folder))
            drawn = views.surface
            place = drawn.vertices if isinstance(drawn, Mesh) else drawn.points
            tasks.append(_encoder_task(model, views, place))
    return tasks


def _encoder_task(
    model: InteractVLM, views: ViewSet, features: Float[Tensor, "verts features"]
) -> _EncoderTask:
    """Features: canonical position, then one-hot parts if any."""
    from PIL import Image

    local = model.config.localizer
    pixels = torch.stack(
        [sam_pixels(Image.fromarray(image), local.image_size_px) for image in views.images.numpy()]
    )
    maps = views.surface_map.masks_from_vertices(features.T.contiguous(), soft=True)
    valid = views.valid.float()[:, None]
    patch = maps.shape[-1] // local.grid
    share = functional.avg_pool2d(valid, patch)
    mean = functional.avg_pool2d(maps.transpose(0, 1) * valid, patch) / share.clamp(min=1e-6)
    covered = (share[:, 0] > 0.1).float()
    part = None
    if features.shape[1] > 3:
        part = torch.where(covered > 0, mean[:, 3:].argmax(1) + 1, 0)
    return _EncoderTask(pixels, mean[:, :3], covered, part)


def _view_set(model: InteractVLM, resolution_px: int) -> ViewSet:
    topology = get_topology(model.config.topology)
    return build_human_view_set(
        Mesh(topology.canonical_vertices.float(), topology.faces), resolution_px
    )


def train_localizer(work: Workspace, bank: TokenBank, objects: ObjectBank) -> None:
    """Token projection, FeatLift and both decoders on the banks, by the paper's losses."""
    config, model = work.config, work.model
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    decoders = [model.localizer._decoder_for(target) for target in ("human", "object")]
    learned = nn.ModuleList([model.token_projection, model.feat_lift, *decoders])
    learned.requires_grad_(True)
    optimizer = build_optimizer(learned, config.localizer_rate, config.weight_decay)
    views = model.human_views()
    coarse = _view_set(model, 2 * model.config.localizer.low_res_px)
    training_views = replace(views, surface_map=coarse.surface_map, view_set=coarse)
    log = TrainingLog(config.out, "localizer", config.log_every, active=True)
    path = config.out / "localizer.pt"
    start = 0
    if path.is_file():
        stored = torch.load(path, weights_only=True)
        learned.load_state_dict(stored["learned"])
        optimizer.load_state_dict(stored["optimizer"])
        start = int(stored["step"])
    steps = config.localizer_steps
    for step in progress(range(start, steps), "localizer", steps, True):
        factor = rate_factor(step, steps, 50)
        for group in optimizer.param_groups:
            group["lr"] = config.localizer_rate * factor
        rng = np.random.default_rng([config.seed, 77, step])
        index = rng.integers(len(bank.hidden), size=config.localizer_batch)
        chosen = torch.from_numpy(rng.integers(len(objects.hidden), size=config.object_batch))
        terms = localizer_terms(
            work, training_views, bank.hidden[index], bank.contact(index).float()
        )
        terms |= object_terms(work, objects, chosen)
        loss = torch.stack(list(terms.values())).sum()
        loss.backward()
        nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        log.add(
            step + 1,
            {k: float(v.detach()) for k, v in terms.items()},
            config.localizer_rate * factor,
        )
        if (step + 1) % config.save_every == 0 or step + 1 == steps:
            with atomic_write(path) as temporary:
                torch.save(
                    {
                        "step": step + 1,
                        "learned": learned.state_dict(),
                        "optimizer": optimizer.state_dict(),
                    },
                    temporary,
                )
    model.eval()


def localizer_terms(
    work: Workspace, views: SurfaceViews, hidden: Float[Tensor, "queries width"],
    contact: Float[Tensor, "queries verts"],
) -> dict[str, Tensor]:  # fmt: skip
    """The paper's losses (focal and Dice per view, focal and sparsity in 3D) and Dice in 3D."""
    losses, model = work.config.losses, work.model
    with work.accelerator.autocast():
        prompts = model.prompt_vectors(hidden, views.cameras)
        logits = model.localizer.decode(prompts, views.embeddings, "human", views.patches).float()
    target, ignored = low_res_targets(views, contact, logits.shape[-1])
    side = views.surface_map.height_px
    enlarged = functional.interpolate(logits, (side, side), mode="bilinear", align_corners=False)
    probability = lift_human_logits(views.surface_map, enlarged)
    seen = views.surface_map.seen
    overlap = 2 * (probability * contact)[:, seen].sum(1) + 1
    dice = 1 - overlap / ((probability + contact)[:, seen].sum(1) + 1)
    return {
        "mask_focal": losses.mask_focal * focal_mask_loss(logits, target, ~ignored),
        "mask_dice": losses.mask_dice * dice_mask_loss(logits, target, ~ignored),
        "vertex": losses.vertex * human_vertex_loss(probability, contact),
        "vertex_dice": losses.vertex_dice * dice.mean(),
    }


def object_terms(
    work: Workspace, bank: ObjectBank, index: Int[Tensor, "queries"]
) -> dict[str, Tensor]:
    """The heat on the views of as many objects: Dice, squared and focal error.

    Source: the paper's equation 6, with the published code's focal term.
    """
    row = bank.surface[index]
    with work.accelerator.autocast():
        prompts = work.model.prompt_vectors(bank.hidden[index], bank.cameras)
        logits = _decoded_objects(
            work.model.localizer, prompts, bank.embeddings[row].float(), bank.cover[row]
        )
    probability = logits.float().sigmoid()
    heat, valid = bank.target[row].float() / 255, bank.valid[row]
    weight = work.config.losses.object_heat
    return {
        "object_dice": weight * dice_heat_loss(probability, heat, valid),
        "object_square": weight * 4 * heat_square_loss(probability, heat, valid),
        "object_focal": weight * 4 * focal_heat_loss(probability, heat, valid),
    }


def _decoded_objects(
    localizer: MVLocalizer,
    prompts: Float[Tensor, "queries views dim"],
    embeddings: Float[Tensor, "queries views dim grid grid"],
    cover: Bool[Tensor, "queries views patches"],
) -> Float[Tensor, "queries views low low"]:
    """Every question on the views of its own object."""
    if localizer.config.prompt_mode == "all_views":
        each = zip(prompts, embeddings, cover, strict=True)
        decoded = [localizer.decode(p[None], e, "object", listed_patches(c)) for p, e, c in each]
        return torch.cat(decoded)
    # A view is shown its own vector only, so the views of all objects can pass as those of one.
    logits = localizer.decode(
        prompts.flatten(0, 1)[None],
        embeddings.flatten(0, 1),
        "object",
        listed_patches(cover.flatten(0, 1)),
    )
    return logits[0].unflatten(0, prompts.shape[:2])
