"""Every picture of a bucket becomes one result, under duplicate deliveries and failures.

    python -m bench.batch_tally --pictures 1000

Ceph's S3 stores the pictures and sends notifications, moto's SQS delivers, and several functions
run at once with the bundled model. On purpose, notifications are duplicated, S3 answers 503,
truncates downloads and drops responses, and invocations crash before or after their work. At the
end each object must have exactly one result, and that one right. Exits with 1 where any has not.
"""

import argparse
import contextlib
import json
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench import batch_world
from bench.batch_pictures import make_pictures
from bench.batch_world import INPUT, OUTPUT, World
from fixtures.servers.queue_mapping import QueueMapping
from handler import cold_start
from handler.batch.types import Answer
from handler.errors import ApiError
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.sources import sqs

# Two runs of the network may differ in the last bits, as groups differ in size.
SAME = 0.999
DEATHS = 0.05


@dataclass(frozen=True)
class Tally:
    """What came out, by object."""

    right: Sequence[str]
    rejected: Sequence[str]
    missing: Sequence[str]
    doubled: Sequence[str]
    wrong: Sequence[str]
    strange: Sequence[str]
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        return not (self.missing or self.doubled or self.wrong or self.strange)


class DeathError(Exception):
    """An invocation that ends without an answer."""


@dataclass(frozen=True)
class CrashingFunction:
    """A function whose invocations sometimes die, before the work or between work and answer."""

    service: Service
    counts: Counter[str]
    dice: random.Random

    def __call__(self, event: Mapping[str, Any]) -> Any:
        self.counts["invocations"] += 1
        self.counts["deliveries"] += len(event["Records"])
        fate = self.dice.random()
        if fate < DEATHS:
            self.crash("died before the work")
        answer = sqs.handle(event, Invocation(), self.service)
        if fate > 1 - DEATHS:
            self.crash("died before the answer")
        return answer

    def crash(self, when: str) -> None:
        self.counts[when] += 1
        raise DeathError(when)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--functions", type=int, default=8, help="functions at the same time")
    parser.add_argument("--patience", type=float, default=900, help="give up after these seconds")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    pictures = make_pictures(options.pictures)
    # The functions log to stdout; the table alone stays there.
    with contextlib.redirect_stdout(sys.stderr), batch_world.build() as world:
        tally = run(world, pictures, options.functions, options.patience)
    print(table(tally, len(pictures)))
    return 0 if tally.is_exact else 1


def run(world: World, pictures: Mapping[str, bytes], functions: int, patience: float) -> Tally:
    """Uploads everything while the functions work, then counts the results.

    Raises TimeoutError where that takes longer than `patience` seconds.
    """
    settings = batch_world.function_settings()
    services = [cold_start.load(settings) for _ in range(functions)]
    world.proxy.faults = batch_world.frequent_faults()
    started, progress = time.monotonic(), Progress()
    with ThreadPoolExecutor(functions) as pool, progress:
        workers = [
            pool.submit(consume_queue, world, service, progress, seed)
            for seed, service in enumerate(services)
        ]
        upload_all(world, pictures)
        progress.all_put.set()
        for worker in as_completed(workers, timeout=patience - (time.monotonic() - started)):
            worker.result()
    world.counts["seconds"] = round(time.monotonic() - started)
    world.counts["dead letters"] = world.count_dead_letters()
    world.proxy.faults = []
    expected = dict(zip(pictures, embed_alone(services[0], list(pictures.values())), strict=True))
    return count(expected, read_results(world), {**world.counts, **world.proxy.counts})


def upload_all(world: World, pictures: Mapping[str, bytes]) -> None:
    def put(item: tuple[str, bytes]) -> None:
        world.s3.put_object(Bucket=INPUT, Key=item[0], Body=item[1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, pictures.items()))


@dataclass(frozen=True)
class Progress:
    """What the workers must know; as a context manager it stops them at the end."""

    all_put: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()


def consume_queue(world: World, service: Service, progress: Progress, seed: int) -> None:
    """Handles batches from the queue until it stays empty, or the run is stopped."""
    function = CrashingFunction(service, world.counts, random.Random(seed))
    mapping = QueueMapping(world.sqs, world.queue, function)
    while not progress.stopped.is_set():
        if not mapping.deliver():
            if progress.all_put.is_set() and not world.count_waiting():
                return
            time.sleep(1)


def embed_alone(service: Service, pictures: Sequence[bytes]) -> list[Answer]:
    """The expected result of each picture: embedded alone, without S3 or a queue."""
    return [service.embed_pictures([data])[0] for data in pictures]


def read_results(world: World) -> dict[str, list[dict[str, Any]]]:
    """The results of each object, by its key."""
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=OUTPUT)
    names = [row["Key"] for page in pages for row in page.get("Contents", [])]

    def read(name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(
            world.s3.get_object(Bucket=OUTPUT, Key=name)["Body"].read()
        )
        return document

    found: dict[str, list[dict[str, Any]]] = {}
    with ThreadPoolExecutor(4) as pool:
        for document in pool.map(read, names):
            found.setdefault(document["object"]["key"], []).append(document)
    return found


def count(
    expected: Mapping[str, Answer],
    found: Mapping[str, list[dict[str, Any]]],
    counts: Mapping[str, float],
) -> Tally:
    single = {key: found[key][0] for key in expected if len(found.get(key, [])) == 1}
    right = [key for key, document in single.items() if is_right(document, expected[key])]
    return Tally(
        right=right,
        rejected=[key for key in right if "error" in single[key]],
        missing=[key for key in expected if key not in found],
        doubled=[key for key in expected if len(found.get(key, [])) > 1],
        wrong=sorted(set(single) - set(right)),
        strange=[key for key in found if key not in expected],
        counts=counts,
    )


def is_right(document: Mapping[str, Any], answer: Answer) -> bool:
    """Whether a result says what embedding the picture alone says."""
    if isinstance(answer, ApiError):
        return document.get("error", {}).get("code") == answer.code and not document["faces"]
    found = np.array([face["embedding"] for face in document["faces"]])
    expected = np.array([face.embedding for face in answer.faces])
    return found.shape == expected.shape and bool(((found * expected).sum(axis=1) > SAME).all())


def table(tally: Tally, pictures: int) -> str:
    """The tally as Markdown."""
    counts = tally.counts
    rows = {
        "objects put": pictures,
        "notifications": counts["notifications"],
        "messages (some twice or three times)": counts["messages"],
        "deliveries": counts["deliveries"],
        "- of a message that came again": counts["deliveries"] - counts["messages"],
        "invocations": counts["invocations"],
        "- died before the work": counts.get("died before the work", 0),
        "- died before the answer": counts.get("died before the answer", 0),
        "S3 answered 503": counts.get("unavailable", 0),
        "S3 cut a download": counts.get("cut", 0),
        "S3's answer was lost": counts.get("lost-answer", 0),
        "dead letters": counts["dead letters"],
        "**objects with one right result**": len(tally.right),
        "- of these rejected in writing": len(tally.rejected),
        "objects without a result": len(tally.missing),
        "objects with several results": len(tally.doubled),
        "objects with a wrong result": len(tally.wrong),
        "results of no object": len(tally.strange),
        "seconds": counts["seconds"],
    }
    lines = [f"| {name} | {value:,} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---:|", *lines])


if __name__ == "__main__":
    sys.exit(main())
