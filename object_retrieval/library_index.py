"""The vectors of a library's shapes, made once per library and back end and kept on disk.

Knows libraries, back ends and the index; knows no question.
"""

import contextlib
import logging
import shutil
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from object_retrieval.backend import EmbeddingBackend
from object_retrieval.index import VectorIndex
from object_retrieval.index_files import IndexWriter
from object_retrieval.shape_library import ShapeLibrary
from renders.cache import cache_dir, content_key
from renders.errors import AssetError, InputError

_LOGGER = logging.getLogger(__name__)
_VERSION = "library-1"


def library_index(
    library: ShapeLibrary, backend: EmbeddingBackend, *, folder: Path | None = None
) -> VectorIndex:
    """The index of a library; built when it is not there, with a progress bar on stderr.

    Rows bear the names of their items; an item may have several. A build that was killed goes on;
    of several processes one builds and the others wait.

    Raises:
        InputError: the library is empty.
    """
    if not library.items:
        raise InputError("the library holds no shapes; there is nothing to find")
    key = content_key(_VERSION, library.key, backend.name)
    home = (cache_dir() if folder is None else Path(folder)) / "retrieval"
    path = home / key[:32]
    # A finished index is only read: no lock, so that a read-only cache serves too.
    with contextlib.suppress(AssetError):
        return VectorIndex(path, key=key)
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if path.is_dir():
            try:
                return VectorIndex(path, key=key)  # another process was faster
            except AssetError as error:  # any damage of a cached index has the same cure
                _LOGGER.warning("cached index cannot be used, building it again: %s", error)
                shutil.rmtree(path)
        _build(path, key, library, backend)
    return VectorIndex(path, key=key)


def _build(path: Path, key: str, library: ShapeLibrary, backend: EmbeddingBackend) -> None:
    names = [item.name for item in library.items]
    with IndexWriter(path, backend.dim, key) as writer:
        done = 0 if writer.last_name is None else names.index(writer.last_name) + 1
        bar = tqdm(names[done:], initial=done, total=len(names), desc="library", unit="shape")
        for seed, name in enumerate(bar, start=done):
            vectors = backend.embed_item(library.mesh(name), seed=seed)
            writer.add([name] * len(vectors), vectors)
