"""What is asked for, how arrays move, and runs that are interrupted."""

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from training import fit as fitting
from training.data import Examples
from training.fit import CHECKPOINT, LOG, Clock, FitSettings, Student, fit, learning_rate
from training.losses import LENGTH, MARGIN, terms
from training.optimizer import orthogonalized

BATCH = 4


def vectors(*rows: list[float]) -> Any:
    return tf.constant(np.array(rows, np.float32))


def test_nothing_is_left_to_learn_from_who_answers_as_the_teacher() -> None:
    targets = vectors([1, 0, 0], [0, 1, 0], [0, 0, 1])
    apart = tf.constant(~np.eye(3, dtype=bool))
    found = terms(targets * LENGTH, targets, apart, tf.constant([False] * 3))
    assert float(found.loss()) == pytest.approx(0, abs=1e-5)


def test_strangers_nearer_than_the_margin_are_pushed_apart() -> None:
    near = vectors([1, 0, 0], [0.8, 0.6, 0])
    targets = vectors([1, 0, 0], [0, 1, 0])
    strangers = tf.constant([[False, True], [True, False]])
    turned = tf.constant([True, True])
    found = terms(near, targets, strangers, turned)
    cosines = [0.8, 0.8, 0.0, 0.8]  # to each other twice, to the other's target
    wanted = sum(max(cosine - MARGIN, 0) ** 2 for cosine in cosines) / 2
    assert float(found.strangers) == pytest.approx(wanted, abs=1e-5)
    same = terms(near, targets, tf.zeros((2, 2), tf.bool), turned)
    assert float(same.strangers) == 0


def test_strangers_whom_the_teacher_has_near_may_stay_so_near() -> None:
    targets = vectors([1, 0, 0], [0.8, 0.6, 0])
    strangers = tf.constant([[False, True], [True, False]])
    upright = tf.constant([False, False])
    assert float(terms(targets * LENGTH, targets, strangers, upright).strangers) == 0
    nearer = vectors([1, 0, 0], [0.9, 0.43589, 0])
    assert float(terms(nearer, targets, strangers, upright).strangers) > 0


def test_a_turned_view_asks_only_for_a_short_vector_away_from_strangers() -> None:
    targets = vectors([1, 0], [0, 1])
    outputs = vectors([0, 1], [0, 1]) * LENGTH
    apart = tf.zeros((2, 2), tf.bool)
    found = terms(outputs, targets, apart, tf.constant([True, False]))
    assert float(found.cosine) == pytest.approx(1)
    assert float(found.relation) == 0
    assert float(found.length) == pytest.approx(0.9**2 / 2, abs=1e-4)


@pytest.mark.parametrize("shape", [(5, 5), (4, 9), (9, 4)])
def test_an_orthogonalized_matrix_moves_all_its_directions_alike(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    matrix[:, 0] *= 100
    values = np.linalg.svd(orthogonalized(tf.constant(matrix)).numpy(), compute_uv=False)
    assert values.min() > 0.3
    assert values.max() < 1.4


@pytest.mark.parametrize(("steps", "share"), [(0, 0.05), (19, 1.0), (1000, 0.02)])
def test_the_rate_warms_up_and_falls_to_its_last_value(steps: int, share: float) -> None:
    settings = FitSettings(passes=1000 * 64)
    assert learning_rate(settings, Clock(steps)) == pytest.approx(share * settings.rate, rel=0.01)


def test_a_limit_in_minutes_ends_the_schedule() -> None:
    settings = FitSettings(passes=10**9, minutes=2)
    assert Clock(1, 60).progress(settings) == pytest.approx(0.5)
    assert Clock(1, 121).progress(settings) == 1


def test_an_interrupted_run_goes_on_to_the_same_weights(
    weights: Any, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "LOG_EVERY", 2)
    settings = FitSettings(passes=4 * BATCH, batch=BATCH, warm_up=1, rounded=0)
    whole = fit(weights, examples, tmp_path / "whole", settings)
    step = Student.step

    def interrupted(student: Student, *parts: Any) -> Any:
        if float(student.steps) == 2:
            raise KeyboardInterrupt
        return step(student, *parts)

    monkeypatch.setattr(Student, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(weights, examples, tmp_path / "parts", settings)
    monkeypatch.setattr(Student, "step", step)
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    parts = fit(weights, examples, tmp_path / "parts", settings)
    for name, layer in whole.items():
        np.testing.assert_allclose(parts[name].kernel, layer.kernel, rtol=1e-3, atol=1e-5)
        assert not np.array_equal(layer.kernel, weights[name].kernel), "every layer is trained"
    with (tmp_path / "whole" / LOG).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["chips"] for row in rows] == [str(2 * BATCH), str(4 * BATCH)]


def test_steps_with_rounding_lower_the_loss(
    weights: Any, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "CALIBRATION_CHIPS", 8)
    student = Student(weights)
    fitting.round_activations(student, examples, FitSettings())
    batch = next(itertools.islice(examples.batches(BATCH, 1), 1))
    losses = [student.step(batch, 0.02)["loss"] for _ in range(12)]
    assert student.rounds_activations
    assert losses[-1] < losses[0]
