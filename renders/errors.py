"""The project's error family: one sentence for the person, one exit code for the shell."""


class InteractVLMError(Exception):
    """Base of every error that is the caller's to fix; the command line prints it and exits 2."""


class InputError(InteractVLMError):
    """A file or argument the caller gave cannot be used."""


class AssetError(InteractVLMError):
    """Weights, a body model or a dataset is missing, damaged or of another version."""


class ResourceError(InteractVLMError):
    """Memory, disk or device does not suffice for what was asked."""
