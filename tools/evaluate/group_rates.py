"""False-accept rates within and between groups of people. Pure functions of arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.evaluate.people import draw_people
from tools.evaluate.protocol import Bools, Floats, Interval, Ints
from tools.evaluate.rates import threshold_of

ROUNDS = 300
# Two pictures of one person, where nobody's name is known: such pairs are left out.
REPEAT = 0.35
# Where no pair of n is accepted, 3/n is the upper end of a 95 % interval (the "rule of three").
RULE_OF_THREE = 3
# So many accepted pairs at least must be allowed for a threshold to rest on them.
FEWEST_ALLOWED = 5


@dataclass(frozen=True)
class Faces:
    """Unit vectors float32[N,D], people int[N] and ages float64[N] in years (NaN: unknown)."""

    vectors: NDArray[np.float32]
    people: Ints
    ages: Floats

    def chosen(self, rows: Bools) -> "Faces":
        return Faces(self.vectors[rows], self.people[rows], self.ages[rows])


@dataclass(frozen=True)
class Cell:
    """Two groups, or one with itself: pairs of strangers counted, and the share accepted.

    threshold: where the promised rate is met within the group, if enough pairs were counted.
    """

    pairs: int
    rate: Interval
    threshold: float | None


@dataclass(frozen=True)
class Measured:
    """Rates of all pairs, and of those YEARS_APART or more; `apart` is empty without ages."""

    faces: dict[str, int]
    children: frozenset[str]
    everyone: dict[tuple[str, str], Cell]
    apart: dict[tuple[str, str], Cell]
    threshold: float
    far: float
    protocol: str


def distances_of(one: Faces, other: Faces) -> Floats:
    """L2 distances, float64[M,N]."""
    cosines = one.vectors.astype(np.float64) @ other.vectors.astype(np.float64).T
    return np.asarray(np.sqrt(np.maximum(2 - 2 * cosines, 0)))


def counted_pairs(one: Faces, other: Faces, distances: Floats, years: float) -> Bools:
    """bool[M,N]: pairs of strangers at least `years` apart in age, without likely repeats."""
    different = one.people[:, None] != other.people[None]
    counted = different & (distances >= REPEAT)
    if years:
        counted &= np.abs(one.ages[:, None] - other.ages[None]) >= years
    return np.asarray(counted)


def measure_cell(
    one: Faces, other: Faces, threshold: float, far: float, years: float = 0.0
) -> Cell:
    """The rate between two groups; `one is other` for within a group."""
    distances = distances_of(one, other)
    counted = counted_pairs(one, other, distances, years)
    within = one is other
    if within:
        counted = np.triu(counted)
    pairs = int(counted.sum())
    accepted = counted & (distances <= threshold)
    own = None
    if within and far * pairs >= FEWEST_ALLOWED:
        rising = np.sort(distances[counted])
        own = threshold_of(rising, np.arange(1.0, pairs + 1), far * pairs)
    return Cell(pairs, _resampled(accepted, counted, one, other), own)


def _resampled(accepted: Bools, counted: Bools, one: Faces, other: Faces) -> Interval:
    """The share, and its interval from resampling the people of both groups."""
    pairs, hits = int(counted.sum()), int(accepted.sum())
    if not hits:
        return Interval(0.0, 0.0, min(1.0, RULE_OF_THREE / max(pairs, 1)))
    names, numbers = np.unique(np.concatenate([one.people, other.people]), return_inverse=True)
    left, right = numbers[: len(one.people)], numbers[len(one.people) :]
    times = np.stack(list(draw_people(len(names), ROUNDS, seed=4))).astype(np.float32)
    rows, columns = times[:, left], times[:, right]
    share = [
        np.einsum("rn,rn->r", rows @ chosen.astype(np.float32), columns)
        for chosen in (accepted, counted)
    ]
    samples = share[0] / np.maximum(share[1], 1)
    low, high = np.percentile(samples, [2.5, 97.5])
    return Interval(hits / pairs, float(low), float(high))


def measure_groups(
    groups: Mapping[str, Faces], threshold: float, far: float, years: float = 0.0
) -> dict[tuple[str, str], Cell]:
    """Every pair of groups, each once, and every group with itself."""
    names = list(groups)
    return {
        (one, other): measure_cell(groups[one], groups[other], threshold, far, years)
        for place, one in enumerate(names)
        for other in names[place:]
    }
