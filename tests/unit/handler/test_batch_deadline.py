"""Work stops early enough to answer."""

from types import SimpleNamespace

import pytest

from handler.batch_deadline import Deadline


def context(milliseconds: int) -> SimpleNamespace:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds)


@pytest.mark.parametrize(("remaining_ms", "left"), [(60_000, 57.0), (10_000, 9.0), (0, 0.0)])
def test_reserve_is_three_seconds_or_a_tenth(remaining_ms: int, left: float) -> None:
    deadline = Deadline.of(context(remaining_ms), clock=lambda: 100.0)
    assert deadline.seconds_left() == pytest.approx(left)


def test_passed_deadline_leaves_no_negative_time() -> None:
    deadline = Deadline(at=1.0, clock=lambda: 5.0)
    assert deadline.seconds_left() == 0.0
    assert deadline.within(0)


def test_work_that_would_end_after_it_is_seen() -> None:
    deadline = Deadline(at=10.0, clock=lambda: 5.0)
    assert deadline.within(5.0)
    assert not deadline.within(4.9)


def test_without_a_context_there_is_no_end() -> None:
    deadline = Deadline.of(None)
    assert deadline.seconds_left() is None
    assert not deadline.within(1e9)
