"""Which commit of a hub model is used: a small lock file of the user's own.

A branch such as `main` may change under a user's feet. `interactvlm models fetch` writes the commit
it got into the lock file, and every later load takes exactly that commit. The table of defaults
(`registry`) itself pins none. Knows names and commits; loads nothing.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from interactvlm.errors import AssetError, InputError, ResourceError
from renders.cache import atomic_write

LOCK_VARIABLE = "INTERACTVLM_MODELS_LOCK"
"""Environment variable that names another lock file, for example one kept with a project."""
LOCK_FILE = "interactvlm-models.lock.json"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_REVISION = re.compile(r"[\w][\w./-]*")


@dataclass(frozen=True)
class Pin:
    """The commit one model is held at."""

    commit: str
    """40 hexadecimal digits."""
    asked: str
    """Branch, tag or commit that was asked for when it was fetched."""


@dataclass(frozen=True)
class HubName:
    """`owner/name` or `owner/name@revision`."""

    name: str
    """`owner/name`."""
    revision: str = ""
    """Commit, tag or branch after the `@`; empty when there is none."""

    @staticmethod
    def parse(text: str) -> "HubName":
        """The two halves. Raises InputError for an `@` without a usable revision behind it."""
        name, sign, revision = text.partition("@")
        if sign and not _REVISION.fullmatch(revision):
            raise InputError(
                f"a revision after the @ must be a commit, tag or branch, got {text!r}"
            )
        return HubName(name, revision)

    @property
    def plausible(self) -> bool:
        """Whether the name reads like one of the hub's."""
        return bool(_NAME.fullmatch(self.name))


def lock_path() -> Path:
    """The lock file: `INTERACTVLM_MODELS_LOCK`, else beside the hub's cache. May not exist yet."""
    chosen = os.environ.get(LOCK_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / LOCK_FILE


def read_pins() -> dict[str, Pin]:
    """Pins by `owner/name`; empty without a lock file. Raises AssetError for a damaged one."""
    path = lock_path()
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["models"]
        pins = {str(name): Pin(str(e["commit"]), str(e["asked"])) for name, e in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(
            f"lock file of models cannot be read ({error!r}); repair it, or delete it and fetch "
            f"again: {str(path)!r}"
        ) from None
    for name, pin in pins.items():
        if not _COMMIT.fullmatch(pin.commit):
            raise AssetError(
                f"lock file of models holds no commit for {name!r}, found {pin.commit!r}: "
                f"{str(path)!r}"
            )
    return pins


def write_pin(name: str, pin: Pin) -> None:
    """Adds or replaces one pin; the others stay.

    Raises:
        AssetError: the commit is none, or the lock file there is damaged.
        ResourceError: the lock file cannot be written.
    """
    if not _COMMIT.fullmatch(pin.commit):
        raise AssetError(f"the hub named no commit for {name!r}, got {pin.commit!r}")
    path = lock_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".busy")), atomic_write(path) as temporary:
            pins = {**read_pins(), name: pin}
            models = {key: asdict(pins[key]) for key in sorted(pins)}
            text = json.dumps({"models": models}, indent=2) + "\n"
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"the commit of {name!r} cannot be recorded ({error.strerror or error}); set "
            f"{LOCK_VARIABLE} to a file that can be written: {str(path)!r}"
        ) from None


def chosen_revision(model: HubName, default: str = "main") -> str:
    """What is asked for by name, else the pinned commit, else the default."""
    if model.revision:
        return model.revision
    pin = read_pins().get(model.name)
    return default if pin is None else pin.commit
