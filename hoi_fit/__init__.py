"""Fitting person and object into one metric frame: alignment of contacts so far."""
