"""How many executions of a function run at once, and how many requests Lambda refuses.

On average, rate x duration executions run at once (Little's law). Requests that come at random times need more from
time to time, and those of a burst at the same time. Lambda does not queue the requests of an API: it refuses those for
which the account has no concurrency left. A new execution environment needs some time before its first request. Lambda
makes at most 1,000 of a function in 10 seconds:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

NEW, DEFAULT = 10, 1000
"""Concurrent executions of a new account, and the default quota."""

PER_EXECUTION = 10
"""Requests in a second that Lambda takes for each concurrent execution, however short they are.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_AT_ONCE, _PER_SECOND = 1000, 100
"""Environments that Lambda makes of one function at once, and those that it adds to this in a second."""

_COLD = 1.0
"""Seconds that a new environment needs: an assumption."""

_REQUESTS = 60_000


def erlang_b(servers: int, load: float) -> float:
    """Return the part that is refused of requests at random times, of which *load* run at once on average.

    https://en.wikipedia.org/wiki/Erlang_(unit)#Erlang_B_formula
    """
    refused = 1.0
    for server in range(1, servers + 1):
        refused = load * refused / (server + load * refused)
    return refused


def arrivals(rate: float, count: int, chance: random.Random, burst: int = 1, start: float = 0) -> Iterator[float]:
    """Yield the seconds of *count* requests from *start* on, in bursts of *burst* at random times."""
    now = start
    for _ in range(count // burst):
        now += chance.expovariate(rate / burst)
        for _ in range(burst):
            yield now


@dataclass
class Outcome:
    """When requests came and were refused, in seconds; the executions that each found; and the new environments."""

    asked: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    made: int = 0

    def part_refused(self, since: float = 0, until: float = inf) -> float:
        """Return the part that is refused of the requests in this time."""
        refused, asked = (sum(since <= time < until for time in times) for times in (self.refused, self.asked))
        return refused / asked

    def percentile(self, percent: float) -> int:
        """Return the executions that a request found at most, for *percent* of the requests."""
        return sorted(self.found)[int(len(self.found) * percent / 100)]


def play(
    times: Iterable[float], duration: float, limit: int, chance: random.Random, cold: float = 0, warm: int | None = None
) -> Outcome:
    """Let a function answer requests at *times*, in seconds, in order; each runs for *duration* on average.

    At most *limit* run at once. *warm* environments exist already, by default *limit*. Durations are exponential, which
    is worse than most functions. The formula of Erlang needs only their average.
    """
    busy: list[float] = []
    idle = limit if warm is None else warm
    tokens, filled, outcome = float(_AT_ONCE), 0.0, Outcome()
    for now in times:
        while busy and busy[0] <= now:
            heappop(busy)
            idle += 1
        tokens, filled = min(_AT_ONCE, tokens + (now - filled) * _PER_SECOND), now
        outcome.asked.append(now)
        outcome.found.append(len(busy))
        seconds = chance.expovariate(1 / duration)
        if idle:
            idle -= 1
        elif len(busy) < limit and tokens >= 1:
            tokens -= 1
            outcome.made += 1
            seconds += cold
        else:
            outcome.refused.append(now)
            continue
        heappush(busy, now + seconds)
    return outcome


def show() -> None:
    """Print what is refused by rate, duration and bursts, and what happens when a crowd comes at once."""
    print(
        "\n| concurrency | requests/s | ms | at once | p99 | refused | by Erlang | in bursts of 5 | of 20 |"
        f"\n|--:{'|--:' * 8}|"
    )
    for limit, rates in ((NEW, (50, 80, 100)), (DEFAULT, (500, 3_000, 8_000))):
        for rate in rates:
            for ms in (30, 100, 300):
                _row(limit, rate, ms / 1000)
    print(
        f"\nA crowd comes to a function without environments, which need {_COLD:g} s each; 100 ms a request, "
        f"{DEFAULT:,} executions:\n\n"
        "| requests/s | new environments | refused in second 1 | in second 2 | in second 4 |\n|--:|--:|--:|--:|--:|"
    )
    for rate in (200, 500, 1_000, 2_000, 5_000):
        chance = random.Random(1)  # noqa: S311
        outcome = play(arrivals(rate, rate * 5, chance), 0.1, DEFAULT, chance, _COLD, warm=0)
        parts = " | ".join(f"{outcome.part_refused(second - 1, second):.0%}" for second in (1, 2, 4))
        print(f"| {rate:,} | {outcome.made:,} | {parts} |")


def _row(limit: int, rate: int, duration: float) -> None:
    plain = _played(limit, rate, duration, 1)
    unlimited = _played(10**6, rate, duration, 1)
    bursts = " | ".join(f"{_played(limit, rate, duration, burst).part_refused():.1%}" for burst in (5, 20))
    print(
        f"| {limit:,} | {rate:,} | {duration * 1000:.0f} | {rate * duration:,.0f} | {unlimited.percentile(99):,} "
        f"| {plain.part_refused():.1%} | {erlang_b(limit, rate * duration):.1%} | {bursts} |"
    )


def _played(limit: int, rate: int, duration: float, burst: int) -> Outcome:
    chance = random.Random(1)  # noqa: S311
    return play(arrivals(rate, _REQUESTS, chance, burst), duration, limit, chance)
