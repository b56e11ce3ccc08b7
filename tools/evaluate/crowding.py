"""Fits what shows that a model cannot tell a face apart: see `model_layer.Refusal`.

Pictures worn in one way are labelled by how many strangers, worn in the same way, they are taken
for. A ridge-regularized logistic regression of unit embedding and norm finds where those lie that
are taken for many. The limits are chosen on people that the fit has not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.evaluate.protocol import Bools, Floats, Ints

# The goal: strangers accepted at the default threshold, where both pictures are worn in one way.
GOAL = 1e-3
# What is aimed at on the people at hand, so that others stay below the goal.
AIM = 0.6 * GOAL
# At most this share of undamaged pictures may be refused; on the people at hand, a little less.
MOST_REFUSED = 0.005
AIM_REFUSED = 0.004
# A face counts as crowded when it is taken for more than this share of the strangers.
CROWDED = 4 * GOAL
LEAST_LEFT = 0.01
RIDGE = 10.0
PARTS = 5  # of the people, each scored by what the others gave
STEPS = 30
CANDIDATES = 80
DECIMALS = 4


@dataclass(frozen=True)
class Set:
    """Pictures of one condition: unit vectors float32[N,D], norms float32[N], people int[N]."""

    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    people: Ints

    def chosen(self, rows: Bools) -> "Set":
        return Set(self.vectors[rows], self.norms[rows], self.people[rows])


@dataclass(frozen=True)
class Direction:
    """A linear score: vectors @ direction + norm_weight * norms - offset."""

    direction: Floats
    norm_weight: float
    offset: float

    def __call__(self, part: Set) -> Floats:
        score = part.vectors @ self.direction + self.norm_weight * part.norms - self.offset
        return np.asarray(score, np.float64)


def find_accepted_strangers(part: Set, threshold: float) -> Bools:
    """bool[N,N]: which pictures of strangers are accepted as one person."""
    cosines = part.vectors @ part.vectors.T
    return np.asarray((cosines >= 1 - threshold**2 / 2) & _strangers(part))


def _strangers(part: Set) -> Bools:
    return np.asarray(part.people[:, None] != part.people[None])


def accepted(part: Set, threshold: float, clear: Bools | None = None) -> float:
    """The share of strangers accepted, among the pictures that are `clear`, bool[N] (all).

    Of a handful of pictures that are left it would say nothing: at least LEAST_LEFT of all pairs
    count, those refused as not accepted.
    """
    pairs = int(_strangers(part).sum())
    left = part if clear is None else part.chosen(clear)
    counted = max(int(_strangers(left).sum()), LEAST_LEFT * pairs, 1)
    return float(find_accepted_strangers(left, threshold).sum() / counted)


def fit(untouched: Set, worn: Set, threshold: float) -> Direction:
    """Crowded faces against undamaged ones, and against worn ones that are told apart.

    Crowded and undamaged faces weigh 4, worn ones that are told apart 0.5.
    """
    shares = find_accepted_strangers(worn, threshold).sum(1) / np.maximum(
        _strangers(worn).sum(1), 1
    )
    crowded = shares > CROWDED
    vectors = np.concatenate([untouched.vectors, worn.vectors]).astype(np.float64)
    norms = np.concatenate([untouched.norms, worn.norms]).astype(np.float64)
    # Features of about one for the ridge; a network that normalises by itself has norms of 1.
    spread = max(float(untouched.norms.std()), 1e-3)
    features = np.column_stack([vectors * 10, norms / spread])
    labels = np.concatenate([np.zeros(len(untouched.people)), crowded])
    weights = np.concatenate([np.full(len(untouched.people), 4.0), np.where(crowded, 4.0, 0.5)])
    fitted = _logistic(features, labels, weights)
    return Direction(fitted[:-1] * 10, float(fitted[-1] / spread), 0.0)


def _logistic(features: Floats, labels: Floats, weights: Floats) -> Floats:
    """Weights float64[F] of a logistic regression with an intercept, by Newton's method."""
    design = np.column_stack([features, np.ones(len(features))])
    ridge = np.full(design.shape[1], RIDGE)
    ridge[-1] = 1e-6
    fitted = np.zeros(design.shape[1])
    for _ in range(STEPS):
        predicted = 1 / (1 + np.exp(-np.clip(design @ fitted, -40, 40)))
        gradient = design.T @ (weights * (predicted - labels)) + ridge * fitted
        curvature = (design.T * (weights * predicted * (1 - predicted))) @ design + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        fitted = fitted - step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(fitted[:-1])


