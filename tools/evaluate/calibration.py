"""From a distance to a probability: a logistic map, and how far its promises hold."""

from dataclasses import dataclass

import numpy as np

from tools.evaluate.protocol import Bools, Floats, Ints, splits

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
    """One row of the reliability table: what was promised and what came true."""

    low: float
    high: float
    pairs: int
    promised: float
    observed: float


def fit_logistic(distances: Floats, same: Bools) -> Logistic:
    """Maximum likelihood by Newton's method, with Platt's smoothed targets.

    Targets (n+1)/(n+2) and 1/(m+2) for 1 and 0 (Platt 1999, section 2.2) keep the slope finite
    where the pairs separate perfectly. As many same as different pairs are assumed as are given,
    so the probability holds for a prior of that share (one half in LFW).
    """
    positives, negatives = same.sum(), (~same).sum()
    targets = np.where(same, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    features = np.column_stack([-distances, np.ones_like(distances)])
    weights = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(features @ weights, -60, 60)))
        gradient = features.T @ (predicted - targets) + RIDGE * weights
        curvature = (features.T * (predicted * (1 - predicted))) @ features + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if np.abs(step).max() < PRECISION:
            break
    return Logistic(slope=float(weights[0]), intercept=float(weights[1]))


def held_out_probabilities(distances: Floats, same: Bools, folds: Ints) -> Floats:
    """Each pair's probability by the map that was fitted on the other folds."""
    probabilities = np.zeros(len(distances))
    for _, others, this in splits(folds):
        fitted = fit_logistic(distances[others], same[others])
        probabilities[this] = fitted.probability(distances[this])
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
