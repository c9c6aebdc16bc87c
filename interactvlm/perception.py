"""The miniature model's photo tower: sees people, parts and objects first, then speaks in tokens.

A small convolutional network predicts keypoint heat maps, one segmentation of body parts and known
objects, the canonical place of every body pixel, and which way the person faces; its tokens say
what is where (a coarse grid), what surrounds every keypoint, and how near each known object is to
every keypoint. Trained from scratch with those auxiliary targets: on small budgets perception, not
the contact head, is what limits the answer.

Left and right are the hard part. A limb's side is the product of two bits, its side in the picture
and whether the person faces the camera, and products are slow to learn. So the tower predicts the
facing sign from everything it sees and multiplies features by it (`_Facing`). And a head that sees
contact only once per question learns which of two hands holds a cup very late, if at all: so every
pixel of an object says by which body parts the object is touched.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from interactvlm.config import VisionConfig

NUM_KEYPOINTS = 25
"""Anny's 23 named keypoints and the centres of the two hands."""
NUM_PARTS = 15
FINE_STRIDE = 4
"""Photo pixels per cell of the heat maps and of the segmentation."""
_PROXIMITY_CELLS = (1.0, 2.0, 4.0)
_GRID_TOKENS = 4
_MEAN, _STD = 0.45, 0.25


@dataclass(frozen=True)
class Perception:
    """What the tower saw: maps that the auxiliary losses teach, and the features behind them."""

    fine: Float[Tensor, "batch fine rows columns"]
    middle: Float[Tensor, "batch middle half_rows half_columns"]
    coarse: Float[Tensor, "batch width quarter_rows quarter_columns"]
    keypoint_logits: Float[Tensor, "batch keypoints rows columns"]
    class_logits: Float[Tensor, "batch classes rows columns"]
    """Background, 15 body parts, then the known objects in the order of the config's labels."""
    surface: Float[Tensor, "batch 3 rows columns"]
    """Canonical place of the body point seen, metres; means nothing off the body."""
    facing: Float[Tensor, "batch"]
    """1 where the picture shows the person's front, -1 the back, 0 a profile; see `facing_sign`."""
    touch_logits: Float[Tensor, "batch parts rows columns"]
    """At a pixel of an object: which body parts touch that object. Means nothing elsewhere."""


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


