"""The embedded engine at many faces, with faiss beside it: enrol, load, search, memory.

    python -m bench.search                 100,000 faces of 20,000 persons, 256 numbers each
    python -m bench.search --faces 10000

Faces are random directions in clusters; a search's time does not depend on where they point. The
truth is a folder. faiss-cpu (group `search-bench`) searches the same vectors, exactly
(IndexFlatL2), without truth, persons or scores; its line says so where it is not installed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import need

FACES_EACH = 5
BATCH = 500
PROBES = 50
SEED = 1
CONTRACT = "bench@000000000000"


def vectors(faces: int, dimension: int) -> NDArray[np.float32]:
    """float32 [N,D] of unit length, in clusters of FACES_EACH."""
    random = np.random.default_rng(SEED)
    centres = random.normal(size=(-(-faces // FACES_EACH), dimension))
    spread = random.normal(size=(faces, dimension)) * 0.6
    made = np.repeat(centres, FACES_EACH, axis=0)[:faces] + spread
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def enrol(folder: Path, faces: int, dimension: int) -> dict[str, float]:
    from handler.search import names
    from handler.search.types import Face

    collection = collections(folder).create("bench", CONTRACT, dimension)
    every = vectors(faces, dimension)
    started = time.perf_counter()
    for start in range(0, faces, BATCH):
        batch = []
        for row in range(start, min(start + BATCH, faces)):
            person = f"person {row // FACES_EACH}"
            group = names.person_group(person)
            identifier = names.face_id(group, str(row), CONTRACT)
            batch.append(Face(names.face_key(group, identifier), every[row], person))
        collection.add(batch)
    return {"rate": faces / (time.perf_counter() - started)}


def search(folder: Path, faces: int, dimension: int) -> dict[str, float]:
    from handler.search.find import candidates

    before = memory()
    collection = collections(folder).open("bench")
    started = time.perf_counter()
    collection.gallery()
    load, held = time.perf_counter() - started, memory() - before
    probes = vectors(faces, dimension)[:: faces // PROBES][:PROBES]
    every = [timed(partial(candidates, collection, probe[None], 10, "mean"))
             for probe in probes]  # fmt: skip
    core = [timed(partial(collection.index._nearest, probe, 10))
            for probe in probes]  # fmt: skip
    return {"load": load, "search": median(every), "core": median(core),
            "memory": held}  # fmt: skip


def faiss(_folder: Path, faces: int, dimension: int) -> dict[str, float]:
    library = need("faiss", "search")

    library.omp_set_num_threads(1)
    every = vectors(faces, dimension)
    before = memory()
    index = library.IndexFlatL2(dimension)
    started = time.perf_counter()
    index.add(every)
    load, held = time.perf_counter() - started, memory() - before
    probes = every[:: faces // PROBES][:PROBES]
    each = [timed(partial(index.search, probe[None], 50)) for probe in probes]
    return {"load": load, "search": median(each), "core": median(each),
            "memory": held}  # fmt: skip


def collections(folder: Path) -> Any:
    from handler.search.catalog import Collections
    from handler.search.index_memory import MemoryIndex
    from handler.search.truth import FolderTruth

    return Collections(FolderTruth(folder), MemoryIndex)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(values: Sequence[float]) -> float:
    return float(np.median(values))


def memory() -> float:
    """The memory that this process has now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


STEPS: dict[str, Callable[[Path, int, int], dict[str, float]]] = {
    "enrol": enrol,
    "search": search,
    "faiss": faiss,
}


def in_a_process(step: str, folder: str, options: argparse.Namespace) -> dict[str, float] | None:
    """One step in a process of its own; None where its package is missing."""
    command = [sys.executable, "-m", "bench.search", "--step", step, "--folder", folder,
               "--faces", str(options.faces), "--dimension", str(options.dimension)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named 'faiss'" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.search")
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step = STEPS[options.step]
        print(json.dumps(step(Path(options.folder), options.faces, options.dimension)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rate = in_a_process("enrol", folder, options)
        ours = in_a_process("search", folder, options)
        beside = in_a_process("faiss", folder, options)
    assert rate is not None
    print(f"{options.faces:,} faces, {options.dimension} numbers each, one thread\n")
    print(f"enrolled at {rate['rate']:,.0f} faces/s (truth in a folder, batches of {BATCH})\n")
    print("| engine | load s | search ms | of it in the matrix, ms | memory MB |")
    print("|---|---|---|---|---|")
    for name, measured in (("embedded", ours), ("faiss IndexFlatL2", beside)):
        print(f"| {name} | {row(measured)} |")


def row(measured: dict[str, float] | None) -> str:
    if measured is None:
        return "not installed | | | "
    return (
        f"{measured['load']:.1f} | {measured['search'] * 1000:.1f} | "
        f"{measured['core'] * 1000:.1f} | {measured['memory']:.0f}"
    )


if __name__ == "__main__":
    main()
