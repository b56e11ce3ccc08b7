"""Random changes of a face chip: what alignment, cameras and storage do to real pictures.

The rates are low for the dear ones, so that a loader thread keeps two cores fed.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from align.alignment import TEMPLATE

Chip = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]  # float64[K,2], x and y in pixels of the chip
Random = np.random.Generator
SIZE = 112
# The alignment's own error: the spread of landmark-fitted similarity transforms between detectors.
ROTATION_DEGREES = 3.0
LOG_SCALE = 0.035
SHIFT_PIXELS = 1.3
FRACTION_BITS = 4  # of a corner's coordinates, for OpenCV


def augment(chip: Chip, random: Random) -> Chip:
    """uint8[H,W,3] RGB with a margin around the 112x112 template -> uint8[112,112,3] RGB."""
    out = move(chip, random)
    draws = random.random(5)
    if draws[4] < 0.20:
        out = cover(out, draws[4] / 0.20, random)
    if draws[0] < 0.10:
        out = lower_resolution(out, random)
    elif draws[0] < 0.20:
        out = blur(out, random)
    elif draws[0] < 0.24:
        out = shake(out, random)
    if draws[1] < 0.10:
        out = compress(out, random)
    if draws[2] < 0.50:
        out = relight(out, random)
    if draws[3] < 0.10:
        out = grey(out)
    elif draws[3] < 0.30:
        out = tint(out, random)
    return out


def centre(chips: Chip) -> Chip:
    """Cut the margin off without any change: uint8[N,H,W,3] -> uint8[N,112,112,3]."""
    margin = (chips.shape[1] - SIZE) // 2
    return chips[:, margin : margin + SIZE, margin : margin + SIZE]


def move(chip: Chip, random: Random) -> Chip:
    """Small rotation, scale and shift about the centre; a mirror image half of the time."""
    angle = np.deg2rad(random.normal(0, ROTATION_DEGREES))
    scale = np.exp(random.normal(0, LOG_SCALE))
    shift = random.normal(0, SHIFT_PIXELS, 2)
    mirror = -1.0 if random.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    middle_in = (np.array(chip.shape[1::-1]) - 1) / 2
    middle_out = (SIZE - 1) / 2 + shift
    matrix = np.column_stack([linear, middle_out - linear @ middle_in])
    moved = cv2.warpAffine(chip, matrix.astype(np.float32), (SIZE, SIZE))
    return np.asarray(moved, np.uint8)


def lower_resolution(chip: Chip, random: Random) -> Chip:
    """Shrink to 20-80 % and enlarge again."""
    factor = random.uniform(0.2, 0.8)
    small = cv2.resize(chip, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIZE, SIZE)), np.uint8)


def blur(chip: Chip, random: Random) -> Chip:
    """Out of focus: Gaussian, 0.5 to 5 pixels, the weak ones more often."""
    return np.asarray(cv2.GaussianBlur(chip, (0, 0), 0.5 * 10 ** random.random()), np.uint8)


def shake(chip: Chip, random: Random) -> Chip:
    """Motion: the mean along a straight way of 3 to 12 pixels in any direction."""
    reach, angle = random.uniform(1.5, 6.0), random.uniform(0, np.pi)
    middle = 6
    way = np.array([np.cos(angle), np.sin(angle)]) * reach
    first, last = fixed_point(middle + np.array([way, -way])).tolist()
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.uint8)
    cv2.line(kernel, first, last, 255, 1, cv2.LINE_AA, FRACTION_BITS)
    return np.asarray(cv2.filter2D(chip, -1, kernel / kernel.sum()), np.uint8)


def grey(chip: Chip) -> Chip:
    """Luminance in all three channels."""
    return np.repeat(np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), np.uint8)[..., None], 3, 2)


def compress(chip: Chip, random: Random) -> Chip:
    """JPEG of quality 20 to 80."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(20, 80))]
    encoded = cv2.imencode(".jpg", chip, quality)[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def relight(chip: Chip, random: Random) -> Chip:
    """Gamma, contrast and brightness."""
    levels = np.arange(256) / 255
    levels = levels ** np.exp(random.normal(0, 0.25)) * random.uniform(0.75, 1.25)
    table = np.clip((levels + random.normal(0, 0.05)) * 255, 0, 255)
    return np.asarray(cv2.LUT(chip, table.astype(np.uint8)), np.uint8)


def tint(chip: Chip, random: Random) -> Chip:
    """White balance: each channel by up to 15 %."""
    gains = random.uniform(0.85, 1.15, 3).astype(np.float32)
    return np.asarray(np.clip(chip * gains, 0, 255), np.uint8)


def cover(chip: Chip, kind: float, random: Random) -> Chip:
    """Hide a part of the face: dark glasses, a mask, a cap or anything else. kind: 0 to 1."""
    if kind < 0.4:
        return paint(chip, glasses(random), random.uniform(0, 90), random)
    shape = mask if kind < 0.6 else cap if kind < 0.75 else rectangle
    return paint(chip, shape(random), random.uniform(0, 255), random)


def paint(chip: Chip, outlines: Sequence[Points], light: float, random: Random) -> Chip:
    """Fill convex shapes with colours that change smoothly, about `light` grey levels bright."""
    share = np.zeros((SIZE, SIZE), np.float32)
    for outline in outlines:
        cv2.fillConvexPoly(share, fixed_point(outline), 1.0, cv2.LINE_8, FRACTION_BITS)
    share = cv2.blur(share, (2, 2)) * random.uniform(0.8, 1.0)
    knots = light + random.normal(0, 25, 3) + random.normal(0, 20, (2, 2, 1))
    colours = cv2.resize(np.clip(knots, 0, 255).astype(np.uint8), (SIZE, SIZE))
    return np.asarray(cv2.blendLinear(colours, chip, share, 1 - share), np.uint8)


def fixed_point(points: Points) -> npt.NDArray[np.int32]:
    """Coordinates as OpenCV draws them, in parts of a pixel."""
    return np.asarray(np.rint(points * 2**FRACTION_BITS), np.int32)


def glasses(random: Random) -> list[Points]:
    """Two dark lenses, round to nearly square, and the bar between them."""
    half = random.uniform((11, 8), (22, 18))
    around = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    circle = np.column_stack([np.cos(around), np.sin(around)])
    lens = np.sign(circle) * np.abs(circle) ** random.uniform(0.4, 1.0) * half
    shift = random.normal(0, 2, 2)
    left, right = TEMPLATE[:2] + shift + random.normal(0, 0.7, (2, 2))
    thick = np.array([0.0, random.uniform(1, 5)])
    bar = np.array([left - thick, right - thick, right + thick, left + thick])
    return [left + lens, right + lens, bar - (0, random.uniform(0, half[1]))]


def mask(random: Random) -> list[Points]:
    """From somewhere on the nose to below the chin, from cheek to cheek."""
    nose = TEMPLATE[2]
    top, side = nose[1] - random.uniform(-4, 14), random.uniform(32, 50)
    outline = np.array(
        [
            (nose[0], top),
            (nose[0] + side, top + random.uniform(0, 14)),
            (nose[0] + 0.8 * side, SIZE),
            (nose[0] - 0.8 * side, SIZE),
            (nose[0] - side, top + random.uniform(0, 14)),
        ]
    )
    return [outline + random.normal(0, 1.5, 2)]


def cap(random: Random) -> list[Points]:
    """Everything above a line over the eyes, which may be aslant."""
    brow = TEMPLATE[0, 1] - random.uniform(8, 28)
    slant = random.normal(0, 5)
    return [np.array([(-1.0, -1.0), (SIZE, -1.0), (SIZE, brow + slant), (-1.0, brow - slant)])]


def rectangle(random: Random) -> list[Points]:
    """15 to 45 pixels a side, anywhere."""
    width, height = random.uniform(15, 45, 2)
    left, top = random.uniform(0, SIZE - width), random.uniform(0, SIZE - height)
    across, down = np.array([0, width, width, 0]), np.array([0, 0, height, height])
    return [np.column_stack([left + across, top + down])]
