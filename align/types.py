"""The types of this package: header, picture, face.

Geometry everywhere: pixel boxes are (left, top, right, bottom) floats in the upright picture;
landmarks are five (x, y) points, left to right and top to bottom as seen when the face stands
upright: eye, eye, nose, mouth corner, mouth corner. Images are uint8 RGB [H,W,3].
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]
Check = Callable[[], None]  # called regularly; an exception from it ends the work


# Opened around a step of the work, by name; measures it.
Timed = Callable[[str], AbstractContextManager[None]]


def no_check() -> None:
    """The check of callers without a deadline."""


def not_timed(_: str) -> AbstractContextManager[None]:
    """For callers who do not measure the steps."""
    return nullcontext()


@dataclass(frozen=True)
class Header:
    """What a picture file says about itself, read without decoding it.

    Attributes:
        format: "jpeg", "png", "webp" or "heic".
        width: stored columns, before `orientation` is applied.
        height: stored rows, before `orientation` is applied.
        orientation: as in EXIF, 1 to 8, from EXIF or else XMP; 1 where absent or invalid.
        alpha: whether pixels may be transparent.
        depth: bits of a sample as it is stored: 8 or 16, of a HEIC 8 to 12.
        lossless: whether a WebP or its alpha is lossless, which may need tables as large as the
            picture, and some hundred megabytes for its codes whatever its size.
        coded_pixels: of a HEIC, the pixels of all that is decoded for it: tiles, transparency.
        coded_bytes: of a HEIC, the bytes of the same.
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
    coded_pixels: int = 0
    coded_bytes: int = 0
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
    def tilt(self) -> float:
        """Degrees counterclockwise, -180 to 180, that bring the face upright: eyes over mouth."""
        # Plain numbers: this is asked often, and numpy takes ten times as long for five points.
        left_eye, right_eye, _, left_mouth, right_mouth = self.landmarks.tolist()
        across = left_mouth[0] + right_mouth[0] - left_eye[0] - right_eye[0]
        down = left_mouth[1] + right_mouth[1] - left_eye[1] - right_eye[1]
        return math.degrees(math.atan2(-across, down))

    @property
    def turns(self) -> int:
        """Quarter turns counterclockwise, 0 to 3, that bring the face nearest to upright."""
        return round(self.tilt / 90) % 4

    def moved(self, across: float, down: float) -> "Face":
        """The face in a picture that starts so many pixels further to the left and up."""
        left, top, right, bottom = self.box
        box = (left + across, top + down, right + across, bottom + down)
        return replace(
            self, box=box, landmarks=self.landmarks + np.array((across, down), np.float32)
        )

    def enlarged(self, factor: float) -> "Face":
        """The face in a picture that is larger by a factor."""
        if factor == 1:
            return self
        left, top, right, bottom = self.box
        # A box starts at pixel 1 and includes its last pixel; landmarks are centres, from 0.
        corner = ((left - 1) * factor + 1, (top - 1) * factor + 1)
        landmarks = ((self.landmarks + 0.5) * factor - 0.5).astype(np.float32)
        return replace(self, box=(*corner, right * factor, bottom * factor), landmarks=landmarks)

    def turned(self, turns: int, width: int, height: int) -> "Face":
        """The face after quarter turns, counterclockwise, of its picture of width x height."""
        face = self
        for _ in range(turns % 4):
            left, top, right, bottom = face.box
            # Pixels of boxes count from 1: column x becomes row width + 1 - x.
            box = (top, width + 1 - right, bottom, width + 1 - left)
            across, down = face.landmarks[:, 0], face.landmarks[:, 1]
            landmarks = np.stack([down, width - 1 - across], axis=1)
            face = replace(face, box=box, landmarks=landmarks)
            width, height = height, width
        return face

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
