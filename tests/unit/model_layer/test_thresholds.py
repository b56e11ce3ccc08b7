"""Rates and thresholds: one is the other's inverse, and neither is invented."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer import FarThreshold, RateNotMeasured, Thresholds


def table(*rows: tuple[float, float]) -> tuple[FarThreshold, ...]:
    return tuple(FarThreshold(far=far, threshold=threshold, pairs=10) for far, threshold in rows)


THRESHOLDS = Thresholds(
    default_far=1e-3, table=table((1e-1, 1.3), (1e-2, 1.2), (1e-3, 1.1), (1e-4, 0.9))
)


@pytest.mark.parametrize(("far", "threshold"), [(1e-1, 1.3), (1e-2, 1.2), (1e-3, 1.1), (1e-4, 0.9)])
def test_a_measured_rate_has_its_own_threshold(far: float, threshold: float) -> None:
    assert THRESHOLDS.threshold_at(far) == pytest.approx(threshold)
    assert THRESHOLDS.far_of(threshold) == pytest.approx(far)


def test_between_two_rates_the_threshold_is_linear_in_the_logarithm() -> None:
    assert THRESHOLDS.threshold_at(math.sqrt(1e-3 * 1e-4)) == pytest.approx(1.0)
    assert THRESHOLDS.threshold_at(10**-1.5) == pytest.approx(1.25)
    assert THRESHOLDS.far_of(1.0) == pytest.approx(10**-3.5)


@given(st.floats(1e-4, 1e-1))
def test_every_rate_inside_comes_back(far: float) -> None:
    assert THRESHOLDS.far_of(THRESHOLDS.threshold_at(far)) == pytest.approx(far, rel=1e-6)


@pytest.mark.parametrize("far", [0.9e-4, 1e-9, 0.2, 1.0, math.nan])
def test_a_rate_that_was_not_measured_is_refused_with_the_lowest(far: float) -> None:
    with pytest.raises(RateNotMeasured, match=r"lowest rate is 0\.0001") as caught:
        THRESHOLDS.threshold_at(far)
    assert (caught.value.details["lowest"], caught.value.details["highest"]) == (1e-4, 1e-1)


@pytest.mark.parametrize("threshold", [0.5, 0.8999, 1.3001, 2.0])
def test_no_rate_stands_behind_a_threshold_outside(threshold: float) -> None:
    assert THRESHOLDS.far_of(threshold) is None


def test_a_model_without_measured_rates_has_its_default_alone() -> None:
    unmeasured = Thresholds(default_far=None, default_threshold=1.1)
    assert unmeasured.default == 1.1
    assert unmeasured.far_of(1.1) is None
    with pytest.raises(RateNotMeasured, match="name a threshold"):
        unmeasured.threshold_at(0.01)


def test_the_default_is_the_threshold_of_its_rate() -> None:
    assert THRESHOLDS.default == pytest.approx(1.1)


@pytest.mark.parametrize(
    "rows", [((1e-2, 1.2), (1e-1, 1.3)), ((1e-1, 1.2), (1e-2, 1.3)), ((1e-1, 1.2), (1e-1, 1.1))]
)
def test_a_table_that_does_not_fall_is_named(rows: tuple[tuple[float, float], ...]) -> None:
    broken = Thresholds(default_far=None, default_threshold=1.0, table=table(*rows))
    assert "does not fall" in next(broken.contradictions())


def test_equal_thresholds_of_two_rates_give_the_higher_rate() -> None:
    flat = Thresholds(default_far=1e-2, table=table((1e-1, 1.2), (1e-2, 1.2), (1e-3, 1.0)))
    assert flat.far_of(1.2) == 1e-1
    assert flat.threshold_at(5e-2) == pytest.approx(1.2)
