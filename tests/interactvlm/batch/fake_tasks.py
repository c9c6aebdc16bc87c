"""A task without a model, for tests of ledger, runner and workers; picklable, so it can be spawned.

An item's payload is a dictionary: `log` (a file that gets a line when an item is begun and ended),
`name`, `sleep_s`, and `how`, what is to happen.
"""

import os
import signal
import time
from pathlib import Path

from interactvlm.batch.config import Item, Listing
from interactvlm.errors import InputError, NoPersonError, ResourceError
from interactvlm.result_folder import fresh_result_folder, write_bytes


def prepare(worker):
    return do


def prepare_badly(worker):
    raise InputError("these weights were never trained for this")


def prepare_with_a_bug(worker):
    raise KeyError("weights")


def die_while_preparing(worker):
    os._exit(7)


def do(payload, out):
    note(payload, "began")
    time.sleep(payload.get("sleep_s", 0.0))
    how = payload.get("how", "well")
    with fresh_result_folder(out) as folder:
        write_bytes(folder / "report.html", payload["name"].encode())
        if how == "die":
            os._exit(3)
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "input":
            raise InputError("photo is damaged; export it again")
        if how == "nobody":
            raise NoPersonError("no person was found in the photo")
        if how == "full":
            raise ResourceError("result cannot be written (No space left on device)")
        if how == "bug":
            raise KeyError("<b>forgotten</b>")
        if how == "ctrl-c":
            raise KeyboardInterrupt
    note(payload, "ended")
    return f"answer about {payload['name']}"


def note(payload, what):
    # One write of a short line at the end of a file is whole, whoever else writes there.
    with open(payload["log"], "a") as stream:
        stream.write(f"{what} {payload['name']} {os.getpid()}\n")


def notes(log, what):
    """Names that were begun, or ended, in order."""
    lines = Path(log).read_text().splitlines() if Path(log).exists() else []
    return [line.split()[1] for line in lines if line.startswith(what)]


def item(log, row, how="well", *, skip="", label="chair", **payload):
    name = f"p{row}"
    values = {"name": name, "log": str(log), "how": how, **payload}
    return Item(f"key-{name}", row, log.parent / f"{name}.jpg", label, values, skip)


def listing(log, *hows, **payload):
    """One item per way to end, from row 1."""
    return Listing(tuple(item(log, row, how, **payload) for row, how in enumerate(hows, start=1)))
