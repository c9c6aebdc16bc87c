"""Files of one result that appear whole or not at all.

Everything is written to a folder with a temporary name, flushed, then renamed; into an existing
folder file by file, `report.json` last. Knows files; knows no result.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interactvlm.errors import InputError, ResourceError

REPORT_FILE = "report.json"


@contextlib.contextmanager
def fresh_result_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, whose files are `out`'s when the block ends well.

    Raises:
        InputError: `out` is a file.
        ResourceError: the disk is full or the place cannot be written; `out` is as it was.
    """
    with disk_told(out), _staged(out) as folder:
        yield folder


@contextlib.contextmanager
def disk_told(out: Path) -> Iterator[None]:
    """Turns a place that cannot be written inside into one sentence about the result folder.

    Raises as `fresh_result_folder` does.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"the result needs a folder, found a file: {str(out)!r}")
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"result cannot be written ({error.strerror or error}); free some space or choose "
            f"another folder with --out: {str(out)!r}"
        ) from None


@contextlib.contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A new folder beside `out`; takes its place, or hands over its files, when all went well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.parent / f".{out.name[:60]}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    staging.mkdir()
    try:
        yield staging
        for path in staging.iterdir():
            with open(path, "rb+") as written:
                os.fsync(written.fileno())
        _publish(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, out: Path) -> None:
    if not out.exists() or not any(out.iterdir()):
        # Renaming onto an empty folder is allowed on POSIX only.
        with contextlib.suppress(FileNotFoundError):
            out.rmdir()
        os.rename(staging, out)
        return
    # report.json last: whoever waits for it finds everything else in place.
    for path in sorted(staging.iterdir(), key=lambda p: p.name == REPORT_FILE):
        os.replace(path, out / path.name)


def write_bytes(path: Path, data: bytes) -> None:
    """One file; `fresh_result_folder` makes it appear whole."""
    with open(path, "wb") as stream:
        stream.write(data)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """One JSON file; NaN is refused."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode("utf-8"))
