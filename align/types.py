"""The nouns of this package: what a header says, a picture, a face.

Geometry everywhere: pixel boxes are (left, top, right, bottom) floats in the upright picture;
landmarks are five (x, y) points, left to right and top to bottom as seen in the picture: eye,
eye, nose, mouth corner, mouth corner. Images are uint8 RGB [H,W,3].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]
Check = Callable[[], None]  # called every now and then; what it raises ends the work


def no_check() -> None:
    """For callers without a clock."""


@dataclass(frozen=True)
class Header:
    """What a picture file says about itself, read without decoding it.

    Attributes:
        format: "jpeg", "png" or "webp".
        width: stored columns, before `orientation` is applied.
        height: stored rows, before `orientation` is applied.
        orientation: EXIF orientation, 1 to 8; 1 where absent or invalid.
        alpha: whether pixels may be transparent.
        depth: bits of a sample as it is decoded, 8 or 16.
        lossless: whether a WebP or its alpha is lossless, which may need tables as large as the
            picture, and some hundred megabytes for its codes whatever its size.
        unsure_end: whether a JPEG ends with a scan that its picture needs, so that only the
            decoder can tell whether that scan is whole.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    alpha: bool = False
    depth: int = 8
    lossless: bool = False
    unsure_end: bool = False

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) in pixels once `orientation` is applied."""
        if self.orientation >= 5:
            return self.height, self.width
        return self.width, self.height


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded upright picture.

    Attributes:
        pixels: uint8[h,w,3] RGB; h and w are height and width divided by `reduction`, rounded up.
        width: full upright width in pixels.
        height: full upright height in pixels.
        reduction: 1, 2, 4 or 8: the scale at which a JPEG was decoded.
    """

    pixels: Pixels
    width: int
    height: int
    reduction: int = 1

    @classmethod
    def of(cls, pixels: Pixels) -> "Picture":
        """A picture of pixels that are in memory already, uint8[h,w,3] RGB."""
        return cls(pixels, pixels.shape[1], pixels.shape[0])


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face, in full-size upright pixel coordinates whatever the decode scale.

    Attributes:
        box: (left, top, right, bottom); may reach beyond the picture. As in the reference
            (MATLAB's MTCNN), pixels count from 1 here and the last one is inside.
        landmarks: float32[5,2], (x, y) of eye, eye, nose, mouth corner, mouth corner; pixel
            centres, counted from 0.
        score: the detector's confidence, 0 to 1.
    """

    box: Box
    landmarks: Floats
    score: float

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Face):
            return NotImplemented
        return (self.box, self.score) == (other.box, other.score) and np.array_equal(
            self.landmarks, other.landmarks
        )

    __hash__ = None  # type: ignore[assignment]
