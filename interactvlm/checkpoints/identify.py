"""What a folder or file of published weights is, in a sentence, and what it lacks."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interactvlm.checkpoints.files import Stored, folder_names, list_tensors
from interactvlm.checkpoints.inspection import (
    Family,
    family_of,
    inspect_clip,
    inspect_released,
    inspect_sam,
)
from interactvlm.checkpoints.settings import read_object
from interactvlm.checkpoints.shapes import SAM_NAMES
from interactvlm.config import CONFIG_FILE
from interactvlm.errors import InteractVLMError
from interactvlm.weights import PICKLES, read_weight_map

_GENERAL: dict[Family, str] = {
    "released": "released InteractVLM or LISA weights",
    "sam": "segment-anything weights",
    "clip": "CLIP weights",
    "llava": "LLaVA weights without SAM parts, which cannot mark contact",
    "own": "weights in this package's layout, without their folder",
    "unknown": "weights of a kind this package does not know",
}
_ADVICE: dict[Family, str] = {
    "released": "turn it into a model folder with `interactvlm convert`",
    "sam": "a part of a model; released checkpoints contain it, training can start from it",
    "clip": "a part of a model; name it with --clip in `interactvlm convert`",
    "llava": "fetch LISA or an InteractVLM release instead",
    "own": "name the folder they are in",
    "unknown": "see docs/released_weights.md for what can be read",
}


@dataclass(frozen=True)
class Identified:
    """What was found."""

    text: str
    """What it is; then, if anything is wrong, the first thing that is."""
    whole: bool
    """Whether it is known and nothing is missing."""
    advice: str
    """What to do with it."""


def looks_published(path: Path) -> bool:
    """Whether a path is a weight file or a folder as others publish them."""
    if path.is_file():
        return True
    if not path.is_dir():
        return False
    try:
        if any(Path(name).suffix in PICKLES or ".bin." in name for name in folder_names(path)):
            return True
        config = path / CONFIG_FILE
        return config.is_file() and "model_type" in read_object(config)
    except InteractVLMError:
        return False


def identify(source: Path) -> Identified:
    """What published weights are. Raises nothing: whatever is wrong becomes a sentence."""
    family: Family = "unknown"
    try:
        family = family_of(_keys(source))
        stored = list_tensors(source)
        text = _describe(family, source)
    except InteractVLMError as error:
        return Identified(f"{_GENERAL[family]}; {error}", False, _ADVICE[family])
    whole = family in ("released", "sam", "clip")
    return Identified(f"{text}, {_size(stored.values())}", whole, _ADVICE[family])


def _keys(source: Path) -> Iterable[str]:
    """Keys as the index tells them, even when a file of it is missing."""
    for path in sorted(source.glob("*.index.json")) if source.is_dir() else ():
        return read_weight_map(path)
    return list_tensors(source)


def _describe(family: Family, source: Path) -> str:
    if family == "released":
        found = inspect_released(source)
        adapters = f", {len(found.adapters)} adapters not merged" if found.adapters else ""
        return f"{found.title}, vocabulary {found.config.language.vocab_size:,}{adapters}"
    if family == "sam":
        config, _ = inspect_sam(source)
        return f"segment-anything {SAM_NAMES.get(config.width, f'of width {config.width}')}"
    if family == "clip":
        config, _ = inspect_clip(source)
        return f"CLIP photo tower, {config.image_size_px} px, width {config.width}"
    return _GENERAL[family]


def _size(stored: Iterable[Stored]) -> str:
    specs = [(one.path, one.spec) for one in stored]
    types = sorted({str(spec.dtype).removeprefix("torch.") for _, spec in specs})
    files = len({path for path, _ in specs})
    total = sum(spec.num_bytes for _, spec in specs) / 2**30
    return f"{total:.2f} GiB of {' and '.join(types)} in {files} file{'s' * (files != 1)}"
