"""Work stops early enough to answer."""

from types import SimpleNamespace

import pytest

from handler.batch.deadline import Deadline
from handler.invocation import Invocation


def invocation(milliseconds: int) -> Invocation:
    return Invocation(SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds))


@pytest.mark.parametrize(("remaining_ms", "left"), [(60_000, 57.0), (10_000, 9.0), (0, 0.0)])
def test_reserve_is_three_seconds_or_a_tenth(remaining_ms: int, left: float) -> None:
    deadline = Deadline.of(invocation(remaining_ms))
    assert deadline.seconds_left() == pytest.approx(left)


def test_passed_deadline_leaves_no_negative_time() -> None:
    deadline = Deadline(remaining=lambda: -4.0)
    assert deadline.seconds_left() == 0.0
    assert deadline.passes_within(0)


def test_work_that_would_end_after_it_is_seen() -> None:
    deadline = Deadline(remaining=lambda: 5.0)
    assert deadline.passes_within(5.0)
    assert not deadline.passes_within(4.9)


def test_without_a_context_there_is_no_end() -> None:
    deadline = Deadline.of(Invocation())
    assert deadline.seconds_left() is None
    assert not deadline.passes_within(1e9)


def test_results_may_be_written_when_no_new_work_may_begin() -> None:
    deadline = Deadline.of(invocation(60_000))
    assert deadline.seconds_left() == pytest.approx(57.0)
    assert deadline.seconds_to_write() == pytest.approx(59.7)
    assert Deadline.of(Invocation()).seconds_to_write() is None


def test_so_many_works_end_in_time() -> None:
    deadline = Deadline(remaining=lambda: 9.0)
    assert [deadline.room_for(each) for each in (2.0, 9.0, 20.0)] == [4, 1, 1]
    assert deadline.room_for(0.0) is None
    assert Deadline.of(Invocation()).room_for(2.0) is None
