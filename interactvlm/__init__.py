"""InteractVLM: from one photo, where a person's body touches which object, in 3D.

Importing the package is instant; what a name needs is imported when the name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interactvlm.config import InteractVLMConfig
    from interactvlm.model import InteractVLM
    from interactvlm.presets import preset
    from interactvlm.reconstruction.api import reconstruct
    from interactvlm.results import ContactMap, load_contact_npz, save_contact_npz

_HOME_OF = {
    "InteractVLM": "interactvlm.model",
    "InteractVLMConfig": "interactvlm.config",
    "preset": "interactvlm.presets",
    "reconstruct": "interactvlm.reconstruction.api",
    "ContactMap": "interactvlm.results",
    "load_contact_npz": "interactvlm.results",
    "save_contact_npz": "interactvlm.results",
}

__all__ = [
    "InteractVLM",
    "InteractVLMConfig",
    "preset",
    "reconstruct",
    "ContactMap",
    "load_contact_npz",
    "save_contact_npz",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
