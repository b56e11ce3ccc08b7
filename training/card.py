"""`python -m training.card`: measures what the bundled model's card says, and fills it in.

A block of docs/models/<id>.md under a line `<!-- measured: NAME -->` is made anew from the int8
file that is bundled; one whose data is not there stays as it is, and is named. `--check` writes
nothing, leaves out latencies, shows what would change, and exits with 1 where something would.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import model_layer
from bench.speed.report import machine_and_date
from model_layer.files import BUNDLED
from tools.evaluate import conditions, groups, measurement, report
from tools.evaluate.__main__ import evaluate, parse_arguments
from training.__main__ import ID, ROOT, add_sources

BLOCK = "<!-- measured: {} -->\n\n"
ON_GROUPS = ("groups", "worst", "between")
ON_LFW = ("rates", "accuracy", "probability", "reliability", "conditions", "both", "turned")
BLOCKS = (*ON_LFW, "latency", *ON_GROUPS)
ROUNDS = 300


def main(words: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 where `--check` finds a figure that differs."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, show differences")
    add_sources(parser)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "card", metavar="DIR")
    options = parser.parse_args(words)
    card = ROOT / "docs" / "models" / f"{ID}.md"
    before = card.read_text()
    text = before
    for name, lines in measured(options):
        text = fill(text, name, lines)
    if not options.check:
        card.write_text(text)
        return 0
    changes = difflib.unified_diff(
        before.splitlines(), text.splitlines(), "card", "now", lineterm=""
    )
    print("\n".join(changes) or "every figure that could be measured is as the card says")
    return int(text != before)


def measured(options: Any) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of every block that can be measured here."""
    if not options.check:
        yield "latency", [latency()]
    if (options.lfw / "pairs.csv").exists():
        yield from on_lfw(options)
    else:
        missing(", ".join(ON_LFW), options.lfw / "pairs.csv")
    if (options.data / "groups.csv").exists():
        places = (options.data / "groups.csv", options.data / "chips.zip", options.work)
        lines = groups.to_markdown(groups.measure(model_layer.load(BUNDLED), *places))
        yield from zip(ON_GROUPS, parts(lines), strict=True)
    else:
        missing(", ".join(ON_GROUPS), options.data / "groups.csv")


def missing(names: str, path: Path) -> None:
    print(f"not measured: {names}; there is no {path}", file=sys.stderr)


def latency() -> str:
    """One chip, one thread."""
    model = model_layer.load(BUNDLED, threads=1)
    shape = (1, model.input_size, model.input_size, 3)
    chip = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        model.embed(chip)
        times.append((time.process_time() - begin) * 1000)
    return (
        f"{np.median(times):.1f} ms of processor time a chip on one thread, median of {ROUNDS} "
        f"calls; the fastest tenth {np.quantile(times, 0.1):.1f} ms or less; {machine_and_date()}."
    )


def on_lfw(options: Any) -> Iterator[tuple[str, list[str]]]:
    """The blocks that come from LFW's pairs."""
    places = {
        "--model": BUNDLED,
        "--pairs": options.lfw / "pairs.csv",
        "--images": options.lfw / "images.zip",
        "--cache": options.work / "cache",
    }
    words = [str(word) for place in places.items() for word in place]
    plain, flipped = (
        evaluate(parse_arguments([*words, *more])).report for more in ([], ["--flip"])
    )
    yield "rates", report.far_table(plain)
    yield "accuracy", accuracy_lines(plain, flipped)
    yield "probability", report.calibration_lines(plain)
    yield "reliability", report.reliability_table(plain)
    inputs = (options.lfw / "pairs.csv", options.lfw / "images.zip", options.work / "cache")
    lines = list(conditions.measure(str(BUNDLED), *inputs))
    yield from zip(("conditions", "both", "turned"), parts(lines), strict=True)


def parts(lines: Sequence[str]) -> list[list[str]]:
    """Lines between empty ones."""
    return [text.splitlines() for text in "\n".join(lines).split("\n\n")]


def accuracy_lines(plain: measurement.Report, flipped: measurement.Report) -> list[str]:
    """The ten-fold protocol on the folds at hand."""
    return [
        "| | accuracy | AUC | EER |",
        "|---|---|---|---|",
        *[
            f"| {name} | {each.accuracy.mean:.4f} +- {each.accuracy.deviation:.4f} "
            f"| {each.auc.value:.4f} | {each.eer.value:.4f} |"
            for name, each in (("no flip", plain), ("flip", flipped))
        ],
    ]


def fill(text: str, name: str, lines: Sequence[str]) -> str:
    """The card with one block replaced; an empty line ends a block, and lines may hold none.

    Raises KeyError when the card has no such block.
    """
    found = re.search(rf"{re.escape(BLOCK.format(name))}((?:.+\n)*)", text)
    if found is None:
        raise KeyError(name)
    body = "".join(f"{line}\n" for line in lines)
    return text[: found.start(1)] + body + text[found.end(1) :]


if __name__ == "__main__":
    sys.exit(main())
