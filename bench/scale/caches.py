"""Which part of the requests a cache answers that keeps each response for a fixed time.

A response is kept from when it was fetched, and a hit does not prolong it. So an object that is requested *rate* times
in a second, at random times, is fetched once in *ttl* + 1 / *rate* seconds:
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from bench.scale.popularity import zipf

PAGE, ANSWER, DAX, STAGE_CACHE = 60, 30, 60, 60
"""Seconds for which MyBlog's pages and API responses, DAX and the stage cache of todo-app keep things: caching.md."""

_OBJECTS = 1000
_REQUESTS = 200_000


def hits(rates: Iterable[float], ttl: float) -> float:
    """Return the part of the requests that a cache answers. *rates* has the requests in a second for each object."""
    rates = list(rates)
    return sum(rate * rate * ttl / (1 + rate * ttl) for rate in rates) / sum(rates)


def requests(shares: Sequence[float], rate: float, count: int, chance: random.Random) -> Iterator[tuple[float, int]]:
    """Yield *count* requests at random times: the second, and the object by its share."""
    now = 0.0
    for wanted in chance.choices(range(len(shares)), shares, k=count):
        now += chance.expovariate(rate)
        yield now, wanted


class Cache:
    """A cache that keeps each response for *ttl* seconds."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._until: dict[int, float] = {}
        self.asked = self.answered = 0

    def get(self, now: float, wanted: int) -> bool:
        """Return whether the cache answers the request at *now*, which is no earlier than the one before."""
        self.asked += 1
        if now < self._until.get(wanted, 0):
            self.answered += 1
            return True
        self._until[wanted] = now + self._ttl
        return False

    @property
    def ratio(self) -> float:
        """Return the part of the requests so far that the cache answered."""
        return self.answered / self.asked if self.asked else 0.0


def behind(rate: float, locations: int) -> tuple[float, float]:
    """Return the part of the requests that the edge answers, and DAX's part of those that reach the API.

    *rate* requests in a second are spread over *locations*, of which each has a cache of its own.
    """
    chance = random.Random(1)  # noqa: S311
    edges, dax = [Cache(ANSWER) for _ in range(locations)], Cache(DAX)
    for now, wanted in requests(zipf(_OBJECTS), rate, _REQUESTS, chance):
        if not chance.choice(edges).get(now, wanted):
            dax.get(now, wanted)
    return sum(edge.answered for edge in edges) / _REQUESTS, dax.ratio


def polled(interval: float, ttl: float) -> float:
    """Return the part that a cache answers of the requests of one client that sends one each *interval* seconds."""
    kept = -(-ttl // interval) - 1  # requests before the response expires
    return kept / (kept + 1)


def show() -> None:
    """Print the parts that the edge, DAX and the stage cache answer."""
    shares = zipf(_OBJECTS)
    print(
        f"\n{_OBJECTS:,} posts by Zipf's law, kept for {ANSWER} s:\n\n"
        "| readers' requests/s | locations | the edge answers | simulated | to the API /s | at most /s | DAX answers |"
        f"\n|--:{'|--:' * 6}|"
    )
    for rate in (1, 10, 100, 1_000, 10_000):
        for locations in (1, 10):
            edge = hits((rate / locations * share for share in shares), ANSWER)
            simulated, dax = behind(rate, locations)
            # At a higher rate the requests of the simulation end before the first responses expire often enough.
            told = [f"{simulated:.1%}", f"{dax:.0%}"] if rate <= _REQUESTS / (20 * ANSWER) else ["", ""]
            print(
                f"| {rate:,} | {locations} | {edge:.1%} | {told[0]} | {rate * (1 - edge):,.1f} "
                f"| {locations * _OBJECTS / ANSWER:,.0f} | {told[1]} |"
            )
    print(
        "\n| one user reads a list every | the stage cache answers | if the user reads at random times |\n|--:|--:|--:|"
    )
    for interval in (5, 6.7, 10, 30, 60, 300):
        print(f"| {interval} s | {polled(interval, STAGE_CACHE):.0%} | {hits([1 / interval], STAGE_CACHE):.0%} |")
