"""How long this invocation may still work."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Time kept back to write what is embedded and to answer; a tenth of the whole where that is less,
# so that a function with a short timeout still gets to work.
RESERVE_SECONDS = 3.0
RESERVE_SHARE = 0.1
ANSWER_SHARE = 0.1  # of that reserve, to answer when all is written


@dataclass(frozen=True)
class Deadline:
    """A point on the clock after which no new work begins, and one when all has to be written.

    reserve: seconds between the first of them and the end of the invocation.
    """

    at: float
    clock: Callable[[], float] = time.monotonic
    end: float = math.inf
    reserve: float = 0.0

    @classmethod
    def of(cls, context: Any, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """From Lambda's context; without one (a call from a test or a shell) there is no end."""
        remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
        if remaining_ms is None:
            return cls(math.inf, clock)
        remaining = remaining_ms() / 1000
        reserve = min(RESERVE_SECONDS, remaining * RESERVE_SHARE)
        now = clock()
        end = now + remaining
        return cls(end - reserve, clock, end - reserve * ANSWER_SHARE, reserve)

    def seconds_left(self) -> float | None:
        """Never negative; None, which `wait` takes as for ever, without an end."""
        return self._until(self.at)

    def seconds_to_write(self) -> float | None:
        """As `seconds_left`, for what is embedded already."""
        return self._until(self.end)

    def room_for(self, seconds: float) -> int | None:
        """How many works of so many seconds each end in time, at least one; None for any."""
        left = self.seconds_left()
        return None if left is None or not seconds else max(1, int(left / seconds))

    def _until(self, moment: float) -> float | None:
        return None if math.isinf(moment) else max(0.0, moment - self.clock())

    def within(self, seconds: float) -> bool:
        """Whether it comes within so many seconds, or has passed."""
        return self.clock() + seconds >= self.at
