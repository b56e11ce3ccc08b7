"""Checks the bundled model: `python -m tools.check_model` (what `make model-check` runs).

Three checks, each as far as the data at hand allows: the files have the digests of the manifest,
the int8 file gives what the float32 one gave when it was exported, and the accuracy in the
manifest comes out again on LFW through the product's own decode, detection and alignment.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import model_layer
from model_layer.files import BUNDLED
from model_layer.manifest import read_manifest
from tools.failure import report_failure
from tools.shared import SHARED

PARITY = "parity.npz"
# Measured 0.98 and more on faces in static int8; a wrong file or engine is far below.
LOWEST_COSINE = 0.95
# One pair of a fold of 600, over three folds: rounding on another processor can change that much.
ACCURACY_TOLERANCE = 0.0012


class CheckError(Exception):
    """The model folder contradicts its manifest."""


def check_digests(folder: Path) -> str:
    """Every file of the manifest is there with its size and SHA-256; raises CheckError."""
    files = read_manifest(folder).files
    for kind, entry in files.items():
        content = (folder / entry.name).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != entry.sha256 or len(content) != entry.bytes:
            raise CheckError(f"{kind}: {entry.name} does not match the manifest ({found})")
    return f"digests of {', '.join(files)} are those of the manifest"


def check_parity(folder: Path) -> str:
    """The default file against the float32 answers in parity.npz; raises CheckError."""
    with np.load(folder / PARITY) as stored:
        chips, expected = stored["chips"], stored["float32"]
    found = model_layer.load(folder).embed(chips)
    cosines = (found * expected).sum(axis=1)
    words = (
        f"{len(chips)} faces against float32: cosine {cosines.min():.5f} at least, "
        f"{cosines.mean():.5f} on average; largest difference {np.abs(found - expected).max():.4f}"
    )
    if cosines.min() < LOWEST_COSINE:
        raise CheckError(words)
    return words


def check_accuracy(folder: Path, lfw: Path, out: Path) -> list[str]:
    """The manifest's LFW figures of files that are there, measured again; raises CheckError."""
    manifest = read_manifest(folder)
    rows = [row for row in manifest.accuracy if row["precision"] in manifest.files]
    return [_check_row(folder, lfw, out, row) for row in rows]


def _check_row(folder: Path, lfw: Path, out: Path, row: Mapping[str, Any]) -> str:
    found = measure(folder, lfw, out, row["precision"], flip=row["flip"])
    words = (
        f"LFW, {row['precision']}{', flip' if row['flip'] else ''}: "
        f"accuracy {found:.4f}, the manifest says {row['accuracy']:.4f}"
    )
    if abs(found - row["accuracy"]) > ACCURACY_TOLERANCE:
        raise CheckError(words)
    return words


def measure(folder: Path, lfw: Path, out: Path, precision: str, *, flip: bool) -> float:
    """Accuracy over the folds in `lfw`; reports and kept work go to `out`."""
    # Imported here: it needs the plotting library, and the other checks do not.
    from tools.evaluate.__main__ import main as evaluate

    report = out / (f"{precision}-flip" if flip else precision)
    places = {
        "--model": folder,
        "--pairs": lfw / "pairs.csv",
        "--images": lfw / "images.zip",
        "--name": "LFW",
        "--out": report,
        "--cache": out / "cache",
    }
    words = [str(word) for place in places.items() for word in place]
    evaluate([*words, "--precision", precision, *(["--flip"] if flip else [])])
    return float(json.loads((report / "report.json").read_text())["accuracy"]["mean"])


def check(folder: Path, lfw: Path, out: Path) -> None:
    """Runs all checks that the data allows; prints a line each. Raises CheckError."""
    print(check_digests(folder))
    print(check_parity(folder))
    if not (lfw / "pairs.csv").exists():
        print(f"accuracy not checked: {lfw.name}/pairs.csv is not there (see --lfw)")
        return
    for line in check_accuracy(folder, lfw, out):
        print(line)


def main(words: Sequence[str] | None = None) -> int:
    """Exit status: 0 if all checks pass, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_model", description=__doc__)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=BUNDLED, help="as training makes it (bundled)"
    )
    parser.add_argument("--lfw", type=Path, default=SHARED / "faces" / "lfw", metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("out/model-check"), metavar="DIR")
    options = parser.parse_args(words)
    try:
        check(options.folder, options.lfw, options.out)
    except (CheckError, model_layer.ModelUnavailable, OSError) as exc:
        return report_failure(f"{exc} ({options.folder})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
