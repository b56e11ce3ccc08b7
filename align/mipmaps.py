"""A picture at full size, half, a quarter, and so on: each made once, from the one before.

Everything the fast profile looks at is resampled from the smallest of these that is still at
least as large, so that no step reads a large picture twice nor shrinks by more than two.
Williams 1983, "Pyramidal parametrics".
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from align.boxes import Boxes
from align.opencv import cv2
from align.turning import turn_pixels, turn_size
from align.types import Pixels

# The matrix takes pixels of the crop to pixels of the picture; bilinear, zero beyond the picture.
SAMPLE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


class Mipmaps:
    """The halvings of one picture, made when first asked for."""

    def __init__(self, pixels: Pixels) -> None:
        self.height, self.width = pixels.shape[:2]
        self._levels = [pixels]

    def turned(self, turns: int) -> "Mipmaps":
        """Those of the picture after quarter turns, counterclockwise."""
        size = turn_size(self.width, self.height, turns)
        return _ChangedMipmaps(self, partial(turn_pixels, turns=turns), *size)

    def mapped(self, curve: npt.NDArray[np.uint8]) -> "Mipmaps":
        """Those of the picture with each value v replaced by uint8[256] `curve[v]`."""
        return _ChangedMipmaps(self, partial(_look_up, curve=curve), self.width, self.height)

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
        shrinks = (boxes[:, 2:3] - boxes[:, :1] + 1) / size
        levels = [halvings(shrink) for shrink in shrinks[:, 0].tolist()]
        sources = [self.level(level) for level in levels]
        # Width and height of each crop's halving in those of the full picture.
        sides = np.array([source.shape[1::-1] for source in sources], np.float64)
        scales = sides.reshape(-1, 2) / (self.width, self.height)
        matrices = np.zeros((len(boxes), 2, 3))
        matrices[:, (0, 1), (0, 1)] = shrinks * scales
        # Centre of the crop's first pixel.
        matrices[:, :, 2] = (boxes[:, :2] - 1 + shrinks / 2) * scales - 0.5
        crops = np.empty((len(boxes), size, size, 3), np.uint8)
        for crop, source, matrix in zip(crops, sources, matrices, strict=True):
            cv2.warpAffine(source, matrix, (size, size), crop, SAMPLE)
        return crops


class _ChangedMipmaps(Mipmaps):
    """Each halving is changed when first asked for; the full picture is seldom needed."""

    def __init__(
        self, original: Mipmaps, change: Callable[[Pixels], Pixels], width: int, height: int
    ) -> None:
        self.width, self.height = width, height
        self._original, self._change = original, change
        self._changed: dict[int, Pixels] = {}

    def level(self, index: int) -> Pixels:
        if index not in self._changed:
            self._changed[index] = self._change(self._original.level(index))
        return self._changed[index]


def _look_up(pixels: Pixels, curve: npt.NDArray[np.uint8]) -> Pixels:
    return np.asarray(cv2.LUT(pixels, curve), np.uint8)


def halvings(shrink: float) -> int:
    """How often a picture can be halved before it is smaller than 1 / shrink."""
    return int(math.log2(max(shrink, 1.0)) + 1e-6)
