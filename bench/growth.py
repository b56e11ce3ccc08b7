"""`python -m bench.growth`: time against pixels, faces and chips in a batch, as curves.

Everything goes through the handler in this process, base64 in and JSON out, but the batch, which
is the model alone. Prints a table with the slope of the last doubling (1.0 is linear) and draws
growth.png into --out.
"""

import argparse
import base64
import contextlib
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.speed.contender_ours import answer_event, make_event
from bench.speed.pictures import group_picture, jpeg, portrait, square
from bench.speed.process import ROOT
from bench.speed.report import machine_and_date

SIDES = (250, 500, 1000, 2000, 4000)
FACES = (1, 2, 4, 8)
BATCHES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Curve:
    """Median milliseconds at each size."""

    title: str
    unit: str
    sizes: Sequence[int]
    medians: Sequence[float]

    @property
    def slope(self) -> float:
        """Exponent of growth between the two largest sizes: 1.0 is linear."""
        (size_a, size_b), (ms_a, ms_b) = self.sizes[-2:], self.medians[-2:]
        return math.log(ms_b / ms_a) / math.log(size_b / size_a)


def _medians(cases: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """All cases take turns, so that a drift of the machine's speed meets all of them."""
    times: list[list[float]] = [[] for _ in cases]
    for number in range(rounds + 1):
        for index, case in enumerate(cases):
            begin = time.perf_counter()
            case()
            if number:
                times[index].append((time.perf_counter() - begin) * 1000)
    return [statistics.median(each) for each in times]


def _call(path: str, pixels: np.ndarray, **options: object) -> Callable[[], object]:
    body = {"images": [base64.b64encode(jpeg(pixels)).decode()], **options}
    event: Mapping[str, object] = make_event(path, body)
    return lambda: answer_event(event)


def _curves(rounds: int) -> list[Curve]:
    import model_layer

    eileen = portrait("eileen_collins")
    detect = [_call("/v1/detect", square(eileen, side)) for side in SIDES]
    embed = [_call("/v1/embed", group_picture(count), face="all") for count in FACES]
    model = model_layer.load(model_layer.bundled_models()[0])
    size = model.manifest.input.size
    chips = np.random.default_rng(3).integers(0, 255, (max(BATCHES), size, size, 3), np.uint8)
    batch = [lambda count=count: model.embed(chips[:count]) for count in BATCHES]
    pixels = [side * side for side in SIDES]
    return [
        Curve("detect against pixels", "pixels", pixels, _medians(detect, rounds)),
        Curve("embed all at 1080p against faces", "faces", FACES, _medians(embed, rounds)),
        Curve("embed chips against batch", "chips", BATCHES, _medians(batch, rounds)),
    ]


def _table(curves: Sequence[Curve]) -> str:
    lines = ["| | sizes | median ms | exponent of the last step |", "|---|---|---|---|"]
    for curve in curves:
        sizes = ", ".join(f"{size:,}" for size in curve.sizes)
        medians = ", ".join(f"{ms:.1f}" for ms in curve.medians)
        lines.append(f"| {curve.title} | {sizes} | {medians} | {curve.slope:.2f} |")
    return "\n".join([*lines, f"\n{machine_and_date()}, `python -m bench.growth`."])


def _plot(curves: Sequence[Curve], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import EngFormatter, NullLocator

    figure, axes = plt.subplots(1, len(curves), figsize=(13, 3.8))
    for axis, curve in zip(axes, curves, strict=True):
        axis.loglog(curve.sizes, curve.medians, marker="o", color="#2f6fed")
        linear = [curve.medians[-1] * size / curve.sizes[-1] for size in curve.sizes]
        axis.loglog(curve.sizes, linear, linestyle=":", color="#8a94a6", label="linear")
        axis.set(title=curve.title, xlabel=curve.unit, ylabel="median ms")
        axis.set_xticks(curve.sizes, minor=False)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "growth")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        curves = _curves(options.rounds)
    table = _table(curves)
    (options.out / "growth.md").write_text(table + "\n")
    _plot(curves, options.out / "growth.png")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
