"""Contact marked on the photo itself: the answer of models that know no canonical body."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from interactvlm.localizer import MVLocalizer, upscale_masks
from interactvlm.preprocessing import sam_resized_hw


@dataclass(frozen=True, eq=False)
class PhotoContact:
    """Where in a photo the person touches one label. Tensors live on the CPU."""

    pixel_probability: Float[Tensor, "height width"]
    """Probability of contact per pixel of the photo that was asked about, 0 to 1."""
    label: str
    """The object asked about; empty means any object."""
    threshold: float
    """In contact at or above this probability."""
    answer: str = ""
    """The model's words."""
    finished: bool = True
    """False when the words were cut at the longest allowed answer."""
    notes: tuple[str, ...] = ()
    """What a person should know about this mask, one sentence each."""

    def mask(self) -> Bool[Tensor, "height width"]:
        """Pixels in contact."""
        return self.pixel_probability >= self.threshold

    @property
    def in_contact(self) -> bool:
        """Whether any pixel is in contact."""
        return bool(self.mask().any())

    @property
    def share_of_photo(self) -> float:
        """Share of the photo's pixels in contact."""
        return float(self.mask().float().mean())

    def __repr__(self) -> str:
        return (
            f"PhotoContact({self.label or 'any object'!r}, {int(self.mask().sum())} of "
            f"{self.pixel_probability.numel()} pixels in contact)"
        )


def photo_probabilities(
    localizer: MVLocalizer, prompts: Float[Tensor, "batch tokens dim"], photo: Image.Image
) -> Iterator[Float[Tensor, "height width"]]:
    """One probability map per prompt, in the pixels of an RGB photo that SAM encodes whole."""
    embedding = localizer.encode_views(torch.from_numpy(np.asarray(photo).copy())[None])
    size_px, target_hw = localizer.config.image_size_px, (photo.height, photo.width)
    for logits in localizer.decode(prompts, embedding):
        masks = upscale_masks(
            logits[None],
            image_size_px=size_px,
            resized_hw=sam_resized_hw(photo.height, photo.width, size_px),
            target_hw=target_hw,
        )
        yield masks[0, 0].sigmoid().cpu()


def limited_to_box(
    probability: Float[Tensor, "height width"], box_xyxy_px: Sequence[int | float] | None
) -> Float[Tensor, "height width"]:
    """The probability in every pixel that a box touches, 0 outside; without a box as it is."""
    if box_xyxy_px is None:
        return probability
    x0, y0, x1, y1 = box_xyxy_px
    rows = slice(max(0, math.floor(y0)), max(0, math.ceil(y1)))
    columns = slice(max(0, math.floor(x0)), max(0, math.ceil(x1)))
    inside = torch.zeros_like(probability)
    inside[rows, columns] = probability[rows, columns]
    return inside
