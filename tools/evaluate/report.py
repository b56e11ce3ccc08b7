"""All figures of one measurement, as one object, one JSON document and one page of Markdown."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.evaluate import calibration, protocol
from tools.evaluate.calibration import Bin, Logistic
from tools.evaluate.protocol import Floats, FoldAccuracy, Interval

FAR_LEVELS = (1e-1, 1e-2, 1e-3)
DEFAULT_FAR = 1e-2


@dataclass(frozen=True)
class FarRow:
    """One false-accept rate: its threshold (L2), VAL with interval, and both on held-out folds."""

    far: float
    threshold: float
    val: Interval
    held_out_val: float
    held_out_far: float


@dataclass(frozen=True)
class Report:
    """What was measured, on what. `facts` says model, detector and options in words."""

    facts: Mapping[str, Any]
    pairs: int
    different_pairs: int
    pictures: int
    faces_not_found: int
    accuracy: FoldAccuracy
    auc: Interval
    eer: Interval
    by_far: tuple[FarRow, ...]
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
        unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        rows.append(_distances(unit, left, right))
    return np.stack(rows)


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


def own_fold(distances: Floats, folds: NDArray[np.int64]) -> Floats:
    """Each pair's held-out distance, float[P], out of float[P] or float[F,P]."""
    if distances.ndim == 1:
        return distances
    return np.asarray(distances[np.searchsorted(np.unique(folds), folds), np.arange(len(folds))])


def measure(
    distances: Floats,
    same: NDArray[np.bool_],
    folds: NDArray[np.int64],
    *,
    facts: Mapping[str, Any],
    found: NDArray[np.bool_],
    mean: NDArray[np.float32] | None = None,
    rounds: int = 1000,
) -> Report:
    """Every figure of the protocol. `found` bool[N]: in which pictures a face was found.

    `mean` float32[D]: what a manifest must have for its thresholds to be these, if any.
    """
    pooled = own_fold(distances, folds)
    table = calibration.reliability(calibration.held_out_probabilities(pooled, same, folds), same)
    return Report(
        facts=dict(facts),
        pairs=len(same),
        different_pairs=int((~same).sum()),
        pictures=len(found),
        faces_not_found=int((~found).sum()),
        accuracy=protocol.fold_accuracy(distances, same, folds),
        auc=protocol.bootstrap(_auc, pooled, same, rounds=rounds),
        eer=protocol.bootstrap(_eer, pooled, same, rounds=rounds),
        by_far=tuple(_far_row(distances, pooled, same, folds, far, rounds) for far in FAR_LEVELS),
        calibration=calibration.fit_logistic(pooled, same),
        reliability=table,
        ece=calibration.expected_calibration_error(table),
        mean=None if mean is None else tuple(mean.tolist()),
    )


def _auc(distances: Floats, same: NDArray[np.bool_]) -> float:
    return protocol.area_under(protocol.roc(distances, same))


def _eer(distances: Floats, same: NDArray[np.bool_]) -> float:
    return protocol.equal_error_rate(protocol.roc(distances, same))


def _far_row(
    distances: Floats,
    pooled: Floats,
    same: NDArray[np.bool_],
    folds: NDArray[np.int64],
    far: float,
    rounds: int,
) -> FarRow:
    val, rate = protocol.held_out_rates(distances, same, folds, far)
    return FarRow(
        far=far,
        threshold=protocol.threshold_at_far(pooled, same, far),
        val=protocol.bootstrap(
            lambda sample, kinds: protocol.val_at_far(sample, kinds, far),
            pooled,
            same,
            rounds=rounds,
        ),
        held_out_val=val,
        held_out_far=rate,
    )


def published(threshold: float) -> float:
    """A threshold with four decimals; never above the measured one, whose rate would not hold."""
    return math.floor(threshold * 10_000) / 10_000


def manifest_fields(report: Report, protocol_name: str) -> dict[str, Any]:
    """The `thresholds` and `calibration` that a manifest takes from a measurement.

    Where the mean was subtracted, also the `embedding` without which they do not hold.
    """
    by_far = {f"{row.far:g}": published(row.threshold) for row in report.by_far}
    embedding = {} if report.mean is None else _embedding_entry(report.mean)
    return {
        **embedding,
        "thresholds": {
            "default": {"distance": by_far[f"{DEFAULT_FAR:g}"], "far": DEFAULT_FAR},
            "by_far": by_far,
        },
        "calibration": {
            "slope": round(report.calibration.slope, 4),
            "intercept": round(report.calibration.intercept, 4),
            "protocol": protocol_name,
        },
    }


def _embedding_entry(mean: tuple[float, ...]) -> dict[str, Any]:
    return {"embedding": {"dimension": len(mean), "metric": "l2", "mean": mean}}


def to_json(report: Report) -> dict[str, Any]:
    fields = asdict(report)
    del fields["mean"]  # hundreds of numbers, which stand in `manifest`
    return {
        **fields,
        "accuracy": {
            **asdict(report.accuracy),
            "mean": report.accuracy.mean,
            "deviation": report.accuracy.deviation,
        },
        "manifest": manifest_fields(report, protocol_name(report)),
    }


def protocol_name(report: Report) -> str:
    return f"{report.facts.get('dataset', 'pairs')}, {report.pairs} pairs, held-out folds"


def to_markdown(report: Report) -> str:
    """One page: the facts, the accuracy, the rates, the reliability table, and the pictures."""
    accuracy = report.accuracy
    lines = [
        f"# {report.facts.get('model', 'model')} on {report.facts.get('dataset', 'pairs')}",
        "",
        *[f"- {name}: {value}" for name, value in report.facts.items()],
        f"- pairs: {report.pairs:,} ({report.different_pairs:,} different people)",
        f"- pictures: {report.pictures:,}; no face found in {report.faces_not_found}, "
        "where the centre was taken",
        "",
        f"**Accuracy {accuracy.mean:.4f} +- {accuracy.deviation:.4f}** over "
        f"{len(accuracy.folds)} folds, threshold on squared L2 from the other folds "
        f"({', '.join(f'{value:.2f}' for value in accuracy.squared_thresholds)}).",
        f"AUC {in_words(report.auc)}, EER {in_words(report.eer)}.",
        "",
        *far_table(report),
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
    """Lines of Markdown: threshold and VAL at each false-accept rate."""
    return [
        "| FAR | threshold (L2) | VAL (95 % interval) | held out: VAL | held out: FAR |",
        "|---|---|---|---|---|",
        *[
            f"| {row.far:g} | {published(row.threshold):.4f} | {in_words(row.val)} "
            f"| {row.held_out_val:.4f} | {row.held_out_far:.4f} |"
            for row in report.by_far
        ],
    ]


def calibration_lines(report: Report) -> list[str]:
    """The probability's formula and how far its promises hold."""
    fitted = report.calibration
    return [
        f"similarity = 1 / (1 + exp({fitted.slope:.3f} * distance - {fitted.intercept:.3f}));",
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
