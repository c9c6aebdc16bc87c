"""What each training stage minimises, as one module that can be wrapped for several devices."""

import math
import random
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from interactvlm.perception import NUM_PARTS, Perception, facing_sign, normalize_pixels
from interactvlm.tokens import IGNORED, TokenBatch
from interactvlm.training.config import LossWeights
from interactvlm.training.data import GRID_CELLS, PictureBatch

Terms = dict[str, Tensor]

_LARGE_CELLS = 64.0
"""An object of so many cells or more has the weight of its pixels, a smaller one more."""


class VertexHead(nn.Module):
    """A vector to one logit per vertex; starts at hardly any contact."""

    def __init__(self, width: int, num_vertices: int, rank: int = 192) -> None:
        super().__init__()
        self.inner = nn.Linear(width, rank)
        self.outer = nn.Linear(rank, num_vertices)
        nn.init.normal_(self.outer.weight, std=0.02)
        nn.init.constant_(self.outer.bias, -4.0)

    def forward(self, vector: Float[Tensor, "queries width"]) -> Float[Tensor, "queries verts"]:
        return self.outer(functional.gelu(self.inner(vector)))


class DirectRegressor(nn.Module):
    """The baseline: label and image tokens straight to vertices, no words and no views.

    Shares the photo tower, the data and the training time of the model it is compared with.
    """

    def __init__(self, width: int, num_labels: int, num_vertices: int, heads: int = 4) -> None:
        super().__init__()
        self.label = nn.Embedding(num_labels + 1, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            [nn.MultiheadAttention(width, heads, batch_first=True) for _ in range(2)]
        )
        self.mlps = nn.ModuleList(
            [
                nn.Sequential(
                    nn.LayerNorm(width),
                    nn.Linear(width, 2 * width),
                    nn.GELU(),
                    nn.Linear(2 * width, width),
                )
                for _ in range(2)
            ]
        )  # fmt: skip
        self.head = VertexHead(width, num_vertices)

    def forward(
        self, tokens: Float[Tensor, "queries tokens width"], label_index: Int[Tensor, "queries"]
    ) -> Float[Tensor, "queries verts"]:
        """Logits; label index 0 asks for any object."""
        tokens = self.norm(tokens)
        query = self.label(label_index)[:, None]
        for attention, mlp in zip(self.blocks, self.mlps, strict=True):
            query = query + attention(query, tokens, tokens, need_weights=False)[0]
            query = query + mlp(query)
        return self.head(query[:, 0])


@dataclass(frozen=True)
class LanguageBatch:
    """Tokenised questions and answers of a picture batch."""

    text: TokenBatch
    picture: Int[Tensor, "queries"]
    label_index: Int[Tensor, "queries"]
    contact: Bool[Tensor, "queries verts"]
    """Of the body, also in questions about the object."""
    about_object: Bool[Tensor, "queries"]
    heat: Float[Tensor, "queries cells"]
    """Of the object on its grid; 0 in questions about the body."""
    filled: Bool[Tensor, "queries cells"]
    """Cells that hold any of the object."""


