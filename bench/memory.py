"""`python -m bench.memory`: is memory flat over many calls of mixed sizes?

Resident memory is read after a warm-up in which every size was met, then along the way. The
verdict compares the median of the last tenth with that of the first.
"""

import argparse
import base64
import contextlib
import itertools
import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.speed.contender_ours import answer_event, make_event
from bench.speed.pictures import group_picture, jpeg, portrait, square
from bench.speed.report import machine_and_date

SIDES = (120, 180, 250, 320, 400, 500)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def _events() -> Iterator[dict[str, Any]]:
    """Compare, embed and detect of every size, and now and then a group picture."""
    people = [portrait("eileen_collins"), portrait("grace_hopper")]
    text = {
        (index, side): base64.b64encode(jpeg(square(person, side))).decode()
        for index, person in enumerate(people)
        for side in SIDES
    }
    group = base64.b64encode(jpeg(group_picture(4))).decode()
    events = [make_event("/v1/embed", {"images": [group], "face": "all"})]
    for side in SIDES:
        pair = {"images": [text[0, side], text[1, side]]}
        events.append(make_event("/v1/compare", pair))
        events.append(make_event("/v1/embed", {"images": [text[1, side]]}))
        events.append(make_event("/v1/detect", {"images": [text[0, side]]}))
    return itertools.cycle(events)


def _samples(calls: int) -> list[float]:
    """Resident MB at a hundred points of `calls` calls, after as many as one in twenty."""
    events = _events()
    for _ in range(max(60, calls // 20)):
        answer_event(next(events))
    samples = []
    for number in range(1, calls + 1):
        answer_event(next(events))
        if number % max(1, calls // 100) == 0:
            samples.append(_resident_mb())
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    options = parser.parse_args()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        samples = _samples(options.calls)
    tenth = max(1, len(samples) // 10)
    first, last = statistics.median(samples[:tenth]), statistics.median(samples[-tenth:])
    growth = 100 * (last / first - 1)
    print(
        f"{options.calls:,} calls: {first:.1f} MB at first, {last:.1f} MB at last, {growth:+.2f} %"
    )
    print(f"{machine_and_date()}, `python -m bench.memory`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
