"""Caches results in the output folder, so that an interrupted run continues where it stopped."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

CHUNK = 64
Arrays = dict[str, NDArray[Any]]


def key_of(**facts: Any) -> str:
    """A short name for everything that a result depends on."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digest_of(*packages: str) -> str:
    """The code and weights of packages, or single files: their change makes kept work stale."""
    root = Path(__file__).resolve().parents[2]
    state = hashlib.sha256()
    for package in packages:
        place = root / package
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.suffix in {".py", ".tflite"} and "models" not in path.relative_to(root).parts:
                state.update(path.read_bytes())
    return state.hexdigest()[:16]


def compute_in_chunks(
    folder: Path,
    total: int,
    label: str,
    make: Callable[[Sequence[int]], Arrays],
    *,
    jobs: int = 1,
) -> Arrays:
    """Arrays of `total` rows, made CHUNK rows at a time and kept as files in `folder`.

    With `jobs` over 1, `make` is called from that many threads at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [range(start, min(start + CHUNK, total)) for start in range(0, total, CHUNK)]
    parts = []
    with (
        tqdm(total=total, desc=label, unit="picture", leave=False) as progress,
        cancel_pending(ThreadPoolExecutor(jobs)) as workers,
    ):
        files = [folder / f"{chunk.start:06d}.npz" for chunk in chunks]
        for part, chunk in zip(
            workers.map(load_or_make, files, chunks, repeat(make)), chunks, strict=True
        ):
            parts.append(part)
            progress.update(len(chunk))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@contextmanager
def cancel_pending(workers: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """Cancels tasks that have not started when the block ends early, as by an interrupt."""
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def load_or_make(
    path: Path, rows: Sequence[int], make: Callable[[Sequence[int]], Arrays]
) -> Arrays:
    """The arrays in `path` for `rows`, made and stored if absent; never half-written."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            arrays: dict[str, Any] = make(rows)
            np.savez(file, **arrays)
        partial.replace(path)
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}
