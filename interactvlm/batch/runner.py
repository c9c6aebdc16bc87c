"""A batch from its listing to its summary: who may run, what is left, and when to stop.

Only one process runs a batch. It holds a lock on the folder that the system takes back when the
process dies, however it dies, so whatever the ledger calls running when a batch starts is work that
somebody was killed at. Knows items and their ledger; knows no model and no file format.
"""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from interactvlm.batch.config import (
    ITEMS_FOLDER,
    LEDGER_FILE,
    Attempt,
    BatchConfig,
    Item,
    Listing,
    State,
)
from interactvlm.batch.index_page import write_index
from interactvlm.batch.ledger import Ledger, next_state
from interactvlm.batch.summary import BatchReport, write_summary
from interactvlm.batch.worker import Prepare, Work, do_here, do_in_processes
from interactvlm.errors import InputError, ResourceError
from interactvlm.job_settings import remember_settings, require_same_settings

SETTINGS_FILE = "settings.json"
LOCK_FILE = ".lock"
OWNER_FILE = ".owner"
LEAST_FREE_BYTES = 32 * 2**20
"""With less left on the disk after a failure for lack of something, every next item would fail."""


@dataclass(frozen=True)
class Planned:
    """What would be done with one item."""

    item: Item
    state: State
    """What it is when the batch starts."""
    reason: str = ""


def plan_batch(config: BatchConfig, listing: Listing) -> list[Planned]:
    """What `run_batch` would begin with. Writes nothing.

    Raises InputError and ResourceError as `run_batch` does.
    """
    require_same_settings(config.out / SETTINGS_FILE, _settings(config, listing))
    entries = {}
    path = config.out / LEDGER_FILE
    if path.is_file():
        with Ledger.open(path, read_only=True) as ledger:
            entries = ledger.entries()
    planned = []
    for item in listing.items:
        entry = entries.get(item.key)
        there = entry is not None and (config.out / ITEMS_FOLDER / entry.folder).is_dir()
        state, reason = next_state(
            item, entry, retry_failed=config.retry_failed, result_there=there
        )
        planned.append(Planned(item, state, reason))
    return planned


def run_batch(config: BatchConfig, listing: Listing, prepare: Prepare) -> BatchReport:
    """Does what is left of a batch, and writes its summary and index page.

    Ctrl-C ends it: the report then says so, and what was begun is queued again.

    Raises:
        InputError: another process runs the batch, it was begun with other settings, or its ledger
            cannot be read.
        ResourceError: the disk is full, or the ledger cannot be written.
        InteractVLMError: what `prepare` raises.
    """
    began = time.perf_counter()
    results = config.out / ITEMS_FOLDER
    results.mkdir(parents=True, exist_ok=True)
    with _only_one(config.out), Ledger.open(config.out / LEDGER_FILE) as ledger:
        remember_settings(config.out / SETTINGS_FILE, _settings(config, listing))
        _clear_unfinished(results)
        ledger.enlist(listing.items, results, retry_failed=config.retry_failed)
        interrupted = _work(config, listing.items, ledger, prepare)
        _clear_unfinished(results)
        write_summary(config.out, ledger)
        write_index(config.out, ledger, title=f"{config.task}: {config.source.name}")
        return BatchReport.of(
            ledger,
            out=config.out,
            seconds=time.perf_counter() - began,
            notes=listing.notes,
            interrupted=interrupted,
        )


def _settings(config: BatchConfig, listing: Listing) -> dict:
    return {"task": config.task, **listing.settings}


def _work(config: BatchConfig, items: Sequence[Item], ledger: Ledger, prepare: Prepare) -> bool:
    """Does every queued item; True when Ctrl-C stopped it."""
    entries = ledger.entries()
    queued = [
        (item, config.out / ITEMS_FOLDER / entries[item.key].folder)
        for item in items
        if entries[item.key].state == "queued"
    ]
    if not queued:
        return False
    try:
        _do(config, queued, ledger, prepare, total=len(items))
    except KeyboardInterrupt:
        return True
    finally:
        # What cannot be noted now, for want of space, is put back when the batch starts again.
        with contextlib.suppress(ResourceError):
            ledger.put_back()
    return False


def _do(
    config: BatchConfig, queued: Sequence[Work], ledger: Ledger, prepare: Prepare, *, total: int
) -> None:
    from tqdm import tqdm

    if config.workers == 1:
        events = do_here(queued, prepare)
    else:
        events = do_in_processes(queued, prepare, config.workers)
    failed = 0
    bar = tqdm(total=total, initial=total - len(queued), desc=config.task, unit="photo")
    with bar, closing(events):
        for item, ended in events:
            if ended is None:
                ledger.begin(item.key)
                continue
            _require_space(ended, config.out)
            ledger.end(item.key, ended)
            bar.update()
            if ended.state == "failed":
                failed += 1
                bar.set_postfix(failed=failed)
                if config.stop_on_error:
                    return


def _require_space(ended: Attempt, out: Path) -> None:
    """Raises ResourceError when an item failed because the disk is full; it is queued again."""
    if ended.lacked_resources and shutil.disk_usage(out).free < LEAST_FREE_BYTES:
        raise ResourceError(
            f"the disk is full ({ended.reason}); free some space, then start the same command again"
        )


@contextlib.contextmanager
def _only_one(out: Path) -> Iterator[None]:
    """Holds the folder's lock. Raises InputError when another process does."""
    lock = FileLock(out / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"a batch is running in this folder ({_owner(out)}); wait for it, or choose another "
            f"--out: {str(out)!r}"
        ) from None
    try:
        (out / OWNER_FILE).write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        lock.release()


def _owner(out: Path) -> str:
    try:
        return (out / OWNER_FILE).read_text(errors="replace") or "another process"
    except OSError:
        return "another process"


def _clear_unfinished(results: Path) -> None:
    """Folders that a killed job was still writing; nobody else works here."""
    for folder in results.glob(".*.tmp"):
        shutil.rmtree(folder, ignore_errors=True)
