"""Training of the picture encoder of `object_retrieval`: its pictures, its loop, its settings."""
