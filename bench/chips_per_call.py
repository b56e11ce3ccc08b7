"""`python -m bench.chips_per_call FILE...`: one, two, four and eight faces in a call of LiteRT.

FILE: a .tflite file that leaves the number of pictures open, as imports write them. Processor time
on one thread; the numbers take turns, so that other load affects all of them. Prints the time of a
face, the median pairwise ratio to one face in a call, and the memory that a call adds.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from bench.speed.report import machine_and_date
from model_layer.engine_litert import LiteRTEngine

COUNTS = (1, 2, 4, 8)
ROUNDS = 100


def main() -> None:
    """Measures every file."""
    parser = argparse.ArgumentParser(prog="python -m bench.chips_per_call", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    print("| file | faces in a call | ms a face | times as fast as one | MB more |")
    print("|---|---|---|---|---|")
    for path in options.files:
        for line in measure(path, options.rounds):
            print(line)
    print(f"\n{machine_and_date()}, `python -m bench.chips_per_call`.")


def measure(path: Path, rounds: int) -> Iterator[str]:
    """Lines of Markdown for one file."""
    _, *shape = Interpreter(model_path=str(path)).get_input_details()[0]["shape"]
    chips = np.random.default_rng(0).uniform(-1, 1, (max(COUNTS), *shape)).astype(np.float32)
    engines = {count: LiteRTEngine(path, most=count) for count in COUNTS}
    grown = {count: _growth(engine, chips[:count]) for count, engine in engines.items()}
    times: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(rounds):
        for count, engine in engines.items():
            begin = time.process_time()
            engine.embed(chips[:count])
            times[count].append((time.process_time() - begin) * 1000 / count)
    for count, own in times.items():
        ratio = statistics.median(one / many for one, many in zip(times[1], own, strict=True))
        yield (
            f"| {path.parent.name}/{path.name} | {count} | {statistics.median(own):.2f} "
            f"| {ratio:.2f}x | {grown[count]:.0f} |"
        )


def _growth(engine: LiteRTEngine, chips: np.ndarray) -> float:
    """MB that these chips in one call add to those of one chip."""
    engine.embed(chips[:1])
    before = _resident()
    engine.embed(chips)
    return _resident() - before


def _resident() -> float:
    """MB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    main()
