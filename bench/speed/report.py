"""Turns measured rows into the README's Markdown table and a bar chart."""

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TITLES = {
    "compare": "compare two 250x250",
    "detect": "detect in 3000x3000",
    "group": "embed 10 faces at 1080p",
    "chips": "embed 32 aligned chips",
}
OURS = ("bundled model", "20180402-114759")  # how the names of our rows begin
OURS_COLOUR, PEERS_COLOUR = "#2f6fed", "#8a94a6"


@dataclass(frozen=True)
class Row:
    """One contender: median milliseconds and speed-up over the base by scenario, peak MB."""

    name: str
    medians: Mapping[str, float]
    ratios: Mapping[str, float]
    peak_mb: float


def machine_and_date() -> str:
    """Where and when a figure was measured."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    cores = len(os.sched_getaffinity(0))
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"{names[0] if names else platform.machine()}, {cores} cores, {date}"


def _cells(row: Row) -> list[str]:
    return [f"{row.medians[s]:.1f} ms ({row.ratios[s]:.1f}x)" for s in TITLES]


def _table(rows: Sequence[Row], base: str, skipped: Mapping[str, str]) -> str:
    lines = ["| | " + " | ".join(TITLES.values()) + " | peak memory |"]
    lines.append("|---" * (len(TITLES) + 2) + "|")
    for row in rows:
        lines.append(f"| {row.name} | " + " | ".join(_cells(row)) + f" | {row.peak_mb:.0f} MB |")
    lines += [f"\nSkipped: {name}: {reason}" for name, reason in skipped.items()]
    lines.append(f"\nMedians of paired runs; in brackets the median pairwise ratio to {base}.")
    lines.append(f"{machine_and_date()}, `make bench`.")
    return "\n".join(lines)


def _plot(rows: Sequence[Row], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = [OURS_COLOUR if row.name.startswith(OURS) else PEERS_COLOUR for row in rows]
    figure, axes = plt.subplots(1, len(TITLES), figsize=(15, 3.6), sharey=True)
    for axis, (scenario, title) in zip(axes, TITLES.items(), strict=True):
        values = [row.medians[scenario] for row in rows]
        bars = axis.barh([row.name for row in rows], values, color=colours)
        axis.bar_label(bars, [f"{value:.1f} ms" for value in values], padding=3, fontsize=8)
        axis.set_xscale("log")
        axis.set_xlim(right=max(values) * 8)
        axis.set_title(title, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def write_report(rows: Sequence[Row], base: str, skipped: Mapping[str, str], folder: Path) -> str:
    """Write speed.md and speed.png into `folder` and return the Markdown."""
    text = _table(rows, base, skipped)
    (folder / "speed.md").write_text(text + "\n")
    _plot(rows, folder / "speed.png")
    return text
