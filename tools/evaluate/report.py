"""A measurement as one JSON document, as a manifest's fields, and as one page of Markdown."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from tools.evaluate.measurement import Report
from tools.evaluate.rates import FarRow

# Of a manifest: the strictest of these that was measured.
DEFAULT_FAR = 1e-3


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
        f"AUC {report.auc.in_words()}, EER {report.eer.in_words()}.",
        "",
        *calibration_lines(report),
        "",
        *reliability_table(report),
        "",
        *[f"![{name}]({name}.png)" for name in ("roc", "det", "scores", "reliability")],
        "",
    ]
    return "\n".join(lines)


def far_table(report: Report) -> list[str]:
    """Lines of Markdown: threshold and accept rate at each false-accept rate."""
    return [
        "| FAR | 95 % interval | pairs | threshold (L2) | same person accepted (95 % interval) |",
        "|---|---|---|---|---|",
        *[
            f"| {row.far:g} | {row.rate.low:.2g} to {row.rate.high:.2g} | {row.pairs:,} "
            f"| {published(row.threshold):.4f} | {row.accepted.in_words()} |"
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
