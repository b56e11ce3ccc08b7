"""All figures of one measurement, as one object, one JSON document and one page of Markdown."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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

# Of a manifest: the strictest of these that was measured.
DEFAULT_FAR = 1e-3


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


def published(threshold: float) -> float:
    """A threshold with four decimals; never above the measured one, whose rate would not hold."""
    return math.floor(threshold * 10_000) / 10_000


def manifest_fields(report: Report, default_far: float = DEFAULT_FAR) -> dict[str, Any]:
    """The `thresholds` and `calibration` that a manifest takes from a measurement.

    The default threshold is that of `default_far`, or of the strictest rate measured where that is
    higher; of too few strangers for any rate, the one that decides the labelled pairs best. Where
    the mean was subtracted, also the `embedding` without which they do not hold.
    """
    embedding = {} if report.mean is None else _embedding_entry(report.mean)
    return {
        **embedding,
        "thresholds": {
            **_default(report, default_far),
            "table": [_table_row(row) for row in report.by_far],
            "strangers": report.strangers,
            "protocol": protocol_name(report),
            "worst_group": None,
        },
        "calibration": {
            "slope": round(report.calibration.slope, 4),
            "intercept": round(report.calibration.intercept, 4),
            "protocol": protocol_name(report),
        },
    }


def _default(report: Report, default_far: float) -> dict[str, Any]:
    if report.by_far:
        return {"default_far": max(default_far, report.by_far[-1].far)}
    best = math.sqrt(float(np.mean(report.accuracy.squared_thresholds)))
    return {"default_far": None, "default_threshold": published(best)}


def _table_row(row: FarRow) -> dict[str, Any]:
    return {
        "far": row.far,
        "threshold": published(row.threshold),
        "pairs": row.pairs,
        "far_interval": [float(f"{edge:.3g}") for edge in (row.rate.low, row.rate.high)],
        "accepted": round(row.accepted.value, 4),
        "accepted_interval": [round(edge, 4) for edge in (row.accepted.low, row.accepted.high)],
    }


def _embedding_entry(mean: tuple[float, ...]) -> dict[str, Any]:
    return {"embedding": {"dimension": len(mean), "metric": "l2", "mean": mean}}


def to_json(report: Report, default_far: float = DEFAULT_FAR) -> dict[str, Any]:
    fields = asdict(report)
    del fields["mean"]  # hundreds of numbers, which stand in `manifest`
    return {
        **fields,
        "det": {name: np.round(array, 9).tolist() for name, array in fields["det"].items()},
        "accuracy": {
            **asdict(report.accuracy),
            "mean": report.accuracy.mean,
            "deviation": report.accuracy.deviation,
        },
        "manifest": manifest_fields(report, default_far),
    }


def protocol_name(report: Report) -> str:
    return (
        f"{report.facts.get('dataset', 'pairs')}, {_strangers_in_words(report)}, "
        f"{report.pairs - report.different_pairs} labelled pairs of one person"
    )


def _strangers_in_words(report: Report) -> str:
    which = "all" if report.every_pair else "the labelled"
    return f"{which} {report.strangers:,} pairs of strangers"


def to_markdown(report: Report) -> str:
    """One page: the facts, the rates, the accuracy, the reliability table, and the pictures."""
    accuracy = report.accuracy
    lines = [
        f"# {report.facts.get('model', 'model')} on {report.facts.get('dataset', 'pairs')}",
        "",
        *[f"- {name}: {value}" for name, value in report.facts.items()],
        f"- pictures: {report.pictures:,} of {report.people:,} people, told apart by "
        f"{report.people_from}; no face found in {report.faces_not_found}, where the centre was "
        "taken",
        f"- strangers: {_strangers_in_words(report)}",
        f"- labelled pairs: {report.pairs:,}, {report.pairs - report.different_pairs:,} of one "
        "person",
        "",
        *far_table(report),
        "",
        *_far_notes(report),
        "",
        f"**Accuracy {accuracy.mean:.4f} +- {accuracy.deviation:.4f}** on the labelled pairs of "
        f"{len(accuracy.folds)} folds, threshold on squared L2 from the other folds "
        f"({', '.join(f'{value:.2f}' for value in accuracy.squared_thresholds)}).",
        f"AUC {in_words(report.auc)}, EER {in_words(report.eer)}.",
        "",
        *calibration_lines(report),
        "",
        *reliability_table(report),
        "",
        *[f"![{name}]({name}.png)" for name in ("roc", "det", "scores", "reliability")],
        "",
    ]
    return "\n".join(lines)


def in_words(interval: Interval) -> str:
    """The value, and the middle 95 % of its bootstrap samples."""
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def far_table(report: Report) -> list[str]:
    """Lines of Markdown: threshold and accept rate at each false-accept rate."""
    return [
        "| FAR | 95 % interval | pairs | threshold (L2) | same person accepted (95 % interval) |",
        "|---|---|---|---|---|",
        *[
            f"| {row.far:g} | {row.rate.low:.2g} to {row.rate.high:.2g} | {row.pairs:,} "
            f"| {published(row.threshold):.4f} | {in_words(row.accepted)} |"
            for row in report.by_far
        ],
    ]


def _far_notes(report: Report) -> list[str]:
    """What the table counts, and what stands in the way of more."""
    notes = [
        f"FAR: share of {_strangers_in_words(report)} at the threshold; `pairs` of them lie below "
        f"it. Accepted: of the {report.pairs - report.different_pairs:,} labelled pairs of one "
        "person. Intervals: 95 % of resamples of people."
    ]
    if not report.every_pair:
        notes.append(
            "Only labelled pairs are counted, because the pictures do not say who is on them: put "
            "each person's pictures into a folder, or add the columns person_a and person_b."
        )
    if not report.by_far:
        notes.append("No rate is given: even 0.1 needs 100 pairs of strangers.")
    return notes


def calibration_lines(report: Report) -> list[str]:
    """The probability's formula and how far its promises hold."""
    fitted = report.calibration
    return [
        f"similarity = 1 / (1 + exp({fitted.slope:.3f} * distance - {fitted.intercept:.3f})), for "
        "even odds;",
        f"expected calibration error on held-out folds: {report.ece:.4f}.",
    ]


def reliability_table(report: Report) -> list[str]:
    """Lines of Markdown: promised against observed probability."""
    return [
        "| probability | pairs | promised | observed |",
        "|---|---|---|---|",
        *[
            f"| {row.low:.1f} to {row.high:.1f} | {row.pairs} | {row.promised:.3f} "
            f"| {row.observed:.3f} |"
            for row in report.reliability
        ],
    ]
