"""Distances as Rekognition's percentages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.percent import PercentScale, make_scale

RATES = [(0.1, 1.27), (0.01, 1.12), (0.001, 0.99), (0.0001, 0.88), (0.00001, 0.78)]
SCALE = make_scale(0.99, 0.001, RATES, 1.135)


def test_the_promised_points() -> None:
    assert SCALE.percent(0) == 100
    assert SCALE.percent(0.78) == 99
    assert SCALE.percent(0.99) == 80
    assert SCALE.percent(1.135) == 50
    assert SCALE.percent(2) == 0


def test_between_them_it_is_linear_in_the_logarithm_of_the_rate() -> None:
    assert SCALE.percent(0.88) == pytest.approx(89.5)
    halfway = (0.99 + 0.88) / 2  # where the rate is 10 ** -3.5
    assert SCALE.percent(halfway) == pytest.approx((80 + 89.5) / 2)


@pytest.mark.parametrize(
    "scale",
    [
        SCALE,
        make_scale(1.0, None, [], None),
        make_scale(1.0, None, [], 1.2),
        make_scale(1.0, 0.01, RATES, 0.5),
        make_scale(1.12, 0.01, RATES[:2], 1.9),
        make_scale(1.27, 0.1, RATES, 1.4),
        make_scale(0.78, 0.00001, RATES, 1.1),
        make_scale(1.0, 0.01, [(0.01, 1.0), (0.001, 1.0)], 1.0),
        make_scale(2.0, 0.9, [(0.9, 2.0)], None),
    ],
)
@given(st.floats(0, 2), st.floats(0, 2))
def test_it_falls_everywhere_and_80_is_the_default(
    scale: PercentScale, one: float, other: float
) -> None:
    near, wide = sorted((one, other))
    assert 100 >= scale.percent(near) >= scale.percent(wide) >= 0
    assert scale.distance(scale.percent(one)) == pytest.approx(one, abs=1e-6)
    assert any(percent == 80 for _, percent in scale.points)


def test_the_default_is_kept_where_even_odds_are_nearer() -> None:
    assert make_scale(1.12, 0.01, RATES, 0.9).percent(1.12) == 80


def test_without_a_hundredth_of_the_rate_the_strictest_stands_for_99() -> None:
    assert make_scale(0.88, 0.0001, RATES, 1.1).percent(0.78) == 99


@pytest.mark.parametrize("distance", [-1.0, 3.0])
def test_beyond_the_range_the_ends_hold(distance: float) -> None:
    assert SCALE.percent(distance) == (100 if distance < 0 else 0)
