"""Rates against closed forms: random directions, whose cosines have a known distribution."""

import numpy as np
import pytest

from tools.evaluate import rates
from tools.evaluate.people import People
from tools.evaluate.rates import SamePairs
from tools.evaluate.strangers import Strangers, count_all, count_labelled


def sphere(pictures: int, seed: int) -> np.ndarray:
    """Unit vectors spread evenly in three dimensions: a share d^2/4 of pairs is nearer than d."""
    found = np.random.default_rng(seed).normal(size=(pictures, 3)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def counted(vectors: np.ndarray, people: np.ndarray | None = None) -> tuple[Strangers, int]:
    index = np.arange(len(vectors)) if people is None else people
    known = People(index, "made up", complete=True)
    return count_all(vectors, known, np.ones(len(vectors), np.int64)), known.count


SAME = SamePairs(np.array([0.01, 0.05, 0.1, 0.5]), np.array([0, 1, 2, 3]))


def test_thresholds_are_those_of_the_closed_form() -> None:
    strangers, count = counted(sphere(800, 1))
    table = rates.measure_rates(strangers, SAME, count, rounds=50)
    assert [row.far for row in table] == [0.1, 0.01, 0.001, 0.0001]
    for row in table[:3]:
        assert row.threshold == pytest.approx(2 * row.far**0.5, rel=0.06)
        assert row.rate.value <= row.far
        assert row.pairs == pytest.approx(row.far * strangers.total, abs=1)


def test_levels_end_where_fewer_than_ten_pairs_stand_behind_them() -> None:
    assert rates.measured_levels(99) == ()
    assert rates.measured_levels(100) == (0.1,)
    assert rates.measured_levels(2_687_149)[-1] == 1e-5
    assert rates.measured_levels(29_600_000)[-1] == 1e-6


def test_accepted_is_the_share_of_same_pairs_at_the_threshold() -> None:
    strangers, count = counted(sphere(400, 2))
    rows = {row.far: row for row in rates.measure_rates(strangers, SAME, count, rounds=50)}
    assert rows[0.1].accepted.value == 1.0  # threshold 0.63
    assert rows[0.01].accepted.value == 0.75  # threshold 0.2
    assert rows[0.1].accepted.low <= 1.0 <= rows[0.1].accepted.high


def test_intervals_hold_the_true_rate_as_often_as_they_promise() -> None:
    # Given people of four pictures each, nearly the same, so that pairs are far from independent
    threshold, truth, held = 0.5, 0.5**2 / 4, 0
    rounds = 60
    for seed in range(rounds):
        centres = np.repeat(sphere(60, 100 + seed), 4, axis=0)
        strangers, count = counted(centres, np.repeat(np.arange(60), 4))
        interval = rates.rate_at(strangers, threshold, count, rounds=150)
        held += interval.low <= truth <= interval.high
    # Then resampling people covers the truth; resampling pairs would in a third of the cases.
    assert held / rounds >= 0.87


def test_an_interval_is_wider_for_fewer_people_with_as_many_pairs() -> None:
    many, few = sphere(240, 5), np.repeat(sphere(60, 5), 4, axis=0)
    wide, narrow = (
        rates.rate_at(*pair[:1], 0.5, pair[1], rounds=200)
        for pair in (counted(few, np.repeat(np.arange(60), 4)), counted(many))
    )
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


@pytest.mark.parametrize(
    ("allowed", "expected"), [(0, 0.5), (1, 0.8), (2, 1.1), (2.999999999999, 1.25), (4, 2.0)]
)
def test_a_threshold_accepts_no_more_than_is_allowed(allowed: float, expected: float) -> None:
    distances = np.array([0.5, 1.1, 1.1, 1.4])
    found = rates.threshold_of(distances, np.arange(1.0, 5), allowed)
    assert found == pytest.approx(expected)
    assert (distances <= found).sum() <= allowed + 1e-6


def test_a_rate_beyond_the_kept_pairs_comes_from_the_histogram() -> None:
    strangers, count = counted(sphere(300, 6))
    found = rates.rate_at(strangers, 1.4142, count, rounds=20)
    assert found.value == pytest.approx(0.5, abs=0.03)


def test_few_labelled_pairs_give_no_table() -> None:
    known = People(np.arange(4), "labels", complete=False)
    few = count_labelled(
        np.array([1.0, 1.2]), np.array([0, 1]), np.array([2, 3]), known, np.ones(2, np.int64)
    )
    assert rates.measure_rates(few, SAME, 4) == ()


def test_the_curve_runs_from_ten_pairs_to_all() -> None:
    strangers, count = counted(sphere(300, 7))
    curve = rates.det_curve(strangers, SAME, count, rounds=30)
    assert curve.rates[0] == pytest.approx(10 / strangers.total)
    assert curve.missed.shape == (3, len(curve.rates))
    assert np.all(np.diff(curve.missed[0]) <= 1e-12)
    assert (curve.missed[0, 0], curve.missed[0, -1]) == (0.75, 0.0)
