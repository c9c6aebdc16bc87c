"""The last two stages: a view encoder that knows the body, then FeatLift and the mask decoder.

The photo side is finished and frozen here, so contact tokens are computed once and the decoder
learns on them directly: on small budgets this is the cheap half of training.
"""

import random
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm.generation import NEVER_REFUSES, GenerationOptions, generate_for_photos
from interactvlm.losses import dice_mask_loss, focal_mask_loss, human_vertex_loss
from interactvlm.model import InteractVLM
from interactvlm.perception import normalize_pixels
from interactvlm.preprocessing import sam_pixels
from interactvlm.surface_views import SurfaceViews
from interactvlm.templates import question
from interactvlm.training.data import PictureBatch
from interactvlm.training.log import TrainingLog
from interactvlm.training.objective import build_language_batch
from interactvlm.training.schedule import build_optimizer, rate_factor
from interactvlm.training.trainer import Workspace, _progress
from renders.cache import atomic_write
from renders.canonical import ViewSet, build_human_view_set
from renders.lifting import lift_human_logits
from renders.mesh import Mesh


@dataclass(frozen=True)
class TokenBank:
    """Contact tokens of training questions: hidden state and truth."""

    hidden: Float[Tensor, "queries width"]
    contact_packed: np.ndarray
    """uint8 (queries, ceil(verts / 8))."""
    num_vertices: int

    def contact(self, index: np.ndarray) -> Bool[Tensor, "queries verts"]:
        """Truth of some of the queries."""
        bits = np.unpackbits(self.contact_packed[index], axis=1, count=self.num_vertices)
        return torch.from_numpy(bits.astype(bool))


def train_view_encoder(work: Workspace) -> None:
    """Teach the SAM encoder body part and canonical position of every patch, then freeze it."""
    config, localizer = work.config, work.model.localizer
    path = config.out / "views.pt"
    if path.is_file():
        localizer.image_encoder.load_state_dict(torch.load(path, weights_only=True))
        work.model.forget_views()
        return
    views = _view_set(work.model, work.model.config.view_resolution_px)
    pixels, target = _view_targets(work.model, views)
    dim = work.model.config.localizer.dim
    head = nn.Conv2d(dim, 3 + len(PART_NAMES) + 1, 1)
    localizer.image_encoder.requires_grad_(True)
    optimizer = build_optimizer(nn.ModuleList([localizer.image_encoder, head]), 1e-3, 0.01)
    generator = torch.Generator().manual_seed(config.seed)
    log = TrainingLog(config.out, "views", config.log_every, active=True)
    for step in _progress(range(config.view_steps), "views", config.view_steps, True):
        factor = rate_factor(step, config.view_steps, 20)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * factor
        view = int(torch.randint(len(pixels), (1,), generator=generator))
        with work.accelerator.autocast():
            out = head(localizer.encode(pixels[view, None])).float()[0]
        place, part, covered = (t[view] for t in target)
        position = ((out[:3] - place).square().sum(0) * covered).sum() / covered.sum()
        words = functional.cross_entropy(out[None, 3:], part[None])
        loss = position + 0.3 * words
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        log.add(
            step + 1,
            {"position": float(position.detach()), "part": float(words.detach())},
            1e-3 * factor,
        )
    localizer.image_encoder.requires_grad_(False)
    work.model.forget_views()
    with atomic_write(path) as temporary:
        torch.save(localizer.image_encoder.state_dict(), temporary)


def _view_set(model: InteractVLM, resolution_px: int) -> ViewSet:
    topology = get_topology(model.config.topology)
    return build_human_view_set(
        Mesh(topology.canonical_vertices.float(), topology.faces), resolution_px
    )


