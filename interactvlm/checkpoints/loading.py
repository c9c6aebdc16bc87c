"""Published parts of a model, loaded as they are."""

from pathlib import Path

import torch

from interactvlm.checkpoints.files import open_tensors
from interactvlm.checkpoints.inspection import inspect_sam
from interactvlm.localizer import MVLocalizer


def load_segment_anything(source: Path, *, dtype: torch.dtype = torch.float32) -> MVLocalizer:
    """A localizer with the weights of a segment-anything file (ViT-B, ViT-L or ViT-H).

    It takes one prompt vector and lifts nothing: what a training run starts from.

    Raises AssetError naming what is missing, unknown, wrongly shaped or damaged.
    """
    from transformers.initialization import no_init_weights

    config, tensors = inspect_sam(source)
    with no_init_weights():
        localizer = MVLocalizer(config)
    state = localizer.state_dict()
    for path in {stored.path for stored in tensors.values()}:
        with open_tensors(path) as values, torch.no_grad():
            for name, stored in tensors.items():
                if stored.path == path:
                    state[name].copy_(values[stored.key])
    return localizer.to(dtype).eval()
