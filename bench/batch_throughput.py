"""Pictures per second of one invocation, against one picture after the other.

    python -m bench.batch_throughput --pictures 64 --latency 30

Reads from and writes to Ceph's S3 through a proxy that adds the waiting time of a request to S3,
which loopback does not have. The variants take turns, so that other load affects all of them.
"""

import argparse
import contextlib
import signal
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from bench import batch_world
from bench.batch_pictures import make_pictures
from bench.batch_world import INPUT, OUTPUT, World
from handler import cold_start
from handler.batch.run import Batch, BatchLimits
from handler.batch.service import open_batch
from handler.batch.types import Outcome
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.storage import ObjectReference, StoredObject

Way = Callable[[Batch, Sequence[ObjectReference]], object]


def one_by_one(batch: Batch, references: Sequence[ObjectReference]) -> None:
    """Read, embed, write; then the next."""
    for reference in references:
        picture = read(batch, reference)
        batch.write(reference, picture, batch.embed([picture])[0])


def all_then_all(batch: Batch, references: Sequence[ObjectReference]) -> None:
    """Chips share inference, but nothing overlaps: read a group, embed it, write it."""
    size = batch.limits.group
    for start in range(0, len(references), size):
        group = references[start : start + size]
        pictures = [read(batch, reference) for reference in group]
        answers = batch.embed(pictures)
        for reference, picture, answer in zip(group, pictures, answers, strict=True):
            batch.write(reference, picture, answer)


def read(batch: Batch, reference: ObjectReference) -> StoredObject:
    picture = batch.fetch(reference)
    if isinstance(picture, Outcome):
        raise RuntimeError(f"{picture.code}: {picture.message}")
    return picture


def run_with(limits: BatchLimits) -> Way:
    """The function's own way, with other limits."""
    return lambda batch, references: replace(batch, limits=limits).run(references)


WAYS: Mapping[str, Way] = {
    "one by one": one_by_one,
    "shared inference only": all_then_all,
    "overlap only (groups of 1)": run_with(BatchLimits(group=1)),
    "both (as deployed)": run_with(BatchLimits()),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--side", type=int, default=640, help="longer side in pixels")
    parser.add_argument("--latency", type=float, default=30, help="ms that each request waits")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    with contextlib.redirect_stdout(sys.stderr), batch_world.build() as world:
        seconds = measure(world, options)
    print(table(seconds, options))
    return 0


def measure(world: World, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds that each way took, in each round."""
    references = upload_all(world, make_pictures(options.pictures, options.side))
    service = cold_start.load(batch_world.function_settings())
    world.proxy.latency = options.latency / 1000
    run(service, one_by_one, references[:4], "warm-up")
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(options.rounds):
        for number, (name, way) in enumerate(WAYS.items()):
            prefix = f"results-{turn}-{number}"
            seconds[name].append(run(service, way, references, prefix))
            require_all(world, prefix, len(references))
    return seconds


def upload_all(world: World, pictures: Mapping[str, bytes]) -> list[ObjectReference]:
    put = partial(world.s3.put_object, Bucket=INPUT)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: put(Key=item[0], Body=item[1]), pictures.items()))
    return [ObjectReference(INPUT, key) for key in pictures]


def run(service: Service, way: Way, references: Sequence[ObjectReference], prefix: str) -> float:
    """Seconds of one invocation over all objects, into a prefix of its own."""
    batch = open_batch(service, Invocation())
    batch = replace(batch, output=replace(batch.output, prefix=prefix))
    started = time.perf_counter()
    way(batch, references)
    return time.perf_counter() - started


def require_all(world: World, prefix: str, count: int) -> None:
    """Fails if a variant left an object out."""
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=OUTPUT, Prefix=f"{prefix}/")
    found = sum(page["KeyCount"] for page in pages)
    if found != count:
        raise RuntimeError(f"{prefix}: {found} results of {count}")


def table(seconds: Mapping[str, Sequence[float]], options: argparse.Namespace) -> str:
    """Median of the rounds, as Markdown."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    slowest = medians["one by one"]
    head = f"{options.pictures} pictures of {options.side} px, {options.latency:g} ms per request"
    rows = [
        f"| {name} | {1000 * median / options.pictures:.1f} | {options.pictures / median:.1f} "
        f"| {slowest / median:.2f}x |"
        for name, median in medians.items()
    ]
    title = f"| {head} | ms per picture | pictures per second | |"
    return "\n".join([title, "|---|---:|---:|---:|", *rows])


if __name__ == "__main__":
    sys.exit(main())
