"""The training loop: schedule, progress, log and checkpoints."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tools.train import network
from tools.train.augment import centre
from tools.train.data import Examples
from tools.train.student import (
    Measured,
    Student,
    StudentSettings,
    head_outputs,
    pooled_features,
)
from tools.train.weights import Array, Layer, Weights

CHECKPOINT = "checkpoint.npz"
LOG = "log.csv"
CALIBRATION_CHIPS = 512
LOG_EVERY = 25  # steps


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast.

    passes: chips to show in all, counted over resumed runs. rate: peak learning rate, relative to
    the size of each kernel. minutes: stop earlier; the schedule then runs to its end by time.
    """

    passes: int = 400_000
    batch: int = 64
    rate: float = 5e-3
    warm_up: int = 60  # steps
    last_rate: float = 0.01  # of the peak
    minutes: float = math.inf
    checkpoint_minutes: float = 10.0
    seed: int = 0
    student: StudentSettings = field(default_factory=StudentSettings)


@dataclass
class Clock:
    """Where a run stands: steps, and seconds of training over all its resumptions."""

    steps: int = 0
    seconds: float = 0.0

    def progress(self, settings: FitSettings) -> float:
        """0 at the start, 1 at the end of the run."""
        by_passes = self.steps * settings.batch / settings.passes
        return min(max(by_passes, self.seconds / 60 / settings.minutes), 1.0)


def learning_rate(settings: FitSettings, clock: Clock) -> float:
    """Linear warm-up, then half a cosine down to `last_rate` of the peak."""
    warm = min(1.0, (clock.steps + 1) / settings.warm_up)
    falling = 0.5 * (1 + math.cos(math.pi * clock.progress(settings)))
    return settings.rate * warm * (settings.last_rate + (1 - settings.last_rate) * falling)


def fit(start: Weights, examples: Examples, folder: Path, settings: FitSettings) -> Weights:
    """Train from `start`, or go on from `folder`/checkpoint.npz; returns the averaged weights."""
    folder.mkdir(parents=True, exist_ok=True)
    student = Student(start, settings.student, centre(examples.chips[:CALIBRATION_CHIPS]))
    clock = resume(student, folder / CHECKPOINT)
    batches = examples.batches(settings.batch, settings.seed, clock.steps)
    log = Log(folder / LOG)
    saved = begun = time.monotonic()
    before = clock.seconds
    with tqdm(total=100.0, unit="%", bar_format=BAR, initial=100 * clock.progress(settings)) as bar:
        try:
            while clock.progress(settings) < 1:
                rate = learning_rate(settings, clock)
                measured = student.step(next(batches), rate)
                clock.steps += 1
                clock.seconds = before + time.monotonic() - begun
                log.add(clock, settings, rate, measured)
                bar.update(100 * clock.progress(settings) - bar.n)
                bar.set_postfix_str(f"loss {measured.loss:.3f} cosine {measured.cosines[0]:.3f}")
                if time.monotonic() - saved > settings.checkpoint_minutes * 60:
                    save(student, clock, folder / CHECKPOINT)
                    saved = time.monotonic()
        finally:  # also where somebody interrupts it
            save(student, clock, folder / CHECKPOINT)
    return student.averaged()


BAR = "{l_bar}{bar}| {elapsed}, {remaining} left, {postfix}"


def save(student: Student, clock: Clock, path: Path) -> None:
    """Replace the checkpoint in one step, so that an interruption never leaves half of one."""
    partial = path.with_suffix(".partial.npz")
    arrays: dict[str, Any] = student.state()
    np.savez(partial, clock=np.array([clock.steps, clock.seconds]), **arrays)
    partial.replace(path)


def resume(student: Student, path: Path) -> Clock:
    """Take up the checkpoint if there is one. Raises KeyError when it is of another network."""
    if not path.exists():
        return Clock()
    with np.load(path) as arrays:
        student.restore(arrays)
        steps, seconds = arrays["clock"]
    return Clock(int(steps), float(seconds))


class Log:
    """log.csv: means over LOG_EVERY steps, one row each, appended across resumed runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recent: list[Measured] = []

    def add(self, clock: Clock, settings: FitSettings, rate: float, measured: Measured) -> None:
        """Count one step; write a row when enough have come together."""
        self._recent.append(measured)
        if len(self._recent) == LOG_EVERY:
            self._write(self._row(clock, settings, rate))
            self._recent.clear()

    def _row(self, clock: Clock, settings: FitSettings, rate: float) -> dict[str, Any]:
        def mean(value: Callable[[Measured], Any]) -> Array:
            return np.asarray(np.mean([value(each) for each in self._recent], axis=0))

        cosines = mean(lambda each: each.cosines)
        relations = mean(lambda each: each.relations)
        return {
            "step": clock.steps,
            "chips": clock.steps * settings.batch,
            "seconds": round(clock.seconds, 1),
            "rate": f"{rate:.3e}",
            "loss": f"{mean(lambda each: each.loss):.5f}",
            **{f"cosine_{index}": f"{value:.5f}" for index, value in enumerate(cosines)},
            **{f"relation_{index}": f"{value:.6f}" for index, value in enumerate(relations)},
        }

    def _write(self, row: Mapping[str, Any]) -> None:
        new = not self._path.exists()
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


def held_out_cosine(weights: Weights, examples: Examples) -> dict[str, float]:
    """Mean cosine to each teacher over chips that were never trained on."""
    _, held_out = examples.split()
    outputs = head_outputs(weights, centre(examples.chips[held_out]))
    return {
        f"teacher {number}": float((output * target[held_out]).sum(1).mean())
        for number, (output, target) in enumerate(zip(outputs, examples.targets, strict=True), 1)
    }


def fit_heads(
    body: Weights, examples: Examples, random: np.random.Generator, count: int = 16_000
) -> dict[str, Layer]:
    """The student with one linear head per teacher, fitted by least squares on plain chips."""
    train, _ = examples.split()
    rows = random.choice(train, min(count, len(train)), replace=False)
    pooled = pooled_features(body, centre(examples.chips[rows]))
    given = np.concatenate([pooled, np.ones((len(pooled), 1), np.float32)], 1)
    heads = {}
    for index, target in enumerate(examples.targets):
        solution = ridge(given, target[rows])
        heads[f"{network.HEAD}_{index}"] = Layer(solution[:-1], solution[-1])
    return {**body, **heads}


def ridge(given: Array, wanted: Array, strength: float = 0.03) -> Array:
    """Least squares with a penalty of `strength` times the mean energy of the columns."""
    gram = given.T @ given
    penalty = strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram + penalty, given.T @ wanted).astype(np.float32)


def use_bfloat16() -> bool:
    """Let oneDNN compute in bfloat16 where the processor has it; measured twice as fast there."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    able = "avx512_bf16" in flags or "amx_bf16" in flags
    if able and not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
    return able
