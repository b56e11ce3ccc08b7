"""Draws false-accept rates within and between groups: a heat map per table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from tools.evaluate.charts import INK, STYLE
from tools.evaluate.group_rates import Cell
from tools.evaluate.protocol import Floats

if TYPE_CHECKING:
    from tools.evaluate.group_rates import Measured

matplotlib.use("Agg")
from matplotlib import colors, pyplot

LOWEST, HIGHEST = 1e-6, 1.0


def draw(measured: Measured, path: Path) -> None:
    """Writes the heat maps of both tables, or of the one there is."""
    names = list(measured.faces)
    tables = {"all pairs of strangers": measured.everyone}
    if measured.apart:
        tables["ten years or more apart"] = measured.apart
    with pyplot.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = pyplot.subplots(
            1, len(tables), layout="constrained", figsize=(7.2 * len(tables), 6.6), squeeze=False
        )
        for plot, (title, cells) in zip(axes[0], tables.items(), strict=True):
            image = heat_map(plot, names, matrix_of(cells, names))
            plot.set_title(f"{title}, threshold {measured.threshold:.4f}")
        figure.colorbar(image, ax=axes[0], label="strangers accepted", shrink=0.8)
        figure.savefig(path)
        pyplot.close(figure)


def matrix_of(cells: Mapping[tuple[str, str], Cell], names: Sequence[str]) -> Floats:
    """Rates float64[G,G], the same above and below the diagonal; NaN where no pair was counted."""
    rates = np.full((len(names), len(names)), np.nan)
    for (one, other), cell in cells.items():
        if cell.pairs:
            row, column = names.index(one), names.index(other)
            rates[row, column] = rates[column, row] = cell.rate.value
    return rates


def heat_map(axes: Any, names: Sequence[str], rates: Floats) -> Any:
    """One table, with each rate written into its field; on a logarithmic scale of colour."""
    scale = colors.LogNorm(LOWEST, HIGHEST)
    image = axes.imshow(np.maximum(rates, LOWEST), norm=scale, cmap="YlOrRd")
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for (row, column), rate in np.ndenumerate(rates):
        if np.isfinite(rate):
            colour = "white" if rate > 3e-2 else INK
            axes.text(
                column, row, f"{rate:.0e}", ha="center", va="center", fontsize=6, color=colour
            )
    return image
