"""Random changes of a face chip: what alignment, cameras and storage do to real pictures.

The rates are low for the dear ones, so that a loader thread keeps two cores fed.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Chip = npt.NDArray[np.uint8]
Random = np.random.Generator
SIZE = 112
# The alignment's own error: the spread of landmark-fitted similarity transforms between detectors.
ROTATION_DEGREES = 3.0
LOG_SCALE = 0.035
SHIFT_PIXELS = 1.3


def augment(chip: Chip, random: Random) -> Chip:
    """uint8[H,W,3] RGB with a margin around the 112x112 template -> uint8[112,112,3] RGB."""
    out = move(chip, random)
    draws = random.random(6)
    if draws[0] < 0.12:
        out = lower_resolution(out, random)
    elif draws[0] < 0.20:
        out = blur(out, random)
    if draws[1] < 0.10:
        out = compress(out, random)
    if draws[2] < 0.50:
        out = relight(out, random)
    if draws[3] < 0.10:
        out = grey(out)
    elif draws[3] < 0.30:
        out = tint(out, random)
    if draws[4] < 0.12:
        out = occlude(out, random)
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
    """Shrink to 30-80 % and enlarge again."""
    factor = random.uniform(0.3, 0.8)
    small = cv2.resize(chip, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIZE, SIZE)), np.uint8)


def blur(chip: Chip, random: Random) -> Chip:
    """Gaussian, 0.5 to 1.6 pixels."""
    return np.asarray(cv2.GaussianBlur(chip, (0, 0), random.uniform(0.5, 1.6)), np.uint8)


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


def occlude(chip: Chip, random: Random) -> Chip:
    """One rectangle of one colour, 15 to 45 pixels a side."""
    height, width = random.integers(15, 45, 2)
    top, left = random.integers(0, SIZE - height), random.integers(0, SIZE - width)
    out = chip.copy()
    out[top : top + height, left : left + width] = random.integers(0, 256, 3)
    return out
