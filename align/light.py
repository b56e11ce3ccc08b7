"""Levels the light of a picture for a second look. Chips are cut from the original picture."""

import math

import numpy as np
import numpy.typing as npt

from align.opencv import cv2
from align.types import Floats, Pixels

# Shares of all pixels that may become black and white, so that single pixels have no influence.
DARKEST, BRIGHTEST = 0.01, 0.99
MIDDLE = 0.45  # the mean luma of the result, which is that of a well lit photograph
LITTLE = 48.0  # grey levels that the light may change on average without a need for another look
EXTREMES = (0.02, 0.98)  # of the mean before the curve is bent: keeps the exponent finite


def levelling_curve(pixels: Pixels) -> npt.NDArray[np.uint8] | None:
    """What stretches a picture to the full range and bends it to a medium brightness.

    Args:
        pixels: uint8[h,w,3] RGB; a smaller copy of the picture does.

    Returns:
        uint8[256], the new value for each old one, or None where that would change little.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    counts = np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256]), np.float32).reshape(-1)
    shares = counts / grey.size
    ramp = _stretch(shares)
    mean = min(max(float(shares @ ramp), EXTREMES[0]), EXTREMES[1])
    curve = ramp ** (math.log(MIDDLE) / math.log(mean)) * 255
    if float(shares @ np.abs(curve - np.arange(256))) < LITTLE:
        return None
    return curve.round().astype(np.uint8)


def _stretch(shares: Floats) -> npt.NDArray[np.float64]:
    """float64[256] from 0 to 1: where each value goes, given each value's share of the pixels."""
    cumulated = np.cumsum(shares)
    low = int(np.searchsorted(cumulated, DARKEST))
    high = max(int(np.searchsorted(cumulated, BRIGHTEST)), low + 1)
    return np.clip((np.arange(256) - low) / (high - low), 0.0, 1.0)
