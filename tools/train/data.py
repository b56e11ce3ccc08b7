"""Chips and teachers' embeddings, and a thread that augments them into batches."""

from __future__ import annotations

import csv
import queue
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tools.train.augment import augment
from tools.train.morph import Morphs
from tools.train.weights import Array

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
HELD_OUT = 600  # chips that are never trained on
HELD_OUT_SEED = 7
READ_AHEAD = 6  # batches
MADE_SHARE = 0.5  # of a batch, where there are made faces


@dataclass(frozen=True)
class Batch:
    """chips: uint8[N,112,112,3] RGB; targets: per teacher float32[n,D] of unit length.

    A teacher that was not asked about the made faces answers for the first n < N chips only.
    """

    chips: Pixels
    targets: tuple[Array, ...]


@dataclass(frozen=True)
class Examples:
    """What there is to learn from.

    chips: uint8[N,H,W,3] RGB with their margin. targets: per teacher float32[N,D], length 1.
    morphs: made faces. morph_targets: float32[M,D], what the last teacher says of the first M.
    morph_numbers: int64[m], those of the M that are trained on; None for all.
    """

    chips: Pixels
    targets: tuple[Array, ...]
    morphs: Morphs | None = None
    morph_targets: Array | None = None
    morph_numbers: Indices | None = None

    def split(self) -> tuple[Indices, Indices]:
        """Indices to train on and indices held out; the same at every call."""
        count = len(self.chips)
        random = np.random.default_rng(HELD_OUT_SEED)
        held_out = random.choice(count, min(HELD_OUT, count // 10), replace=False)
        return np.setdiff1d(np.arange(count), held_out), held_out

    def batches(self, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Endless augmented batches, made ahead by one thread.

        Batch k is a function of (seed, k): training that resumes at `start` sees what it would
        have seen.
        """
        ready: queue.Queue[Batch | Exception] = queue.Queue(READ_AHEAD)
        arguments = (ready, size, seed, start)
        threading.Thread(target=self._produce, args=arguments, daemon=True).start()
        while True:
            batch = ready.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch

    def _produce(
        self, ready: queue.Queue[Batch | Exception], size: int, seed: int, start: int
    ) -> None:
        try:
            for batch in self._endless(size, seed, start):
                ready.put(batch)
        except Exception as failure:  # whoever waits for a batch has to hear of it
            ready.put(failure)

    def _endless(self, size: int, seed: int, start: int) -> Iterator[Batch]:
        train, _ = self.split()
        made = 0 if self.morph_targets is None else round(size * MADE_SHARE)
        real = size - made
        per_epoch = max(len(train) // real, 1)
        number = start
        while True:
            epoch, place = divmod(number, per_epoch)
            order = np.random.default_rng((seed, epoch)).permutation(train)
            rows = order[place * real : (place + 1) * real]
            numbers = np.arange(number * made, (number + 1) * made)
            yield self._batch(rows, numbers, np.random.default_rng((seed, epoch, place)))
            number += 1

    def _batch(self, rows: Indices, made: Indices, random: np.random.Generator) -> Batch:
        chips = [self.chips[row] for row in rows]
        targets = [target[rows] for target in self.targets]
        if self.morphs is not None and self.morph_targets is not None:
            numbers = made % len(self.morph_targets)
            if self.morph_numbers is not None:
                numbers = self.morph_numbers[made % len(self.morph_numbers)]
            chips += map(self.morphs.make, numbers)
            targets[-1] = np.concatenate([targets[-1], self.morph_targets[numbers]])
        return Batch(np.stack([augment(chip, random) for chip in chips]), tuple(targets))


def read_rows(folder: Path) -> list[dict[str, str]]:
    """`folder`/chips.csv: chip, source and identity (empty where unknown) of every chip."""
    with (folder / "chips.csv").open() as table:
        return list(csv.DictReader(table))


def decode_chips(folder: Path, destination: Path) -> None:
    """Decode `folder`/chips.zip in the order of chips.csv into one .npy, uint8[N,H,W,3] RGB."""
    names = [row["chip"] for row in read_rows(folder)]
    with zipfile.ZipFile(folder / "chips.zip") as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        pictures = [
            _decode(archive.read(members[name])) for name in tqdm(names, "decode", unit="chip")
        ]
    partial = destination.with_suffix(".partial.npy")
    np.save(partial, np.stack(pictures))
    partial.replace(destination)


def _decode(data: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(pixels, np.uint8)[:, :, ::-1]


def load_targets(path: Path) -> Array:
    """A teacher's embeddings in any scale -> float32[N,D] of unit length."""
    raw = np.load(path).astype(np.float32)
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)
