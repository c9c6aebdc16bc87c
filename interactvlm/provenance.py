"""What a result was made from: hashes, versions, device and seed. No clock, so that the same
request on the same machine gives the same bytes."""

import functools
import hashlib
import platform
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from interactvlm.assets_dir import verified_sha256

_SETTLED_NS = 2_000_000_000
"""A file written later than this ago may change again without a change of its date."""
_LIBRARIES = ("anny", "numpy", "pillow", "torch", "transformers")


@dataclass(frozen=True)
class Provenance:
    """Everything needed to make a result again."""

    input_sha256: str
    """Of the photo's file."""
    weights: str
    """Model folder, hub id, or model and address of an endpoint."""
    weights_sha256: str
    """Of the folder's weights (see `weights_sha256`); empty when they lie elsewhere."""
    version: str
    """Of this package."""
    seed: int
    """Of every random number."""
    device: str
    """Where the model ran."""
    python: str
    """Version of the interpreter."""
    libraries: dict[str, str]
    """Versions of what the numbers depend on."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for provenance.json."""
        return asdict(self)


def package_version() -> str:
    """Version of the installed package; `0+unknown` when it runs from a plain folder."""
    return _version("interactvlm")


def provenance_of(input_sha256: str, weights: Path, *, seed: int, device: str) -> Provenance:
    """Provenance of a run with a model folder.

    Raises:
        AssetError: the folder is the shipped one and its weights are damaged.
    """
    digest = weights_sha256(weights)
    return provenance_of_named(input_sha256, str(weights), digest, seed=seed, device=device)


def provenance_of_named(
    input_sha256: str, weights: str, digest: str, *, seed: int, device: str
) -> Provenance:
    """Provenance of a run with weights that are known by a name and perhaps a hash."""
    return Provenance(
        input_sha256=input_sha256,
        weights=weights,
        weights_sha256=digest,
        version=package_version(),
        seed=seed,
        device=device,
        python=platform.python_version(),
        libraries={name: _version(name) for name in _LIBRARIES},
    )


def weights_sha256(folder: Path) -> str:
    """SHA-256 of a folder's weights file; of several, of the list of their hashes.

    Read once in a process, and again when a file's size or date has changed.

    Raises:
        AssetError: a file is missing, or a shipped one is damaged.
    """
    from interactvlm.weights import weight_files

    stats = [(path, path.stat()) for path in weight_files(folder)]
    files = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)
    settled = all(time.time_ns() - stat.st_mtime_ns > _SETTLED_NS for _, stat in stats)
    return _sha256_of_files(files) if settled else _sha256_of_files.__wrapped__(files)


@functools.lru_cache(maxsize=8)
def _sha256_of_files(files: tuple[tuple[Path, int, int], ...]) -> str:
    paths = [path for path, _size, _date in files]
    if len(paths) == 1:
        return verified_sha256(paths[0])
    lines = "".join(f"{verified_sha256(path)}  {path.name}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "0+unknown"
