"""Calibration: a logistic map from distance to probability, and its reliability."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tools.evaluate.protocol import Bools, Floats, Ints

# Keeps the fit finite where the two kinds of pairs do not overlap.
RIDGE = 1e-3
NEWTON_STEPS = 50
PRECISION = 1e-9


@dataclass(frozen=True)
class Logistic:
    """probability(same) = 1 / (1 + exp(slope * distance - intercept))."""

    slope: float
    intercept: float

    def probability(self, distances: Floats) -> Floats:
        logits = self.slope * distances - self.intercept
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(logits, -60, 60))), np.float64)


@dataclass(frozen=True)
class Bin:
    """One row of the reliability table: predicted and observed probability."""

    low: float
    high: float
    pairs: int
    promised: float
    observed: float


def fit_logistic(distances: Floats, same: Bools, weights: Floats | None = None) -> Logistic:
    """Maximum likelihood by Newton's method, with Platt's smoothed targets.

    Targets (n+1)/(n+2) and 1/(m+2) for 1 and 0 (Platt 1999, section 2.2) keep the slope finite
    where the pairs separate perfectly. The probability holds for the odds of the given pairs.
    weights: float[P], how many pairs each stands for (1).
    """
    times = np.ones(len(distances)) if weights is None else weights
    positives, negatives = times[same].sum(), times[~same].sum()
    targets = np.where(same, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    features = np.column_stack([-distances, np.ones_like(distances)])
    fitted = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(features @ fitted, -60, 60)))
        gradient = features.T @ (times * (predicted - targets)) + RIDGE * fitted
        spread = times * predicted * (1 - predicted)
        curvature = (features.T * spread) @ features + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        fitted = fitted - step
        if np.abs(step).max() < PRECISION:
            break
    return Logistic(slope=float(fitted[0]), intercept=float(fitted[1]))


def fit_even_odds(same: Floats, centres: Floats, strangers: Ints) -> Logistic:
    """The map for as many same pairs as pairs of strangers, however many there are of each.

    same: float[S], distances of pairs of one person; strangers: int[B], how many pairs of
    strangers lie about each of `centres`, float[B].
    """
    bins = np.flatnonzero(strangers)
    weights = strangers[bins] * (len(same) / strangers.sum())
    distances = np.concatenate([same, centres[bins]])
    return fit_logistic(
        distances,
        np.arange(len(distances)) < len(same),
        np.concatenate([np.ones(len(same)), weights]),
    )


def held_out_probabilities(
    distances: Floats, folds: Ints, fit: Callable[[int], Logistic]
) -> Floats:
    """Each pair's probability by the map fitted without its fold: fit(fold)."""
    probabilities = np.zeros(len(distances))
    for name in np.unique(folds):
        this = folds == name
        probabilities[this] = fit(int(name)).probability(distances[this])
    return probabilities


def reliability(probabilities: Floats, same: Bools, bins: int = 10) -> tuple[Bin, ...]:
    """Promised against observed shares in `bins` bins of equal width, empty ones left out."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.clip(np.digitize(probabilities, edges) - 1, 0, bins - 1)
    return tuple(
        Bin(
            low=float(edges[place]),
            high=float(edges[place + 1]),
            pairs=int((places == place).sum()),
            promised=float(probabilities[places == place].mean()),
            observed=float(same[places == place].mean()),
        )
        for place in np.unique(places)
    )


def expected_calibration_error(table: tuple[Bin, ...]) -> float:
    """Mean gap between promised and observed, weighted by pairs (ECE)."""
    pairs = sum(row.pairs for row in table)
    return sum(row.pairs * abs(row.promised - row.observed) for row in table) / pairs
