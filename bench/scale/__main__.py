"""`python -m bench.scale`: what a million, a hundred million and ten billion pictures take.

From the time of one picture, measured here on one thread unless --milliseconds gives it, and the
prices and quotas of bench/scale/prices.py. Prints the tables of docs/scale.md.
"""

import argparse
import base64
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.batch_pictures import make_picture
from bench.scale import prices
from bench.scale.simulation import Conditions, simulate
from bench.speed.contender_ours import answer_event, make_event
from bench.speed.report import machine_and_date

SIZES = (1_000_000, 100_000_000, 10_000_000_000)
CONCURRENCY = (100, 1_000, 10_000)
RESULT_KB = 2.0  # a result with one face of 256 numbers
ROUNDS = 5
SIDE = 640
FIRST_FACE = 8  # make_picture: those before it are broken, or show nobody
# Decoding and networks, of all the time of a batch: what bench.batch_throughput measures.
SHARE_OF_LIMIT = 0.71


@dataclass(frozen=True)
class Way:
    """A way to have pictures embedded: what it costs and what stops it.

    Attributes:
        batch: objects an invocation.
        overhead: dollars an object beside Lambda and S3.
        most: functions at once that it can keep busy.
        limit: what stops it first, in words.
    """

    name: str
    batch: int
    overhead: float
    most: int
    limit: str


WAYS = (
    Way(
        "queue",
        10,
        prices.EVENT + (1 + 2 / 10) * prices.QUEUE_REQUEST,
        prices.QUEUE_MOST,
        "1,000 functions for one event source mapping",
    ),
    Way(
        "S3 Batch Operations",
        1,
        prices.JOB_OBJECT,
        prices.ACCOUNT_CONCURRENCY,
        "the account's concurrency: 1,000 unless raised",
    ),
    Way(
        "back-fill",
        5,
        2 * prices.TRANSITION / 5,
        prices.MAP_MOST,
        "10,000 children of a map; the account's concurrency must be raised first",
    ),
)


def main(words: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--milliseconds", type=float, help="of one picture on one processor")
    options = parser.parse_args(words)
    with contextlib.redirect_stdout(sys.stderr):  # the function logs to stdout
        milliseconds = options.milliseconds or measure()
    seconds = milliseconds / 1000 / SHARE_OF_LIMIT
    print(
        f"{milliseconds:.1f} ms a picture of {SIDE} pixels for decoding and networks; "
        f"{seconds * 1000:.1f} ms billed, at {SHARE_OF_LIMIT:.0%} of that limit.\n"
    )
    print_hours(seconds)
    print_dollars(seconds)
    print_queues(seconds)
    print(f"\n{machine_and_date()}, `python -m bench.scale`; prices and quotas of 2026-11-29.")


def measure() -> float:
    """Median milliseconds of processor time for one picture of 640 pixels, on one processor."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    os.environ["FACENET_THREADS"] = "1"
    pictures = [make_picture(number, SIDE, 4) for number in range(FIRST_FACE, FIRST_FACE + 24)]
    events = [
        make_event("/v1/embed", {"images": [base64.b64encode(picture).decode()], "face": "all"})
        for picture in pictures
    ]
    times = []
    for _ in range(ROUNDS):
        for event in events:
            started = time.process_time()
            answer_event(event)
            times.append((time.process_time() - started) * 1000)
    os.sched_setaffinity(0, processors)
    return statistics.median(times)


def print_hours(seconds: float) -> None:
    """How long each way takes at each concurrency."""
    print("| pictures | " + " | ".join(f"{most:,} functions" for most in CONCURRENCY) + " |")
    print("|---|" + "---|" * len(CONCURRENCY))
    for size in SIZES:
        cells = [duration(size * seconds / most) for most in CONCURRENCY]
        print(f"| {size:,} | {' | '.join(cells)} |")
    print()
    for way in WAYS:
        print(f"- {way.name}: at most {way.most:,} functions ({way.limit}).")
    print_limits(seconds)


def print_limits(seconds: float) -> None:
    """What S3 and the engines take."""
    puts, vectors = prices.PREFIX_PUT, prices.VECTORS_A_SECOND
    indexes = -(-SIZES[-1] // prices.VECTORS_AN_INDEX)
    print(
        f"- S3 takes {puts:,} writes a second below a prefix that it has not split yet: the "
        f"results of {puts * seconds:,.0f} functions. With more, begin slowly; S3 splits "
        "prefixes as they grow busy, and its 503s are retried.\n"
        f"- S3 Vectors takes {vectors:,} vectors a second and index: {vectors * seconds:,.0f} "
        f"functions. An index holds {prices.VECTORS_AN_INDEX / 1e9:.0f} billion vectors; "
        f"{SIZES[-1] / 1e9:.0f} billion faces need {indexes} collections.\n"
        "- The embedded engine holds what fits a function's memory (docs/search.md).\n"
    )


def duration(seconds: float) -> str:
    """As people say it."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"


def print_dollars(seconds: float) -> None:
    """What a million pictures cost, by part; every part grows with their number."""
    print("| dollars for a million pictures | " + " | ".join(way.name for way in WAYS) + " |")
    print("|---|" + "---|" * len(WAYS))
    parts: tuple[tuple[str, Callable[[Way], float]], ...] = (
        ("Lambda, 1,769 MB", lambda way: lambda_dollars(seconds, way)),
        ("S3: one read, one write", lambda _: prices.GET + prices.PUT),
        ("queue, job or state machine", lambda way: way.overhead),
        ("results kept for a month", lambda _: RESULT_KB * 1e-6 * prices.KEPT_GB_MONTH),
    )
    for name, price in parts:
        cells = [f"{price(way) * 1e6:,.2f}" for way in WAYS]
        print(f"| {name} | {' | '.join(cells)} |")
    totals = [sum(price(way) for _, price in parts) for way in WAYS]
    print("| **together** | " + " | ".join(f"**{total * 1e6:,.2f}**" for total in totals) + " |")
    searched = [f"{prices.ENROLLED_FACE * 1e6:,.2f}"] * len(WAYS)
    print(f"| with `Search=yes`, more for each million faces | {' | '.join(searched)} |")
    print("\n| pictures | " + " | ".join(way.name for way in WAYS) + " |")
    print("|---|" + "---|" * len(WAYS))
    for size in SIZES:
        print(f"| {size:,} | " + " | ".join(f"${size * total:,.0f}" for total in totals) + " |")
    print()


def lambda_dollars(seconds: float, way: Way) -> float:
    """Of one picture."""
    billed = seconds * prices.MEMORY_MB / 1024 * prices.GB_SECOND
    return billed + prices.INVOCATION / way.batch


def print_queues(seconds: float) -> None:
    """Simulated: how old messages become, and what it costs, as burst and concurrency change."""
    print(
        "| 100,000 pictures within | functions at most | 95 % have a result after "
        "| longest wait in the queue | empty after | cold starts | dead letters | dollars |"
    )
    print("|---|" + "---|" * 7)
    for burst in (10, 60, 600):
        for most in (10, 100, 1000):
            run = simulate(Conditions(100_000, burst, most, seconds))
            cells = (
                duration(burst),
                f"{most:,}",
                duration(run.age),
                duration(run.longest_wait),
                duration(run.finished),
                f"{run.cold_starts:,}",
                f"{run.dead:,}",
                f"{run.dollars:.2f}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
