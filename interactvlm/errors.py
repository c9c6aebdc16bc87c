"""Re-export of the error family (it lives in `renders`, the lowest package)."""

from renders.errors import AssetError, InputError, InteractVLMError, ResourceError

__all__ = ["AssetError", "InputError", "InteractVLMError", "ResourceError"]
