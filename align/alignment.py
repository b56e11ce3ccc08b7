"""From a picture and a face to the chip that a model wants."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from align.opencv import cv2
from align.turning import turn_size, turn_view
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
    picture, face, turns = _stand_up(picture, face)
    left, top, right, bottom = face.box
    half = alignment.margin / 2
    columns = _span(left - half, right + half, picture.width, picture.reduction)
    rows = _span(top - half, bottom + half, picture.height, picture.reduction)
    return fit(turn_view(picture.pixels[rows, columns], turns), alignment.size)


def _stand_up(picture: Picture, face: Face) -> tuple[Picture, Face, int]:
    """The picture and its face after the turns that bring the face nearest to upright; the turns.

    Pixels are a view. Sides are those of the decoded pixels, as turning brings the ones that are
    cut off to the front.
    """
    turns = face.turns
    if not turns:
        return picture, face, 0
    height, width = (side * picture.reduction for side in picture.pixels.shape[:2])
    size = turn_size(width, height, turns)
    turned = Picture(np.rot90(picture.pixels, turns), *size, picture.reduction)
    return turned, face.turned(turns, width, height), turns


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

    Quarter turns are made before the warp, so that the chip is the same whichever way the picture
    is turned.

    part: make these rows and columns of the chip only.
    """
    picture, face, turns = _stand_up(picture, face)
    points = (face.landmarks + 0.5) / picture.reduction - 0.5
    matrix = similarity_transform(points, alignment.target)
    pixels, matrix = _read_part(picture.pixels, turns, matrix, alignment.size)
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


def _read_part(
    pixels: Pixels, turns: int, matrix: npt.NDArray[np.float64], size: int
) -> tuple[Pixels, npt.NDArray[np.float64]]:
    """The part of a picture that a warp reads, averaged down where the warp shrinks it much.

    The warp reads four pixels for each of the chip's: beyond a factor of two it would skip some.
    And it counts in float32, so that the same face gives the same chip only if it gets the same
    part of the picture.

    turns: those that `pixels` is a view after.
    """
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale < SMALLEST_SCALE:
        return turn_view(pixels, turns), matrix
    factor = int(1 / scale) if scale <= 0.5 else 1
    left, top, right, bottom = _footprint(matrix, size, pixels.shape[1], pixels.shape[0], factor)
    shape = ((right - left) // factor, (bottom - top) // factor)
    if min(shape) < 1:
        return np.zeros((1, 1, 3), np.uint8), matrix
    part = pixels[top : top + shape[1] * factor, left : left + shape[0] * factor]
    # A smaller picture's pixel x covers the pixels from factor * x + left on.
    shift = matrix[:, :2] @ (np.array([left, top]) + (factor - 1) / 2)
    matrix = np.column_stack([matrix[:, :2] * factor, matrix[:, 2] + shift])
    return turn_view(part, turns, factor), matrix


def _footprint(
    matrix: npt.NDArray[np.float64], size: int, width: int, height: int, margin: int
) -> tuple[int, int, int, int]:
    """The part of a picture that a warp reads: left, top, right, bottom, in whole pixels."""
    factor, shift = (complex(*column) for column in matrix[:, (0, 2)].T.tolist())
    corners = [(complex(x, y) - shift) / factor for x in (0, size) for y in (0, size)]
    across, down = [each.real for each in corners], [each.imag for each in corners]
    return (
        min(max(math.floor(min(across)) - margin, 0), width),
        min(max(math.floor(min(down)) - margin, 0), height),
        min(max(math.ceil(max(across)) + margin, 0), width),
        min(max(math.ceil(max(down)) + margin, 0), height),
    )
