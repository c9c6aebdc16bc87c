"""What is installed and found on this machine, and how to get the rest.

Looks, and changes nothing: no download, no build, no model is loaded.
"""

import importlib
import importlib.util
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from interactvlm.errors import AssetError, InteractVLMError


@dataclass(frozen=True)
class Finding:
    """One thing looked for."""

    name: str
    """What was looked for."""
    fine: bool
    """Whether it is there and whole."""
    needed: bool
    """Whether `interactvlm contact` needs it."""
    found: str
    """What was found, and where it was looked for."""
    advice: str = ""
    """How to get it; empty when it is there."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def examine(weights: Path | None = None) -> list[Finding]:
    """Every finding; `weights` is a model folder to look at instead of the shipped one."""
    checks: list[Callable[[], Finding]] = [
        _python, lambda: _weights(weights), _anny_body, _cache_folder, _gpu, *_body_files(),
        _vertex_maps, _open3d, _heic, _training_log, *_datasets(),
    ]  # fmt: skip
    return [check() for check in checks]


def format_findings(findings: list[Finding]) -> str:
    """A list for the terminal."""
    width = max(len(finding.name) for finding in findings) + 2
    lines = []
    for finding in findings:
        mark = "ok  " if finding.fine else ("MISSING" if finding.needed else "-   ")
        lines.append(f"{mark.ljust(8)}{finding.name.ljust(width)}{finding.found}")
        if finding.advice:
            lines.append(" " * (8 + width) + finding.advice)
    missing = [finding.name for finding in findings if finding.needed and not finding.fine]
    verdict = f"not there: {', '.join(missing)}" if missing else "nothing needed is missing"
    return "\n".join([*lines, "", verdict])


def _python() -> Finding:
    import torch
    import transformers

    from interactvlm.provenance import package_version

    found = (
        f"InteractVLM {package_version()}, Python {platform.python_version()}, torch "
        f"{torch.__version__}, transformers {transformers.__version__}, {os.cpu_count()} CPU cores"
    )
    return Finding("versions", True, True, found)


def _weights(folder: Path | None) -> Finding:
    from interactvlm.assets_dir import MODEL_FILES, default_weights
    from interactvlm.checkpoints.identify import identify, looks_published
    from interactvlm.config import CONFIG_FILE, InteractVLMConfig
    from interactvlm.provenance import weights_sha256
    from interactvlm.weights import WEIGHTS_INDEX, weight_files

    name = "shipped model" if folder is None else "model"
    folder = None if folder is None else folder.expanduser()
    if folder is not None and looks_published(folder):
        published = identify(folder)
        found = f"{published.text}: {str(folder)!r}"
        return Finding(name, published.whole, True, found, published.advice)
    try:
        folder = default_weights() if folder is None else folder
        sharded = (folder / WEIGHTS_INDEX).is_file()
        wanted = (*MODEL_FILES[:-1], WEIGHTS_INDEX) if sharded else MODEL_FILES
        missing = [file for file in wanted if not (folder / file).is_file()]
        if missing:
            raise AssetError(f"lacks {missing}: {str(folder)!r}")
        config = InteractVLMConfig.load(folder / CONFIG_FILE)
        paths = weight_files(folder)
        digest = weights_sha256(folder)
    except InteractVLMError as error:
        advice = "reinstall the package, or train one with `interactvlm train --preset mini`"
        return Finding(name, False, True, str(error), advice)
    labels = f"{len(config.labels)} labels" if config.labels else "open vocabulary"
    size = sum(path.stat().st_size for path in paths) / 2**20
    return Finding(
        name, True, True,
        f"marks {config.marks}, {labels}, {size:.1f} MiB, sha256 {digest}: {str(folder)!r}",
    )  # fmt: skip


def _anny_body() -> Finding:
    from anny.paths import get_anny_cache_path

    folder = Path(get_anny_cache_path())
    built = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else []
    if built:
        found = f"{len(built)} prepared files: {str(folder)!r}"
        return Finding("Anny body", True, False, found)
    return Finding(
        "Anny body", False, False, f"not prepared yet: {str(folder)!r}",
        "the first use prepares it, which takes 15 to 100 seconds once",
    )  # fmt: skip


def _cache_folder() -> Finding:
    from renders.cache import cache_dir

    folder = cache_dir()
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    if parent.is_dir() and os.access(parent, os.W_OK):
        files = list(folder.iterdir()) if folder.is_dir() else []
        size = sum(p.stat().st_size for p in files if p.is_file()) / 2**20
        return Finding("cache", True, False, f"{len(files)} files, {size:.0f} MiB: {str(folder)!r}")
    return Finding(
        "cache", False, False, f"cannot be written: {str(folder)!r}",
        "set INTERACTVLM_CACHE to a folder you can write; without it each run prepares anew",
    )  # fmt: skip


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding(
            "GPU", False, False, f"none usable by torch {torch.__version__}",
            "everything shipped runs on the CPU; large models want a CUDA build of torch",
        )  # fmt: skip
    devices = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index} {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    return Finding("GPU", True, False, "; ".join(devices))


def _body_files() -> Iterator[Callable[[], Finding]]:
    from human_recovery.smpl_files import SPECS

    for family in SPECS:
        yield lambda family=family: _body_file(family)


def _body_file(family: str) -> Finding:
    from human_recovery.smpl_files import (
        FOLDER_VARIABLE,
        SPECS,
        file_fault,
        find_model_file,
        model_folder,
    )

    title = f"{SPECS[family].title} body"
    found = []
    for gender in ("neutral", "male", "female"):
        try:
            path = find_model_file(family, gender=gender)
        except AssetError:
            continue
        try:
            fault = file_fault(path)
        except AssetError as error:
            fault = str(error)
        if fault:
            advice = f"get it again at {SPECS[family].site}"
            return Finding(title, False, False, f"{str(path)!r} {fault}", advice)
        found.append(str(path))
    if found:
        return Finding(title, True, False, ", ".join(repr(path) for path in found))
    root = model_folder()
    looked = f"no file in {str(root)!r}" if root else f"{FOLDER_VARIABLE} is not set"
    advice = (
        f"optional: register at {SPECS[family].site}, put the files into a folder and set "
        f"{FOLDER_VARIABLE} to it"
    )
    return Finding(title, False, False, looked, advice)


def _vertex_maps() -> Finding:
    from human_recovery.published_maps import SITE, find_published_map

    pairs = (("smplh", "smplx"), ("smplx", "smplh"))
    paths = [path for pair in pairs if (path := find_published_map(*pair)) is not None]
    if len(paths) == len(pairs):
        found = ", ".join(repr(str(path)) for path in paths)
        return Finding("SMPL to SMPL-X maps", True, False, found)
    only = f"only {str(paths[0])!r}" if paths else "the publisher's are not there"
    return Finding(
        "SMPL to SMPL-X maps", False, False, f"{only}; made from the body files when needed",
        f"optional: \"model transfer\" at {SITE}, into the folder of body models",
    )  # fmt: skip


def _datasets() -> Iterator[Callable[[], Finding]]:
    from interactvlm.data.sources import SOURCES

    for name in SOURCES:
        yield lambda name=name: _dataset(name)


def _dataset(name: str) -> Finding:
    """Whether a folder is there; its files are looked at when they are read."""
    from interactvlm.data.sources import FOLDER_VARIABLE, SOURCES

    source = SOURCES[name]
    title, folder = f"{source.title} data", source.default_folder()
    if folder is not None and folder.is_dir():
        return Finding(title, True, False, repr(str(folder)))
    looked = f"no folder {str(folder)!r}" if folder else f"{FOLDER_VARIABLE} is not set"
    return Finding(title, False, False, looked, f"optional: {source.line()}")


def _open3d() -> Finding:
    try:
        module = importlib.import_module("open3d")
    except ImportError as error:
        return Finding(
            "Open3D", False, False, f"cannot be imported ({error})",
            "optional, for checks: pip install 'interactvlm[check]', and the system library "
            "libusb-1.0 (Debian: apt install libusb-1.0-0)",
        )  # fmt: skip
    except OSError as error:
        return Finding(
            "Open3D", False, False, f"installed, but a system library is missing ({error})",
            "optional, for checks; on Debian: apt install libusb-1.0-0",
        )  # fmt: skip
    return Finding("Open3D", True, False, f"version {module.__version__}")


def _heic() -> Finding:
    return _optional_module("HEIC photos", "pillow_heif", "pip install 'interactvlm[heic]'")


def _training_log() -> Finding:
    return _optional_module("TensorBoard", "tensorboard", "pip install 'interactvlm[train]'")


def _optional_module(title: str, module: str, advice: str) -> Finding:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        found = f"package {module} is not installed"
        return Finding(title, False, False, found, f"optional: {advice}")
    return Finding(title, True, False, f"package {module} is installed")
