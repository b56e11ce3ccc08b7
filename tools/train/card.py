"""`python -m tools.train.card`: measures what the bundled model's card says, and fills it in.

A block of docs/models/<id>.md under a line `<!-- measured: NAME -->` is made anew; one whose data
or weight files are not there stays as it is, and is named. `--check` writes nothing, shows what
would change, and exits with 1 where something would.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from model_layer import ModelUnavailable
from model_layer.manifest import FileKind, Manifest, read_manifest
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
from tools.shared import SHARED
from tools.train import gap, groups
from tools.train.__main__ import ROOT

ID = "facenet-compact-112"
BLOCK = "<!-- measured: {} -->\n\n"
ON_LFW = ("files", "rates", "threshold", "probability", "reliability", "conditions", "turned")
BLOCKS = (*ON_LFW, "groups", "gap")
HEAD = (
    "| file | size | accuracy | with flip | AUC | EER | VAL at FAR 1e-2 | VAL at FAR 1e-3 |",
    "|---|---|---|---|---|---|---|---|",
)


def main(words: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 where `--check` finds a figure that differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.card", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, show differences")
    parser.add_argument("--lfw", type=Path, default=SHARED / "faces" / "lfw", metavar="DIR")
    parser.add_argument("--data", type=Path, default=SHARED / "faces" / "distill", metavar="DIR")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "train", metavar="DIR")
    options = parser.parse_args(words)
    card = ROOT / "docs" / "models" / f"{ID}.md"
    before = card.read_text()
    text = before
    for name, lines in measured(options, ROOT / "model_layer" / "models" / ID):
        text = fill(text, name, lines)
    if not options.check:
        card.write_text(text)
        return 0
    changes = difflib.unified_diff(
        before.splitlines(), text.splitlines(), "card", "now", lineterm=""
    )
    print("\n".join(changes) or "every figure that could be measured is as the card says")
    return int(text != before)


def measured(options: Any, bundled: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of every block that can be measured here."""
    if (options.lfw / "pairs.csv").exists():
        yield from on_lfw(options, bundled)
    else:
        missing(", ".join(ON_LFW), options.lfw / "pairs.csv")
    if (options.data / "chips.csv").exists():
        yield "groups", groups.measure(str(bundled), options.data, options.work)
    else:
        missing("groups", options.data / "chips.csv")
    if same_model(options.work / "model", bundled) and (options.work / "student.npz").exists():
        folders = ("--work", options.work, "--data", options.data, "--lfw", options.lfw)
        yield "gap", gap.measure(*folders)
    else:
        missing("gap", options.work / "student.npz")


def missing(names: str, path: Path) -> None:
    print(f"not measured: {names}; there is no {path} of this model", file=sys.stderr)


def on_lfw(options: Any, bundled: Path) -> Iterator[tuple[str, list[str]]]:
    """The blocks that come from LFW's pairs, of every weight file that is there."""
    trained = options.work / "model"
    folder = trained if same_model(trained, bundled) else bundled
    manifest = read_manifest(folder)
    reports = {
        (precision, flip): report_of(folder, precision, flip=flip, options=options)
        for precision in manifest.precisions
        for flip in (False, True)
    }
    served = reports[manifest.default_precision, False]
    yield "files", file_rows(manifest, reports)
    yield "rates", far_table(served)
    yield (
        "threshold",
        [
            f"The default threshold is {read_manifest(bundled).threshold}: a false-accept rate of "
            f"{DEFAULT_FAR:g} on these pairs."
        ],
    )
    yield "probability", calibration_lines(served)
    yield "reliability", reliability_table(served)
    places = (options.lfw / "pairs.csv", options.lfw / "images.zip", cache_of(options))
    lines = list(conditions.measure(str(bundled), *places))
    between = lines.index("")
    yield "conditions", lines[:between]
    yield "turned", lines[between + 1 :]


def same_model(folder: Path, bundled: Path) -> bool:
    """Whether a training's model folder holds the int8 file that is bundled."""
    try:
        trained = read_manifest(folder).files
    except ModelUnavailable:
        return False
    return trained["int8"].sha256 == read_manifest(bundled).files["int8"].sha256


def cache_of(options: Any) -> Path:
    return Path(options.work) / "reports" / "cache"


def report_of(folder: Path, precision: FileKind, *, flip: bool, options: Any) -> Report:
    places = {
        "--model": folder,
        "--pairs": options.lfw / "pairs.csv",
        "--images": options.lfw / "images.zip",
        "--cache": cache_of(options),
        "--precision": precision,
    }
    words = [str(word) for place in places.items() for word in place]
    return evaluate(parse_arguments([*words, *(["--flip"] if flip else [])]))[0]


def file_rows(manifest: Manifest, reports: Mapping[tuple[FileKind, bool], Report]) -> list[str]:
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


def fill(text: str, name: str, lines: Sequence[str]) -> str:
    """The card with one block replaced; rows of weight files that are not here stay.

    Raises KeyError when the card has no such block.
    """
    found = re.search(rf"{re.escape(BLOCK.format(name))}((?:.+\n)*)", text)
    if found is None:
        raise KeyError(name)
    kept: list[str] = []
    if name == "files":
        own = {first_cell(line) for line in lines}
        kept = [line for line in found[1].splitlines() if first_cell(line) not in own]
    body = "".join(f"{line}\n" for line in [*lines, *kept])
    return text[: found.start(1)] + body + text[found.end(1) :]


def first_cell(line: str) -> str:
    return line.split("|")[1].strip()


if __name__ == "__main__":
    sys.exit(main())
