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


def test_results_may_be_written_when_no_new_work_may_begin() -> None:
    deadline = Deadline.of(context(60_000), clock=lambda: 100.0)
    assert deadline.seconds_left() == pytest.approx(57.0)
    assert deadline.seconds_to_write() == pytest.approx(59.7)
    assert Deadline.of(None).seconds_to_write() is None


def test_so_many_works_end_in_time() -> None:
    deadline = Deadline(at=10.0, clock=lambda: 1.0)
    assert [deadline.room_for(each) for each in (2.0, 9.0, 20.0)] == [4, 1, 1]
    assert deadline.room_for(0.0) is None
    assert Deadline.of(None).room_for(2.0) is None
