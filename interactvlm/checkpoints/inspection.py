"""A published checkpoint looked at without reading its tensors: what it is, whether it is whole.

Everything that can be wrong with a download is found here, before a byte is written. Knows no
target folder.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import nn

from interactvlm.checkpoints.adapters import (
    PEFT_PREFIX,
    PUBLISHED_ALPHA,
    Adapter,
    split_adapters,
)
from interactvlm.checkpoints.files import Stored, list_tensors
from interactvlm.checkpoints.released import CLIP_RULES, RELEASED_RULES
from interactvlm.checkpoints.released_config import clip_config, released_config, structure_of
from interactvlm.checkpoints.renaming import KeyRule, published_name, rename_keys
from interactvlm.checkpoints.segment_anything import sam_rules
from interactvlm.checkpoints.settings import (
    Settings,
    read_added_tokens,
    read_object,
    read_settings,
)
from interactvlm.checkpoints.shapes import Shapes, localizer_sizes
from interactvlm.config import InteractVLMConfig, LocalizerConfig, VisionConfig
from interactvlm.errors import AssetError, InputError
from interactvlm.localizer import MVLocalizer
from interactvlm.model import ModelParts
from interactvlm.weights import TensorSpec

Family = Literal["released", "sam", "clip", "llava", "own", "unknown"]

NUMBERS = (torch.float32, torch.float16, torch.bfloat16)
"""Number types that weights may have."""

_MARKS: tuple[tuple[str, Family], ...] = (
    ("model.visual_model.", "released"),
    ("image_encoder.", "sam"),
    ("vision_model.", "clip"),
    ("model.mm_projector.", "llava"),
    ("language.llama.", "own"),
)
"""What a key begins with, and whose it is; the first mark that is found decides."""
_CLIP = "language.vision.clip."
_LISA_SIZES = {4096: " 7B", 5120: " 13B"}
"""By the length of a hidden state."""
_ALPHA_FILES = ("adapter_config.json", "pretrained_config.json")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Inspection:
    """A whole InteractVLM or LISA checkpoint, ready to be converted."""

    title: str
    """What it is, for people."""
    config: InteractVLMConfig
    """Of the model that the weights fill."""
    tensors: Mapping[str, Stored]
    """Where each weight of ours comes from; the photo tower's only when a CLIP was given."""
    adapters: Mapping[str, Adapter]
    """Adapters to be merged, by the name of the weight of ours."""

    @property
    def dtypes(self) -> list[str]:
        """Number types of the weights."""
        return sorted({str(s.spec.dtype).removeprefix("torch.") for s in self.tensors.values()})

    def __repr__(self) -> str:
        return f"Inspection({self.title!r}, {len(self.tensors)} tensors)"


def family_of(keys: Iterable[str]) -> Family:
    """Whose keys these are."""
    names = [key.removeprefix(PEFT_PREFIX) for key in keys]
    for mark, family in _MARKS:
        if any(name.startswith(mark) for name in names):
            return family
    return "unknown"


def inspect_released(source: Path, clip: Path | None = None) -> Inspection:
    """Lists a released InteractVLM or LISA checkpoint and checks every key, shape and setting.

    `clip` is the folder of the CLIP tower, which no release contains; without it the rest is
    checked all the same.

    Raises:
        AssetError: a file, key, shape, setting or token is missing, unknown or does not fit.
        InputError: it is a checkpoint of another kind.
    """
    stored = list_tensors(source)
    _require_released(family_of(stored), source)
    folder = source.parent if source.is_file() else source
    settings, added = read_settings(folder), read_added_tokens(folder)
    weights, adapters = split_adapters(stored, _alpha(folder))
    shapes = shapes_of(weights)
    structure = structure_of(shapes, settings)
    vision, tensors = (None, {}) if clip is None else inspect_clip(clip)
    config = released_config(shapes, settings, added, vision)
    tensors = _renamed(weights) | tensors
    wanted = model_shapes(config)
    if clip is None:
        wanted = {name: shape for name, shape in wanted.items() if not name.startswith(_CLIP)}
    require_fit(wanted, tensors, (*RELEASED_RULES, *CLIP_RULES), structure.family)
    size = _LISA_SIZES.get(config.language.hidden, "") if structure.family == "LISA" else ""
    return Inspection(structure.title + size, config, tensors, _renamed(adapters))


