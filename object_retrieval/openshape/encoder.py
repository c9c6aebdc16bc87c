"""The point patch transformer in its published shapes.

Points become patches around well-spread centres, patches become tokens, a transformer mixes them
with a class token, whose result is projected to CLIP's space. Knows points; files and keys are
another module's.

Source: OpenShape, `models/ppat.py` and `models/pointnet_util.py`.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class EncoderShape:
    """Sizes of a published encoder."""

    width: int
    """Numbers per token."""
    depth: int
    """Layers."""
    heads: int
    """Attention heads."""
    mlp_width: int
    """Hidden numbers of a layer's MLP."""
    patch_width: int
    """Numbers per patch before it becomes a token."""
    patches: int
    """Centres, chosen far from each other."""
    radius: float
    """Of a patch, for points within the unit sphere."""
    points_per_patch: int
    """At most so many points of a patch are read, the first in the order of the points."""
    out_dim: int | None
    """CLIP's space; None where the class token is in it already."""
    up: Literal["y", "z"]
    """Axis that pointed up in training."""
    head_width: int = 64
    """Numbers per head."""


SHAPES: dict[str, EncoderShape] = {
    "openshape-pointbert-vitg14-rgb": EncoderShape(
        512, 12, 8, 1536, 256, 384, 0.2, 64, 1280, "z"
    ),
    "openshape-pointbert-vitl14-rgb": EncoderShape(512, 12, 8, 1024, 128, 64, 0.4, 256, 768, "y"),
    "openshape-pointbert-vitb32-rgb": EncoderShape(512, 12, 8, 1024, 128, 64, 0.4, 256, None, "y"),
}  # fmt: skip
"""By the name of the published weights."""


class PointEncoder(nn.Module):
    """Points with colours to vectors in CLIP's space."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.patches = PatchNetwork(shape.patch_width)
        self.lift = nn.Linear(shape.patch_width + 3, shape.width)
        self.lift_norm = nn.LayerNorm(shape.width)
        self.class_token = nn.Parameter(torch.randn(shape.width))
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.depth))
        self.projection = (
            nn.Identity() if shape.out_dim is None else nn.Linear(shape.width, shape.out_dim)
        )

    @property
    def dim(self) -> int:
        """Numbers per vector."""
        return self.shape.width if self.shape.out_dim is None else self.shape.out_dim

    def forward(
        self, points: Float[Tensor, "batch points 3"], colors: Float[Tensor, "batch points 3"]
    ) -> Float[Tensor, "batch dim"]:
        """Vectors, not normalised. Points centred in the unit sphere, colours in [0, 1]."""
        centre = farthest_points(points, self.shape.patches)
        centres = gathered(points, centre)
        member = ball_members(points, centres, self.shape.radius, self.shape.points_per_patch)
        around = gathered(points, member) - centres[:, :, None]
        # The published features are positions and colours; positions around the centre come first.
        grouped = torch.cat([around, gathered(points, member), gathered(colors, member)], dim=-1)
        tokens = self.lift_norm(self.lift(torch.cat([centres, self.patches(grouped)], dim=-1)))
        first = self.class_token.expand(len(tokens), 1, -1)
        tokens = torch.cat([first, tokens], dim=1)
        for layer in self.layers:
            tokens = layer(tokens)
        return self.projection(tokens[:, 0])


class PatchNetwork(nn.Module):
    """PointNet of one patch: an MLP per point, the largest response per number."""

    def __init__(self, out_width: int) -> None:
        super().__init__()
        widths = (9, 64, 64, out_width)
        pairs = list(pairwise(widths))
        self.mixes = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for _, b in pairs)

    def forward(
        self, grouped: Float[Tensor, "batch patches members 9"]
    ) -> Float[Tensor, "batch patches width"]:
        """One vector per patch."""
        values = grouped.flatten(0, 2)
        for mix, norm in zip(self.mixes, self.norms, strict=True):
            values = functional.relu(norm(mix(values)))
        return values.view(*grouped.shape[:3], -1).amax(2)


class EncoderLayer(nn.Module):
    """Attention and MLP, each on normalised tokens and added to them."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        inner = shape.heads * shape.head_width
        self.heads = shape.heads
        self.attention_norm = nn.LayerNorm(shape.width)
        self.qkv = nn.Linear(shape.width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, shape.width)
        self.mlp_norm = nn.LayerNorm(shape.width)
        self.mlp_in = nn.Linear(shape.width, shape.mlp_width)
        self.mlp_out = nn.Linear(shape.mlp_width, shape.width)

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Tensor:
        """The tokens after this layer."""
        batch, count, _ = tokens.shape
        qkv = self.qkv(self.attention_norm(tokens)).view(batch, count, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(mixed.transpose(1, 2).reshape(batch, count, -1))
        return tokens + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(tokens))))


def farthest_points(
    points: Float[Tensor, "batch points 3"], count: int
) -> Int[Tensor, "batch count"]:
    """Indices of points, each the farthest from those before it; the first is point 0.

    The published sampler begins anywhere; a fixed beginning makes the answer repeatable.
    """
    chosen = torch.zeros(len(points), count, dtype=torch.int64, device=points.device)
    nearest = torch.full(points.shape[:2], torch.inf, device=points.device)
    rows = torch.arange(len(points), device=points.device)
    for place in range(1, count):
        last = points[rows, chosen[:, place - 1]]
        nearest = torch.minimum(nearest, (points - last[:, None]).square().sum(-1))
        chosen[:, place] = nearest.argmax(1)
    return chosen


def ball_members(
    points: Float[Tensor, "batch points 3"],
    centres: Float[Tensor, "batch patches 3"],
    radius: float,
    count: int,
) -> Int[Tensor, "batch patches count"]:
    """The first `count` points within a radius of each centre; the first again where fewer are."""
    total = points.shape[1]
    far = torch.cdist(centres, points, compute_mode="donot_use_mm_for_euclid_dist") > radius
    order = torch.arange(total, device=points.device).expand_as(far).masked_fill(far, total)
    member = order.topk(min(count, total), largest=False, sorted=True).values
    member = functional.pad(member, (0, count - member.shape[-1]), value=total)
    return torch.where(member == total, member[..., :1], member)


def gathered(
    values: Float[Tensor, "batch points channels"], index: Int[Tensor, "batch *chosen"]
) -> Float[Tensor, "batch *chosen channels"]:
    """Rows of each batch by index."""
    rows = torch.arange(len(values), device=values.device)
    return values[rows.view(-1, *[1] * (index.dim() - 1)), index]
