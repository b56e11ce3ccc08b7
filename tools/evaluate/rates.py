"""False-accept rates of strangers with their thresholds, and intervals from resampling people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.evaluate.people import draw_people
from tools.evaluate.protocol import Floats, Interval, Ints
from tools.evaluate.strangers import CENTRES, EDGES, Strangers

FAR_LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
# A rate is given where at least so many pairs of strangers lie below its threshold.
FEWEST_PAIRS = 10
ROUNDS = 1000
# A share of a count that is a whole number but for the last bits of a float.
SLACK = 1e-9


@dataclass(frozen=True)
class SamePairs:
    """The labelled pairs of one person: distances float64[S] and whose they are, int[S]."""

    distances: Floats
    people: Ints


@dataclass(frozen=True)
class FarRow:
    """One false-accept rate.

    Attributes:
        far: the rate asked for.
        threshold: the largest L2 distance that accepts at most that share of the strangers.
        pairs: how many pairs of strangers it accepts; the figures rest on so many.
        rate: the share of strangers at that threshold, and its interval.
        accepted: the share of same pairs accepted; in the interval, the threshold varies as well.
    """

    far: float
    threshold: float
    pairs: int
    rate: Interval
    accepted: Interval


def measured_levels(total: int) -> tuple[float, ...]:
    """Those of FAR_LEVELS that FEWEST_PAIRS of `total` pairs of strangers support."""
    return tuple(far for far in FAR_LEVELS if far * total >= FEWEST_PAIRS - SLACK)


def measure_rates(
    strangers: Strangers, same: SamePairs, people: int, rounds: int = ROUNDS
) -> tuple[FarRow, ...]:
    """The table: every level that the strangers support. people: how many there are."""
    levels = measured_levels(strangers.total)
    if not levels:
        return ()
    thresholds = thresholds_at(strangers, levels)
    rates, accepted = _resampled(strangers, same, people, levels, thresholds, rounds)
    below = accepted_weight(strangers, thresholds)
    rows = []
    for place, (far, threshold) in enumerate(zip(levels, thresholds, strict=True)):
        share = float(np.mean(same.distances <= threshold))
        rows.append(
            FarRow(
                far=far,
                threshold=float(threshold),
                pairs=round(float(below[place])),
                rate=_interval(float(below[place] / strangers.total), rates[:, place]),
                accepted=_interval(share, accepted[:, place]),
            )
        )
    return tuple(rows)


def thresholds_at(strangers: Strangers, levels: Sequence[float]) -> Floats:
    """The largest threshold of each rate, float64[L]; see `threshold_of`."""
    cumulative = np.cumsum(strangers.stands_for)
    return np.array(
        [threshold_of(strangers.distances, cumulative, far * strangers.total) for far in levels]
    )


def threshold_of(distances: Floats, cumulative: Floats, allowed: float) -> float:
    """The largest threshold that accepts at most `allowed` pairs.

    It lies halfway to the first pair that would be too many; where none may be accepted, or that
    pair is as far as the last one accepted, just under it.
    """
    place = int(np.searchsorted(cumulative, allowed + SLACK * max(allowed, 1), side="right"))
    if place == len(distances):
        return 2.0
    just_under = float(np.nextafter(distances[place], -np.inf))
    if place == 0:
        return just_under
    return min(float((distances[place - 1] + distances[place]) / 2), just_under)


def accepted_weight(strangers: Strangers, thresholds: Floats) -> Floats:
    """How many pairs of strangers each threshold accepts, among those kept: float64[L]."""
    cumulative = np.concatenate([[0.0], np.cumsum(strangers.stands_for)])
    return cumulative[np.searchsorted(strangers.distances, thresholds, side="right")]


def rate_at(strangers: Strangers, threshold: float, people: int, rounds: int = ROUNDS) -> Interval:
    """The share of strangers that a given threshold accepts, and its interval.

    Beyond the pairs that are kept, where a rate is high, only the share is known (to the width of a
    bin); the interval is that value then.
    """
    if len(strangers.distances) == 0 or threshold >= strangers.distances[-1]:
        below = int(threshold * len(CENTRES) / 2)
        share = float(strangers.by_distance[:below].sum() / max(strangers.total, 1))
        return Interval(share, share, share)
    place = int(np.searchsorted(strangers.distances, threshold, side="right"))
    samples = [
        float(drawn_weight(strangers, drawn, place).sum() / max(strangers.draw_total(drawn), 1.0))
        for drawn in draw_people(people, rounds, seed=0)
    ]
    return _interval(float(strangers.stands_for[:place].sum() / strangers.total), np.array(samples))


def _resampled(
    strangers: Strangers,
    same: SamePairs,
    people: int,
    levels: Sequence[float],
    thresholds: Floats,
    rounds: int,
) -> tuple[Floats, Floats]:
    """Per round and level: the rate at the given threshold; the share of same pairs at its own."""
    places = np.searchsorted(strangers.distances, thresholds, side="right")
    rates, accepted = np.zeros((rounds, len(levels))), np.zeros((rounds, len(levels)))
    curve = AcceptCurve(same)
    for row, drawn in enumerate(draw_people(people, rounds, seed=0)):
        total = strangers.draw_total(drawn)
        cumulative = np.cumsum(drawn_weight(strangers, drawn))
        rates[row] = np.concatenate([[0.0], cumulative])[places] / max(total, 1.0)
        firsts = np.searchsorted(cumulative, np.array(levels) * total, side="right")
        nearest = strangers.distances[np.minimum(firsts, len(strangers.distances) - 1)]
        accepted[row] = curve(drawn, np.nextafter(nearest, -np.inf))
    return rates, accepted


def drawn_weight(strangers: Strangers, drawn: Ints, count: int | None = None) -> Floats:
    """The weight of each kept pair in a draw of people, float64[K]; or of the nearest `count`."""
    times = drawn.astype(np.float64)
    left, right = strangers.left[:count], strangers.right[:count]
    return times[left] * times[right] * strangers.stands_for[:count]


class AcceptCurve:
    """The share of same pairs accepted, for any draw of people and any thresholds."""

    def __init__(self, same: SamePairs) -> None:
        order = np.argsort(same.distances)
        self._distances, self._people = same.distances[order], same.people[order]

    def __call__(self, drawn: Ints, thresholds: Floats) -> Floats:
        """float64[L]; NaN where a draw has no pair of one person."""
        cumulative = np.concatenate([[0], np.cumsum(drawn[self._people])])
        places = np.searchsorted(self._distances, thresholds, side="right")
        total = cumulative[-1] or np.nan
        return np.asarray(cumulative[places] / total, np.float64)


def _interval(value: float, samples: Floats) -> Interval:
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Interval(value, float(low), float(high))


@dataclass(frozen=True)
class Det:
    """The curve: at rates[i] of strangers, missed[0] of the same pairs are refused.

    missed: float64[3,R], as measured, and 2.5 and 97.5 % of resamples of people.
    """

    rates: Floats
    missed: Floats


def det_curve(strangers: Strangers, same: SamePairs, people: int, rounds: int = 300) -> Det:
    """From the rate of FEWEST_PAIRS up to 1, evenly in its logarithm."""
    lowest = min(FEWEST_PAIRS / max(strangers.total, 1), 0.1)
    rates = np.geomspace(lowest, 1.0, 140)
    kept = rates * strangers.total <= accepted_weight(strangers, np.array([2.0]))[0] * 0.67
    far_thresholds = _from_histogram(strangers, rates[~kept])
    curve = AcceptCurve(same)

    def missed(drawn: Ints) -> Floats:
        allowed = rates[kept] * strangers.draw_total(drawn)
        places = np.searchsorted(np.cumsum(drawn_weight(strangers, drawn)), allowed, side="right")
        nearest = strangers.distances[np.minimum(places, len(strangers.distances) - 1)]
        thresholds = np.concatenate([np.nextafter(nearest, -np.inf), far_thresholds])
        return 1.0 - curve(drawn, thresholds)

    samples = [missed(drawn) for drawn in draw_people(people, rounds, seed=1)]
    low, high = np.nanpercentile(samples, [2.5, 97.5], axis=0)
    return Det(rates, np.stack([missed(np.ones(people, np.int64)), low, high]))


def _from_histogram(strangers: Strangers, rates: Floats) -> Floats:
    """Thresholds of high rates, to the width of a bin."""
    below = np.cumsum(strangers.by_distance) / max(strangers.total, 1)
    places = np.searchsorted(below, rates - SLACK, side="left")
    return np.asarray(EDGES[np.minimum(places, len(CENTRES) - 1) + 1])
