"""What a job was started with, kept beside its results: a stopped job goes on only as it began."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from interactvlm.errors import InputError
from renders.cache import atomic_write


def remember_settings(
    path: Path, values: dict[str, Any], *, may_change: Collection[str] = ()
) -> None:
    """Writes settings as JSON; values that JSON does not know, such as paths, as text.

    Raises InputError as `require_same_settings` does.
    """
    require_same_settings(path, values, may_change=may_change)
    plain = _plain(values)
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


def require_same_settings(
    path: Path, values: dict[str, Any], *, may_change: Collection[str] = ()
) -> None:
    """Raises InputError naming the settings in which a job already begun there differs; those of
    `may_change` do not matter. Writes nothing."""
    if not path.is_file():
        return
    plain, before = _plain(values), _read(path)
    changed = sorted(k for k in plain if k not in may_change and before.get(k) != plain[k])
    if changed:
        raise InputError(
            f"the run in {str(path.parent)!r} was started with other settings of {changed}; "
            f"choose another --out or delete it"
        )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values, default=str))


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the settings of the run cannot be read ({error}); choose another --out or delete "
            f"it: {str(path)!r}"
        ) from None
    return values if isinstance(values, dict) else {}
