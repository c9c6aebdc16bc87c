"""The pieces a mask falls into. Knows masks only."""

import numpy as np
from jaxtyping import Bool

SPECK_SHARE = 0.05
"""Pieces smaller than this share of the largest are noise."""


def without_specks(mask: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """The mask without its smallest pieces; an empty mask stays empty."""
    import cv2

    _, piece, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0  # the background
    return ((area > 0) & (area >= SPECK_SHARE * area.max()))[piece]
