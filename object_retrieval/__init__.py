"""Reserved for finding an object's shape for a photo (docs/design.md). Empty so far."""
