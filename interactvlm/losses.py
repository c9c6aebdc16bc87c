"""Losses of the words, of the masks on the canonical views, and of the contact on the surface.

Masks are judged on valid pixels only: those that see the surface. Every function returns one
number with a gradient. Knows nothing of weights between terms or of samples' kinds.

Source: the published training code where a formula is given; each was checked by its values and
gradients.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interactvlm.tokens import IGNORED

PROBABILITY_MARGIN = 1e-6
"""Vertex probabilities are clamped this far from 0 and 1; beyond it the gradient is zero."""


def token_cross_entropy(
    logits: Float[Tensor, "batch expanded vocab"], labels: Int[Tensor, "batch expanded"]
) -> Float[Tensor, ""]:
    """Mean next-token cross entropy over labelled positions; 0 when there are none."""
    following = labels[:, 1:]
    learned = following != IGNORED
    if not learned.any():
        return logits.sum() * 0.0
    # Only labelled positions enter: image positions are the majority and carry no label.
    return F.cross_entropy(logits[:, :-1][learned].float(), following[learned])


def focal_mask_loss(
    logits: Float[Tensor, "*batch views height width"],
    target: Float[Tensor, "*batch views height width"],
    valid: Bool[Tensor, "*batch views height width"],
    *,
    alpha: float = 0.5,
    gamma: float = 2.0,
    pool_views: bool = False,
) -> Float[Tensor, ""]:
    """alpha * (1 - e^-b)^gamma * b with b the pixel's binary cross entropy.

    Mean over the valid pixels of each view, then over all views; a view without valid pixels
    counts 0. `pool_views` takes one mean over the valid pixels of all views instead.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target.clamp(min=0), reduction="none")
    return _valid_mean(_focal(entropy, alpha, gamma), valid, pool_views)


def focal_heat_loss(
    probability: Float[Tensor, "*batch views height width"],
    heat: Float[Tensor, "*batch views height width"],
    valid: Bool[Tensor, "*batch views height width"],
    *,
    alpha: float = 0.5,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """`focal_mask_loss` on probabilities with soft targets: affordance heat maps."""
    usable = torch.where(valid, probability, 0.5)
    entropy = F.binary_cross_entropy(usable, heat.clamp(min=0), reduction="none")
    return _valid_mean(_focal(entropy, alpha, gamma), valid, False)


def dice_mask_loss(
    logits: Float[Tensor, "*batch views height width"],
    target: Float[Tensor, "*batch views height width"],
    valid: Bool[Tensor, "*batch views height width"],
    *,
    smooth: float = 1e-5,
    pool_views: bool = False,
) -> Float[Tensor, ""]:
    """1 - (2 sum(p g) + smooth) / (sum(p) + sum(g) + smooth) over the valid pixels of each view.

    Views whose valid target is empty count 0 in the mean over views; with `pool_views` all views
    are one image and always count.
    """
    return dice_heat_loss(logits.sigmoid(), target, valid, smooth=smooth, pool_views=pool_views)


def dice_heat_loss(
    probability: Float[Tensor, "*batch views height width"],
    heat: Float[Tensor, "*batch views height width"],
    valid: Bool[Tensor, "*batch views height width"],
    *,
    smooth: float = 1e-5,
    pool_views: bool = False,
) -> Float[Tensor, ""]:
    """`dice_mask_loss` on probabilities: affordance heat maps."""
    axes = (-3, -2, -1) if pool_views else (-2, -1)
    predicted, wanted = probability * valid, heat.clamp(min=0) * valid
    overlap = 2 * (predicted * wanted).sum(axes) + smooth
    per_view = 1 - overlap / (predicted.sum(axes) + wanted.sum(axes) + smooth)
    if not pool_views:
        per_view = torch.where(wanted.sum(axes) > 0, per_view, 0.0)
    return per_view.mean()


def heat_square_loss(
    probability: Float[Tensor, "*batch views height width"],
    heat: Float[Tensor, "*batch views height width"],
    valid: Bool[Tensor, "*batch views height width"],
) -> Float[Tensor, ""]:
    """Mean squared error over the valid pixels of each view, mean over views."""
    return _valid_mean((probability - heat) ** 2, valid, False)


def human_vertex_loss(
    probability: Float[Tensor, "batch verts"],
    target: Float[Tensor, "batch verts"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    sparsity: float = 0.01,
    counted: Bool[Tensor, "verts"] | None = None,
) -> Float[Tensor, ""]:
    """Focal cross entropy on vertices plus `sparsity` times the mean probability.

    The same form serves object meshes. `counted` restricts it to some vertices (for example the
    ones a view sees); the published loss counts all.
    """
    if counted is not None:
        probability, target = probability[:, counted], target[:, counted]
    clamped = probability.clamp(PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    entropy = F.binary_cross_entropy(clamped, target, reduction="none")
    return _focal(entropy, alpha, gamma).mean() + sparsity * clamped.mean()


def object_vertex_loss(
    probability: Float[Tensor, "batch points"],
    target: Float[Tensor, "batch points"],
    *,
    square_weight: float = 1.0,
    smooth: float = 1e-5,
) -> Float[Tensor, ""]:
    """Dice plus `square_weight` times the mean squared error. Source: the paper's equation 6."""
    overlap = 2 * (probability * target).sum(-1) + smooth
    dice = 1 - overlap / (probability.sum(-1) + target.sum(-1) + smooth)
    return dice.mean() + square_weight * F.mse_loss(probability, target)


def object_points_loss(
    probability: Float[Tensor, "batch points"],
    target: Float[Tensor, "batch points"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """The mix the published code intends for affordance on points, with a working gradient.

    0.5 focal on both classes + 0.3 Dice on both classes + 0.8 squared + 0.4 absolute error.
    """
    p = probability.clamp(PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    positive = -alpha * (1 - p) ** gamma * target * p.log()
    negative = -(1 - alpha) * p**gamma * (1 - target) * (1 - p).log()
    focal = (positive + negative).mean()
    small = PROBABILITY_MARGIN
    on = ((p * target).sum(-1) + small) / ((p + target).sum(-1) + small)
    off = (((1 - p) * (1 - target)).sum(-1) + small) / ((2 - p - target).sum(-1) + small)
    dice = (1.5 - on - off).mean()
    return 0.5 * focal + 0.3 * dice + 0.8 * F.mse_loss(p, target) + 0.4 * F.l1_loss(p, target)


def _focal(entropy: Float[Tensor, "*batch"], alpha: float, gamma: float) -> Float[Tensor, "*batch"]:
    return alpha * (1 - torch.exp(-entropy)) ** gamma * entropy


def _valid_mean(
    values: Float[Tensor, "*batch views height width"],
    valid: Bool[Tensor, "*batch views height width"],
    pool_views: bool,
) -> Float[Tensor, ""]:
    """Mean over valid pixels per view (or over all), an empty view counting 0, then over views."""
    axes = (-3, -2, -1) if pool_views else (-2, -1)
    kept = torch.where(valid, values, 0.0)
    return (kept.sum(axes) / valid.sum(axes).clamp(min=1)).mean()
