"""`python -m tools.train.card`: measures what the bundled model's card says, and fills it in.

A block of docs/models/<id>.md under a line `<!-- measured: NAME -->` is made anew from the int8
file that is bundled; one whose data is not there stays as it is, and is named. `--check` writes
nothing, leaves out latencies, shows what would change, and exits with 1 where something would.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench import precisions
from bench.speed.report import machine_and_date
from model_layer.files import BUNDLED
from model_layer.manifest import MANIFEST_NAME, Manifest, Precision, read_manifest
from tools.evaluate import conditions
from tools.evaluate.__main__ import evaluate, parse_arguments
from tools.evaluate.report import (
    DEFAULT_FAR,
    Report,
    calibration_lines,
    far_table,
    in_words,
    reliability_table,
)
from tools.train import gap, groups, steps
from tools.train.__main__ import ID, ROOT, add_sources
from tools.train.__main__ import parse_arguments as parse_training
from tools.train.__main__ import plan as plan_training
from tools.train.describe import FACTS
from tools.train.export import DIMENSION, widen, write_manifest
from tools.train.weights import load_weights

BLOCK = "<!-- measured: {} -->\n\n"
ON_LFW = ("files", "rates", "threshold", "probability", "reliability", "conditions", "turned")
BLOCKS = (*ON_LFW, "latency", "machine", "groups", "gap")
HEAD = (
    "| file | size | accuracy | with flip | AUC | EER | VAL at FAR 1e-2 | VAL at FAR 1e-3 |",
    "|---|---|---|---|---|---|---|---|",
)


def main(words: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 where `--check` finds a figure that differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.card", description=__doc__)
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
        yield "latency", list(precisions.measure(widened(options.work / "model")))
        protocol = f"One chip, one thread, median of {precisions.ROUNDS} calls in turns"
        yield "machine", [f"{protocol}; {machine_and_date()}."]
    if (options.lfw / "pairs.csv").exists():
        yield from on_lfw(options, widened(options.work / "model"))
    else:
        missing(", ".join(ON_LFW), options.lfw / "pairs.csv")
    if (options.data / "chips.csv").exists():
        yield "groups", groups.measure(ID, options.data, options.work)
    else:
        missing("groups", options.data / "chips.csv")
    needed = (options.data / "chips.csv", options.facenet, options.lfw / "pairs.csv")
    absent = [path for path in needed if not path.exists()]
    if absent:
        missing("gap", absent[0])
    else:
        yield "gap", followed(options)


def missing(names: str, path: Path) -> None:
    print(f"not measured: {names}; there is no {path}", file=sys.stderr)


@cache
def widened(folder: Path) -> Path:
    """The bundled model with float16 and float32 files of its int8 file's weights beside that."""
    widen(BUNDLED / "int8.tflite", folder)
    facts = json.loads((BUNDLED / MANIFEST_NAME).read_text())
    write_manifest(folder, ID, DIMENSION, {key: facts[key] for key in FACTS})
    return folder


def followed(options: Any) -> list[str]:
    """How well the bundled file's features follow the teachers, through heads fitted anew."""
    places = {
        "--init-from": BUNDLED / "int8.tflite",
        "--work": options.work,
        "--data": options.data,
        "--lfw": options.lfw,
        "--facenet": options.facenet,
    }
    words = [str(word) for place in places.items() for word in place]
    plan = plan_training(parse_training(["prepare", *words]))
    plan.start.unlink(missing_ok=True)  # it may be another file's
    steps.prepare(plan)
    return gap.measure(plan, load_weights(plan.start))


def on_lfw(options: Any, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The blocks that come from LFW's pairs."""
    manifest = read_manifest(folder)
    reports = {
        (precision, flip): report_of(folder, precision, flip=flip, options=options)
        for precision in manifest.precisions
        for flip in (False, True)
    }
    served = reports[manifest.default_precision, False]
    yield "files", [*file_rows(manifest, reports), row_before_rounding(manifest)]
    yield "rates", far_table(served)
    yield (
        "threshold",
        [
            f"The default threshold is {manifest.threshold}: a false-accept rate of "
            f"{DEFAULT_FAR:g} on these pairs."
        ],
    )
    yield "probability", calibration_lines(served)
    yield "reliability", reliability_table(served)
    places = (options.lfw / "pairs.csv", options.lfw / "images.zip", cache_of(options))
    lines = list(conditions.measure(ID, *places))
    between = lines.index("")
    yield "conditions", lines[:between]
    yield "turned", lines[between + 1 :]


def cache_of(options: Any) -> Path:
    return Path(options.work) / "reports" / "cache"


def report_of(folder: Path, precision: Precision, *, flip: bool, options: Any) -> Report:
    places = {
        "--model": folder,
        "--pairs": options.lfw / "pairs.csv",
        "--images": options.lfw / "images.zip",
        "--cache": cache_of(options),
        "--precision": precision,
    }
    words = [str(word) for place in places.items() for word in place]
    return evaluate(parse_arguments([*words, *(["--flip"] if flip else [])]))[0]


def file_rows(manifest: Manifest, reports: Mapping[tuple[Precision, bool], Report]) -> list[str]:
    """One row per weight file."""
    rows = []
    for precision in manifest.precisions:
        plain, flipped = reports[precision, False], reports[precision, True]
        val = {row.far: in_words(row.val) for row in plain.by_far}
        rows.append(
            f"| {precision} | {manifest.files[precision].bytes / 1e6:.2f} MB "
            f"| {plain.accuracy.mean:.4f} +- {plain.accuracy.deviation:.4f} "
            f"| {flipped.accuracy.mean:.4f} | {plain.auc.value:.4f} | {plain.eer.value:.4f} "
            f"| {val[1e-2]} | {val[1e-3]} |"
        )
    return [*HEAD, *rows]


def row_before_rounding(manifest: Manifest) -> str:
    """The training's own float32 file, which no clone has, as its manifest step measured it."""
    plain, flipped = (
        next(row for row in manifest.accuracy if (row["precision"], row["flip"]) == wanted)
        for wanted in (("float32", False), ("float32", True))
    )
    val = [f"{plain['val'][far]:.4f}" for far in ("0.01", "0.001")]
    return (
        f"| float32 of the training | | {plain['accuracy']:.4f} +- {plain['deviation']:.4f} "
        f"| {flipped['accuracy']:.4f} | {plain['auc']:.4f} | {plain['eer']:.4f} "
        f"| {val[0]} | {val[1]} |"
    )


def fill(text: str, name: str, lines: Sequence[str]) -> str:
    """The card with one block replaced. Raises KeyError when the card has no such block."""
    found = re.search(rf"{re.escape(BLOCK.format(name))}((?:.+\n)*)", text)
    if found is None:
        raise KeyError(name)
    body = "".join(f"{line}\n" for line in lines)
    return text[: found.start(1)] + body + text[found.end(1) :]


if __name__ == "__main__":
    sys.exit(main())