def inspect_clip(source: Path) -> tuple[VisionConfig, dict[str, Stored]]:
    """The photo tower of a CLIP folder and its weights under our names.

    Raises AssetError when it is something else or is damaged; see `inspect_released`.
    """
    stored = list_tensors(source)
    if family_of(stored) != "clip":
        raise AssetError(
            f"a CLIP folder is expected, its keys are of another model: {str(source)!r}"
        )
    folder = source.parent if source.is_file() else source
    config = clip_config(shapes_of(stored), read_settings(folder))
    return config, rename_keys(stored, CLIP_RULES, family="CLIP")


def inspect_sam(source: Path) -> tuple[LocalizerConfig, dict[str, Stored]]:
    """The sizes of a segment-anything checkpoint and its weights under our names.

    Raises AssetError when it is something else or is damaged; see `inspect_released`.
    """
    stored = list_tensors(source)
    if family_of(stored) != "sam":
        raise AssetError(
            f"segment-anything weights are expected, the keys are of another model: {str(source)!r}"
        )
    config = localizer_sizes(shapes_of(stored))
    tensors = rename_keys(stored, sam_rules(), family="segment-anything")
    require_fit(_shapes_of_module(lambda: MVLocalizer(config)), tensors, sam_rules(), "SAM")
    return config, tensors


def shapes_of(stored: Mapping[str, Stored]) -> Shapes:
    """Shapes by key."""
    return {key: value.spec.shape for key, value in stored.items()}


def model_shapes(config: InteractVLMConfig) -> Shapes:
    """Name and shape of all that a model of this config stores; its memory is not taken."""
    return _shapes_of_module(lambda: ModelParts(config))


def require_fit(
    wanted: Shapes, found: Mapping[str, Stored], rules: Sequence[KeyRule], family: str
) -> None:
    """Raises AssetError naming the first key that is missing, surplus or wrongly shaped."""
    missing = [name for name in wanted if name not in found]
    if missing:
        first = published_name(missing[0], rules)
        raise AssetError(
            f"key {first!r} is missing in the {family} checkpoint ({len(missing)} of "
            f"{len(wanted)} are)"
        )
    for name, stored in found.items():
        if name not in wanted:
            raise AssetError(
                f"key {stored.key!r} is one too many for a {family} checkpoint of this structure: "
                f"{str(stored.path)!r}"
            )
        _require_spec(stored, wanted[name])


def _shapes_of_module(build: Callable[[], nn.Module]) -> Shapes:
    from transformers.initialization import no_init_weights

    with torch.device("meta"), no_init_weights():
        state = build().state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def _renamed(state: Mapping[str, Value]) -> dict[str, Value]:
    return rename_keys(state, RELEASED_RULES, family="InteractVLM or LISA")


def _alpha(folder: Path) -> float:
    """The adapters' alpha as a file beside the weights tells it, else the published one."""
    for name in _ALPHA_FILES:
        path = folder / name
        if path.is_file():
            return Settings(read_object(path), path).number("lora_alpha", PUBLISHED_ALPHA)
    return PUBLISHED_ALPHA


def _require_released(family: Family, source: Path) -> None:
    hints = {
        "sam": "is segment-anything, which is a part of a model; released checkpoints contain it",
        "clip": "is CLIP, which is a part of a model; name it with --clip",
        "llava": "is LLaVA without SAM parts, which cannot mark contact",
        "own": "is a model folder of this package already",
        "unknown": "is no checkpoint this package knows",
    }
    if family != "released":
        raise InputError(
            f"expected a released InteractVLM or LISA checkpoint; this {hints[family]}: "
            f"{str(source)!r}"
        )


def _require_spec(stored: Stored, shape: tuple[int, ...]) -> None:
    spec: TensorSpec = stored.spec
    if spec.shape != shape:
        raise AssetError(
            f"key {stored.key!r} has shape {spec.shape}, the model needs {shape}: "
            f"{str(stored.path)!r}"
        )
    if spec.dtype not in NUMBERS:
        raise AssetError(
            f"key {stored.key!r} is stored as {str(spec.dtype)!r}; weights are float32, float16 "
            f"or bfloat16: {str(stored.path)!r}"
        )
