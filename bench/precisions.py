"""`python -m bench.precisions FOLDER...`: the weight files of models beside each other.

One aligned face a call, processor time on one thread; the files take turns, so that other load
affects all of them. Prints size, median time and the median pairwise ratio to the model's float32.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import model_layer
from bench.speed.report import machine_and_date
from model_layer import Model, Precision

ROUNDS = 200


def main() -> None:
    """Measures every precision that the folders hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.precisions", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="of a model")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    print("\n".join(measure(options.folders, options.rounds)))
    print(f"\n{machine_and_date()}, `python -m bench.precisions`.")


def measure(folders: Sequence[Path], rounds: int = ROUNDS) -> Iterator[str]:
    """Lines of Markdown."""
    models: dict[tuple[Path, Precision], Model] = {
        (folder, precision): model_layer.load(folder, precision=precision, threads=1)
        for folder in folders
        for precision in model_layer.read_manifest(folder).precisions
    }
    times: dict[tuple[Path, Precision], list[float]] = {key: [] for key in models}
    for _ in range(rounds):
        for key, model in models.items():
            chip = model_layer.check_chip(model.manifest.input.size)[None]
            begin = time.process_time()
            model.embed(chip)
            times[key].append((time.process_time() - begin) * 1000)
    yield "| model | file | MB | median ms | times as fast as float32 |"
    yield "|---|---|---|---|---|"
    for (folder, precision), own in times.items():
        manifest = models[folder, precision].manifest
        slow = times.get((folder, "float32"), [])
        pairs = zip(slow, own, strict=False)
        ratio = f"{statistics.median(a / b for a, b in pairs):.1f}x" if slow else ""
        yield (
            f"| {manifest.id} | {precision} | {manifest.files[precision].bytes / 1e6:.2f} "
            f"| {statistics.median(own):.1f} | {ratio} |"
        )


if __name__ == "__main__":
    main()