class Objective(nn.Module):
    """Model, auxiliary heads and the losses of the perception and language stages."""

    def __init__(self, model: Any, num_vertices: int, losses: LossWeights) -> None:
        super().__init__()
        self.model = model
        self.losses = losses
        width = model.language.vision.width
        self.token_head = VertexHead(model.config.localizer.dim, num_vertices)
        self.object_head = VertexHead(model.config.localizer.dim, GRID_CELLS**3)
        self.direct = DirectRegressor(width, len(model.config.labels), num_vertices)

    def forward(self, batch: PictureBatch, language: LanguageBatch | None = None) -> Terms:
        """Weighted loss terms of one batch: of the photo tower, or with questions of the rest."""
        pixel_values, vision = normalize_pixels(batch.rgb), self.model.language.vision
        if language is None:
            return perception_losses(vision.perceive(pixel_values), batch, self.losses)
        return self._language_losses(vision(pixel_values), language)

    def _language_losses(self, tokens: Tensor, batch: LanguageBatch) -> Terms:
        model = self.model
        # Not `[picture]`: its gradient adds up the questions of a picture in any order.
        image = model.language.projector(tokens).index_select(0, batch.picture)
        hidden = model.language.states(batch.text.input_ids, image, batch.text.attention)
        labels = model.language.expand(batch.text.labels, batch.text.input_ids, IGNORED)[:, 1:]
        learned = labels != IGNORED
        logits = model.language.llama.lm_head(hidden[:, :-1][learned])
        words = functional.cross_entropy(logits.float(), labels[learned])
        terms: Terms = {"words": self.losses.words * words}
        answer_ends = learned.sum(1).cumsum(0)
        starts = logits[answer_ends - learned.sum(1)].float()  # what emits an answer's first word
        decision = decision_loss(starts, batch.contact.any(1), model.no_contact_starts)
        terms["decision"] = self.losses.decision * decision
        row, at = model.language.emitting(batch.text.input_ids, model.tokenizer.human_id)
        contact = batch.contact.float()
        if len(row):
            token = model.token_projection(hidden[row, at])
            terms["token"] = self.losses.direct * contact_loss(self.token_head(token), contact[row])
        row, at = model.language.emitting(batch.text.input_ids, model.tokenizer.object_id)
        if len(row):
            token = model.token_projection(hidden[row, at])
            heat = heat_loss(self.object_head(token), batch.heat[row], batch.filled[row])
            terms["object_token"] = self.losses.object_token * heat
        body = (~batch.about_object).nonzero().flatten()
        seen = tokens.index_select(0, batch.picture[body])
        direct = self.direct(seen, batch.label_index[body])
        terms["direct"] = self.losses.direct * contact_loss(direct, contact[body])
        return terms


def build_language_batch(
    model: Any, batch: PictureBatch, rng: random.Random, limit: int, drop_parts: float
) -> LanguageBatch:
    """Questions and answers in tokens; at most `limit` of them, drawn at random."""
    from interactvlm.training.data import text_pairs

    queries = batch.queries
    if len(queries) > limit:
        queries = tuple(rng.sample(queries, limit))
    tokenizer, config = model.tokenizer, model.config
    pairs = text_pairs(queries, config.tokens, rng, drop_parts)
    examples = [tokenizer.example(asked, told, config.template_style) for asked, told in pairs]
    index = ["", *config.labels]
    nothing = torch.zeros(GRID_CELLS**3)
    return LanguageBatch(
        tokenizer.batch(examples),
        torch.tensor([q.picture for q in queries]),
        torch.tensor([index.index(q.label) for q in queries]),
        torch.stack([q.contact for q in queries]),
        torch.tensor([q.target == "object" for q in queries]),
        torch.stack([nothing if q.grid is None else q.grid.heat.flatten() for q in queries]),
        torch.stack([nothing > 0 if q.grid is None else q.grid.filled.flatten() for q in queries]),
    )


def perception_losses(perception: Perception, batch: PictureBatch, losses: LossWeights) -> Terms:
    """Heat maps (keypoints inside the frame), segmentation, canonical places, facing, touch.

    An object counts in the segmentation with at least 8 times the root of its cells, whatever its
    size, and in the touch loss with one vote: cups are as important as sofas.
    """
    rows = perception.keypoint_logits.shape[-1]
    target, inside = heat_maps(batch.keypoints, rows)
    log_share = perception.keypoint_logits.flatten(2).log_softmax(-1)
    heat = -(target * log_share).sum(-1) * inside
    weight = torch.ones(perception.class_logits.shape[1], device=heat.device)
    weight[0], weight[1 : 1 + NUM_PARTS] = 0.4, 0.8
    member = functional.one_hot(batch.object_at, 1 + batch.touched_by.shape[1]).flatten(1, 2)
    cells = member.sum(1).float()  # (batch, 1 + objects)
    small = (_LARGE_CELLS / cells.clamp(min=1)).sqrt().clamp(min=1)
    small[:, 0] = 1
    pixel_weight = weight[batch.classes] * small.gather(1, batch.object_at.flatten(1)).view(
        batch.classes.shape
    )
    wrong = functional.cross_entropy(perception.class_logits, batch.classes, reduction="none")
    classes = (wrong * pixel_weight).sum() / pixel_weight.sum()
    seen = batch.on_body[:, None].float()
    away = functional.smooth_l1_loss(
        perception.surface * seen, batch.surface * seen, reduction="sum", beta=0.2
    )
    facing = (perception.facing - facing_sign(batch.keypoints)).square()
    framed = inside[:, [5, 6, 11, 12]].prod(1)
    return {
        "keypoints": losses.keypoints * 0.2 * heat.sum() / inside.sum().clamp(min=1),
        "classes": losses.classes * classes,
        "surface": losses.surface * away / seen.sum().clamp(min=1),
        "facing": losses.facing * (facing * framed).sum() / framed.sum().clamp(min=1),
        "touch": losses.touch * _touch_loss(perception.touch_logits, batch, member, cells),
    }


