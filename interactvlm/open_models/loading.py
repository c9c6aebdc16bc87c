"""Models and their processors from a folder or the hub, with faults in one sentence.

Image processors run on their Pillow back ends: torchvision is not needed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from interactvlm.errors import AssetError
from interactvlm.open_models.pins import HubName, Pin, chosen_revision, read_pins, write_pin
from interactvlm.open_models.registry import OPEN_MODELS

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Source:
    """Where a model comes from."""

    name: str
    """A folder, or `owner/name` on the hub; see `named_source` for `owner/name@revision`."""
    revision: str = "main"
    """Commit, tag or branch; a folder has none."""
    offline: bool = False
    """Never touch the network."""
    device: str = "cpu"
    """Torch device the model is put on."""

    @property
    def is_folder(self) -> bool:
        """Whether the name is a folder on this machine."""
        return Path(self.name).expanduser().is_dir()

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of every `from_pretrained`."""
        if self.is_folder:
            return {"local_files_only": True}
        return {"revision": self.revision, "local_files_only": self.offline}

    @property
    def location(self) -> str:
        """First argument of every `from_pretrained`."""
        return str(Path(self.name).expanduser()) if self.is_folder else self.name


def named_source(text: str, *, default: str = "main", offline: bool, device: str) -> Source:
    """The source a person names: a folder, or a hub model at its asked, pinned or default revision.

    Raises:
        InputError: an `@` without a usable revision.
        AssetError: the lock file is damaged.
    """
    if Path(text).expanduser().is_dir():
        return Source(text, offline=offline, device=device)
    model = HubName.parse(text)
    return Source(model.name, chosen_revision(model, default), offline, device)


def load(source: Source, build: Callable[..., Loaded]) -> Loaded:
    """`build(location, **arguments)`, a class's `from_pretrained`.

    Raises AssetError when the model is not there, is of another kind or is damaged.
    """
    _require_plausible(source)
    try:
        return build(source.location, **source.arguments)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise AssetError(_fault(source, error)) from None


def load_model(source: Source, model_class: Any) -> Any:
    """A model of a class in evaluation mode on the source's device; safetensors only."""
    model = load(source, lambda *a, **k: model_class.from_pretrained(*a, use_safetensors=True, **k))
    return model.to(source.device).eval()


def load_image_processor(source: Source) -> Any:
    """The image processor stored with a model, on its Pillow back end."""
    from transformers import AutoImageProcessor

    return load(source, lambda *a, **k: AutoImageProcessor.from_pretrained(*a, backend="pil", **k))


def resolved_revision(source: Source) -> str:
    """The commit of a hub model in the local cache, `folder` for a folder, "" when unknown."""
    if source.is_folder:
        return "folder"
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(source.name, "config.json", revision=source.revision)
    if not isinstance(path, str):
        return ""
    return Path(path).parent.name


def fetch(text: str) -> Path:
    """Download a hub model into the hub's cache, with its own progress bars; resumes by itself.

    The commit that came is pinned. A pinned model is fetched at its pin again; naming a revision
    (`owner/name@main`) moves the pin.

    Raises:
        InputError: an `@` without a usable revision.
        AssetError: the hub cannot be reached or does not have it, or the lock file is damaged.
        ResourceError: the pin cannot be written.
    """
    from huggingface_hub import snapshot_download

    model = HubName.parse(text)
    name, revision = model.name, chosen_revision(model)
    patterns = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the hub raises many kinds; all mean that it is not here now
        raise AssetError(
            f"model {name!r} could not be fetched ({_first_line(error)}); check the name and the "
            "network, or download it elsewhere and give its folder"
        ) from None
    if model.revision or name not in read_pins():
        # The hub's cache names the folder of a snapshot after its commit.
        write_pin(name, Pin(folder.name, revision))
    return folder


def _require_plausible(source: Source) -> None:
    path = Path(source.name).expanduser()
    looks_local = path.is_absolute() or source.name.startswith((".", "~"))
    if source.is_folder:
        if not (path / "config.json").is_file():
            raise AssetError(f"folder holds no config.json of a model: {str(path)!r}")
    elif looks_local or path.exists() or source.name.count("/") != 1:
        raise AssetError(
            f"no model folder at {source.name!r}; give a folder, or owner/name of a hub model"
        )


def _fault(source: Source, error: Exception) -> str:
    if source.is_folder:
        return f"model cannot be read ({_first_line(error)}): {source.location!r}"
    known = {model.hub_id for model in OPEN_MODELS}
    fetch_it = f"`interactvlm models fetch {source.name}`"
    hint = fetch_it if source.name in known or source.offline else "the name"
    where = "is not in the local cache" if source.offline else "could not be loaded"
    if source.revision != "main":
        where = f"at revision {source.revision!r} {where}"
    return f"model {source.name!r} {where} ({_first_line(error)}); check {hint}"


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
