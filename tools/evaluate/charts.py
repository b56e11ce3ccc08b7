"""The pictures of a measurement: ROC and DET with their bands, scores, reliability."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from tools.evaluate import protocol
from tools.evaluate.protocol import Floats
from tools.evaluate.report import DEFAULT_FAR, Report

matplotlib.use("Agg")
from matplotlib import pyplot

# Two hues that differ in lightness too, so that they stay apart in grey and to colour-blind eyes.
SAME_COLOUR = "#1b6ca8"
OTHER_COLOUR = "#d97706"
INK = "#1f2933"
STYLE: Any = {
    "figure.figsize": (6.4, 4.4),
    "figure.dpi": 130,
    "font.size": 10,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
BAND_ROUNDS = 300
RATES = np.geomspace(1e-3, 1.0, 120)


def draw_all(report: Report, distances: Floats, same: NDArray[np.bool_], folder: Path) -> None:
    """Writes roc.png, det.png, scores.png and reliability.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{report.facts.get('model', '')} on {report.facts.get('dataset', 'pairs')}"
    accepts = accept_band(distances, same)
    _save(folder / "roc.png", lambda axes: roc(axes, report, accepts, title))
    _save(folder / "det.png", lambda axes: det(axes, report, accepts, title))
    _save(folder / "scores.png", lambda axes: scores(axes, report, distances, same, title))
    _save(folder / "reliability.png", lambda axes: reliability(axes, report, title))


def accept_band(distances: Floats, same: NDArray[np.bool_]) -> Floats:
    """True-accept share at RATES, float[3,R]: as measured, and 2.5 and 97.5 % of resamples."""
    samples = [
        accepts_at_rates(distances[rows], same[rows])
        for rows in protocol.resamples(same, BAND_ROUNDS, seed=1)
    ]
    low, high = np.percentile(samples, [2.5, 97.5], axis=0)
    return np.stack([accepts_at_rates(distances, same), low, high])


def accepts_at_rates(distances: Floats, same: NDArray[np.bool_]) -> Floats:
    """The share of same pairs accepted at each of RATES, without interpolation."""
    curve = protocol.roc(distances, same)
    places = np.searchsorted(curve.false_accepts, RATES, side="right") - 1
    return np.asarray(curve.true_accepts[places])


def roc(axes: Any, report: Report, accepts: Floats, title: str) -> None:
    axes.fill_between(RATES, accepts[1], accepts[2], color=SAME_COLOUR, alpha=0.18, lw=0)
    axes.plot(RATES, accepts[0], color=SAME_COLOUR, label=f"AUC {report.auc.value:.4f}")
    for row in report.by_far:
        axes.plot(row.far, row.val.value, "o", color=INK, ms=4)
        axes.annotate(
            f"{row.val.value:.3f}",
            (row.far, row.val.value),
            textcoords="offset points",
            xytext=(4, -14),
        )
    axes.set(xscale="log", xlim=(1e-3, 1), title=title)
    axes.set_ylim(min(0.9, float(accepts[1].min()) - 0.02), 1.003)
    axes.set_xlabel("different people accepted (FAR)")
    axes.set_ylabel("same person accepted (VAL)")
    axes.legend(loc="lower right")


def det(axes: Any, report: Report, accepts: Floats, title: str) -> None:
    floor = 0.5 / max(report.pairs - report.different_pairs, 1)
    missed = np.maximum(1 - accepts, floor)
    axes.fill_between(RATES, missed[2], missed[1], color=SAME_COLOUR, alpha=0.18, lw=0)
    axes.plot(RATES, missed[0], color=SAME_COLOUR)
    axes.plot(RATES, RATES, color="#9aa5b1", lw=1, ls="--")
    eer = max(report.eer.value, floor)
    axes.plot(eer, eer, "o", color=INK, ms=5, label=f"EER {report.eer.value:.4f}")
    axes.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(floor, 0.3), title=title)
    axes.set_xlabel("different people accepted (FAR)")
    axes.set_ylabel("same person rejected (FRR)")
    axes.legend(loc="upper right")


def scores(
    axes: Any, report: Report, distances: Floats, same: NDArray[np.bool_], title: str
) -> None:
    bins = np.linspace(0, max(1.6, float(distances.max())), 61)
    axes.hist(distances[same], bins, color=SAME_COLOUR, alpha=0.75, label="same person")
    axes.hist(distances[~same], bins, color=OTHER_COLOUR, alpha=0.65, label="different people")
    for row in report.by_far:
        strong = row.far == DEFAULT_FAR
        axes.axvline(row.threshold, color=INK, lw=1.6 if strong else 0.8, ls="-" if strong else ":")
        axes.annotate(
            f"FAR {row.far:g}",
            (row.threshold, 0.98),
            xycoords=("data", "axes fraction"),
            rotation=90,
            va="top",
            ha="right",
            fontsize=8,
        )
    axes.set(title=title, xlabel="distance (L2)", ylabel="pairs")
    axes.legend(loc="upper left")


def reliability(axes: Any, report: Report, title: str) -> None:
    promised = np.array([row.promised for row in report.reliability])
    observed = np.array([row.observed for row in report.reliability])
    pairs = np.array([row.pairs for row in report.reliability])
    low, high = wilson_interval(observed, pairs)
    bars = np.maximum([observed - low, high - observed], 0)
    axes.plot([0, 1], [0, 1], color="#9aa5b1", lw=1, ls="--")
    axes.errorbar(promised, observed, bars, fmt="none", ecolor=SAME_COLOUR, alpha=0.5, lw=1.5)
    axes.scatter(promised, observed, 30 + 270 * pairs / report.pairs, color=SAME_COLOUR, zorder=3)
    for place, count in zip(zip(promised, observed, strict=True), pairs, strict=True):
        axes.annotate(str(count), place, textcoords="offset points", xytext=(9, -9), fontsize=8)
    axes.set(title=f"{title}: ECE {report.ece:.4f}", xlim=(-0.04, 1.06), ylim=(-0.04, 1.04))
    axes.set_xlabel("similarity promised (held-out folds); figures are pairs")
    axes.set_ylabel("share that is the same person")


def wilson_interval(share: Floats, count: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """95 % interval of an observed share (Wilson 1927): honest for a handful of pairs, too."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return middle - half, middle + half


def _save(path: Path, draw: Callable[[Any], None]) -> None:
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(layout="constrained")
        draw(axes)
        figure.savefig(path)
        pyplot.close(figure)
