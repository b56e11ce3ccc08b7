"""What is computed from the distances of labelled pairs. Pure functions of arrays.

`distances` is float[P] (L2 between unit vectors, 0..2), `same` bool[P] whether the pair shows one
person, `folds` int[P] the pair's fold. A pair is accepted when its distance is at most the
threshold, which is also the product's rule.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

# LFW's protocol as davidsandberg/facenet runs it: thresholds on the squared distance.
SQUARED_STEPS = np.arange(0.0, 4.0, 0.01)


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy of each fold at the threshold (squared L2) that was best on the other folds."""

    folds: tuple[int, ...]
    accuracies: tuple[float, ...]
    squared_thresholds: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.accuracies))

    @property
    def deviation(self) -> float:
        """Standard deviation over the folds; 0 for a single one."""
        return float(np.std(self.accuracies))


@dataclass(frozen=True)
class Curve:
    """The ROC: at thresholds[i] the rates of accepted different and accepted same pairs."""

    thresholds: Floats
    false_accepts: Floats
    true_accepts: Floats


@dataclass(frozen=True)
class Interval:
    """A statistic, and the middle 95 % of it over bootstrap samples."""

    value: float
    low: float
    high: float

    def in_words(self, digits: int = 4) -> str:
        """The value, and its bounds."""
        value, low, high = (f"{each:.{digits}f}" for each in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


def splits(folds: Ints) -> Iterator[tuple[int, Bools, Bools]]:
    """Yields (fold, in the other folds, in this fold). Raises ValueError for fewer than two."""
    names = np.unique(folds)
    if len(names) < 2:
        raise ValueError("choosing a threshold on the other folds needs at least two folds")
    for name in names:
        yield int(name), folds != name, folds == name


def accuracy_at(distances: Floats, same: Bools, threshold: float) -> float:
    """Share of pairs that are decided rightly at an L2 threshold."""
    return float(np.mean((distances <= threshold) == same))


def best_squared_threshold(distances: Floats, same: Bools) -> float:
    """The first of SQUARED_STEPS with the highest accuracy."""
    squared = distances**2
    accepted_same = np.searchsorted(np.sort(squared[same]), SQUARED_STEPS, side="right")
    accepted_other = np.searchsorted(np.sort(squared[~same]), SQUARED_STEPS, side="right")
    return float(SQUARED_STEPS[np.argmax(accepted_same - accepted_other)])


def fold_accuracy(distances: Floats, same: Bools, folds: Ints) -> FoldAccuracy:
    """LFW's ten-fold accuracy, for however many folds there are.

    `distances` is float[P], or float[F,P] where the distances used for fold f stand in row f (as
    when the mean of the other folds is subtracted from the embeddings).
    """
    names, accuracies, thresholds = [], [], []
    for row, (name, others, this) in enumerate(splits(folds)):
        used = distances if distances.ndim == 1 else distances[row]
        squared = best_squared_threshold(used[others], same[others])
        names.append(name)
        thresholds.append(squared)
        accuracies.append(accuracy_at(used[this], same[this], np.sqrt(squared)))
    return FoldAccuracy(tuple(names), tuple(accuracies), tuple(thresholds))


def roc(distances: Floats, same: Bools) -> Curve:
    """The ROC at every distance that occurs, beginning with a threshold that accepts nothing."""
    thresholds = np.concatenate([[-np.inf], np.unique(distances)])
    return Curve(
        thresholds,
        accepted_share(distances[~same], thresholds),
        accepted_share(distances[same], thresholds),
    )


def accepted_share(distances: Floats, thresholds: Floats) -> Floats:
    counts = np.searchsorted(np.sort(distances), thresholds, side="right")
    return np.asarray(counts / max(len(distances), 1), np.float64)


def area_under(curve: Curve) -> float:
    """AUC: the chance that a same pair is nearer than a different one, ties counting half."""
    return float(np.trapezoid(curve.true_accepts, curve.false_accepts))


def equal_error_rate(curve: Curve) -> float:
    """Where false accepts equal false rejects, interpolated between the two nearest thresholds."""
    gap = curve.false_accepts - (1.0 - curve.true_accepts)
    after = int(np.argmax(gap >= 0))
    if after == 0:
        return float(curve.false_accepts[0])
    part = gap[after - 1] / (gap[after - 1] - gap[after])
    before_rate, after_rate = curve.false_accepts[after - 1 : after + 1]
    return float(before_rate + part * (after_rate - before_rate))


def bootstrap(
    statistic: Callable[[Floats, Bools], float],
    distances: Floats,
    same: Bools,
    draws: Iterable[Ints],
) -> Interval:
    """The statistic of labelled pairs, and its 95 % percentile interval over `draws`.

    draws: how often each pair occurs in a round, int[P], as `people.pair_draws` has it.
    """
    samples = []
    for times in draws:
        rows = np.repeat(np.arange(len(same)), times)
        if 0 < same[rows].sum() < len(rows):  # of few people, a draw may leave one kind out
            samples.append(statistic(distances[rows], same[rows]))
    value = statistic(distances, same)
    low, high = np.percentile(samples or [value], [2.5, 97.5])
    return Interval(value, float(low), float(high))