def measure(
    untouched: Set, worn: Mapping[str, Set], threshold: float, protocol: str
) -> dict[str, Any]:
    """The manifest's `refusal`. Limits and figures come from people that the fit has not seen.

    Each of PARTS of the people is scored by the direction that the others gave; what goes into the
    manifest is the mean of these directions.
    """
    sets = {"": untouched, **worn}
    scores, directions = {}, {}
    for name, part in worn.items():
        if accepted(part, threshold) > AIM:
            directions[name], scores[name] = held_out(untouched, part, sets, threshold)
    limits = _limits(scores, worn, threshold)
    clear = {
        name: _accepted_by_all(name, len(part.people), scores, limits)
        for name, part in sets.items()
    }
    left = [accepted(part, threshold, clear[name]) for name, part in worn.items()]
    return {
        "crowds": [_entry(name, directions[name], limit) for name, limit in limits.items()],
        "refused": round(float(1 - clear[""].mean()), 5),
        "strangers_accepted": float(f"{max(left, default=0.0):.3g}"),
        "protocol": protocol,
    }


def _accepted_by_all(
    name: str, count: int, scores: Mapping[str, Mapping[str, Floats]], limits: Mapping[str, float]
) -> Bools:
    clear = np.ones(count, bool)
    for condition, limit in limits.items():
        clear &= scores[condition][name] <= limit
    return clear


def held_out(
    untouched: Set, worn: Set, sets: Mapping[str, Set], threshold: float
) -> tuple[Direction, dict[str, Floats]]:
    """The mean direction, and scores of all sets, each picture's by other people's direction.

    Directions are scaled, and scores shifted, to mean 0 and deviation 1 on the untouched pictures,
    so that one limit holds for all of them.
    """
    scores = {name: np.zeros(len(part.people)) for name, part in sets.items()}
    directions = []
    for turn in range(PARTS):
        plain, worse = (part.chosen(part.people % PARTS != turn) for part in (untouched, worn))
        fitted = fit(plain, worse, threshold)
        on_untouched = fitted(untouched.chosen(untouched.people % PARTS == turn))
        spread, middle = float(on_untouched.std()), float(on_untouched.mean())
        directions.append(
            Direction(fitted.direction / spread, fitted.norm_weight / spread, middle / spread)
        )
        for name, part in sets.items():
            others = part.people % PARTS == turn
            scores[name][others] = directions[-1](part.chosen(others))
    mean = Direction(
        np.mean([each.direction for each in directions], axis=0),
        float(np.mean([each.norm_weight for each in directions])),
        float(np.mean([each.offset for each in directions])),
    )
    return mean, scores


def _limits(
    scores: Mapping[str, Mapping[str, Floats]], worn: Mapping[str, Set], threshold: float
) -> dict[str, float]:
    """A limit per condition: the most lenient that meets the aim, within what may be refused.

    scores: by condition, the scores that its direction gives to every set ("" is the untouched).
    """
    wanted = {
        name: _most_lenient_limit(own[name], own[""], worn[name], threshold)
        for name, own in scores.items()
    }
    for share in np.geomspace(MOST_REFUSED, 1e-5, CANDIDATES):
        limits = {
            name: max(wanted[name], float(np.quantile(own[""], 1 - share, method="higher")))
            for name, own in scores.items()
        }
        refused = [scores[name][""] > limit for name, limit in limits.items()]
        if not refused or np.any(refused, axis=0).mean() <= AIM_REFUSED:
            return limits
    return limits


def _most_lenient_limit(own: Floats, untouched: Floats, part: Set, threshold: float) -> float:
    """The highest candidate at which the pictures below it meet the aim."""
    strictest = float(np.quantile(untouched, 1 - MOST_REFUSED, method="higher"))
    for limit in np.linspace(float(own.max()), strictest, CANDIDATES):
        if accepted(part, threshold, own <= limit) <= AIM:
            return float(limit)
    return strictest


def _entry(condition: str, direction: Direction, limit: float) -> dict[str, Any]:
    return {
        "condition": condition,
        "direction": np.round(direction.direction, DECIMALS).tolist(),
        "norm_weight": round(direction.norm_weight, DECIMALS + 2),
        "limit": round(limit + direction.offset, DECIMALS),
    }
