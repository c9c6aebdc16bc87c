"""The embedded back end for pictures: a small network trained by `interactvlm train retrieval`.

It sees an object's crop and mask and gives a vector; shapes of a library stand in the index as
their rendered views. Embeds pictures only. Knows no category.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from object_retrieval.backend import Ability, ObjectPicture, Surface, inability, unit_rows
from object_retrieval.crops import square_crop
from object_retrieval.views import Studio, around, masked_views
from renders.cache import atomic_write, content_key
from renders.errors import AssetError
from renders.mesh import Mesh

WEIGHTS_FILE, CONFIG_FILE = "retrieval.safetensors", "retrieval.json"
VIEWS = 8
"""Views per ring of a library shape; there are two rings, and some views of it lying."""
_AT_ONCE = 256
_FLATTER = 2.0
"""Factor of the temperature of training: photos lie further from a library's views than pictures
of training from each other. Fixed on `val`."""


@dataclass(frozen=True)
class PictureEncoderConfig:
    """Sizes of the network."""

    side_px: int = 64
    """Side of the crop it sees; a multiple of 16."""
    width: int = 24
    """Channels of its first layer; doubled three times."""
    dim: int = 128
    """Numbers per vector."""
    sharpness: float = 16.0
    """Factor of inner products in training: one over the back end's temperature."""


class PictureEncoder(nn.Module):
    """A residual convolutional network over colours and mask."""

    def __init__(self, config: PictureEncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**i for i in range(4)]
        self.entry = nn.Conv2d(4, widths[0], 5, stride=2, padding=2, bias=False)
        self.entry_norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.ModuleList(Block(a, b) for a, b in pairwise(widths))
        cells = config.side_px // 16
        self.out = nn.Linear(widths[-1] * cells * cells, config.dim)

    def forward(self, pixels: Float[Tensor, "batch 4 side side"]) -> Float[Tensor, "batch dim"]:
        """Vectors of length 1. Colours in -0.5 to 0.5 (0 where not the object), mask 0 or 1."""
        values = functional.relu(self.entry_norm(self.entry(pixels)))
        for block in self.blocks:
            values = block(values)
        return functional.normalize(self.out(values.flatten(1)), dim=1)


class Block(nn.Module):
    """Two convolutions at half the resolution, added to a pooled short cut."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, out_width, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(out_width)
        self.second = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(out_width)
        self.short = nn.Conv2d(width, out_width, 1)

    def forward(self, values: Float[Tensor, "batch width side side"]) -> Tensor:
        """Half the side, `out_width` channels."""
        inner = functional.relu(self.first_norm(self.first(values)))
        inner = self.second_norm(self.second(inner))
        return functional.relu(inner + self.short(functional.avg_pool2d(values, 2)))


def to_pixels(
    rgb: Float[Tensor, "batch side side 3"], mask: Float[Tensor, "batch side side"]
) -> Float[Tensor, "batch 4 side side"]:
    """Input of the network: display colours 0 to 255, mask 0 or 1."""
    colors = (rgb / 255 - 0.5) * mask[..., None]
    return torch.cat([colors, mask[..., None]], dim=-1).permute(0, 3, 1, 2).contiguous()


def item_studios() -> list[Studio]:
    """The views that stand for a library shape: two rings, and some rolled by a quarter turn."""
    rolled = [
        Studio(azimuth_deg=angle, elevation_deg=15.0, roll_deg=roll)
        for angle, roll in ((-80.0, 90.0), (10.0, -90.0), (-80.0, 45.0), (10.0, -45.0))
    ]
    return [*around(VIEWS), *rolled]


class PictureBackend:
    """Crops against rendered views, compared by a trained network."""

    def __init__(self, encoder: PictureEncoder) -> None:
        self._encoder = encoder.eval()
        sums = [
            f"{k} {v.double().abs().sum().item():.12g}" for k, v in encoder.state_dict().items()
        ]
        self.name = f"pictures {content_key(*sums)[:16]}"
        self.dim = encoder.config.dim
        self.abilities: frozenset[Ability] = frozenset({"image"})
        self.temperature = _FLATTER / encoder.config.sharpness

    def embed_images(self, pictures: Sequence[ObjectPicture]) -> Float[Tensor, "images dim"]:
        """One vector per picture, of the object cut out and of the same with its surroundings: an
        error of the mask then weighs less, and hands and tables tell something, too."""
        return unit_rows(self._seen(pictures, blank=True) + self._seen(pictures, blank=False))

    def embed_item(self, mesh: Mesh, *, seed: int) -> Float[Tensor, "vectors dim"]:
        """A vector per view of the shape; the views are always the same."""
        del seed
        views = masked_views(mesh, self._encoder.config.side_px, item_studios())
        return self._seen(views, blank=True)

    @torch.no_grad()
    def _seen(
        self, pictures: Sequence[ObjectPicture], *, blank: bool
    ) -> Float[Tensor, "images dim"]:
        """Vectors of length 1 of the cut out objects, or of their whole squares."""
        rows = [torch.zeros(0, self.dim)]
        side = self._encoder.config.side_px
        for start in range(0, len(pictures), _AT_ONCE):
            group = pictures[start : start + _AT_ONCE]
            crops = [square_crop(picture, side, blank=blank) for picture in group]
            rgb = torch.from_numpy(np.stack([crop.rgb for crop in crops])).float()
            masks = np.stack([crop.mask for crop in crops if crop.mask is not None])
            mask = torch.from_numpy(masks).float()
            pixels = to_pixels(rgb, mask if blank else torch.ones_like(mask))
            # With its mirror image: what differs between the two is no property of the object.
            rows.append(self._encoder(pixels) + self._encoder(pixels.flip(3)))
        return unit_rows(torch.cat(rows))

    def embed_shapes(self, surfaces: Sequence[Surface]) -> Float[Tensor, "shapes dim"]:
        """Always InputError: shapes are compared as shapes by the descriptor back end."""
        raise inability(self, "shape")

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """Always InputError."""
        raise inability(self, "text")


def save_encoder(encoder: PictureEncoder, folder: Path) -> None:
    """Writes sizes and weights (half precision), each complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()
        for key, value in encoder.state_dict().items()
    }
    with atomic_write(folder / WEIGHTS_FILE) as temporary:
        save_file(state, temporary, metadata={"format": "pt"})
    with atomic_write(folder / CONFIG_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(encoder.config), indent=2) + "\n")


def load_encoder(folder: Path) -> PictureEncoder:
    """The network of a folder, in evaluation mode.

    Raises:
        AssetError: a file is missing, damaged, or they do not belong together.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise AssetError(
            f"weights for retrieval by picture not found; train them with `interactvlm train "
            f"retrieval`, or ask by label or mesh; expected a file at {str(path)!r}"
        )
    try:
        config = PictureEncoderConfig(**json.loads((folder / CONFIG_FILE).read_text()))
        encoder = PictureEncoder(config)
        encoder.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
        )
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[:1]
        raise AssetError(
            f"weights for retrieval by picture are damaged ({''.join(reason)[:120]}): "
            f"{str(folder)!r}"
        ) from None
    return encoder.eval()
