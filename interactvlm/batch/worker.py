"""Doing items one after another in this process, or in several processes at once.

Knows processes and pipes; what is done with an item is a function that is handed in. An item's own
fault ends that item alone. A worker that dies takes its item with it and is replaced.
"""

import contextlib
import io
import multiprocessing
import os
import shutil
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any, Literal

from interactvlm.batch.config import Attempt, Item
from interactvlm.errors import InputError, InteractVLMError, NoPersonError, ResourceError
from interactvlm.photo import read_photo

Run = Callable[[Any, Path], str]
"""An item's payload and its result folder, which does not exist yet, to the answer in words."""
Prepare = Callable[[int], Run]
"""Called once in every worker with its number, from 0: loads what all items need. Picklable."""
Work = tuple[Item, Path]
"""An item and its result folder."""
Event = tuple[Item, Attempt | None]
"""An item that is begun now (None), or how it ended."""

TRACE_FILE = "error.log"
THUMBNAIL_PX = 176
"""Longest side of a thumbnail."""
_END_S = 5.0
"""How long a worker may take to go when it is asked to."""


def attempt(item: Item, out: Path, run: Run) -> Attempt:
    """Does one item. Whatever its function raises is how the attempt ended."""
    # What an earlier attempt left; nothing that counts as done is attempted again.
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    state: Literal["done", "failed", "skipped"] = "done"
    result, reason, lacked = "", "", False
    try:
        result = run(item.payload, out)
    except NoPersonError as error:
        state, reason = "skipped", str(error)
    except InteractVLMError as error:
        state, reason, lacked = "failed", str(error), isinstance(error, ResourceError)
    except Exception as error:  # a fault of the program must not end the other items
        state, reason = "failed", _logged(error, out)
        lacked = isinstance(error, OSError | MemoryError)
    seconds = time.perf_counter() - began
    return Attempt(state, result, reason, seconds, thumbnail(item.photo), lacked)


def thumbnail(photo: Path) -> bytes:
    """A small JPEG of a photo; empty when it cannot be read, which the attempt has told."""
    try:
        image = read_photo(photo).image
    except (InputError, ResourceError):
        return b""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=75)
    return stream.getvalue()


def do_here(work: Sequence[Work], prepare: Prepare) -> Generator[Event, None, None]:
    """Does the items in this process, in their order."""
    run = prepare(0)
    for item, out in work:
        yield item, None
        yield item, attempt(item, out, run)


def do_in_processes(
    work: Sequence[Work], prepare: Prepare, count: int
) -> Generator[Event, None, None]:
    """Does the items in at most `count` processes; closing the iterator ends them at once.

    Raises what `prepare` raises, ResourceError when a worker dies before its first item.
    """
    waiting = deque(work)
    workers = [_Worker(number, prepare) for number in range(min(count, len(waiting)))]
    try:
        while waiting or any(worker.item is not None for worker in workers):
            pipes = {worker.pipe: worker for worker in workers}
            for pipe in connection.wait(list(pipes)):
                worker = pipes[pipe]  # pyright: ignore[reportArgumentType]
                item, ended = worker.item, worker.heard()
                if item is not None and ended is not None:
                    yield item, ended
                if worker.died:
                    workers.remove(worker)
                    if waiting:
                        workers.append(_Worker(worker.number, prepare))
                elif waiting:
                    given = waiting.popleft()
                    yield given[0], None
                    worker.give(given)
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, number: int, prepare: Prepare) -> None:
        context = multiprocessing.get_context("spawn")
        self.number = number
        self.item: Item | None = None
        """What it is doing."""
        self.died = False
        self._ready = False
        self.pipe, theirs = context.Pipe()
        arguments = (number, prepare, theirs)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        # One thread for each: several would wait for each other. Read when torch is imported.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        with _interrupts_ignored():
            self._process.start()
        theirs.close()

    def give(self, work: Work) -> None:
        """Hands over the next item."""
        self.item = work[0]
        # A worker that has just died is told of when it is heard next.
        with contextlib.suppress(OSError):
            self.pipe.send(work)

    def heard(self) -> Attempt | None:
        """How its item ended; None when it is only ready. Raises what ended its preparation."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            return self._death()
        if isinstance(message, Exception):
            raise message
        self.item, self._ready = None, True
        return message

    def _death(self) -> Attempt:
        self.died = True
        self.end()
        code = self._process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not self._ready:
            raise ResourceError(
                f"a worker died before its first photo ({how}); memory may not suffice, use fewer "
                "--workers"
            )
        return Attempt("failed", reason=f"the worker died ({how}); memory may have run out")

    def end(self) -> None:
        """Ends the process, at once if it is at work."""
        self._process.terminate()
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.pipe.close()


def _serve(number: int, prepare: Prepare, pipe: connection.Connection) -> None:
    """A worker's life: prepares, then does what comes until it is ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Standard output belongs to the parent's result.
    os.dup2(2, 1)
    try:
        run = prepare(number)
    except InteractVLMError as error:
        pipe.send(error)
        return
    except Exception:  # not every exception can be pickled
        pipe.send(RuntimeError(f"a worker could not prepare\n{traceback.format_exc()}"))
        return
    pipe.send(None)
    while True:
        item, out = pipe.recv()
        pipe.send(attempt(item, out, run))


def _end_with_parent() -> None:
    """A killed parent cannot end its workers; the next run must not find them at work."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C reaches the whole group of processes; only the parent acts on it.

    What starts inside inherits this. Handlers can be set by the main thread alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _logged(error: Exception, out: Path) -> str:
    """The fault in one sentence; its traceback goes into the item's folder."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    # On a full disk the sentence alone remains.
    with contextlib.suppress(OSError):
        out.mkdir(parents=True, exist_ok=True)
        (out / TRACE_FILE).write_text(traceback.format_exc(), encoding="utf-8")
    return said
