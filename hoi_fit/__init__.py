"""Reserved for fitting person and object into one metric frame (docs/design.md). Empty so far."""
