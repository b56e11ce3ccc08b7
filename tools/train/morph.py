"""New faces out of two: bent, matched in colour and blended, for a teacher to name.

33,000 chips are few: a student agrees better with its teacher on them than on strangers. A
blend of two aligned faces is a stranger too, and the second teacher, which is at hand, says who.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tools.train.augment import Chip, Random

GRID = 4  # knots a side of the smooth random fields
BEND_PIXELS = 1.8  # standard deviation of a knot's shift
LOG_STRETCH = 0.05  # of width and height, each on its own
STEEPNESS = 6.0  # of the edge between the two faces
BLACK = 8
UNBLENDED = 0.1  # share of faces that are only bent
BACKDROPS = 0.5  # share of black borders that get colours


@dataclass(frozen=True)
class Morphs:
    """A long list of made faces; face k is a function of the chips, `seed` and k.

    chips: uint8[N,H,W,3] RGB, aligned. rows: int64[M], the chips to make faces out of.
    """

    chips: Chip
    rows: npt.NDArray[np.int64]
    seed: int

    def make(self, number: int) -> Chip:
        """Face `number`: uint8[H,W,3] RGB."""
        random, rows = self._begin(number)
        first, second = (bend(self.chips[row], random) for row in rows)
        face = first
        if random.random() >= UNBLENDED:
            face = blend(first, match_colour(second, first, random.random()), random)
        return fill_black(face, random) if random.random() < BACKDROPS else face

    def first_row(self, number: int) -> int:
        """The chip that face `number` looks most like: it gives the outline and the colours."""
        return int(self._begin(number)[1][0])

    def _begin(self, number: int) -> tuple[Random, npt.NDArray[np.int64]]:
        random = np.random.default_rng((self.seed, number))
        return random, random.choice(self.rows, 2)


def bend(chip: Chip, random: Random) -> Chip:
    """Mirror half of the time, stretch, and shift smoothly by a few pixels."""
    height, width = chip.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    stretch = np.exp(random.normal(0, LOG_STRETCH, 2))
    mirror = -1.0 if random.random() < 0.5 else 1.0
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x = middle_x + (x - middle_x) * (mirror * stretch[0]) + smooth_field(random, height, width)
    y = middle_y + (y - middle_y) * stretch[1] + smooth_field(random, height, width)
    bent = cv2.remap(chip, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(bent, np.uint8)


def smooth_field(random: Random, height: int, width: int) -> npt.NDArray[np.float32]:
    """Normal values at GRID x GRID knots, BEND_PIXELS wide, with a smooth way between them."""
    knots = random.normal(0, BEND_PIXELS, (GRID, GRID)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC))


def match_colour(chip: Chip, like: Chip, strength: float) -> Chip:
    """Move mean and spread of each channel towards those of `like`, black borders left out."""
    (mean, spread), (wanted_mean, wanted_spread) = colours(chip), colours(like)
    gain = (wanted_spread / np.maximum(spread, 1.0)) ** strength
    levels = np.arange(256)[:, None]
    table = (levels - mean) * gain + mean * (1 - strength) + wanted_mean * strength
    table[0] = 0  # black borders stay black
    return np.asarray(cv2.LUT(chip, np.clip(table, 0, 255).astype(np.uint8)[:, None]), np.uint8)


def colours(chip: Chip) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of each channel where the chip is not black: float64[3] each."""
    mean, spread = cv2.meanStdDev(chip, mask=255 * shown(chip))
    return np.asarray(mean[:, 0], np.float64), np.asarray(spread[:, 0], np.float64)


def shown(chip: Chip) -> Chip:
    """uint8[H,W]: 0 where the chip is black, but for traces of its compression, 1 elsewhere."""
    red, green, blue = (np.asarray(channel, np.uint8) for channel in cv2.split(chip))
    return np.asarray((red | green | blue) > BLACK, np.uint8)


def blend(first: Chip, second: Chip, random: Random) -> Chip:
    """Parts of two faces with smooth edges between; where one is black, the other shows."""
    height, width = first.shape[:2]
    knots = random.normal(0, 1, (GRID, GRID)).astype(np.float32)
    if random.random() < 0.5:
        knots += knots[:, ::-1]  # the same on the left and on the right
    knots = knots * random.uniform(0, STEEPNESS) + random.normal(0, 0.5)
    field = cv2.resize(knots.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    share = shown(first) / (1 + np.exp(-field))
    share[shown(second) == 0] = 1
    return np.asarray(cv2.blendLinear(first, second, share, 1 - share), np.uint8)


def fill_black(chip: Chip, random: Random) -> Chip:
    """Smooth colours where a tight crop left black borders; pictures in use rarely have any."""
    height, width = chip.shape[:2]
    knots = random.normal(110, 50, (GRID, GRID, 1)) + random.normal(0, 15, (GRID, GRID, 3))
    knots = np.clip(knots, 0, 255).astype(np.uint8)
    backdrop = cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.copyTo(chip, shown(chip), backdrop), np.uint8)