def _view_targets(
    model: InteractVLM, views: ViewSet
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Pixel values, and per patch: mean canonical position, commonest part, whether covered."""
    from PIL import Image

    topology = get_topology(model.config.topology)
    local = model.config.localizer
    pixels = torch.stack(
        [sam_pixels(Image.fromarray(image), local.image_size_px) for image in views.images.numpy()]
    )
    surface = views.surface_map
    part = functional.one_hot(topology.part_of_vertex.long(), len(PART_NAMES)).float()
    features = torch.cat([topology.canonical_vertices.float(), part], dim=1).T
    maps = surface.masks_from_vertices(features.contiguous(), soft=True).transpose(0, 1)
    valid = views.valid.float()[:, None]
    patch = maps.shape[-1] // local.grid
    share = functional.avg_pool2d(valid, patch)
    mean = functional.avg_pool2d(maps * valid, patch) / share.clamp(min=1e-6)
    covered = (share[:, 0] > 0.1).float()
    label = torch.where(covered > 0, mean[:, 3:].argmax(1) + 1, 0)
    return pixels, (mean[:, :3], label, covered)


@torch.no_grad()
def collect_tokens(work: Workspace, count: int) -> TokenBank:
    """States that emitted a contact token for at least `count` training questions.

    The answers are generated, as they are for users, but none may deny contact: the decoder meets
    states that follow right and wrong words, and learns to leave the map empty where contact is
    claimed wrongly.
    """
    path = work.config.out / "tokens.pt"
    if path.is_file():
        stored = torch.load(path, weights_only=True)
        return TokenBank(stored["hidden"], stored["contact"].numpy(), work.shards.num_vertices)
    model = work.model.eval()
    hidden: list[Tensor] = []
    contact: list[np.ndarray] = []
    step = 10_000_000  # far from the steps of the picture stages: other draws of the same data
    bar = _progress(range(count), "tokens", count, True)
    while sum(map(len, hidden)) < count:
        rng = np.random.default_rng([work.config.seed, step])
        batch = work.sampler.draw(rng, work.config.batch, with_queries=True)
        with work.accelerator.autocast():
            states = _own_states(model, batch) or _told_states(model, batch)
        if states:
            hidden.append(torch.stack(list(states.values())).float())
            truth = torch.stack([batch.queries[index].contact for index in states])
            contact.append(np.packbits(truth.numpy(), axis=1))
        bar.update(len(states))
        step += 1
    bank = TokenBank(torch.cat(hidden), np.concatenate(contact), work.shards.num_vertices)
    with atomic_write(path) as temporary:
        torch.save(
            {"hidden": bank.hidden, "contact": torch.from_numpy(bank.contact_packed)}, temporary
        )
    return bank


def _own_states(model: InteractVLM, batch: PictureBatch) -> dict[int, Tensor]:
    """By question: the state that emitted the contact token of the model's own answer."""
    language, tokenizer = model.language, model.tokenizer
    options = GenerationOptions(
        tokenizer.eos_id,
        (tokenizer.human_id,),
        model.config.max_new_tokens,
        refusal_ids=model.no_contact_starts,
        refusal_bias=NEVER_REFUSES,
    )
    prompts = [
        tokenizer.prompt(question(query.label), model.config.template_style)
        for query in batch.queries
    ]
    photo = torch.tensor([query.picture for query in batch.queries])
    image = language.encode_image(normalize_pixels(batch.rgb))
    answers = generate_for_photos(language, image, photo, prompts, options)
    token = tokenizer.human_id
    return {i: a.states[token] for i, a in enumerate(answers) if token in a.states}


def _told_states(model: InteractVLM, batch: PictureBatch) -> dict[int, Tensor]:
    """The same for the true answers: all there is of a model that never says the token yet."""
    told = build_language_batch(model, batch, random.Random(0), len(batch.queries), 0.0)
    image = model.language.encode_image(normalize_pixels(batch.rgb))[told.picture]
    states = model.language.states(told.text.input_ids, image, told.text.attention)
    row, at = model.language.emitting(told.text.input_ids, model.tokenizer.human_id)
    return dict(zip(row.tolist(), states[row, at], strict=True))


def train_localizer(work: Workspace, bank: TokenBank) -> None:
    """Token projection, FeatLift and human decoder on the bank, by the paper's losses."""
    config, model = work.config, work.model
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    decoder = model.localizer._decoder_for("human")
    learned = nn.ModuleList([model.token_projection, model.feat_lift, decoder])
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
    for step in _progress(range(start, steps), "localizer", steps, True):
        factor = rate_factor(step, steps, 50)
        for group in optimizer.param_groups:
            group["lr"] = config.localizer_rate * factor
        rng = np.random.default_rng([config.seed, 77, step])
        index = rng.integers(len(bank.hidden), size=config.localizer_batch)
        with work.accelerator.autocast():
            terms = localizer_terms(
                work, training_views, bank.hidden[index], bank.contact(index).float()
            )
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


def low_res_targets(
    views: SurfaceViews, contact: Float[Tensor, "queries verts"], side: int
) -> tuple[Float[Tensor, "queries views low low"], Bool[Tensor, "queries views low low"]]:
    """Soft masks at the decoder's resolution, and where the body is not seen at all."""
    surface = views.surface_map
    masks = surface.masks_from_vertices(contact, soft=True)
    valid = surface.valid.float()[None]
    pool = surface.height_px // side
    share = functional.avg_pool2d(valid, pool)
    target = functional.avg_pool2d(masks * valid, pool) / share.clamp(min=1e-6)
    ignored = (share == 0).expand_as(target)
    return target, ignored
