"""Which false-accept rate each of Rekognition's similarity thresholds stands for, as docs show it.

    python -m tools.similarity_table
    python -m tools.similarity_table --model models/mine

The rates are the manifest's, which `python -m tools.evaluate.calibrate` measures.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

from model_layer import ModelError, bundled_models, read_manifest
from model_layer.files import find_model
from model_layer.manifest import Manifest
from model_layer.percent import scale_of
from tools.failure import report_failure

THRESHOLDS = (99.0, 95.0, 90.0, 85.0, 80.0, 75.0, 70.0, 60.0, 50.0)


def rows(manifest: Manifest) -> Iterator[str]:
    """The lines of a Markdown table."""
    scale = scale_of(manifest)
    yield "| threshold | distance | strangers accepted | same person accepted |"
    yield "|---|---|---|---|"
    for percent in THRESHOLDS:
        distance = scale.distance(percent)
        rate = manifest.thresholds.far_of(round(distance, 9))
        shown = "not measured" if rate is None else f"1 in {_round(1 / rate):,}"
        yield f"| {percent:g} | {distance:.3f} | {shown} | {_accepted(manifest, distance)} |"


def _accepted(manifest: Manifest, distance: float) -> str:
    """The share of one person's pairs, between the two measured rows; a dash beyond them."""
    table = [row for row in manifest.thresholds.table if row.accepted is not None]
    for upper, lower in pairwise(table):
        if lower.threshold - 1e-9 <= distance <= upper.threshold + 1e-9:
            part = (distance - lower.threshold) / (upper.threshold - lower.threshold)
            share = (lower.accepted or 0) + part * ((upper.accepted or 0) - (lower.accepted or 0))
            return f"{share:.0%}"
    return "-"


def _round(number: float) -> int:
    """To two significant digits."""
    return int(float(f"{number:.1e}"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.similarity_table", description=__doc__)
    parser.add_argument("--model", default=bundled_models()[0], help="id or folder (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        manifest = read_manifest(find_model(options.model))
    except ModelError as failure:
        return report_failure(failure)
    print(*rows(manifest), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
