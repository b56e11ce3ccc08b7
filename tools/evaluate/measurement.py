"""What the protocol measures, as one object: rates, accuracy, calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tools.evaluate import calibration, protocol
from tools.evaluate.calibration import Bin, Logistic
from tools.evaluate.people import People, draw_people, folds_of, pair_draws
from tools.evaluate.protocol import Floats, FoldAccuracy, Interval
from tools.evaluate.rates import Det, FarRow, SamePairs, det_curve, measure_rates
from tools.evaluate.strangers import CENTRES, Strangers, count_all, count_labelled

if TYPE_CHECKING:
    from tools.evaluate.dataset import Pairs


@dataclass(frozen=True)
class Report:
    """What was measured, on what. `facts` says model, detector and options in words.

    strangers: how many pairs of strangers the table of rates counts; `people_from` says what tells
    the people apart, `every_pair` whether all pairs among the pictures could be counted, or the
    labelled ones alone.
    """

    facts: Mapping[str, Any]
    pairs: int
    different_pairs: int
    strangers: int
    people: int
    people_from: str
    every_pair: bool
    pictures: int
    faces_not_found: int
    accuracy: FoldAccuracy
    auc: Interval
    eer: Interval
    by_far: tuple[FarRow, ...]
    det: Det
    calibration: Logistic
    reliability: tuple[Bin, ...]
    ece: float
    mean: tuple[float, ...] | None = None  # of all embeddings, where it was subtracted


def pair_distances(
    vectors: NDArray[np.float32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    subtract_mean: bool,
) -> Floats:
    """L2 distances: float[P], or with `subtract_mean` float[F,P], one row per fold.

    Row f uses the mean of the embeddings in the other folds' pairs, and unit length again after
    it (that is the cosine distance of davidsandberg/facenet's `--subtract_mean`).
    """
    if not subtract_mean:
        return _distances(vectors, left, right)
    rows = []
    for _, others, _ in protocol.splits(folds):
        moved = vectors - mean_of(vectors, left[others], right[others])
        rows.append(_distances(_unit(moved), left, right))
    return np.stack(rows)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def mean_of(
    vectors: NDArray[np.float32], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The mean float32[D] of the embeddings in pairs; one that is in two pairs counts twice."""
    return np.asarray(vectors[np.concatenate([left, right])].mean(axis=0), np.float32)


def _distances(
    vectors: NDArray[np.float32], left: NDArray[np.int64], right: NDArray[np.int64]
) -> Floats:
    difference = vectors[left].astype(np.float64) - vectors[right].astype(np.float64)
    return np.asarray(np.linalg.norm(difference, axis=1), np.float64)


def select_own_fold(distances: Floats, folds: NDArray[np.int64]) -> Floats:
    """Each pair's held-out distance, float[P], out of float[P] or float[F,P]."""
    if distances.ndim == 1:
        return distances
    return np.asarray(distances[np.searchsorted(np.unique(folds), folds), np.arange(len(folds))])


def strangers_of(
    vectors: NDArray[np.float32],
    distances: Floats,
    pairs: "Pairs",
    people: People,
    mean: NDArray[np.float32] | None,
) -> Strangers:
    """All pairs of strangers among the pictures, or the labelled ones where no more are known.

    vectors: float32[N,D]; distances: float[P], of the labelled pairs; mean: float32[D] to subtract.
    """
    if people.complete:
        moved = vectors if mean is None else _unit(vectors - mean)
        return count_all(moved, people, folds_of(pairs))
    different = ~pairs.same
    labelled = (pairs.left[different], pairs.right[different])
    return count_labelled(distances[different], *labelled, people, pairs.folds[different])


def measure(
    distances: Floats,
    pairs: "Pairs",
    people: People,
    strangers: Strangers,
    *,
    facts: Mapping[str, Any],
    found: NDArray[np.bool_],
    mean: NDArray[np.float32] | None = None,
    rounds: int = 1000,
) -> Report:
    """Every figure of the protocol. `found` bool[N]: in which pictures a face was found.

    distances: of the labelled pairs, float[P] or float[F,P] (see `pair_distances`). `mean`
    float32[D]: what a manifest must have for its thresholds to be these, if any.
    """
    same, folds = pairs.same, pairs.folds
    pooled = select_own_fold(distances, folds)
    one, other = people.index[pairs.left], people.index[pairs.right]
    own = SamePairs(pooled[same], one[same])
    samples = [pair_draws(one, other, drawn) for drawn in draw_people(people.count, rounds, seed=2)]

    def fit_without(fold: int | None) -> Logistic:
        kept = strangers.folds != fold
        counts = strangers.counts[kept][:, kept].sum(axis=(0, 1))
        if not counts.any():  # the pictures of this fold are those of all others
            counts = strangers.by_distance
        return calibration.fit_even_odds(pooled[same & (folds != fold)], CENTRES, counts)

    probabilities = calibration.held_out_probabilities(pooled, folds, fit_without)
    table = calibration.reliability(probabilities, same)
    return Report(
        facts=dict(facts),
        pairs=len(same),
        different_pairs=int((~same).sum()),
        strangers=strangers.total,
        people=people.count,
        people_from=people.source,
        every_pair=people.complete,
        pictures=len(found),
        faces_not_found=int((~found).sum()),
        accuracy=protocol.fold_accuracy(distances, same, folds),
        auc=protocol.bootstrap(_auc, pooled, same, samples),
        eer=protocol.bootstrap(_eer, pooled, same, samples),
        by_far=measure_rates(strangers, own, people.count, rounds),
        det=det_curve(strangers, own, people.count, min(rounds, 300)),
        calibration=fit_without(None),
        reliability=table,
        ece=calibration.expected_calibration_error(table),
        mean=None if mean is None else tuple(mean.tolist()),
    )


def _auc(distances: Floats, same: NDArray[np.bool_]) -> float:
    return protocol.area_under(protocol.roc(distances, same))


def _eer(distances: Floats, same: NDArray[np.bool_]) -> float:
    return protocol.equal_error_rate(protocol.roc(distances, same))
