"""All levels of an image pyramid side by side on one canvas, so that P-Net runs once.

A plan depends on the picture's size alone; plans are kept. Canvas sides are rounded up, so that
many picture sizes share one canvas shape and with it one warm interpreter.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from align.boxes import CELL, STRIDE, Boxes, Indices
from align.mipmaps import Mipmaps
from align.opencv import cv2
from align.pyramid import pyramid_scales
from align.types import Pixels

GRAIN = 16
# P-Net's output is smaller than half its input by the borders of its convolutions.
LOST_CELLS = 5


@dataclass(frozen=True)
class Place:
    """One level on the canvas: position and size in canvas pixels, and its scale."""

    left: int
    top: int
    width: int
    height: int
    scale: float


@dataclass(frozen=True, eq=False)
class Plan:
    """Where everything stands.

    Attributes:
        width: canvas width in pixels.
        height: canvas height in pixels.
        places: the levels, finest first.
        owner: int16[h,w], for each P-Net output cell the level it lies in, -1 for none.
        origins: float64[levels,2], left and top of each level.
        scales: float64[levels,2], across and down: level pixels for one of the picture's.
    """

    width: int
    height: int
    places: tuple[Place, ...]
    owner: npt.NDArray[np.int16]
    origins: Boxes
    scales: Boxes


@lru_cache(maxsize=8)  # a plan of a very large canvas takes megabytes
def plan_canvas(width: int, height: int, min_face: float) -> Plan | None:
    """The canvas for pictures of one size; None where even the first level is too small."""
    levels = [
        (math.ceil(width * scale), math.ceil(height * scale), scale)
        for scale in pyramid_scales(width, height, min_face)
    ]
    if not levels:
        return None
    places, canvas_width, canvas_height = _pack_tightest(levels)
    owner = np.full(
        (canvas_height // STRIDE - LOST_CELLS, canvas_width // STRIDE - LOST_CELLS), -1, np.int16
    )
    for index, place in enumerate(places):
        row, column = place.top // STRIDE, place.left // STRIDE
        rows = (place.height - CELL) // STRIDE + 1
        columns = (place.width - CELL) // STRIDE + 1
        owner[row : row + rows, column : column + columns] = index
    origins = np.array([(place.left, place.top) for place in places], np.float64)
    scales = np.array([(place.width / width, place.height / height) for place in places])
    return Plan(canvas_width, canvas_height, places, owner, origins, scales)


def paint(plan: Plan, mipmaps: Mipmaps) -> Pixels:
    """The canvas of one picture, uint8[height,width,3].

    Bilinear: a mipmap is shrunk by less than two, and averaging its areas takes six times as long.
    """
    canvas = np.zeros((plan.height, plan.width, 3), np.uint8)
    for place in plan.places:
        source = mipmaps.at_least(place.scale)
        part = canvas[place.top : place.top + place.height, place.left : place.left + place.width]
        cv2.resize(source, (place.width, place.height), part, interpolation=cv2.INTER_LINEAR)
    return canvas


def locate(plan: Plan, rows: Indices, columns: Indices) -> Boxes:
    """Boxes in the picture of P-Net output cells on the canvas, not rounded to pixels."""
    owners = plan.owner[rows, columns]
    corner = np.stack([columns, rows], axis=1) * float(STRIDE) - plan.origins[owners]
    scales = plan.scales[owners]
    return np.concatenate([(corner + 1) / scales, (corner + CELL) / scales], axis=1)


Level = tuple[int, int, float]
Space = tuple[int, int, int, int]


def _pack_tightest(levels: list[Level]) -> tuple[tuple[Place, ...], int, int]:
    """The packing with the smallest canvas among those of a few sensible widths."""
    first = levels[0][0]
    widths = {_round_up(first + extra) for extra in (0, *(level[0] for level in levels[1:]))}
    packings = [_pack(levels, width) for width in sorted(widths)]
    return min(packings, key=lambda packing: packing[1] * packing[2])


def _pack(levels: list[Level], width: int) -> tuple[tuple[Place, ...], int, int]:
    """Place each level, largest first, in the highest free space that holds it.

    Guillotine packing (Jylänki 2010): a taken space leaves one beside and one below.
    """
    total = sum(height for _, height, _ in levels) + len(levels)
    spaces: list[Space] = [(0, 0, width, total)]
    places = []
    for level_width, level_height, scale in levels:
        space = min(
            (free for free in spaces if free[2] >= level_width and free[3] >= level_height),
            key=lambda free: (free[1], free[0]),
        )
        spaces.remove(space)
        places.append(Place(space[0], space[1], level_width, level_height, scale))
        spaces += _split_space(
            space, _round_up_to_even(level_width), _round_up_to_even(level_height)
        )
    used = max(place.top + place.height for place in places)
    return tuple(places), width, _round_up(used)


def _split_space(space: Space, width: int, height: int) -> list[Space]:
    left, top, space_width, space_height = space
    beside = (left + width, top, space_width - width, height)
    below = (left, top + height, space_width, space_height - height)
    return [free for free in (beside, below) if free[2] >= CELL and free[3] >= CELL]


def _round_up_to_even(length: int) -> int:
    """P-Net steps by two pixels: a level must start where a step does."""
    return length + length % 2


def _round_up(length: int) -> int:
    return -(-length // GRAIN) * GRAIN
