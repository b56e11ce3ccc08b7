"""`python -m bench.overhead`: how much of a warm compare is neither a network nor the JPEG decode.

The handler runs on one thread and answers a comparison of two 250x250 pictures, base64 in and JSON
out. Processor time is counted, which other work on the machine does not lengthen. Everything
outside the calls into LiteRT (P-Net, R-Net, O-Net, FaceNet) and OpenCV's JPEG decoder is overhead:
parsing, resampling, suppression, quality, alignment, encoding, logging.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.speed.contender_ours import load
from bench.speed.pictures import write_pictures
from bench.speed.report import machine_and_date


class Stopwatch:
    """Adds up the processor time of the functions that it is put around."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            begin = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.thread_time() - begin

        return timed


def _watch() -> tuple[Stopwatch, Stopwatch]:
    """Stopwatches on all networks, and on the JPEG decoder."""
    from ai_edge_litert.interpreter import Interpreter

    from align.opencv import cv2

    networks, decoder = Stopwatch(), Stopwatch()
    Interpreter.invoke = networks.around(Interpreter.invoke)
    cv2.imdecode = decoder.around(cv2.imdecode)
    return networks, decoder


def _measure(rounds: int, settings: dict[str, str]) -> list[tuple[float, float, float]]:
    """Milliseconds of each round: whole call, networks, decoder."""
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder))
        compare = load(Path(folder), {"environment": settings})["compare"]
    networks, decoder = _watch()
    rows = []
    for _ in range(rounds):
        networks.seconds = decoder.seconds = 0.0
        begin = time.thread_time()
        compare()
        whole = time.thread_time() - begin
        rows.append((whole * 1000, networks.seconds * 1000, decoder.seconds * 1000))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overhead", description=__doc__)
    parser.add_argument("--real", type=Path, help="folder of an imported 20180402-114759")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    name = "20180402-114759, int8" if options.real else "bundled model, int8"
    settings = {"FACENET_THREADS": "1"}
    if options.real:
        settings["FACENET_MODEL"] = str(options.real)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        rows = _measure(options.rounds, settings)
    whole, networks, decoder = (statistics.median(part) for part in zip(*rows, strict=True))
    share = 100 * statistics.median(1 - (inside + decode) / all_ for all_, inside, decode in rows)
    print("| | warm compare | networks | JPEG decode | all else | share |")
    print("|---|---|---|---|---|---|")
    rest = whole - networks - decoder
    parts = " | ".join(f"{value:.1f} ms" for value in (whole, networks, decoder, rest))
    print(f"| {name} | {parts} | {share:.1f} % |")
    print("\nProcessor time on one thread, medians.")
    print(f"{machine_and_date()}, `python -m bench.overhead`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
