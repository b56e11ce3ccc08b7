"""Chips, the teacher's embeddings and who is a stranger to whom; a thread that makes batches."""

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

from training.augment import Random, Wear, draw_wear, lightly, move, turn, upright
from training.network import Array

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
HELD_OUT = 600  # chips that are never trained on, besides those that measure groups
HELD_OUT_SEED = 7
READ_AHEAD = 8  # batches
# Nearer pairs of faces without names may show one person twice: UTKFace repeats some.
NEAREST_STRANGER = 0.45
TURNED_GROUPS = 0.12
TWO_WEARS = 0.15


@dataclass(frozen=True)
class Batch:
    """Views of N faces; the first half of them are bad in the same way.

    chips: uint8[N,128,128,3] RGB. targets: float32[N,256] of unit length, what the teacher says of
    the faces as they are. strangers: bool[N,N]. turned: bool[N], views that show nobody.
    """

    chips: Pixels
    targets: Array
    strangers: Bools
    turned: Bools


@dataclass(frozen=True)
class Examples:
    """What there is to learn from.

    chips: uint8[N,120,120,3] RGB as stored. targets: float32[N,256], length 1. people: str[N],
    empty where unknown. measured: bool[N], chips that only measure.
    """

    chips: Pixels
    targets: Array
    people: npt.NDArray[np.str_]
    measured: Bools

    def split(self) -> tuple[Indices, Indices]:
        """Indices to train on and indices held out; the same at every call."""
        free = np.flatnonzero(~self.measured)
        random = np.random.default_rng(HELD_OUT_SEED)
        held_out = random.choice(free, min(HELD_OUT, len(free) // 10), replace=False)
        return np.setdiff1d(free, held_out), np.sort(held_out)

    def strangers(self, rows: Indices) -> Bools:
        """Which of these faces surely show different people: bool[n,n]."""
        people = self.people[rows]
        named = people != ""
        both = named[:, None] & named[None, :]
        cosines = self.targets[rows] @ self.targets[rows].T
        apart: Bools = np.where(
            both, people[:, None] != people[None, :], cosines < NEAREST_STRANGER
        )
        return apart & ~np.eye(len(rows), dtype=bool)

    def calibration(self, count: int, seed: int) -> Pixels:
        """Views to measure ranges on, half of them as good as chips are: uint8[count,128,128,3]."""
        train, _ = self.split()
        random = np.random.default_rng((seed, count))
        rows = random.choice(train, count, replace=False)
        made = [_one(self.chips[row], random, worn=bool(n % 2)) for n, row in enumerate(rows)]
        return np.stack([view for view, _ in made])

    def batches(self, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Endless batches, made ahead by one thread.

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
        per_epoch = max(len(train) // size, 1)
        number = start
        while True:
            epoch, place = divmod(number, per_epoch)
            order = np.random.default_rng((seed, epoch)).permutation(train)
            rows = order[place * size : (place + 1) * size]
            yield self._batch(rows, np.random.default_rng((seed, epoch, place)))
            number += 1

    def _batch(self, rows: Indices, random: Random) -> Batch:
        half = len(rows) // 2
        views, turned = alike([self.chips[row] for row in rows[:half]], random)
        for number, row in enumerate(rows[half:]):
            view, upside_down = _one(self.chips[row], random, worn=bool(number % 2))
            views.append(view)
            turned.append(upside_down)
        return Batch(
            np.stack(views), self.targets[rows], self.strangers(rows), np.array(turned, bool)
        )


def alike(chips: list[Pixels], random: Random) -> tuple[list[Pixels], list[bool]]:
    """Views that are bad in the same way, and whether each is turned away from upright."""
    if random.random() < TURNED_GROUPS:
        quarters = int(random.choice([1, 2, 2, 3]))
        views = [turn(quarters)(move(chip, random), random) for chip in chips]
        return views, [True] * len(chips)
    wears: list[Wear] = [draw_wear(random)]
    if random.random() < TWO_WEARS:
        wears.append(draw_wear(random))
    views = [move(chip, random) for chip in chips]
    for wear in wears:
        views = [wear(view, random) for view in views]
    return views, [False] * len(chips)


def _one(chip: Pixels, random: Random, *, worn: bool) -> tuple[Pixels, bool]:
    """A view of its own: as good pictures are, or bad, seldom turned."""
    view = lightly(move(chip, random), random)
    if not worn:
        return view, False
    if random.random() < TURNED_GROUPS / 2:
        return turn(int(random.choice([1, 2, 2, 3])))(view, random), True
    return draw_wear(random)(view, random), False


def read_rows(folder: Path) -> list[dict[str, str]]:
    """`folder`/chips.csv: chip, source and identity (empty where unknown) of every chip."""
    with (folder / "chips.csv").open() as table:
        return list(csv.DictReader(table))


def measured_chips(folder: Path) -> set[str]:
    """Names of the chips that `folder`/groups.csv keeps for measuring."""
    with (folder / "groups.csv").open() as table:
        return {row["chip"] for row in csv.DictReader(table) if row["use"] == "measure"}


def load_examples(folder: Path, decoded: Path, targets: Path) -> Examples:
    """Chips from `decoded`, read from disk as needed, the teacher's embeddings of them from
    `targets`, float32[N,256] of unit length, and what `folder` says of them."""
    rows = read_rows(folder)
    kept = measured_chips(folder)
    return Examples(
        chips=np.load(decoded, mmap_mode="r"),
        targets=np.load(targets),
        people=np.array([row["identity"] for row in rows]),
        measured=np.array([row["chip"] in kept for row in rows]),
    )


def decode_chips(folder: Path, destination: Path) -> None:
    """Decode `folder`/chips.zip in the order of chips.csv into one .npy, uint8[N,H,W,3] RGB."""
    names = [row["chip"] for row in read_rows(folder)]
    with zipfile.ZipFile(folder / "chips.zip") as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        pictures = [
            decode_chip(archive.read(members[name])) for name in tqdm(names, "decode", unit="chip")
        ]
    partial = destination.with_suffix(".partial.npy")
    np.save(partial, np.stack(pictures))
    partial.replace(destination)


def decode_chip(data: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(pixels, np.uint8)[:, :, ::-1]


def upright_chips(chips: Pixels) -> Pixels:
    """Stored chips in the network's alignment: uint8[N,128,128,3]."""
    return np.stack([upright(chip) for chip in chips])
