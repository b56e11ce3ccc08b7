"""The logistic map finds what made the data, and its reliability is judged on other folds."""

import numpy as np
import pytest

from tools.evaluate import calibration
from tools.evaluate.calibration import Bin, Logistic


def sample(slope: float, intercept: float, pairs: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    distances = random.uniform(0.3, 1.7, pairs)
    chance = Logistic(slope, intercept).probability(distances)
    return distances, random.uniform(size=pairs) < chance


def test_fit_recovers_the_map_that_made_the_data() -> None:
    fitted = calibration.fit_logistic(*sample(9.0, 10.0))
    assert fitted.slope == pytest.approx(9.0, rel=0.05)
    assert fitted.intercept == pytest.approx(10.0, rel=0.05)


def test_probability_falls_with_distance_and_is_half_at_the_middle() -> None:
    chance = Logistic(10.0, 11.0).probability(np.array([0.2, 1.1, 1.9]))
    assert chance[0] > 0.99
    assert chance[1] == pytest.approx(0.5)
    assert chance[2] < 0.01


def test_perfectly_separated_pairs_still_give_a_finite_rising_map() -> None:
    distances = np.concatenate([np.linspace(0.2, 0.6, 200), np.linspace(1.2, 1.6, 200)])
    fitted = calibration.fit_logistic(distances, np.arange(400) < 200)
    assert 5 < fitted.slope < 100
    assert fitted.probability(np.array([0.4]))[0] > 0.95
    assert fitted.probability(np.array([1.4]))[0] < 0.05


def test_held_out_probabilities_take_the_map_of_their_own_fold() -> None:
    maps = {1: Logistic(10.0, 5.0), 2: Logistic(10.0, 15.0)}
    found = calibration.held_out_probabilities(
        np.array([1.0, 1.0]), np.array([1, 2]), lambda fold: maps[fold]
    )
    assert found == pytest.approx([1 / (1 + np.exp(5)), 1 / (1 + np.exp(-5))])


def test_weights_stand_for_repetitions() -> None:
    distances, same = np.array([0.5, 0.9, 0.8, 1.4]), np.array([True, True, False, False])
    times = np.array([3, 1, 2, 5])
    repeated = calibration.fit_logistic(np.repeat(distances, times), np.repeat(same, times))
    weighted = calibration.fit_logistic(distances, same, times.astype(np.float64))
    assert weighted.slope == pytest.approx(repeated.slope)
    assert weighted.intercept == pytest.approx(repeated.intercept)


def test_even_odds_hold_however_many_strangers_there_are() -> None:
    random = np.random.default_rng(4)
    same, strangers = random.normal(0.8, 0.1, 3000), random.normal(1.2, 0.1, 30_000)
    counts, edges = np.histogram(strangers, np.linspace(0, 2, 2001))
    fitted = calibration.fit_even_odds(same, (edges[1:] + edges[:-1]) / 2, counts)
    # Two normal curves of one width: odds are even halfway, with slope (1.2 - 0.8) / 0.1^2.
    assert fitted.intercept / fitted.slope == pytest.approx(1.0, abs=0.01)
    assert fitted.slope == pytest.approx(40, rel=0.08)


def test_reliability_counts_promises_per_bin_and_leaves_empty_ones_out() -> None:
    table = calibration.reliability(
        np.array([0.05, 0.05, 0.95, 0.95, 1.0]), np.array([False, True, True, True, False])
    )
    assert [(row.low, row.pairs) for row in table] == [(0.0, 2), (0.9, 3)]
    assert [row.observed for row in table] == [0.5, pytest.approx(2 / 3)]
    assert table[1].promised == pytest.approx((0.95 + 0.95 + 1.0) / 3)


def test_calibration_error_weighs_bins_by_their_pairs() -> None:
    table = (Bin(0.0, 0.1, 3, 0.0, 0.1), Bin(0.9, 1.0, 1, 1.0, 0.5))
    assert calibration.expected_calibration_error(table) == pytest.approx((3 * 0.1 + 0.5) / 4)


def test_true_probabilities_have_little_calibration_error() -> None:
    distances, same = sample(9.0, 10.0)
    table = calibration.reliability(Logistic(9.0, 10.0).probability(distances), same)
    assert calibration.expected_calibration_error(table) < 0.015
