"""What belongs to one invocation: its id, its time, and what the log will say about it."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from handler.errors import ApiError


class Call:
    """One invocation. The only thing in the handler that changes, and it dies with the call."""

    def __init__(self, context: Any = None, *, kept_ms: float = 0.0) -> None:
        """`kept_ms` of the time that Lambda leaves are not for this work."""
        self.request_id = str(getattr(context, "aws_request_id", None) or uuid.uuid4())
        self.facts: dict[str, Any] = {}
        self._remaining = getattr(context, "get_remaining_time_in_millis", None)
        self._kept_ms = kept_ms
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}

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
        """Milliseconds by stage so far, and `total` since the call began."""
        stages = {stage: round(spent * 1000, 2) for stage, spent in self._stages.items()}
        return {**stages, "total": round((time.perf_counter() - self._started) * 1000, 2)}

    def note(self, **facts: Any) -> None:
        """Facts for the log line of this call; `observability` decides which it prints."""
        self.facts.update(facts)

    def ended(self) -> dict[str, Any]:
        """All facts, and how long it took."""
        timings = self.timings_ms()
        return {**self.facts, "timings_ms": timings, "duration_ms": timings["total"]}

    def remaining_ms(self) -> float:
        """Time left before Lambda stops the function; infinite outside Lambda."""
        if not callable(self._remaining):
            return float("inf")
        return float(self._remaining()) - self._kept_ms

    def require_time(self, reserve_ms: int) -> None:
        """Raises Timeout where less than `reserve_ms` is left: better an answer than a kill."""
        if self.remaining_ms() < reserve_ms:
            raise ApiError(
                "Timeout",
                "The function ran out of time before it was done; try again, or send less.",
                details={"reserve_ms": reserve_ms},
            )
