"""Pictures per second of one invocation, against the limit and against one picture at a time.

    python -m bench.batch_throughput --pictures 64 --latency 30

Reads from and writes to Ceph's S3 through a proxy that adds the waiting time of a request to S3,
which loopback does not have. The function has one processor to itself; Ceph and the proxy run on
the others. The limit is what that processor does where the pictures are in memory: decoding and
networks alone. The variants take turns, so that other load affects all of them.
"""

import argparse
import contextlib
import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection

from bench import batch_world
from bench.batch_pictures import make_pictures
from bench.batch_world import INPUT, OUTPUT, World
from bench.speed.report import machine_and_date
from fixtures.servers import connection, fault_proxy
from handler import cold_start
from handler.batch.run import Batch, BatchLimits
from handler.batch.service import open_batch
from handler.batch.types import Outcome
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.storage.types import ObjectReference, StoredObject

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


LIMIT, DEPLOYED = "the limit: decoding and networks", "both (as deployed)"
WAYS: Mapping[str, Way] = {
    "one by one": one_by_one,
    "shared inference only": all_then_all,
    "overlap only (groups of 1)": run_with(BatchLimits(group=1)),
    DEPLOYED: run_with(BatchLimits()),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--side", type=int, default=640, help="longer side in pixels")
    parser.add_argument("--latency", type=float, default=30, help="ms that each request waits")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    machine = machine_and_date()
    with contextlib.redirect_stdout(sys.stderr), batch_world.build() as world:
        seconds = measure(world, options)
    print(table(seconds, options), machine, sep="\n\n")
    return 0


def measure(world: World, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds that each way took, in each round."""
    pictures = make_pictures(options.pictures, options.side)
    references = upload_all(world, pictures)
    with slow_proxy(world, options.latency / 1000):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # of this thread and its later ones
        service = cold_start.load(batch_world.function_settings())
        run(service, one_by_one, references[:4], "warm-up")
        seconds: dict[str, list[float]] = {name: [] for name in (LIMIT, *WAYS)}
        for turn in range(options.rounds):
            seconds[LIMIT].append(embed_from_memory(service, list(pictures.values())))
            for number, (name, way) in enumerate(WAYS.items()):
                prefix = f"results-{turn}-{number}"
                seconds[name].append(run(service, way, references, prefix))
                require_all(world, prefix, len(references))
    return seconds


@contextlib.contextmanager
def slow_proxy(world: World, latency: float) -> Iterator[None]:
    """The function's S3 client goes through a proxy in a process of its own meanwhile."""
    ours, theirs = multiprocessing.Pipe()
    arguments = (world.gateway.port, latency, theirs)
    process = multiprocessing.get_context("spawn").Process(target=serve_proxy, args=arguments)
    process.start()
    try:
        connection.use(ours.recv(), world.account)
        yield
    finally:
        ours.send("stop")
        process.join()


def serve_proxy(port: int, latency: float, pipe: Connection) -> None:
    """Off the function's processor, where there is another one, until the pipe says stop."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors - {min(processors)} or processors)
    with fault_proxy.running(port) as proxy:
        proxy.latency = latency
        pipe.send(proxy.url)
        pipe.recv()


def embed_from_memory(service: Service, pictures: Sequence[bytes]) -> float:
    """Seconds for the same pictures in the same groups, without S3 and without results."""
    size = BatchLimits().group
    started = time.perf_counter()
    for start in range(0, len(pictures), size):
        service.embed_pictures(pictures[start : start + size])
    return time.perf_counter() - started


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
        f"| {slowest / median:.2f}x | {medians[LIMIT] / median:.0%} |"
        for name, median in medians.items()
    ]
    title = f"| {head} | ms per picture | pictures per second | | of the limit |"
    return "\n".join([title, "|---|---:|---:|---:|---:|", *rows])


if __name__ == "__main__":
    sys.exit(main())
