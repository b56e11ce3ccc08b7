"""The figures of the protocol against cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.evaluate import protocol

# Four same pairs and four different ones; one same pair is far, one different pair is near.
DISTANCES = np.array([0.2, 0.3, 0.4, 1.3, 0.5, 1.1, 1.2, 1.4])
SAME = np.array([True, True, True, True, False, False, False, False])


def test_threshold_comes_from_the_other_folds_and_accuracy_from_this_one() -> None:
    # Given a fold whose own best threshold would be 1.0, and another whose best is 0.5
    distances = np.array([0.9, 1.1, 0.4, 0.6])
    same = np.array([True, False, True, False])
    folds = np.array([1, 1, 2, 2])
    # When each is judged by the other's threshold
    result = protocol.fold_accuracy(distances, same, folds)
    # Then each gets one of its two pairs wrong
    assert result.accuracies == (0.5, 0.5)
    assert result.folds == (1, 2)
    assert 0.16 <= result.squared_thresholds[0] <= 0.36
    assert 0.81 <= result.squared_thresholds[1] <= 1.21


def test_deviation_is_over_folds() -> None:
    result = protocol.FoldAccuracy((1, 2), (1.0, 0.5), (0.0, 0.0))
    assert (result.mean, result.deviation) == (0.75, 0.25)


def test_one_fold_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two folds"):
        protocol.fold_accuracy(DISTANCES, SAME, np.ones(8, np.int64))


def test_row_of_a_fold_is_used_for_that_fold() -> None:
    # Given distances that separate in row 0 (fold 1) and are useless in row 1 (fold 2)
    same = np.array([True, False, True, False])
    rows = np.array([[0.1, 1.5, 0.1, 1.5], [1.5, 0.1, 1.5, 0.1]])
    result = protocol.fold_accuracy(rows, same, np.array([1, 1, 2, 2]))
    assert result.accuracies[0] == 1.0
    assert result.accuracies[1] <= 0.5


def test_best_threshold_is_the_first_of_the_best_steps() -> None:
    assert protocol.best_squared_threshold(DISTANCES, SAME) == pytest.approx(0.16, abs=0.011)


@pytest.mark.parametrize(
    ("threshold", "accuracy"), [(0.1, 0.5), (0.45, 7 / 8), (0.5, 6 / 8), (2.0, 0.5)]
)
def test_pair_at_the_threshold_counts_as_accepted(threshold: float, accuracy: float) -> None:
    assert protocol.accuracy_at(DISTANCES, SAME, threshold) == accuracy


def test_roc_begins_at_nothing_and_ends_at_everything() -> None:
    curve = protocol.roc(DISTANCES, SAME)
    assert (curve.false_accepts[0], curve.true_accepts[0]) == (0.0, 0.0)
    assert (curve.false_accepts[-1], curve.true_accepts[-1]) == (1.0, 1.0)
    assert curve.true_accepts[3] == 0.75
    assert curve.false_accepts[3] == 0.0


def test_area_counts_pairs_in_the_right_order() -> None:
    # Of 16 (same, different) couples, the far same pair loses against three.
    assert protocol.area_under(protocol.roc(DISTANCES, SAME)) == pytest.approx(13 / 16)


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=20),
    st.lists(st.integers(0, 6), min_size=2, max_size=20),
)
def test_area_equals_counting_every_couple_with_ties_as_half(
    near: list[int], far: list[int]
) -> None:
    distances = np.array(near + far, np.float64)
    same = np.array([True] * len(near) + [False] * len(far))
    couples = [(a < b) + 0.5 * (a == b) for a in near for b in far]
    assert protocol.area_under(protocol.roc(distances, same)) == pytest.approx(np.mean(couples))


def test_equal_error_rate_of_a_hand_made_case() -> None:
    # At 0.5: one of four different accepted, one of four same rejected.
    assert protocol.equal_error_rate(protocol.roc(DISTANCES, SAME)) == pytest.approx(0.25)


def test_equal_error_rate_of_perfect_separation_is_zero() -> None:
    distances, same = np.array([0.1, 0.2, 1.1, 1.2]), np.array([True, True, False, False])
    assert protocol.equal_error_rate(protocol.roc(distances, same)) == 0.0


def test_bootstrap_interval_holds_the_value_and_leaves_out_draws_without_a_kind() -> None:
    random = np.random.default_rng(3)
    distances = np.concatenate([random.normal(0.7, 0.2, 300), random.normal(1.3, 0.2, 300)])
    same = np.arange(600) < 300
    draws = [random.integers(0, 3, 600) for _ in range(100)]
    found = protocol.bootstrap(
        lambda d, s: protocol.accuracy_at(d, s, 1.0), distances, same, [same.astype(int), *draws]
    )
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.1
