"""`python -m bench.precisions FOLDER`: the weight files of one model beside each other.

One aligned face a call, one thread; the files take turns, so that a busy moment hits none of them
alone. Prints size, median latency and the median pairwise ratio to float32.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

import model_layer
from bench.speed.report import machine_and_date

ROUNDS = 200
LAST = "float32"


def main() -> None:
    """Measures every precision that the folder holds."""
    parser = argparse.ArgumentParser(prog="python -m bench.precisions", description=__doc__)
    parser.add_argument("folder", type=Path, help="a model with int8, float16 and float32 files")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    manifest = model_layer.read_manifest(options.folder)
    if LAST not in manifest.files:
        parser.error(f"{options.folder} has no {LAST} file to compare with, as an import has")
    models = {
        precision: model_layer.load(options.folder, precision=precision, threads=1)
        for precision in manifest.precisions
    }
    size = manifest.input.size
    chip = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    times: dict[str, list[float]] = {precision: [] for precision in models}
    for _ in range(options.rounds):
        for precision, model in models.items():
            begin = time.perf_counter()
            model.embed(chip)
            times[precision].append((time.perf_counter() - begin) * 1000)
    print("| file | MB | median ms | times as fast as float32 |\n|---|---|---|---|")
    for precision, own in times.items():
        ratio = statistics.median(slow / fast for slow, fast in zip(times[LAST], own, strict=True))
        megabytes = manifest.files[precision].bytes / 1e6
        print(f"| {precision} | {megabytes:.2f} | {statistics.median(own):.1f} | {ratio:.1f}x |")
    print(f"\n{machine_and_date()}, `python -m bench.precisions`.")


if __name__ == "__main__":
    main()
