"""The faces found in a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import align

Alignment = align.BoxAlignment | align.SimilarityAlignment


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A face that counts: box and landmarks in pixels of the upright picture.

    The box counts pixels from 1, as MTCNN's do; the landmarks count from 0.
    `indistinct` says, once the embedding is computed, that the model cannot tell the face apart.
    `landmarks` (float32 [5,2]) and `quality` are None for a crop in which none were found,
    `chip` (uint8 RGB [S,S,3]) where no embedding is wanted, `embedding` (float32 [D], unit
    length) until it is computed.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None
    score: float
    quality: align.Quality | None = None
    chip: NDArray[np.uint8] | None = None
    embedding: NDArray[np.float32] | None = None
    indistinct: bool = False


@dataclass(frozen=True, eq=False)
class PictureFaces:
    """An upright picture's size in pixels, and its faces."""

    width: int
    height: int
    faces: tuple[FoundFace, ...]
