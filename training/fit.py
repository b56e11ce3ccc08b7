"""The training loop: schedule, progress, log and checkpoints."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from training.data import Batch, Examples
from training.losses import Terms, terms
from training.network import DIMENSION, SIZE, Layer, Tensor, Weights, embed
from training.optimizer import Slot
from training.quantize import Bounds, Rounded, measure_bounds

CHECKPOINT = "checkpoint.npz"
LOG = "log.csv"
LOG_EVERY = 10  # steps
CALIBRATION_CHIPS = 192
GRADIENT_LIMIT = 1.0  # global norm
BAR = "{l_bar}{bar}| {elapsed}, {remaining} left, {postfix}"


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast.

    passes: chips to show in all, counted over resumed runs. rate: peak learning rate, relative to
    the size of each array. minutes: stop earlier; the schedule then runs to its end by time.
    rounded: share of the schedule at the end in which activations are rounded too.
    """

    passes: int = 100_000
    batch: int = 64
    rate: float = 5e-3
    warm_up: int = 20  # steps
    last_rate: float = 0.02  # of the peak
    minutes: float = math.inf
    rounded: float = 0.35
    checkpoint_minutes: float = 4.0
    seed: int = 0


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


class Student:
    """The network's variables and one step of training.

    Kernels are rounded from the first step, activations once `round_activations` was called.
    """

    def __init__(self, weights: Weights) -> None:
        self.slopes = {name: layer.slope for name, layer in weights.items()}
        self.slots = {
            f"{name}/{part}": Slot.starting_at(array)
            for name, layer in weights.items()
            for part, array in (("kernel", layer.kernel), ("bias", layer.bias))
        }
        self.steps = tf.Variable(0.0, trainable=False)
        self._step = self._compiled(None)
        self.rounds_activations = False

    def round_activations(self, bounds: Bounds) -> None:
        """From now on."""
        self._step = self._compiled(bounds)
        self.rounds_activations = True

    def step(self, batch: Batch, rate: float) -> dict[str, float]:
        """One batch at relative learning rate `rate`; the terms of the loss before the update."""
        parts = (batch.chips, batch.targets, batch.strangers, batch.turned)
        return {name: float(value) for name, value in self._step(*parts, rate).items()}

    def _compiled(self, bounds: Bounds | None) -> Any:
        signature = [
            tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8),
            tf.TensorSpec([None, DIMENSION], tf.float32),
            tf.TensorSpec([None, None], tf.bool),
            tf.TensorSpec([None], tf.bool),
            tf.TensorSpec([], tf.float32),
        ]

        def train(
            chips: Tensor, targets: Tensor, strangers: Tensor, turned: Tensor, rate: Tensor
        ) -> dict[str, Tensor]:
            with tf.GradientTape() as tape:
                standardized = (tf.cast(chips, tf.float32) - 127.5) / 128.0
                outputs = embed(Rounded(self._layers("value"), bounds), standardized)
                found = terms(outputs, targets, strangers, turned)
                loss = found.loss()
            self._move(tape.gradient(loss, [slot.value for slot in self.slots.values()]), rate)
            return described(loss, found)

        return tf.function(train, input_signature=signature)

    def _move(self, gradients: list[Tensor], rate: Tensor) -> None:
        clipped, _ = tf.clip_by_global_norm(gradients, GRADIENT_LIMIT)
        self.steps.assign_add(1.0)
        for slot, gradient in zip(self.slots.values(), clipped, strict=True):
            slot.step(gradient, rate, self.steps)

    def _layers(self, which: str) -> dict[str, Layer]:
        def variable(name: str, part: str) -> Any:
            return getattr(self.slots[f"{name}/{part}"], which)

        return {
            name: Layer(variable(name, "kernel"), variable(name, "bias"), slope)
            for name, slope in self.slopes.items()
        }

    def averaged(self) -> dict[str, Layer]:
        """The moving average of the weights: what is measured and exported."""
        layers: dict[str, Any] = dict(self._layers("average"))  # of variables, not arrays
        return {
            name: Layer(layer.kernel.numpy(), layer.bias.numpy(), layer.slope)
            for name, layer in layers.items()
        }

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs and cannot make again, as named arrays."""
        return {key: variable.numpy() for key, variable in self._variables()}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Take up a `state`. Raises KeyError or ValueError when it is of another network."""
        for key, variable in self._variables():
            variable.assign(arrays[key])

    def _variables(self) -> Iterator[tuple[str, tf.Variable]]:
        yield "steps", self.steps
        for name, slot in self.slots.items():
            for part in ("value", "first", "second", "average"):
                yield f"{part}/{name}", getattr(slot, part)


def described(loss: Tensor, found: Terms) -> dict[str, Tensor]:
    """The row of a log."""
    return {"loss": loss, **vars(found)}


def fit(start: Weights, examples: Examples, folder: Path, settings: FitSettings) -> Weights:
    """Train from `start`, or go on from `folder`/checkpoint.npz; returns the averaged weights."""
    folder.mkdir(parents=True, exist_ok=True)
    student = Student(start)
    clock = resume(student, folder / CHECKPOINT)
    batches = examples.batches(settings.batch, settings.seed, clock.steps)
    log = Log(folder / LOG)
    saved = begun = time.monotonic()
    before = clock.seconds
    with tqdm(total=100.0, unit="%", bar_format=BAR, initial=100 * clock.progress(settings)) as bar:
        try:
            while clock.progress(settings) < 1:
                if clock.progress(settings) > 1 - settings.rounded:
                    round_activations(student, examples, settings)
                rate = learning_rate(settings, clock)
                measured = student.step(next(batches), rate)
                clock.steps += 1
                clock.seconds = before + time.monotonic() - begun
                log.add(clock, settings, rate, measured)
                bar.update(100 * clock.progress(settings) - bar.n)
                bar.set_postfix_str(f"loss {measured['loss']:.3f} cosine {measured['cosine']:.3f}")
                if time.monotonic() - saved > settings.checkpoint_minutes * 60:
                    save(student, clock, folder / CHECKPOINT)
                    saved = time.monotonic()
        finally:  # also where somebody interrupts it
            save(student, clock, folder / CHECKPOINT)
    return student.averaged()


def round_activations(student: Student, examples: Examples, settings: FitSettings) -> None:
    """Measure ranges with the weights as they are, once."""
    if student.rounds_activations:
        return
    views = examples.calibration(CALIBRATION_CHIPS, settings.seed)
    standardized = (views.astype(np.float32) - np.float32(127.5)) / np.float32(128)
    student.round_activations(measure_bounds(student.averaged(), standardized))


def save(student: Student, clock: Clock, path: Path) -> None:
    """Replace the checkpoint in one step, so that an interruption never leaves half of one."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, clock=np.array([clock.steps, clock.seconds]), **student.state())
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
        self._recent: list[dict[str, float]] = []

    def add(
        self, clock: Clock, settings: FitSettings, rate: float, measured: dict[str, float]
    ) -> None:
        """Count one step; write a row when enough have come together."""
        self._recent.append(measured)
        if len(self._recent) == LOG_EVERY:
            means = {key: np.mean([each[key] for each in self._recent]) for key in measured}
            self._write(
                {
                    "step": clock.steps,
                    "chips": clock.steps * settings.batch,
                    "seconds": round(clock.seconds, 1),
                    "rate": f"{rate:.3e}",
                    **{key: f"{value:.5f}" for key, value in means.items()},
                }
            )
            self._recent.clear()

    def _write(self, row: Mapping[str, Any]) -> None:
        new = not self._path.exists()
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
