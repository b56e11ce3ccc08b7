"""`python -m bench.precisions FOLDER`: the weight files of one model beside each other.

One aligned face a call, one thread; the files take turns, so that other load affects all of them.
Prints size, median latency and the median pairwise ratio to float32.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import model_layer
from bench.speed.report import machine_and_date
from model_layer import Model, Precision

ROUNDS = 200
LAST: Precision = "float32"


def main() -> None:
    """Measures every precision that the folder holds."""
    parser = argparse.ArgumentParser(prog="python -m bench.precisions", description=__doc__)
    parser.add_argument("folder", type=Path, help="a model with int8 and float32 files")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    if LAST not in model_layer.read_manifest(options.folder).files:
        parser.error(f"{options.folder} has no {LAST} file to compare with, as an import has")
    print("\n".join(measure(options.folder, options.rounds)))
    print(f"\n{machine_and_date()}, `python -m bench.precisions`.")


def measure(folder: Path, rounds: int = ROUNDS) -> Iterator[str]:
    """Lines of Markdown for a model folder that has a float32 file."""
    manifest = model_layer.read_manifest(folder)
    models: dict[Precision, Model] = {
        precision: model_layer.load(folder, precision=precision, threads=1)
        for precision in manifest.precisions
    }
    size = manifest.input.size
    chip = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    times: dict[Precision, list[float]] = {precision: [] for precision in models}
    for _ in range(rounds):
        for precision, model in models.items():
            begin = time.perf_counter()
            model.embed(chip)
            times[precision].append((time.perf_counter() - begin) * 1000)
    yield "| file | MB | median ms | times as fast as float32 |"
    yield "|---|---|---|---|"
    for precision, own in times.items():
        ratio = statistics.median(slow / fast for slow, fast in zip(times[LAST], own, strict=True))
        megabytes = manifest.files[precision].bytes / 1e6
        yield f"| {precision} | {megabytes:.2f} | {statistics.median(own):.1f} | {ratio:.1f}x |"


if __name__ == "__main__":
    main()