def _touch_loss(
    logits: Float[Tensor, "batch parts rows columns"],
    batch: PictureBatch,
    member: Int[Tensor, "batch pixels one_plus_objects"],
    cells: Float[Tensor, "batch one_plus_objects"],
) -> Float[Tensor, ""]:
    """Cross-entropy of "this part touches the object seen here", a mean over each object's cells.

    Summed over parts, averaged over the objects that the pictures show.
    """
    inside = member[..., 1:].float()
    yes = inside.transpose(1, 2) @ functional.logsigmoid(logits).flatten(2).transpose(1, 2)
    no = inside.transpose(1, 2) @ functional.logsigmoid(-logits).flatten(2).transpose(1, 2)
    truth = batch.touched_by
    wrong = -(truth * yes + (1 - truth) * no).sum(-1) / cells[:, 1:].clamp(min=1)
    return wrong.sum() / (cells[:, 1:] > 0).sum().clamp(min=1)


def heat_maps(
    keypoints: Float[Tensor, "batch keypoints 3"], cells: int, sigma: float = 0.8
) -> tuple[Float[Tensor, "batch keypoints pixels"], Float[Tensor, "batch keypoints"]]:
    """Normalised Gaussian targets, and 1 for keypoints inside the frame (hidden ones too)."""
    inside = ((keypoints[..., :2] >= 0) & (keypoints[..., :2] < cells)).all(-1)
    at = torch.where(inside[..., None], keypoints[..., :2], torch.zeros_like(keypoints[..., :2]))
    centre = torch.arange(cells, device=keypoints.device) + 0.5
    bump = torch.exp(-((at[..., None] - centre) ** 2) / (2 * sigma**2))
    target = (bump[:, :, 1, :, None] * bump[:, :, 0, None, :]).flatten(2)
    return target / target.sum(-1, keepdim=True).clamp(min=1e-6), inside.float()


def decision_loss(
    logits: Float[Tensor, "queries vocab"],
    touched: Bool[Tensor, "queries"],
    no_contact_starts: tuple[int, ...],
) -> Float[Tensor, ""]:
    """Cross-entropy of "no contact" against all other first words of an answer.

    In the loss of all words this one decision counts as one of twenty; it decides the whole map.
    """
    denying = torch.tensor(no_contact_starts, device=logits.device)
    others = logits.index_fill(1, denying, -torch.inf).logsumexp(1)
    margin = logits[:, denying].logsumexp(1) - others
    return functional.binary_cross_entropy_with_logits(margin, (~touched).float())


def contact_loss(
    logits: Float[Tensor, "queries verts"], contact: Float[Tensor, "queries verts"]
) -> Float[Tensor, ""]:
    """Cross-entropy, its focal form and Dice per query; queries without contact have no Dice."""
    logits = logits.float()
    plain = functional.binary_cross_entropy_with_logits(logits, contact, reduction="none")
    focal = (1 - (-plain).exp()).square() * plain
    probability = logits.sigmoid()
    overlap = 2 * (probability * contact).sum(1)
    dice = 1 - (overlap + 1) / (probability.sum(1) + contact.sum(1) + 1)
    touched = contact.any(1)
    per_vertex = (plain + focal).mean() * math.sqrt(logits.shape[1] / 100)
    return per_vertex + (dice * touched).sum() / touched.sum().clamp(min=1)


def heat_loss(
    logits: Float[Tensor, "queries cells"],
    heat: Float[Tensor, "queries cells"],
    filled: Bool[Tensor, "queries cells"],
) -> Float[Tensor, ""]:
    """Cross-entropy over the cells that hold any of the object, and Dice per query."""
    logits = logits.float()
    wrong = functional.binary_cross_entropy_with_logits(logits, heat, reduction="none")
    count = filled.sum(1).clamp(min=1)
    probability = logits.sigmoid() * filled
    overlap = 2 * (probability * heat).sum(1)
    dice = 1 - (overlap + 1e-3) / (probability.sum(1) + heat.sum(1) + 1e-3)
    return ((wrong * filled).sum(1) / count).mean() + dice.mean()
