"""Model folders on disk: config.json, tokenizer.json, model.safetensors; nothing is unpickled.

Knows files and state dicts, not what a model computes.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from interactvlm.errors import AssetError
from renders.cache import atomic_write

WEIGHTS_FILE = "model.safetensors"


def load_weights(module: nn.Module, folder: Path) -> None:
    """Fills every parameter and buffer from the folder's safetensors file, or fails by name."""
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        others = sorted(p.name for p in folder.glob("*") if p.suffix in (".bin", ".pt", ".pth"))
        hint = f"; {others} are pickles and are not read, convert them first" if others else ""
        raise AssetError(f"model weights not found; expected a file at {str(path)!r}{hint}")
    try:
        with safe_open(path, framework="pt") as stored:
            shapes = {key: tuple(stored.get_slice(key).get_shape()) for key in stored.keys()}  # noqa: SIM118
            _check_keys({k: tuple(v.shape) for k, v in module.state_dict().items()}, shapes, path)
            with torch.no_grad():
                for key, target in module.state_dict().items():
                    target.copy_(stored.get_tensor(key))
    except (SafetensorError, OSError) as error:
        raise AssetError(
            f"model weights are damaged or truncated ({error}); fetch them again: {str(path)!r}"
        ) from None


def save_weights(state: Mapping[str, Tensor], folder: Path) -> None:
    """Writes a state dict, complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    with atomic_write(folder / WEIGHTS_FILE) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})


def require_folder(path: Path) -> Path:
    """The folder itself. Raises AssetError when there is none."""
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise AssetError(f"model folder expected, found {found} at {str(path)!r}")
    return path


def _check_keys(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    missing = sorted(wanted.keys() - found.keys())
    unknown = sorted(found.keys() - wanted.keys())
    if missing or unknown:
        raise AssetError(
            f"model weights do not fit the config: {len(missing)} missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}: {str(path)!r}"
        )
    for key, shape in wanted.items():
        if found[key] != shape:
            raise AssetError(
                f"weight {key!r} has shape {found[key]}, the config asks for {shape}: {str(path)!r}"
            )
