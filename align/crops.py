"""Square crops of a picture for R-Net and O-Net."""

import numpy as np

from align.boxes import Boxes
from align.opencv import cv2
from align.types import Floats, Pixels


def cut_exactly(pixels: Pixels, boxes: Boxes, size: int) -> Floats:
    """Crops as the reference cuts them: zero beyond the picture, area-resampled in float64.

    Args:
        pixels: uint8[h,w,3] RGB.
        boxes: float64[N,4] of whole pixels, first pixel 1, last pixel included.
        size: side of the crops in pixels.

    Returns:
        float32[N,size,size,3], values 0..255.
    """
    crops = np.empty((len(boxes), size, size, 3), np.float32)
    for index, box in enumerate(boxes.astype(np.int64)):
        crops[index] = cv2.resize(
            _cut_padded(pixels, *box), (size, size), interpolation=cv2.INTER_AREA
        )
    return crops


def _cut_padded(pixels: Pixels, left: int, top: int, right: int, bottom: int) -> Floats:
    height, width = pixels.shape[:2]
    # float64, as in the reference: resampling whole numbers would round, and rounding moves boxes.
    padded = np.zeros((max(bottom - top + 1, 1), max(right - left + 1, 1), 3))
    inner_left, inner_top = max(left, 1), max(top, 1)
    inner = pixels[inner_top - 1 : min(bottom, height), inner_left - 1 : min(right, width)]
    rows, columns = inner.shape[:2]
    padded[inner_top - top :, inner_left - left :][:rows, :columns] = inner
    return padded
