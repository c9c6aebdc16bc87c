"""Re-export of the error family (it lives in `renders`, the lowest package), and what it lacks."""

from renders.errors import AssetError, InputError, InteractVLMError, ResourceError

__all__ = ["AssetError", "InputError", "InteractVLMError", "NoPersonError", "ResourceError"]


class NoPersonError(InputError):
    """The photo shows nobody who could be asked about: no fault of a batch, but nothing to do."""
