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


@dataclass(frozen=True)
class Deadline:
    """A point on the clock after which no new work begins."""

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, context: Any, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """From Lambda's context; without one (a call from a test or a shell) there is no end."""
        remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
        if remaining_ms is None:
            return cls(math.inf, clock)
        remaining = remaining_ms() / 1000
        return cls(clock() + remaining - min(RESERVE_SECONDS, remaining * RESERVE_SHARE), clock)

    def seconds_left(self) -> float | None:
        """Never negative; None, which `wait` takes as for ever, without an end."""
        return None if math.isinf(self.at) else max(0.0, self.at - self.clock())

    def within(self, seconds: float) -> bool:
        """Whether it comes within so many seconds, or has passed."""
        return self.clock() + seconds >= self.at
