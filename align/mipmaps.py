"""A picture at full size, half, a quarter, and so on: each made once, from the one before.

Everything the fast profile looks at is resampled from the smallest of these that is still at
least as large, so that no step reads a large picture twice nor shrinks by more than two.
Williams 1983, "Pyramidal parametrics".
"""

import math

import numpy as np

from align.boxes import Boxes
from align.opencv import cv2
from align.types import Floats, Pixels

# OpenCV keeps the rows of a resampled picture in 16 bits.
MOST_ROWS = 32_000


class Mipmaps:
    """The halvings of one picture, made when first asked for."""

    def __init__(self, pixels: Pixels) -> None:
        self._levels = [pixels]

    def at_least(self, scale: float) -> Pixels:
        """The smallest halving whose scale is not below `scale` (1 = full size)."""
        return self.level(halvings(1 / scale))

    def level(self, index: int) -> Pixels:
        """uint8[h/2^index, w/2^index, 3]."""
        while len(self._levels) <= index:
            last = self._levels[-1]
            half = (max(last.shape[1] // 2, 1), max(last.shape[0] // 2, 1))
            self._levels.append(
                np.asarray(cv2.resize(last, half, interpolation=cv2.INTER_AREA), np.uint8)
            )
        return self._levels[index]

    def cut(self, boxes: Boxes, size: int) -> Pixels:
        """Square crops, zero beyond the picture.

        Args:
            boxes: float64[N,4] squares; first pixel 1, last pixel included; fractions count.
            size: side of the crops in pixels.

        Returns:
            uint8[N,size,size,3].
        """
        sides = boxes[:, 2] - boxes[:, 0] + 1
        indices = [halvings(side) for side in (sides / size).tolist()]
        crops = np.empty((len(boxes), size, size, 3), np.uint8)
        for index in set(indices):
            chosen = [number for number, other in enumerate(indices) if other == index]
            crops[chosen] = self._cut_at(index, boxes[chosen], size)
        return crops

    def _cut_at(self, index: int, boxes: Boxes, size: int) -> Pixels:
        source, full = self.level(index), self._levels[0]
        across = _sample_points(boxes[:, 0], boxes[:, 2], size, source.shape[1] / full.shape[1])
        down = _sample_points(boxes[:, 1], boxes[:, 3], size, source.shape[0] / full.shape[0])
        points = np.empty((len(boxes), size, size, 2), np.float32)
        points[..., 0], points[..., 1] = across[:, None, :], down[:, :, None]
        pairs = points.reshape(-1, size, 2)
        parts = [
            cv2.remap(source, pairs[part], None, cv2.INTER_LINEAR)
            for part in _slices(len(pairs), MOST_ROWS // size * size)
        ]
        return np.concatenate(parts).reshape(len(boxes), size, size, 3)


def halvings(shrink: float) -> int:
    """How often a picture can be halved before it is smaller than 1 / shrink."""
    return int(math.log2(max(shrink, 1.0)) + 1e-6)


def _sample_points(start: Boxes, end: Boxes, size: int, scale: float) -> Floats:
    """Centres of `size` samples between one-based inclusive pixels, in a scaled picture."""
    steps = (np.arange(size) + 0.5) / size
    points = (start[:, None] - 1) + (end - start + 1)[:, None] * steps
    return (points * scale - 0.5).astype(np.float32)


def _slices(total: int, step: int) -> list[slice]:
    return [slice(start, start + step) for start in range(0, total, step)]
