"""`make soak`: thirty minutes of good and bad requests; prints tallies and memory over time.

    python -m bench.soak                       # the container, where an engine and the image are
    python -m bench.soak --on server --minutes 5
    python -m bench.soak --requests 20000 --good   # a leak shows best without hostile pictures

Among them are searches of a collection, and pictures whose faces only a second look finds.

Fails where a request was answered with another status than it should be (a 500 never should),
where none came, where the same compare gave another distance, or where memory grew.
"""

import argparse
import http.client
import json
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.soak.requests import (
    Sent,
    all_requests,
    damaged_request,
    enrolments,
    good_requests,
)
from bench.soak.subjects import Subject, start_container, start_server
from bench.speed.report import machine_and_date
from image.commands import CommandError, EngineUnavailableError

SAMPLE_SECONDS = 5.0
# Allocators keep what the largest picture took; growth beyond this in steady state is a leak.
GROWTH_MB = 64.0
WATCHED = "compare-same"


@dataclass
class Tally:
    """What came back."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    times_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: list[tuple[float, float]] = field(default_factory=list)
    distances: set[float] = field(default_factory=set)
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many were sent."""
        return sum(self.statuses.values())

    def growth(self) -> float:
        """Median memory of the last third, less that of the second: the first one fills caches."""
        middle, last = self._thirds()
        return last - middle

    def growth_share(self) -> float:
        """The growth as a share of the second third's median."""
        middle, last = self._thirds()
        return (last - middle) / middle if middle else 0.0

    def _thirds(self) -> tuple[float, float]:
        """Median megabytes of the second and of the last third."""
        third = len(self.memory) // 3
        if not third:
            return 0.0, 0.0
        middle = [megabytes for _, megabytes in self.memory[third : 2 * third]]
        last = [megabytes for _, megabytes in self.memory[2 * third :]]
        return statistics.median(middle), statistics.median(last)

    def verdict(self) -> list[str]:
        """The problems found; empty if there are none."""
        found = [f"{name}: {count}" for name, count in self.wrong.items()]
        if len(self.distances) > 1:
            found.append(f"{WATCHED} gave {len(self.distances)} distances")
        if not any(megabytes for _, megabytes in self.memory):
            found.append("memory could not be read")
        if self.growth() > GROWTH_MB:
            found.append(f"memory grew by {self.growth():.0f} MB")
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where everything was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="soak the function")
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument("--requests", type=int, help="how many, instead of how long")
    parser.add_argument("--good", action="store_true", help="only what is answered with 200")
    parser.add_argument("--on", choices=("container", "server"), help="default: what there is")
    parser.add_argument("--seed", type=int, default=7, help="of the order of requests (7)")
    parser.add_argument("--pause-ms", type=float, default=0, help="between requests (0)")
    options = parser.parse_args(arguments)
    with ExitStack() as opened:
        return run(choose(opened, options.on), options)


def choose(opened: ExitStack, on: str | None) -> Subject:
    """The subject asked for, until `opened` closes; else the container, or else the server."""
    if on != "server":
        try:
            return opened.enter_context(start_container())
        except (EngineUnavailableError, CommandError) as reason:
            if on:
                raise
            print(f"no container ({reason}): soaking the local server")
    return opened.enter_context(start_server())


def run(subject: Subject, options: argparse.Namespace) -> int:
    """One soak with its report."""
    tally = soak(subject, options)
    print(report(subject, tally, options))
    found = tally.verdict()
    print("verdict: " + ("; ".join(found) if found else "all as expected"))
    return int(bool(found))


def soak(subject: Subject, options: argparse.Namespace) -> Tally:
    """Sends one request after the other until the time is over, or all are sent."""
    dice, tally = random.Random(options.seed), Tally()
    kinds = list(good_requests()) if options.good else all_requests()
    weights = [kind.weight for kind in kinds]
    for one in enrolments():
        send(subject, one, tally)
    begin = time.monotonic()
    sampled = begin - SAMPLE_SECONDS

    def is_over(now: float) -> bool:
        if options.requests:
            return bool(tally.requests >= options.requests)
        return bool(now >= begin + options.minutes * 60)

    while not is_over(now := time.monotonic()):
        damaged = not options.good and dice.random() < 0.1
        one = damaged_request(dice) if damaged else dice.choices(kinds, weights)[0]
        send(subject, one, tally)
        if now - sampled >= SAMPLE_SECONDS:
            tally.memory.append((now - begin, subject.memory()))
            sampled = now
        time.sleep(options.pause_ms / 1000)
    tally.seconds = time.monotonic() - begin
    return tally


def send(subject: Subject, one: Sent, tally: Tally) -> None:
    """One request into the tally."""
    begin = time.perf_counter()
    try:
        status, body = subject.send(one)
    except (OSError, http.client.HTTPException, ValueError) as failure:
        tally.statuses[one.name, 0] += 1
        tally.wrong[f"{one.name}: {type(failure).__name__}"] += 1
        return
    tally.times_ms[one.name].append((time.perf_counter() - begin) * 1000)
    tally.statuses[one.name, status] += 1
    if status not in one.statuses:
        tally.wrong[f"{one.name}: status {status}"] += 1
    elif one.name == WATCHED:
        answer = json.loads(body)
        tally.distances.add((json.loads(answer) if isinstance(answer, str) else answer)["distance"])


def report(subject: Subject, tally: Tally, options: argparse.Namespace) -> str:
    """Tallies by kind and by status, and memory over time."""
    lines = ["| request | sent | statuses | median ms | slowest ms |", "|---|---|---|---|---|"]
    for name, times in sorted(tally.times_ms.items()):
        statuses = {
            status: n for (kind, status), n in sorted(tally.statuses.items()) if kind == name
        }
        told = ", ".join(f"{status}: {count}" for status, count in statuses.items())
        lines.append(
            f"| {name} | {sum(statuses.values())} | {told} "
            f"| {statistics.median(times):.0f} | {max(times):.0f} |"
        )
    total = Counter[int]()
    for (_, status), count in tally.statuses.items():
        total[status] += count
    step = max(1, len(tally.memory) // 10)
    memory = ", ".join(f"{at / 60:.1f} min {mb:.0f}" for at, mb in tally.memory[::step])
    lines += [
        "",
        f"{subject.name}, {tally.seconds / 60:.0f} minutes: {tally.requests:,} requests",
        f"statuses: {dict(sorted(total.items()))}",
        f"memory in MB: {memory}; peak {subject.peak():.0f}, "
        f"growth {tally.growth():+.1f} ({tally.growth_share():+.1%})",
        f"{machine_and_date()}, `make soak`, {options.pause_ms:g} ms between requests",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
