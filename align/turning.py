"""Quarter turns of pictures, counterclockwise. `Face.turned` turns the faces in them."""

import numpy as np

from align.opencv import cv2
from align.types import Pixels

ROTATIONS = {
    1: cv2.ROTATE_90_COUNTERCLOCKWISE,
    2: cv2.ROTATE_180,
    3: cv2.ROTATE_90_CLOCKWISE,
}


def turn_pixels(pixels: Pixels, turns: int) -> Pixels:
    """uint8[h,w,3] after so many quarter turns; the same array where there are none."""
    if turns % 4 == 0:
        return pixels
    return np.asarray(cv2.rotate(pixels, ROTATIONS[turns % 4]), np.uint8)


def turn_size(width: int, height: int, turns: int) -> tuple[int, int]:
    """Width and height after so many quarter turns."""
    return (height, width) if turns % 2 else (width, height)


def turn_view(view: Pixels, turns: int, shrink: int = 1) -> Pixels:
    """Pixels of their own for a view that np.rot90 made by so many turns.

    OpenCV reads such a view ten times as slowly as it turns the pixels where they lie.

    shrink: average so many pixels a side into one; both sides are multiples of it.
    """
    lying = np.rot90(view, -turns) if turns else view
    if shrink > 1:
        size = (lying.shape[1] // shrink, lying.shape[0] // shrink)
        lying = np.asarray(cv2.resize(lying, size, interpolation=cv2.INTER_AREA), np.uint8)
    return turn_pixels(lying, turns)
