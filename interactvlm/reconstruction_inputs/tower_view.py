"""Where the square that a photo tower looked at lies in the photo, and values carried across.

Three grids: the tower's picture (a small square, what its maps are on), `Photo.image` (what masks
are on) and the upright original (what boxes and points are in). Knows geometry only.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from interactvlm.photo import Box, Photo
from interactvlm.preprocessing import Window


@dataclass(frozen=True)
class TowerView:
    """A square window of a photo as a picture of `size_px` x `size_px`."""

    photo: Photo
    window: Window
    """In pixels of `photo.image`; may reach beyond it."""
    size_px: int
    """Side of the tower's picture."""

    def original_px(
        self, points_tower_px: Float[np.ndarray, "points 2"]
    ) -> Float[np.ndarray, "points 2"]:
        """Points of the tower's picture in pixels of the original photo."""
        window, image = self.window, self.photo.image
        shown = points_tower_px * (window.side / self.size_px) + (window.left, window.top)
        return shown * (self.photo.width / image.width, self.photo.height / image.height)

    def in_photo(
        self, points_original_px: Float[np.ndarray, "points 2"]
    ) -> Bool[np.ndarray, "points"]:
        """Whether points of the original lie on the photo, not on what pads the square."""
        x, y = points_original_px.T
        return (x >= 0) & (x < self.photo.width) & (y >= 0) & (y < self.photo.height)

    def mask(self, margin: Float[np.ndarray, "size size"]) -> Bool[np.ndarray, "height width"]:
        """Where a map of the tower's picture is positive, at the size of `photo.image`.

        The map is interpolated before it is cut, so edges are smooth; outside the window is False.
        """
        window, per_pixel = self.window, self.size_px / self.window.side
        place = (per_pixel, 0.0, -window.left * per_pixel, 0.0, per_pixel, -window.top * per_pixel)
        grown = Image.fromarray(margin.astype(np.float32)).transform(
            self.photo.image.size,
            Image.Transform.AFFINE,
            place,
            Image.Resampling.BILINEAR,
            fillcolor=-1.0,
        )
        return np.asarray(grown) > 0

    def box(self, cells: Bool[np.ndarray, "size size"]) -> Box | None:
        """The box around marked pixels of the tower's picture, in the original; None off it."""
        rows, columns = (np.flatnonzero(cells.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        corners = [[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]
        placed = self.original_px(np.asarray(corners, dtype=np.float64))
        (x0, y0), (x1, y1) = placed.clip(0, (self.photo.width, self.photo.height)).tolist()
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