def _down(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


class _Context(nn.Module):
    """One pre-norm transformer block with plain matrix attention: fastest backward on a CPU."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_width), nn.GELU(), nn.Linear(mlp_width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        mixed = self.mix(self.norm_attention(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        weight = (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1)
        x = x + self.out((weight @ value).transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm_mlp(x))


class _Facing(nn.Module):
    """One number per picture, front or back, by which features may change sign."""

    def __init__(self, width: int, looks: int = 4) -> None:
        super().__init__()
        self.look, self.head = nn.Linear(width, looks), nn.Linear(looks * width, 1)
        self.swapped = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Float[Tensor, "batch"]]:
        weight = self.look(x).softmax(1).transpose(1, 2)
        facing = torch.tanh(self.head((weight @ x).flatten(1)))
        return x + facing[..., None] * self.swapped(x), facing[:, 0].float()


class PerceptionTower(nn.Module):
    """Photo tower with auxiliary keypoint and segmentation heads.

    `config.options`: `objects` = number of known object labels; `fine`, `middle` = widths of the
    finer stages. `config.width` = coarse width and token width, `config.depth` = context blocks.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        objects = int(config.options.get("objects", 18))
        fine, middle = int(config.options.get("fine", 48)), int(config.options.get("middle", 96))
        coarse = config.width
        self.num_objects = objects
        self.num_classes = 1 + NUM_PARTS + objects
        self.num_tokens = _GRID_TOKENS**2 + NUM_KEYPOINTS + objects
        self.stem = nn.Sequential(
            nn.Conv2d(3, fine // 2, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(fine // 2),
            nn.ReLU(),
            _down(fine // 2, fine),
        )
        self.fine = _Residual(fine)
        self.middle = nn.Sequential(_down(fine, middle), *(_Residual(middle) for _ in range(2)))
        self.coarse = nn.Sequential(_down(middle, coarse), *(_Residual(coarse) for _ in range(2)))
        cells = config.image_size_px // 16
        self.place = nn.Parameter(torch.randn(1, cells * cells, coarse) * 0.02)
        self.context = nn.Sequential(
            *(_Context(coarse, config.heads, config.mlp_width) for _ in range(config.depth))
        )
        self.facing = _Facing(coarse)
        self.after_facing = _Context(coarse, config.heads, config.mlp_width)
        self.to_middle = nn.Conv2d(coarse, middle, 1)
        self.to_fine = nn.Conv2d(middle, fine, 1)
        self.merge_middle, self.merge_fine = _Residual(middle), _Residual(fine)
        self.keypoint_head = nn.Conv2d(fine, NUM_KEYPOINTS, 1)
        self.class_head = nn.Conv2d(fine, self.num_classes, 1)
        self.surface_head = nn.Conv2d(fine, 3, 1)
        self.touch_head = nn.Conv2d(fine, NUM_PARTS, 1)
        nn.init.constant_(self.touch_head.get_parameter("bias"), -2.0)
        self.grid_token = nn.Linear(coarse, coarse)
        around = len(_PROXIMITY_CELLS) * self.num_classes
        self.joint_token = _token_mlp(around + 5 * fine + 3, coarse)
        near = len(_PROXIMITY_CELLS) * NUM_KEYPOINTS
        self.object_token = _token_mlp(near + middle + 6 + NUM_PARTS, coarse)
        self.kind = nn.Parameter(torch.randn(1, self.num_tokens, coarse) * 0.02)

    def preprocess(self, images: list[Image.Image]) -> Float[Tensor, "batch 3 size size"]:
        """Square photos to zero-mean pixel values; others are stretched, so frame them first."""
        size = self.config.image_size_px
        arrays = [
            np.asarray(
                i.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
            )
            for i in images
        ]
        return normalize_pixels(torch.from_numpy(np.stack(arrays)))

    def forward(
        self, pixel_values: Float[Tensor, "batch 3 size size"]
    ) -> Float[Tensor, "batch tokens width"]:
        """One vector per grid cell, keypoint and known object."""
        return self.tokens(self.perceive(pixel_values))

    def perceive(self, pixel_values: Float[Tensor, "batch 3 size size"]) -> Perception:
        """The maps, at the tower's fine stride."""
        fine = self.fine(self.stem(pixel_values.contiguous(memory_format=torch.channels_last)))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        batch, width, rows, columns = coarse.shape
        flat = coarse.flatten(2).transpose(1, 2) + self.place
        flat, facing = self.facing(self.context(flat))
        coarse = self.after_facing(flat).transpose(1, 2).view(batch, width, rows, columns)
        up = functional.interpolate(self.to_middle(coarse), scale_factor=2.0, mode="nearest")
        middle = self.merge_middle(middle + up)
        up = functional.interpolate(self.to_fine(middle), scale_factor=2.0, mode="nearest")
        fine = self.merge_fine(fine + up)
        keypoints, classes = self.keypoint_head(fine).float(), self.class_head(fine).float()
        surface, touch = self.surface_head(fine).float(), self.touch_head(fine).float()
        return Perception(fine, middle, coarse, keypoints, classes, surface, facing, touch)

    def trunk(self) -> list[nn.Module]:
        """The modules behind the maps, without those that only make tokens of what is there."""
        making_tokens = {self.grid_token, self.joint_token, self.object_token}
        return [module for module in self.children() if module not in making_tokens]

    def tokens(self, seen: Perception) -> Float[Tensor, "batch tokens width"]:
        """Tokens of grid cells, keypoints and objects; they teach the maps nothing."""
        fine, middle, coarse = seen.fine, seen.middle, seen.coarse
        keypoints, classes = seen.keypoint_logits.detach(), seen.class_logits.detach()
        grid = functional.adaptive_avg_pool2d(coarse, _GRID_TOKENS).flatten(2).transpose(1, 2)
        at, peak = soft_argmax(keypoints)
        share = classes.softmax(1)
        window = _windows(at, keypoints.shape[-1])
        around = torch.einsum("bskp,bcp->bksc", window, share.flatten(2))
        joints = torch.cat(
            [around.flatten(2), _sample(fine.float(), at), _centred(at), peak[..., None]], dim=-1
        )
        objects = share[:, 1 + NUM_PARTS :]
        near = around[..., 1 + NUM_PARTS :].permute(0, 3, 1, 2).flatten(2)
        shape, inside = _moments(objects), _pooled(middle.float(), objects)
        touched = 4 * _pooled(seen.touch_logits.detach().sigmoid(), objects)
        tokens = torch.cat(
            [
                self.grid_token(grid),
                self.joint_token(joints),
                self.object_token(torch.cat([near, shape, inside, touched], dim=-1)),
            ],
            dim=1,
        )
        return tokens + self.kind


def normalize_pixels(rgb: Tensor) -> Float[Tensor, "batch 3 size size"]:
    """uint8 (batch, size, size, 3) to the tower's range."""
    return (rgb.permute(0, 3, 1, 2).float() / 255 - _MEAN) / _STD


def soft_argmax(
    logits: Float[Tensor, "batch keypoints rows columns"],
) -> tuple[Float[Tensor, "batch keypoints 2"], Float[Tensor, "batch keypoints"]]:
    """Expected (x, y) of each heat map, in cells with centres at +0.5, and its peak probability."""
    weight = logits.flatten(2).softmax(-1)
    rows, columns = logits.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(rows, device=logits.device) + 0.5,
        torch.arange(columns, device=logits.device) + 0.5,
        indexing="ij",
    )  # fmt: skip
    place = torch.stack([x.flatten(), y.flatten()], dim=-1).to(weight.dtype)
    return weight @ place, weight.amax(-1)


def facing_sign(keypoints: Float[Tensor, "batch keypoints 3"]) -> Float[Tensor, "batch"]:
    """How the torso is turned, from 2D keypoints (x right, y down): 1 front, -1 back, 0 profile.

    The signed width of shoulders and hips across the spine, in units of 0.4 spine lengths and
    clipped; a roll of the camera or a lying person changes nothing.
    """
    shoulders, hips = keypoints[:, 5:7, :2], keypoints[:, 11:13, :2]
    spine = shoulders.mean(1) - hips.mean(1)
    length = spine.norm(dim=-1).clamp(min=1.0)
    across = ((shoulders[:, 0] - shoulders[:, 1]) + (hips[:, 0] - hips[:, 1])) / 2
    turned = (spine[:, 0] * across[:, 1] - spine[:, 1] * across[:, 0]) / length.square()
    return (turned / 0.4).clamp(-1, 1)


def _windows(
    at: Float[Tensor, "batch keypoints 2"], cells: int
) -> Float[Tensor, "batch scales keypoints pixels"]:
    """Normalised Gaussian windows around each keypoint; separable in x and y."""
    centre = torch.arange(cells, device=at.device) + 0.5
    scales = []
    for sigma in _PROXIMITY_CELLS:
        bump = torch.exp(-((at[..., None] - centre) ** 2) / (2 * sigma**2))
        window = bump[:, :, 1, :, None] * bump[:, :, 0, None, :]
        scales.append(window.flatten(2) / (2 * math.pi * sigma**2))
    return torch.stack(scales, dim=1)


def _sample(
    features: Tensor, at: Float[Tensor, "batch keypoints 2"]
) -> Float[Tensor, "batch keypoints five"]:
    """Features at each keypoint and two cells to its four sides."""
    offsets = at.new_tensor([[0, 0], [2, 0], [-2, 0], [0, 2], [0, -2]])
    place = (at[:, :, None] + offsets) / features.shape[-1] * 2 - 1
    values = functional.grid_sample(features, place, align_corners=False, padding_mode="border")
    return values.permute(0, 2, 3, 1).flatten(2)


def _centred(at: Float[Tensor, "batch keypoints 2"]) -> Float[Tensor, "batch keypoints 2"]:
    """Keypoints relative to their mean, in units of their spread."""
    offset = at - at.mean(1, keepdim=True)
    return offset / offset.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1.0)


def _moments(
    share: Float[Tensor, "batch objects rows columns"],
) -> Float[Tensor, "batch objects 6"]:
    """Area (root share, log), centre and spread of each object's probability."""
    rows, columns = share.shape[-2:]
    x = torch.linspace(-1, 1, columns, device=share.device)
    y = torch.linspace(-1, 1, rows, device=share.device)
    mass = share.sum((2, 3)).clamp(min=1e-3)
    mean_x, mean_y = (share.sum(2) * x).sum(-1) / mass, (share.sum(3) * y).sum(-1) / mass
    var_x = (share.sum(2) * x**2).sum(-1) / mass - mean_x**2
    var_y = (share.sum(3) * y**2).sum(-1) / mass - mean_y**2
    area = mass / (rows * columns)
    spread = [v.clamp(min=1e-6).sqrt() for v in (var_x, var_y)]
    return torch.stack([area.sqrt(), (area.log() + 5) / 3, mean_x, mean_y, *spread], dim=-1)


def _pooled(
    features: Tensor, share: Float[Tensor, "batch objects rows columns"]
) -> Float[Tensor, "batch objects width"]:
    """Mean feature under each object's probability."""
    coarse = functional.avg_pool2d(share, share.shape[-1] // features.shape[-1])
    weight = coarse.flatten(2)
    weight = weight / weight.sum(-1, keepdim=True).clamp(min=1e-3)
    return weight @ features.flatten(2).transpose(1, 2)


def _token_mlp(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(inside), nn.Linear(inside, outside), nn.GELU(), nn.Linear(outside, outside)
    )
