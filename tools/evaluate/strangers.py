"""Every pair of strangers among pictures: counted in blocks, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tools.evaluate.people import People
from tools.evaluate.protocol import Floats, Ints

# Distances of one block, float32: 16 MB.
BLOCK = 1 << 22
BINS = 20_000
EDGES = np.linspace(0.0, 2.0, BINS + 1)
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2
# Pairs that are kept one by one, nearest first: all that the highest rate of the table needs, with
# room for resamples in which there are more of them.
KEPT_SHARE = 0.15
KEPT_PAIRS = 4_000_000
SEED = 7

Block = tuple[NDArray[np.float32], Ints, Ints]


@dataclass(frozen=True)
class Strangers:
    """The pairs of strangers: a histogram of all, and the nearest ones one by one.

    Attributes:
        counts: int64[F,F,BINS], how many pairs of a picture of one fold with one of another lie
            between two of EDGES; `folds` int[F] names the folds.
        distances: float64[K], the nearest pairs in rising order.
        left, right: int32[K], the people of each of them.
        stands_for: float64[K], how many pairs each represents: 1, but more where the tail was
            thinned to keep memory bounded.
        total: how many pairs there are.
        draw_total: the same for a draw of people (see `people.draw_people`).
    """

    counts: Ints
    folds: Ints
    distances: Floats
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    stands_for: Floats
    total: int
    draw_total: Callable[[Ints], float]

    @property
    def by_distance(self) -> Ints:
        """int64[BINS] over all folds."""
        return np.asarray(self.counts.sum(axis=(0, 1)))


def count_all(vectors: NDArray[np.float32], people: People, folds: Ints) -> Strangers:
    """Every pair of pictures of different people. vectors: float32[N,D], unit vectors.

    Runs over all pairs twice: for the histogram, then for the nearest pairs themselves.
    """
    names, places = np.unique(folds, return_inverse=True)
    counts = np.zeros(len(names) ** 2 * BINS, np.int64)
    with tqdm(total=2 * len(vectors), desc="strangers", unit="picture", leave=False) as bar:
        for distances, left, right in _blocks(vectors, people.index, bar.update):
            cells = (places[left] * len(names) + places[right]) * BINS + _bins(distances)
            counts += np.bincount(cells, minlength=len(counts))
        by_fold = counts.reshape(len(names), len(names), BINS)
        keep = _Keep(by_fold.sum(axis=(0, 1)))
        nearest = [
            keep(distances, people.index[left], people.index[right])
            for distances, left, right in _blocks(vectors, people.index, bar.update)
        ]
    pictures = np.bincount(people.index)

    def draw_total(drawn: Ints) -> float:
        times = drawn * pictures
        return float(times.sum() ** 2 - (times**2).sum()) / 2

    return _sorted(nearest, by_fold, names, int(counts.sum()), draw_total)


def count_labelled(
    distances: Floats, left: Ints, right: Ints, people: People, folds: Ints
) -> Strangers:
    """The given pairs alone, for pictures of which only these are known to be of strangers.

    distances: float[P]; left, right: int[P] the pictures; folds: int[P], each pair's.
    """
    names, places = np.unique(folds, return_inverse=True)
    counts = np.zeros((len(names), len(names), BINS), np.int64)
    np.add.at(counts, (places, places, _bins(distances)), 1)
    one, other = people.index[left], people.index[right]

    def draw_total(drawn: Ints) -> float:
        return float((drawn[one] * drawn[other]).sum())

    nearest = [(distances, one, other, np.ones(len(distances)))]
    return _sorted(nearest, counts, names, len(distances), draw_total)


def _blocks(
    vectors: NDArray[np.float32], people: Ints, done: Callable[[int], object]
) -> Iterator[Block]:
    """Distances of pairs of strangers, and their pictures, some rows of the triangle at a time."""
    rows = max(1, BLOCK // len(vectors))
    for start in range(0, len(vectors), rows):
        part = vectors[start : start + rows]
        cosines = part @ vectors[start:].T
        left, right = np.nonzero(people[start : start + rows, None] != people[None, start:])
        upper = right > left
        left, right = left[upper], right[upper]
        squared = np.maximum(2.0 - 2.0 * cosines[left, right], 0.0)
        yield np.minimum(np.sqrt(squared), 2.0), left + start, right + start
        done(len(part))


def _bins(distances: NDArray[np.floating]) -> Ints:
    return np.minimum((distances * (BINS / 2)).astype(np.int64), BINS - 1)


class _Keep:
    """Chooses the pairs that are kept one by one: the nearest, thinned where they are too many."""

    def __init__(self, by_distance: Ints) -> None:
        """by_distance: int64[BINS], the histogram of all pairs."""
        below = np.cumsum(by_distance)
        wanted = KEPT_SHARE * below[-1]
        last = min(int(np.searchsorted(below, wanted)), BINS - 1)
        full = last
        if below[last] > KEPT_PAIRS:
            full = int(np.searchsorted(below, KEPT_PAIRS / 2, side="right")) - 1
        self._all_below, self._some_below = full, last
        rest = below[last] - (below[full] if full >= 0 else 0)
        self._share = min(1.0, KEPT_PAIRS / 2 / rest) if rest else 1.0
        self._random = np.random.default_rng(SEED)

    def __call__(
        self, distances: NDArray[np.float32], left: Ints, right: Ints
    ) -> tuple[Floats, Ints, Ints, Floats]:
        """Distances, people and weights of the chosen pairs."""
        bins = _bins(distances)
        surely = bins <= self._all_below
        perhaps = ~surely & (bins <= self._some_below)
        chosen = surely | (perhaps & (self._random.random(len(bins)) < self._share))
        weights = np.where(surely[chosen], 1.0, 1.0 / self._share)
        return distances[chosen].astype(np.float64), left[chosen], right[chosen], weights


def _sorted(
    parts: list[tuple[Floats, Ints, Ints, Floats]],
    counts: Ints,
    folds: Ints,
    total: int,
    draw_total: Callable[[Ints], float],
) -> Strangers:
    distances, left, right, weights = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    order = np.argsort(distances, kind="stable")
    return Strangers(
        counts=counts,
        folds=folds,
        distances=np.asarray(distances[order], np.float64),
        left=left[order].astype(np.int32),
        right=right[order].astype(np.int32),
        stands_for=weights[order],
        total=total,
        draw_total=draw_total,
    )
