"""CLIP's pictures and words, by transformers' classes, from a folder or the hub's local cache.

OpenShape's vitg14 shares the space of `laion/CLIP-ViT-bigG-14-laion2B-39B-b160k` (1280 numbers).
Weights are safetensors only; the network is touched only when asked for. Knows no shapes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from object_retrieval.backend import ObjectPicture, unit_rows
from object_retrieval.crops import square_crop
from renders.errors import AssetError

CLIP_OF = {
    "openshape-pointbert-vitg14-rgb": "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
    "openshape-pointbert-vitl14-rgb": "openai/clip-vit-large-patch14",
    "openshape-pointbert-vitb32-rgb": "openai/clip-vit-base-patch32",
}
"""The CLIP whose space a published encoder shares."""
_AT_ONCE = 16


class ClipEmbedder:
    """Pictures and texts to vectors of length 1."""

    def __init__(self, source: str, *, offline: bool = True, device: str = "cpu") -> None:
        """Loads a model folder, or a hub model.

        Raises:
            AssetError: it is not there, of another kind or damaged.
        """
        from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

        folder = Path(source).expanduser()
        where = str(folder) if folder.is_dir() else source
        options: dict[str, Any] = {"local_files_only": offline or folder.is_dir()}
        try:
            model: Any = CLIPModel.from_pretrained(where, use_safetensors=True, **options)
            self._processor: Any = AutoImageProcessor.from_pretrained(
                where, backend="pil", **options
            )
            self._tokenizer: Any = AutoTokenizer.from_pretrained(where, **options)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[:1]
            raise AssetError(
                f"CLIP cannot be loaded ({''.join(reason)[:160]}); give its folder, with "
                f"safetensors weights: {source!r}"
            ) from None
        self._model = model.to(device).eval()
        self.source = source
        self.dim = int(model.config.projection_dim)

    @torch.no_grad()
    def embed_images(self, pictures: Sequence[ObjectPicture]) -> Float[Tensor, "images dim"]:
        """One vector per picture; what is not the object is made grey where a mask tells."""
        rows = []
        side = 336  # of the crop; the processor scales it to the model's own size
        for start in range(0, len(pictures), _AT_ONCE):
            crops = [square_crop(p, side).rgb for p in pictures[start : start + _AT_ONCE]]
            images = [Image.fromarray(np.ascontiguousarray(crop)) for crop in crops]
            inputs = self._processor(images=images, return_tensors="pt").to(self._model.device)
            rows.append(_vectors(self._model.get_image_features(**inputs)))
        return unit_rows(torch.cat(rows)) if rows else torch.zeros(0, self.dim)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """One vector per text; what exceeds the model's words is cut."""
        rows = []
        for start in range(0, len(texts), _AT_ONCE):
            inputs = self._tokenizer(
                list(texts[start : start + _AT_ONCE]),
                padding=True, truncation=True, return_tensors="pt",
            ).to(self._model.device)  # fmt: skip
            rows.append(_vectors(self._model.get_text_features(**inputs)))
        return unit_rows(torch.cat(rows)) if rows else torch.zeros(0, self.dim)


def _vectors(output: Any) -> Tensor:
    """The projected vectors; newer versions of transformers wrap them."""
    vectors = output if isinstance(output, Tensor) else output.pooler_output
    return vectors.float().cpu()
