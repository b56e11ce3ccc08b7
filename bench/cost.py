"""`python -m bench.cost`: what a thousand comparisons, or embedded pictures, cost on Lambda.

Per memory size the handler has as many processors and threads as a function of that size. A request
compares two pictures of 250x250, base64 in and JSON out; a batch embeds eight pictures of 640x480
at a time, without reading and writing S3. The sizes take turns, so that other load affects all of
them. Prices are AWS's public ones for us-east-1 (https://aws.amazon.com/lambda/pricing/,
https://aws.amazon.com/rekognition/pricing/), as of the date below; API Gateway's own price is left
out, since direct invocation has none.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.speed.pictures import write_pictures
from bench.speed.process import ROOT, Contender, Process
from bench.speed.report import machine_and_date
from handler.settings import MEGABYTES_PER_CPU

SIZES_MB = (1769, 3538, 5307)
PRICES_OF = "2025-06"
USD_PER_GB_SECOND = 0.0000166667  # x86_64
USD_PER_REQUEST = 0.20 / 1_000_000
# CompareFaces, first million pictures of a month; one comparison is one call.
REKOGNITION_USD_PER_1000 = 1.00
PICTURES_IN_A_GROUP = 8


@contextmanager
def _started(
    name: str, environment: dict[str, str], memory_mb: int, folder: Path
) -> Iterator[Process]:
    """A function of this size, on the first so many processors."""
    count = processors(memory_mb)
    settings = {"FACENET_THREADS": str(count), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)}
    options = {"environment": {**settings, **environment}}
    contender = Contender(name, sys.executable, "bench.speed.contender_ours", options)
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(everything)[:count]))  # the process inherits it
    process = Process(contender, folder / "pictures", folder / f"cost-{memory_mb}.log")
    os.sched_setaffinity(0, everything)
    if process.skipped:
        raise SystemExit(f"{name} {process.skipped}")
    try:
        yield process
    finally:
        process.stop()


def processors(memory_mb: int) -> int:
    """Whole processors of a function of this size."""
    return round(memory_mb / MEGABYTES_PER_CPU)


def _measure(
    name: str, environment: dict[str, str], folder: Path, rounds: int
) -> Iterator[tuple[int, float, float]]:
    """Memory size, milliseconds of a compare, milliseconds of a picture in a batch."""
    here = len(os.sched_getaffinity(0))
    sizes = [size for size in SIZES_MB if processors(size) <= here]
    with ExitStack() as stack:
        running = {
            size: stack.enter_context(_started(name, environment, size, folder)) for size in sizes
        }
        times: dict[tuple[int, str], list[float]] = {}
        for turn in range(rounds + 1):
            for size, process in running.items():
                for scenario in ("compare", "batch"):
                    taken: float = statistics.median(process.run(scenario, 3)["ms"])
                    if turn:
                        times.setdefault((size, scenario), []).append(taken)
        for size in sizes:
            picture = statistics.median(times[size, "batch"]) / PICTURES_IN_A_GROUP
            yield size, statistics.median(times[size, "compare"]), picture


def usd_per_1000(milliseconds: float, memory_mb: int = SIZES_MB[0], requests: int = 1000) -> float:
    """A thousand pieces of work: Lambda bills memory by the millisecond, and each request."""
    seconds = milliseconds / 1000
    return 1000 * seconds * memory_mb / 1024 * USD_PER_GB_SECOND + requests * USD_PER_REQUEST


def _row(name: str, size: int, compare_ms: float, picture_ms: float) -> str:
    billed = -(-compare_ms // 1)  # each invocation, to the next millisecond
    compare = usd_per_1000(billed, size)
    batch = usd_per_1000(picture_ms, size, requests=0)
    return (
        f"| {name} | {size:,} MB | {compare_ms:.1f} ms | ${compare:.5f} "
        f"| {REKOGNITION_USD_PER_1000 / compare:.0f}x | {1000 / picture_ms:.0f} | ${batch:.5f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    parser.add_argument("--real", type=Path, help="folder of an imported 20180402-114759")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "speed")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write_pictures(options.out / "pictures")
    models: dict[str, dict[str, str]] = {"bundled model, int8": {}}
    if options.real:
        models["20180402-114759, int8"] = {"FACENET_MODEL": str(options.real)}
    print(
        "| | memory | warm compare | 1,000 compares | Rekognition's price ($1.00) "
        "| batch: pictures a second | 1,000 pictures |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, environment in models.items():
        for figures in _measure(name, environment, options.out, options.rounds):
            print(_row(name, *figures))
    for size in SIZES_MB:
        if processors(size) > len(os.sched_getaffinity(0)):
            print(f"\n{size:,} MB needs {processors(size)} processors: not measured.")
    print(f"\nPrices of {PRICES_OF}, us-east-1, without API Gateway, S3 and cold starts.")
    print(machine_and_date())
    return 0


if __name__ == "__main__":
    sys.exit(main())
