"""Published OpenShape weights: every key is mapped by a rule or ignored for a reason.

Files are safetensors, or pickles read by torch's weights-only reader, which builds tensors and
runs nothing else that a pickle asks for. Knows keys and files, not what the encoder computes.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from object_retrieval.openshape.encoder import SHAPES, EncoderShape, PointEncoder
from renders.errors import AssetError

KEY_TABLE: tuple[tuple[str, str], ...] = (
    (r"cls_token", "class_token"),
    (r"sa\.mlp_convs\.(\d)\.(weight|bias)", r"patches.mixes.\1.\2"),
    (r"sa\.mlp_bns\.(\d)\.(.+)", r"patches.norms.\1.\2"),
    (r"lift\.0\.(weight|bias)", r"lift.\1"),
    (r"lift\.2\.(weight|bias)", r"lift_norm.\1"),
    (r"transformer\.layers\.(\d+)\.0\.norm\.(weight|bias)", r"layers.\1.attention_norm.\2"),
    (r"transformer\.layers\.(\d+)\.0\.fn\.to_qkv\.weight", r"layers.\1.qkv.weight"),
    (r"transformer\.layers\.(\d+)\.0\.fn\.to_out\.0\.(weight|bias)", r"layers.\1.out.\2"),
    (r"transformer\.layers\.(\d+)\.1\.norm\.(weight|bias)", r"layers.\1.mlp_norm.\2"),
    (r"transformer\.layers\.(\d+)\.1\.fn\.net\.0\.(weight|bias)", r"layers.\1.mlp_in.\2"),
    (r"transformer\.layers\.(\d+)\.1\.fn\.net\.3\.(weight|bias)", r"layers.\1.mlp_out.\2"),
)
"""Keys of the encoder without its prefix, and the names they have here."""
_PROJECTED = ((r"proj\.(weight|bias)", r"projection.\1"),)
_WRAPPERS = ("module.", "pc_encoder.")
"""Prefixes of training: vitg14 has the first, vitl14 and vitb32 the second."""


def load_encoder(path: Path, *, name: str | None = None) -> PointEncoder:
    """The encoder of a published `model.pt`, in evaluation mode.

    `name` is one of `SHAPES`; without it the name of the file or its folder must hold one.

    Raises:
        AssetError: the file is missing, damaged or a refused pickle, its name tells no published
            encoder, or a key is missing, unknown or of another shape.
    """
    path = Path(path)
    if path.is_dir():
        path = next((path / n for n in _FILES if (path / n).is_file()), path / _FILES[0])
    state = read_table(path)
    encoder = PointEncoder(SHAPES[name or _name_of(path)])
    fill(encoder, state, where=str(path))
    return encoder.eval()


_FILES = ("model.safetensors", "model.pt")


def _name_of(path: Path) -> str:
    text = "/".join(path.resolve().parts[-6:])
    found = [name for name in SHAPES if name in text]
    if len(found) != 1:
        raise AssetError(
            f"which published encoder this is cannot be told from its name; keep it in a folder "
            f"named like one of {', '.join(SHAPES)}: {str(path)!r}"
        )
    return found[0]


def read_table(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by key, without what only training needs.

    Raises:
        AssetError: missing, damaged, or no table of tensors.
    """
    if not path.is_file():
        raise AssetError(
            f"OpenShape weights not found; expected {' or '.join(_FILES)} of a published encoder "
            f"at {str(path)!r}"
        )
    table: Any
    try:
        if path.suffix == ".safetensors":
            table = load_file(path)
        else:
            # Spelled out although it is the default: the promise of this file hangs on it.
            table = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise AssetError(
            f"weight file is damaged, or asks for more than tensors; it was refused and nothing "
            f"in it was run: {str(path)!r}"
        ) from None
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged file may fail anywhere in the reader
        reason = str(error).strip().splitlines()[:1]
        raise AssetError(
            f"weight file is damaged or truncated, fetch it again ({''.join(reason)[:120]}): "
            f"{str(path)!r}"
        ) from None
    if isinstance(table, Mapping) and isinstance(table.get("state_dict"), Mapping):
        table = table["state_dict"]  # beside it: optimiser, scheduler, scores of the training
    if not isinstance(table, Mapping):
        raise AssetError(f"a table of named tensors is expected: {str(path)!r}")
    return _unwrapped(table, str(path))


def _unwrapped(table: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """Keys without training's prefix; keys without it beside others with it are training's own."""
    prefix = next((p for p in _WRAPPERS if any(str(key).startswith(p) for key in table)), "")
    state = {str(k)[len(prefix) :]: v for k, v in table.items() if str(k).startswith(prefix)}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise AssetError(f"a table of named tensors is expected: {where!r}")
    return state


def renamed_keys(
    state: Mapping[str, Tensor], shape: EncoderShape, *, where: str
) -> dict[str, Tensor]:
    """The state under our names.

    Raises:
        AssetError: a key is known to no rule.
    """
    projected = shape.out_dim is not None
    rules = [(rf"ppat\.{p}", n) for p, n in KEY_TABLE] if projected else list(KEY_TABLE)
    rules += _PROJECTED if projected else ()
    renamed = {}
    for key, value in state.items():
        found = next(
            ((m, name) for pattern, name in rules if (m := re.fullmatch(pattern, key))), None
        )
        if found is None:
            raise AssetError(f"key {key!r} is not known in OpenShape weights: {where!r}")
        renamed[found[0].expand(found[1])] = value
    return renamed


def fill(encoder: PointEncoder, state: Mapping[str, Tensor], *, where: str) -> None:
    """Fills every weight of the encoder from published keys, or fails by name.

    Raises:
        AssetError: a key is missing, unknown or of another shape.
    """
    renamed = renamed_keys(state, encoder.shape, where=where)
    own = encoder.state_dict()
    missing = sorted(own.keys() - renamed.keys())
    unknown = sorted(renamed.keys() - own.keys())
    if missing or unknown:
        raise AssetError(
            f"OpenShape weights do not fit: {len(missing)} missing {missing[:3]}, {len(unknown)} "
            f"too many {unknown[:3]}; is it another of the published encoders? {where!r}"
        )
    for name, value in renamed.items():
        # Published as convolutions over single points: the same numbers with axes of length 1.
        flat = value.flatten(1) if value.dim() > own[name].dim() else value
        if flat.shape != own[name].shape:
            raise AssetError(
                f"weight {name!r} has shape {tuple(value.shape)}, {tuple(own[name].shape)} is "
                f"needed: {where!r}"
            )
        renamed[name] = flat
    encoder.load_state_dict(renamed)
