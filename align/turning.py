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
