"""`python -m bench.cost`: what a thousand comparisons cost on Lambda, from the measured time.

The handler runs on one processor with one thread, as a function of 1,769 MB does, and answers
comparisons of two 250x250 pictures, base64 in and JSON out. Prices are AWS's public ones for
us-east-1 (https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/rekognition/pricing/),
as of the date below; API Gateway's own price is left out, since direct invocation has none.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

from bench.speed.pictures import write_pictures
from bench.speed.process import ROOT, Contender, Process

MEMORY_MB = 1769
PRICES_OF = "2025-06"
USD_PER_GB_SECOND = 0.0000166667  # x86_64
USD_PER_REQUEST = 0.20 / 1_000_000
# CompareFaces, first million pictures of a month; one comparison is one call.
REKOGNITION_USD_PER_1000 = 1.00


def _median_ms(name: str, environment: dict[str, str], folder: Path, rounds: int) -> float:
    settings = {"FACENET_THREADS": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB)}
    options = {"environment": {**settings, **environment}}
    contender = Contender(name, sys.executable, "bench.speed.contender_ours", options)
    process = Process(contender, folder / "pictures", folder / "cost.log")
    if process.skipped:
        raise SystemExit(f"{name} {process.skipped}")
    process.run("compare", 5)
    times: list[float] = process.run("compare", rounds)["ms"]
    process.stop()
    return statistics.median(times)


def usd_per_1000(milliseconds: float, price_per_gb_second: float) -> float:
    """Lambda bills memory by the millisecond, and each request."""
    seconds = -(-milliseconds // 1) / 1000
    return 1000 * (seconds * MEMORY_MB / 1024 * price_per_gb_second + USD_PER_REQUEST)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    parser.add_argument("--real", type=Path, help="folder of an imported 20180402-114759")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "speed")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write_pictures(options.out / "pictures")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows: dict[str, dict[str, str]] = {"bundled model, int8": {}}
    if options.real:
        rows["20180402-114759, int8"] = {"FACENET_MODEL": str(options.real)}
    print("| | warm compare, 1 CPU | x86_64, per 1,000 | Rekognition CompareFaces | ratio |")
    print("|---|---|---|---|---|")
    for name, environment in rows.items():
        taken = _median_ms(name, environment, options.out, options.rounds)
        usd = usd_per_1000(taken, USD_PER_GB_SECOND)
        ratio = REKOGNITION_USD_PER_1000 / usd
        print(f"| {name} | {taken:.1f} ms | ${usd:.5f} | $1.00 | {ratio:.0f}x |")
    print(
        f"\n{MEMORY_MB} MB; prices of {PRICES_OF}, us-east-1, without API Gateway and cold starts."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
