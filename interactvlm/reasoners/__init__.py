"""Other models that say in words what touches what, and the way from their words to contact maps.

Nothing is imported here: options must be read without loading a model library.
"""
