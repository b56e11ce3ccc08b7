"""Draws the charts of a measurement: ROC and DET with their bands, scores, reliability."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from tools.evaluate.measurement import Report
from tools.evaluate.protocol import Floats
from tools.evaluate.report import DEFAULT_FAR
from tools.evaluate.strangers import EDGES, Strangers

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
# The histogram of strangers has fine bins; the picture joins so many.
JOINED_BINS = 250


def draw_all(
    report: Report,
    distances: Floats,
    same: NDArray[np.bool_],
    strangers: Strangers,
    folder: Path,
) -> None:
    """Writes roc.png, det.png, scores.png and reliability.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{report.facts.get('model', '')} on {report.facts.get('dataset', 'pairs')}"
    own = distances[same]
    _save(folder / "roc.png", lambda axes: roc(axes, report, title))
    _save(folder / "det.png", lambda axes: det(axes, report, title))
    _save(folder / "scores.png", lambda axes: scores(axes, report, own, strangers, title))
    _save(folder / "reliability.png", lambda axes: reliability(axes, report, title))


def roc(axes: Any, report: Report, title: str) -> None:
    rates, accepts = report.det.rates, 1 - report.det.missed
    axes.fill_between(rates, accepts[2], accepts[1], color=SAME_COLOUR, alpha=0.18, lw=0)
    axes.plot(rates, accepts[0], color=SAME_COLOUR, label=f"AUC {report.auc.value:.4f}")
    for row in report.by_far:
        axes.plot(row.far, row.accepted.value, "o", color=INK, ms=4)
        axes.annotate(
            f"{row.accepted.value:.3f}",
            (row.far, row.accepted.value),
            textcoords="offset points",
            xytext=(4, -14),
        )
    axes.set(xscale="log", xlim=(rates[0], 1), title=title)
    axes.set_ylim(min(0.9, float(accepts[2].min()) - 0.02), 1.003)
    axes.set_xlabel("strangers accepted (FAR)")
    axes.set_ylabel("same person accepted")
    axes.legend(loc="lower right")


def det(axes: Any, report: Report, title: str) -> None:
    floor = 0.5 / max(report.pairs - report.different_pairs, 1)
    rates, missed = report.det.rates, np.maximum(report.det.missed, floor)
    axes.fill_between(rates, missed[1], missed[2], color=SAME_COLOUR, alpha=0.18, lw=0)
    axes.plot(rates, missed[0], color=SAME_COLOUR)
    axes.plot(rates, rates, color="#9aa5b1", lw=1, ls="--")
    eer = max(report.eer.value, floor)
    axes.plot(eer, eer, "o", color=INK, ms=5, label=f"EER {report.eer.value:.4f}")
    highest = max(0.3, float(missed.max()))
    axes.set(xscale="log", yscale="log", xlim=(rates[0], 1), ylim=(floor, highest), title=title)
    axes.set_xlabel("strangers accepted (FAR)")
    axes.set_ylabel("same person rejected (FNMR)")
    axes.legend(loc="upper right")


def scores(axes: Any, report: Report, own: Floats, strangers: Strangers, title: str) -> None:
    edges = EDGES[::JOINED_BINS]
    of_strangers = strangers.by_distance.reshape(-1, JOINED_BINS).sum(axis=1)
    for counts, colour, label in (
        (np.histogram(own, edges)[0], SAME_COLOUR, "same person"),
        (of_strangers, OTHER_COLOUR, "strangers"),
    ):
        shares = counts / max(counts.sum(), 1)
        axes.stairs(shares, edges, color=colour, fill=True, alpha=0.7, label=label)
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
    axes.set(title=title, xlabel="distance (L2)", ylabel="share of the pairs of each kind")
    axes.set_xlim(0, max(1.6, float(edges[1:][of_strangers > 0].max(initial=0))))
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
