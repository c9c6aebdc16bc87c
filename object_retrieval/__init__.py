"""Finding an object's shape for a photo: the library of shapes (docs/design.md)."""
