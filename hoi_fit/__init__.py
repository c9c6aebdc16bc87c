"""Fits an object to its mask and to contact with a body: alignment, then render and compare."""
