"""A small content-addressed cache on disk, safe for several processes at once.

An entry's name is a hash of all that went into it, so entries are never stale and never
overwritten with something else; files appear under their name only when complete. Knows nothing
of what it stores.
"""

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import platformdirs

from renders.errors import InputError

_LOGGER = logging.getLogger(__name__)
_ENVIRONMENT = "INTERACTVLM_CACHE"

Built = TypeVar("Built")


def cache_dir() -> Path:
    """The folder of cached files: `INTERACTVLM_CACHE`, else the platform's cache folder.

    Not created here. An empty variable counts as not set.
    """
    chosen = os.environ.get(_ENVIRONMENT, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("interactvlm", appauthor=False))


def content_key(*parts: str | int | float | None) -> str:
    """Hexadecimal SHA-256 of a list of parts; each part is kept apart from the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path with the same suffix; renamed to `path` when the block ends well.

    The folder is created. Readers see the old file or the whole new one, never a part; after an
    error the temporary file is gone and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        # mkstemp makes private files; a cache shared by a group needs the usual permissions.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load_or_build(
    key: str,
    build: Callable[[], Built],
    save: Callable[[Built, Path], None],
    load: Callable[[Path], Built],
    *,
    suffix: str = ".npz",
    folder: Path | None = None,
) -> Built:
    """The cached entry `key`, built and stored when it is not there.

    `save(value, path)` writes one file, `load(path)` reads it back. An entry that cannot be read
    is built again; a folder that cannot be written only costs the time of building. Both are
    logged. Two processes may build the same entry at the same time; either result is kept.

    Raises:
        InputError: `key` is not a plain file name.
    """
    if not key or Path(key).name != key or key.startswith("."):
        raise InputError(f"a cache key must be a plain file name, got {key!r}")
    path = (cache_dir() if folder is None else Path(folder)) / f"{key}{suffix}"
    if path.is_file():
        try:
            return load(path)
        except Exception as error:  # any damage of a cache file has the same cure
            _LOGGER.warning("cached file cannot be read, building it again: %s (%s)", error, path)
    value = build()
    try:
        with atomic_write(path) as temporary:
            save(value, temporary)
    except OSError as error:
        _LOGGER.warning("result could not be cached: %s (%s)", error, path)
    return value
