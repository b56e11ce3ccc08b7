"""A queue and its function, second by second: arrivals, cold starts, throttling, retries, poison.

Deterministic for a seed. It follows Lambda's documented scaling of queues; what S3, the network and
AWS's own schedulers do beyond that is not in it.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bench.scale import prices

BATCH = 10  # messages an invocation, as in template.yaml
RECEIVES = 5  # then a message is a dead letter


@dataclass(frozen=True)
class Conditions:
    """What arrives and what goes wrong.

    Attributes:
        objects: how many arrive, evenly, within `burst` seconds.
        concurrency: the most functions at once: a quota, or `BatchConcurrency`.
        seconds: of one picture on a warm function.
        cold: seconds that a new environment takes to start.
        duplicated: share of notifications that come twice.
        failing: share of receipts whose message is not done and comes back.
        poison: share of objects that fail at every receipt.
        visibility: seconds until a message that was not done comes back.
    """

    objects: int
    burst: float
    concurrency: int
    seconds: float
    cold: float = 1.0
    duplicated: float = 0.001
    failing: float = 0.001
    poison: float = 0.0001
    visibility: float = 360.0
    batch: int = BATCH
    receives: int = RECEIVES
    ramp: bool = True


@dataclass
class Outcome:
    """What a simulated run came to; ages in seconds, dollars for Lambda and the queue."""

    done: int = 0
    dead: int = 0
    receipts: int = 0
    invocations: int = 0
    cold_starts: int = 0
    busy: float = 0.0  # seconds that were billed
    finished: float = 0.0
    longest_wait: float = 0.0  # from arrival to the first receipt
    ages: list[float] = field(default_factory=list, repr=False)

    @property
    def age(self) -> float:
        """The age within which 95 of 100 objects have their result."""
        return float(np.quantile(self.ages, 0.95)) if self.ages else 0.0

    @property
    def dollars(self) -> float:
        billed = self.busy * prices.MEMORY_MB / 1024 * prices.GB_SECOND
        requests = self.receipts * (1 + 2 / BATCH) * prices.QUEUE_REQUEST
        return billed + self.invocations * prices.INVOCATION + requests


@dataclass(order=True)
class _Message:
    visible: float
    number: int
    arrived: float = field(compare=False)
    poison: bool = field(compare=False)
    receipts: int = field(default=0, compare=False)


def simulate(conditions: Conditions, seed: int = 0) -> Outcome:
    """Runs until the queue is empty."""
    random = np.random.default_rng(seed)
    waiting = deque(_arrivals(conditions, random))
    returned: list[_Message] = []
    working: list[tuple[float, int, list[_Message]]] = []  # (end, number, batch)
    outcome, now, warm, number = Outcome(), 0.0, 0, 0
    while waiting or returned or working:
        while working and working[0][0] <= now:
            _, _, batch = heapq.heappop(working)
            _settle(batch, conditions, random, returned, outcome, now)
        allowed = _allowed(conditions, now)
        while len(working) < allowed and (batch := _receive(waiting, returned, conditions, now)):
            waits = [now - each.arrived for each in batch if not each.receipts]
            outcome.longest_wait = max([outcome.longest_wait, *waits])
            cold = len(working) >= warm
            warm += cold
            seconds = len(batch) * conditions.seconds
            outcome.cold_starts += cold
            outcome.busy += seconds + cold * conditions.cold
            outcome.invocations += 1
            outcome.receipts += len(batch)
            heapq.heappush(working, (now + seconds + cold * conditions.cold, number, batch))
            number += 1
        now = _next(now, waiting, returned, working, len(working) < allowed)
    outcome.finished = now
    return outcome


def _arrivals(conditions: Conditions, random: np.random.Generator) -> Iterator[_Message]:
    times = np.linspace(0, conditions.burst, conditions.objects, endpoint=False)
    twice = random.random(conditions.objects) < conditions.duplicated
    poison = random.random(conditions.objects) < conditions.poison
    for number, time in enumerate(times.tolist()):
        for _ in range(1 + bool(twice[number])):
            yield _Message(time, number, time, bool(poison[number]))


def _allowed(conditions: Conditions, now: float) -> int:
    """Five at first, 300 more a minute, and never more than there may be."""
    if not conditions.ramp:
        return conditions.concurrency
    ramped = prices.QUEUE_START + int(prices.QUEUE_RAMP * now / 60)
    return min(ramped, conditions.concurrency, prices.QUEUE_MOST)


def _receive(
    waiting: deque[_Message], returned: list[_Message], conditions: Conditions, now: float
) -> list[_Message]:
    batch: list[_Message] = []
    while len(batch) < conditions.batch:
        if returned and returned[0].visible <= now:
            batch.append(heapq.heappop(returned))
        elif waiting and waiting[0].visible <= now:
            batch.append(waiting.popleft())
        else:
            break
    return batch


def _settle(
    batch: list[_Message],
    conditions: Conditions,
    random: np.random.Generator,
    returned: list[_Message],
    outcome: Outcome,
    now: float,
) -> None:
    failed = random.random(len(batch)) < conditions.failing
    for message, fails in zip(batch, failed.tolist(), strict=True):
        message.receipts += 1
        if not (fails or message.poison):
            outcome.done += 1
            outcome.ages.append(now - message.arrived)
        elif message.receipts >= conditions.receives:
            outcome.dead += 1
        else:
            message.visible = now + conditions.visibility
            heapq.heappush(returned, message)


def _next(
    now: float,
    waiting: deque[_Message],
    returned: list[_Message],
    working: list[tuple[float, int, list[_Message]]],
    free: bool,
) -> float:
    """When something can happen next; a full fleet waits for its ramp or for somebody to end."""
    times = [working[0][0]] if working else []
    if free:
        times += [messages[0].visible for messages in (waiting, returned) if messages]
    elif waiting or returned:
        times.append(now + 1)  # the ramp
    return max(min(times, default=now), now)
