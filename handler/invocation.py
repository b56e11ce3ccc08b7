"""One invocation: its id, its deadline, and its facts for the log."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from align.errors import AlignError
from handler.errors import ApiError, innermost_frames
from model_layer.errors import ModelError


class Invocation:
    """One invocation: the only mutable object in the handler, made anew for each call."""

    def __init__(self, context: Any = None) -> None:
        """`context` is Lambda's; without one (a test, a shell) the time is unlimited."""
        self.request_id = str(getattr(context, "aws_request_id", None) or uuid.uuid4())
        self.account = _account_of(getattr(context, "invoked_function_arn", None))
        self.facts: dict[str, Any] = {}
        self._remaining = getattr(context, "get_remaining_time_in_millis", None)
        self._kept_ms = 0.0
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}
        self._afterwards: list[Callable[[], None]] = []

    def begin_part(self, reserve_ms: float, request_id: str | None = None) -> "Invocation":
        """A part of this invocation's work, with facts and timings of its own, on the same clock.

        `reserve_ms` of the time left are kept back from this part.
        """
        part = Invocation()
        part.request_id = request_id or self.request_id
        part._remaining = self._remaining
        part._kept_ms = self._kept_ms + reserve_ms
        return part

    def end_within(self, seconds: float) -> None:
        """Ends this many seconds after it began, where Lambda would let it go on for longer."""
        allowed, remaining = self._started + seconds, self._remaining

        def sooner() -> float:
            patience = (allowed - time.perf_counter()) * 1000
            return min(patience, float(remaining())) if callable(remaining) else patience

        self._remaining = sooner

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the time spent inside to `stage` of `timings_ms`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self._stages[stage] = self._stages.get(stage, 0.0) + spent

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage so far, and `total` since the invocation began."""
        stages = {stage: round(spent * 1000, 2) for stage, spent in self._stages.items()}
        return {**stages, "total": round((time.perf_counter() - self._started) * 1000, 2)}

    def note(self, **facts: Any) -> None:
        """Adds facts for the log line; `observability` decides which are printed."""
        self.facts.update(facts)

    def final_facts(self) -> dict[str, Any]:
        """All facts, and how long it took."""
        timings = self.timings_ms()
        return {**self.facts, "timings_ms": timings, "duration_ms": timings["total"]}

    def defer(self, work: Callable[[], None]) -> None:
        """Runs `work` once the answer is ready to be delivered; after an error it is dropped."""
        self._afterwards.append(work)

    def run_deferred(self) -> None:
        """Runs the deferred work."""
        while self._afterwards:
            self._afterwards.pop()()

    def remaining_ms(self) -> float:
        """Time left until Lambda stops the function or its caller gives up; else infinite."""
        if not callable(self._remaining):
            return float("inf")
        return float(self._remaining()) - self._kept_ms

    def require_time(self, reserve_ms: int) -> None:
        """Raises Timeout if less than `reserve_ms` is left, so that the caller gets an answer."""
        if self.remaining_ms() < reserve_ms:
            raise ApiError(
                "Timeout",
                "The function ran out of time; try again, or send fewer or smaller images.",
                details={"reserve_ms": reserve_ms},
            )


def _account_of(arn: Any) -> str | None:
    """The account of `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME`; None outside Lambda."""
    parts = str(arn or "").split(":")
    return parts[4] if len(parts) > 4 and parts[4].isdecimal() else None


def as_api_error(failure: Exception, invocation: Invocation) -> ApiError:
    """`failure` as the caller may see it, noted on `invocation` for its log line."""
    error = _translate(failure)
    invocation.note(code=error.code, status=error.status)
    if error.code == "InternalError":
        cause = failure.__cause__ or failure
        invocation.note(error_type=type(cause).__name__, where=innermost_frames(cause))
    return error


def _translate(failure: Exception) -> ApiError:
    if isinstance(failure, ApiError):
        return failure
    if isinstance(failure, AlignError | ModelError):
        return ApiError.from_library(failure)
    return ApiError.internal()
