"""A known face that a working detector finds; every start checks it.

With broken kernels or weights the detector finds nothing, or a wrong place. Without this check that
would go unnoticed until faces are missed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align.errors import WeightsDamaged
from align.opencv import cv2
from align.types import Face, Pixels

FILE = Path(__file__).parent / "weights" / "known_face.jpg"
# What `python -m tools.make_known_face` prints: the five landmarks, in pixels.
LANDMARKS = ((50.6, 44.8), (69.7, 46.1), (59.9, 56.8), (49.3, 61.8), (68.9, 63.0))
MIN_FACE = 30.0  # pixels; the face has about 38, and a setting may ask for larger ones only
# The profiles differ by less than a pixel; a processor's kernels by far less.
TOLERANCE = 3.0
LEAST_SCORE = 0.9


def read() -> Pixels:
    """The picture, uint8[160,160,3]. Raises WeightsDamaged where the file is not there."""
    try:
        data = np.frombuffer(FILE.read_bytes(), np.uint8)
    except OSError as error:
        raise WeightsDamaged(f"{FILE.name} cannot be read") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if pixels is None:
        raise WeightsDamaged(f"{FILE.name} is not a picture")
    return np.asarray(pixels, np.uint8)


def require_found(faces: Sequence[Face]) -> None:
    """Raises WeightsDamaged unless exactly the known face was found, in its place."""
    if not (len(faces) == 1 and _is_known(faces[0])):
        raise WeightsDamaged(
            "it does not find a known face on this processor, so it would miss others; use "
            "another machine"
        )


def _is_known(face: Face) -> bool:
    offsets = np.linalg.norm(face.landmarks - np.asarray(LANDMARKS, np.float32), axis=1)
    return bool(face.score >= LEAST_SCORE and offsets.max() <= TOLERANCE)
