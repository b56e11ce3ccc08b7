"""From a picture and a face to the chip that a model wants."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from align.opencv import cv2
from align.turning import turn_pixels
from align.types import Face, Floats, Picture, Pixels

# The usual positions of the five landmarks in a 112x112 chip (ArcFace, Deng et al. 2019), in pixel
# centres counted from 0.
TEMPLATE_SIZE = 112
TEMPLATE: Floats = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ],
    np.float32,
)


# Landmarks (nearly) in one point give a scale of zero, and a chip of one colour.
SMALLEST_SCALE = 1e-4

Points = npt.NDArray[np.floating[Any]]
Template = tuple[tuple[float, float], ...]  # five (x, y), in the order of a face's landmarks


@dataclass(frozen=True)
class BoxAlignment:
    """Cut the box with a margin and stretch it: how FaceNet was trained.

    Attributes:
        size: side of the chip in pixels.
        margin: pixels of the picture added to the box's width and height, half on each side.
    """

    size: int
    margin: int


@dataclass(frozen=True)
class SimilarityAlignment:
    """Turn, scale and shift so that the landmarks meet the template.

    Attributes:
        size: side of the chip in pixels.
        template: where the five landmarks stand in that chip, in pixel centres counted from 0;
            None for TEMPLATE, scaled to the size.
    """

    size: int
    template: Template | None = None

    @property
    def target(self) -> Floats:
        """Where the landmarks go: float32[5,2]."""
        if self.template is not None:
            return np.array(self.template, np.float32)
        return (TEMPLATE + np.float32(0.5)) * np.float32(self.size / TEMPLATE_SIZE) - 0.5


def alignment_for(
    size: int, margin: int | None, template: Template | None = None
) -> BoxAlignment | SimilarityAlignment:
    """Box alignment where there is a margin, as a model's manifest says, else by landmarks."""
    return SimilarityAlignment(size, template) if margin is None else BoxAlignment(size, margin)


def align(picture: Picture, face: Face, alignment: BoxAlignment | SimilarityAlignment) -> Pixels:
    """The chip of one face, uint8[size,size,3] RGB."""
    if isinstance(alignment, BoxAlignment):
        return align_box(picture, face, alignment)
    return align_similarity(picture, face, alignment)


def align_box(picture: Picture, face: Face, alignment: BoxAlignment) -> Pixels:
    """Box alignment with the arithmetic of davidsandberg's align_dataset_mtcnn.

    Half the margin is added on each side, the result clipped to the picture and truncated to
    whole pixels; then the crop is stretched to a square, whatever its shape. A face that stands
    nearer to another quarter turn than to upright is turned by it.
    """
    left, top, right, bottom = face.box
    half = alignment.margin / 2
    columns = _span(left - half, right + half, picture.width, picture.reduction)
    rows = _span(top - half, bottom + half, picture.height, picture.reduction)
    return fit(turn_pixels(picture.pixels[rows, columns], face.turns), alignment.size)


def _span(start: float, end: float, limit: int, reduction: int) -> slice:
    """Whole pixels from start to end inside the picture, at least one, at its decode scale."""
    first = min(int(max(start, 0)), limit - 1) // reduction
    last = -(-int(min(max(end, 0), limit)) // reduction)
    return slice(first, max(last, first + 1))


def fit(crop: Pixels, size: int) -> Pixels:
    """Stretch a picture that is a face crop to a chip.

    Args:
        crop: uint8[h,w,3] RGB.
        size: side of the chip in pixels.

    Returns:
        uint8[size,size,3] RGB: averaged where it shrinks, interpolated where it grows.
    """
    height, width = crop.shape[:2]
    shrinks = height * width > size * size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (size, size), interpolation=method), np.uint8)


def align_similarity(
    picture: Picture,
    face: Face,
    alignment: SimilarityAlignment,
    part: tuple[slice, slice] | None = None,
) -> Pixels:
    """Similarity alignment onto the five-point template; black beyond the picture.

    part: make these rows and columns of the chip only.
    """
    points = (face.landmarks + 0.5) / picture.reduction - 0.5
    matrix = similarity_transform(points, alignment.target)
    pixels, matrix = _shrink_first(picture.pixels, matrix, alignment.size)
    rows, columns = part or (slice(0, alignment.size), slice(0, alignment.size))
    matrix[:, 2] -= columns.start, rows.start
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return np.asarray(cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def similarity_transform(source: Points, target: Points) -> npt.NDArray[np.float64]:
    """Least-squares rotation, scale and shift that takes source points to target points.

    Umeyama 1991 in two dimensions, where it has a closed form: with centred points as complex
    numbers, the best factor is sum(conj(s) * t) / sum(|s|^2). Reflections cannot arise.

    Args:
        source: float[K,2].
        target: float[K,2].

    Returns:
        float64[2,3], the matrix for `cv2.warpAffine`.
    """
    moved, centre = _centred(source)
    goal, goal_centre = _centred(target)
    spread = max(sum(abs(point) ** 2 for point in moved), 1e-12)
    pairs = zip(moved, goal, strict=True)
    factor = sum(point.conjugate() * wanted for point, wanted in pairs) / spread
    shift = goal_centre - factor * centre
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def _centred(points: Points) -> tuple[list[complex], complex]:
    """Points as complex numbers about their centre, and the centre. Five are too few for NumPy."""
    numbers = [complex(x, y) for x, y in points.tolist()]
    centre = sum(numbers) / len(numbers)
    return [number - centre for number in numbers], centre


def _shrink_first(
    pixels: Pixels, matrix: npt.NDArray[np.float64], size: int
) -> tuple[Pixels, npt.NDArray[np.float64]]:
    """Average the face's part of the picture down before a warp that shrinks it much.

    The warp reads four pixels for each of the chip's: beyond a factor of two it would skip some.
    """
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale > 0.5 or scale < SMALLEST_SCALE:
        return pixels, matrix
    factor = int(1 / scale)
    left, top, right, bottom = _footprint(matrix, size, pixels.shape[1], pixels.shape[0], factor)
    if right - left < factor or bottom - top < factor:
        return pixels, matrix
    part = pixels[top:bottom, left:right]
    shape = ((right - left) // factor, (bottom - top) // factor)
    part = part[: shape[1] * factor, : shape[0] * factor]
    smaller = cv2.resize(part, shape, interpolation=cv2.INTER_AREA)
    # A smaller picture's pixel x covers the pixels from factor * x + left on.
    shift = matrix[:, :2] @ (np.array([left, top]) + (factor - 1) / 2)
    return smaller, np.column_stack([matrix[:, :2] * factor, matrix[:, 2] + shift])


def _footprint(
    matrix: npt.NDArray[np.float64], size: int, width: int, height: int, margin: int
) -> tuple[int, int, int, int]:
    """The part of a picture that a warp reads: left, top, right, bottom, in whole pixels."""
    corners = np.array([(0, 0), (size, 0), (0, size), (size, size)], np.float64)
    seen = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T)
    low = np.floor(seen.min(axis=1)) - margin
    high = np.ceil(seen.max(axis=1)) + margin
    left, right = np.clip((low[0], high[0]), 0, width)
    top, bottom = np.clip((low[1], high[1]), 0, height)
    return int(left), int(top), int(right), int(bottom)
