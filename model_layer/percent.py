"""Distances on the scale that Amazon Rekognition's clients read: similarity from 0 to 100.

The scale expresses how rare such a similarity is among strangers: 80 stands at the model's default
false-accept rate (Rekognition's default threshold), 99 at one hundredth of it or at the strictest
measured rate, 50 at even odds of the calibration. Between these it is linear in the logarithm of
the rate, beyond them in the distance.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from model_layer.manifest import Manifest

STRICT, DEFAULT, EVEN = 99.0, 80.0, 50.0
STRICTER = 100.0  # how many times rarer than the default 99 is
FURTHEST = 2.0  # the largest distance of unit vectors

Rates = Sequence[tuple[float, float]]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class PercentScale:
    """A falling curve through `points`: (distance, percent), by rising distance."""

    points: tuple[tuple[float, float], ...]

    def percent(self, distance: float) -> float:
        """0 to 100; out of the range of distances, its end."""
        return _between(self.points, min(max(distance, 0.0), FURTHEST))

    def distance(self, percent: float) -> float:
        """The distance that has this percentage: the inverse."""
        rising = tuple((value, distance) for distance, value in reversed(self.points))
        return _between(rising, min(max(percent, 0.0), 100.0))


def scale_of(manifest: Manifest) -> PercentScale:
    """The scale of a model, from its thresholds and calibration."""
    fitted = manifest.calibration
    return make_scale(
        manifest.threshold,
        manifest.far,
        [(row.far, row.threshold) for row in manifest.thresholds.table],
        None if fitted is None else fitted.intercept / fitted.slope,
    )


def make_scale(
    default: float, default_far: float | None, rates: Rates, even_odds: float | None
) -> PercentScale:
    """The scale of a model.

    Args:
        default: The default threshold, an L2 distance.
        default_far: Its false-accept rate; None where none was measured.
        rates: Measured rates and their thresholds, in any order.
        even_odds: The distance with a calibrated probability of one half, if there is one. It
            counts where it is beyond `default`.
    """
    table = sorted(rates)
    marks: Points = [(0.0, 100.0), (default, DEFAULT), (FURTHEST, 0.0)]
    if default_far is not None and table:
        strict = _threshold(table, default_far / STRICTER)
        marks += [(strict, STRICT)] if strict < default else []
    if even_odds is not None:
        marks += [(even_odds, EVEN)] if even_odds > default else []
    fixed = _falling(marks)
    return PercentScale(tuple(_falling([*fixed, *_on_rates(table, fixed)])))


def _on_rates(table: Rates, marks: Points) -> Points:
    """The measured distances between 99, 80 and 50, by the logarithm of their rates."""
    points: Points = []
    by_distance = [(distance, math.log(rate)) for rate, distance in table]
    inner = [mark for mark in marks if EVEN <= mark[1] <= STRICT]
    for (near, high), (wide, low) in pairwise(inner):
        if not table or near < by_distance[0][0] or wide > by_distance[-1][0]:
            continue
        start, end = _between(by_distance, near), _between(by_distance, wide)
        for distance, rate in by_distance:
            if near < distance < wide:
                points.append((distance, high + (low - high) * (rate - start) / (end - start)))
    return points


def _threshold(table: Rates, far: float) -> float:
    """The threshold of a rate, log-linear between the measured ones; the strictest below them."""
    return _between([(math.log(rate), distance) for rate, distance in table], math.log(far))


def _falling(points: Points) -> Points:
    """The points by rising distance; one that does not fall below those before it is left out."""
    kept: Points = []
    for distance, percent in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or (distance > kept[-1][0] and percent < kept[-1][1]):
            kept.append((distance, percent))
    return kept


def _between(points: Sequence[tuple[float, float]], place: float) -> float:
    """Linear interpolation over rising first numbers; the ends hold beyond them."""
    after = bisect_right(points, place, key=lambda point: point[0])
    if after == 0:
        return points[0][1]
    if after == len(points):
        return points[-1][1]
    (left, low), (right, high) = points[after - 1], points[after]
    return low + (high - low) * (place - left) / (right - left)
