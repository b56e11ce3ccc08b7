"""How long a batch may still work in its invocation."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from handler.invocation import Invocation

# Time kept back to write what is embedded and to answer; a tenth of the whole where that is less,
# so that a function with a short timeout still gets to work.
RESERVE_SECONDS = 3.0
RESERVE_SHARE = 0.1
ANSWER_SHARE = 0.1  # of that reserve, to answer when all is written


@dataclass(frozen=True)
class Deadline:
    """The moment after which no new work begins, and the one when all has to be written.

    Args:
        remaining: Seconds until Lambda stops the invocation; infinite outside Lambda.
        reserve: Seconds between the first moment and that end.
    """

    remaining: Callable[[], float] = lambda: math.inf
    reserve: float = 0.0

    @classmethod
    def of(cls, invocation: Invocation) -> "Deadline":
        """From the invocation's own clock."""
        whole = invocation.remaining_ms() / 1000
        reserve = 0.0 if math.isinf(whole) else min(RESERVE_SECONDS, whole * RESERVE_SHARE)
        return cls(lambda: invocation.remaining_ms() / 1000, reserve)

    @property
    def reserve_ms(self) -> float:
        return self.reserve * 1000

    def seconds_left(self) -> float | None:
        """Time left to begin work, never negative; None (no timeout) without a deadline."""
        return self._until(self.reserve)

    def seconds_to_write(self) -> float | None:
        """As `seconds_left`, for writing what is already embedded."""
        return self._until(self.reserve * ANSWER_SHARE)

    def seconds_since(self, remaining: float) -> float:
        """Seconds since `self.remaining()` was `remaining`; 0 without an end."""
        return 0.0 if math.isinf(remaining) else remaining - self.remaining()

    def room_for(self, seconds: float) -> int | None:
        """How many tasks of `seconds` each fit in the time left, at least one; None: no limit."""
        left = self.seconds_left()
        return None if left is None or not seconds else max(1, int(left / seconds))

    def passes_within(self, seconds: float) -> bool:
        """Whether the time for new work ends within `seconds`."""
        return self.remaining() - self.reserve <= seconds

    def _until(self, kept: float) -> float | None:
        left = self.remaining() - kept
        return None if math.isinf(left) else max(0.0, left)
